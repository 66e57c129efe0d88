/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The normal form: variables and includes are gone, lists are sorted and
 * merged, clauses stand in one order, and defaults are left out. Printed from
 * the tables; it loads to the same tables.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "text/memory_file.h"
#include "text/names.h"
#include "policy/ast.h"
#include "policy/condition.h"
#include "policy/effect.h"
#include "policy/limit.h"
#include "policy/own.h"
#include "policy/print.h"
#include "policy/protect.h"
#include "policy/rule.h"
#include "policy/sets.h"
#include "policy/settings.h"
#include "policy/value.h"

#define LINE_WIDTH 100U

/* --- entries --- */

static void number_text(const struct ks_range *range, char *buf, size_t size)
{
	if (range->lo[1] == range->hi[1])
		snprintf(buf, size, "%llu", range->lo[1]);
	else
		snprintf(buf, size, "%llu-%llu", range->lo[1], range->hi[1]);
}

/* Writes the entries of a list with commas between them; breaks lines if `wrap`. */
struct writer {
	FILE *out;
	bool wrap;
	const char *before; /* each range; NULL for nothing */
	size_t column;
	size_t count;
};

static void write_entry(struct writer *w, const char *text)
{
	size_t length = strlen(text);

	if (w->count++) {
		bool fresh = w->wrap && w->column + length > LINE_WIDTH;

		fputs(fresh ? ",\n\t" : ", ", w->out);
		w->column = fresh ? 8 : w->column + 2;
	}
	fputs(text, w->out);
	w->column += length;
}

static void write_ranges(struct writer *w, const struct ks_range *ranges, size_t count, bool ports, unsigned family)
{
	char buf[2 * KS_ADDR_TEXT + 8], entry[sizeof(buf) + 8];

	for (size_t i = 0; i < count; i++) {
		if (ports)
			number_text(&ranges[i], buf, sizeof(buf));
		else
			ks_range_text(&ranges[i], family, buf, sizeof(buf));
		snprintf(entry, sizeof(entry), "%s%s", w->before ? w->before : "", buf);
		write_entry(w, entry);
	}
}

void ks_print_quoted(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

/* --- rules --- */

static void rule_zones(bool has, const char *keyword, const struct ks_names *names, __u64 mask, FILE *out)
{
	struct writer w = { .out = out };
	__u64 done = 0, named = names->negated ? ~mask : mask;

	if (!has || mask == KS_ZONES_ANY)
		return;
	fprintf(out, " %s %s%s", keyword, names->negated ? "not " : "", named & (named - 1) ? "{ " : "");
	for (size_t i = 0; i < names->count; i++) {
		__u64 bit = names->list[i].bit;

		if (!(done & bit))
			write_entry(&w, names->list[i].text);
		done |= bit;
	}
	fputs(named & (named - 1) ? " }" : "", out);
}

/* Writes the sets that a list names, each once, or only counts them without a writer. */
static size_t write_sets(struct ks_ast *ast, const struct ks_items *items, bool negated, struct writer *w)
{
	char name[KS_NAME_MAX + 6];
	size_t count = 0;

	ast->stamp++;
	for (size_t i = 0; i < items->count; i++) {
		if (items->list[i].negated != negated || !ks_ast_take_set(ast, &items->list[i]))
			continue;
		count++;
		snprintf(name, sizeof(name), "%s@%s", negated ? "not " : "", items->list[i].set);
		if (w)
			write_entry(w, name);
	}
	return count;
}

/* Writes the entries that are meant, or those that are taken away, each behind `not`; counts them only without a writer. */
static int write_items(struct ks_ast *ast, const struct ks_items *items, bool negated, bool ports, struct writer *w,
		       size_t *count)
{
	ks_auto_merged struct ks_merged merged = { 0 };

	if (ks_items_merge_part(ast, items, negated, &merged))
		return -ENOMEM;
	*count += write_sets(ast, items, negated, w) + merged.count4 + merged.count6;
	if (!w)
		return 0;
	w->before = negated ? "not " : "";
	write_ranges(w, merged.ranges, merged.count4, ports, KS_IPV4);
	write_ranges(w, merged.ranges + merged.count4, merged.count6, ports, KS_IPV6);
	return 0;
}

static int rule_match(struct ks_ast *ast, const struct ks_match *match, const char *keyword, bool ports, FILE *out)
{
	struct writer w = { .out = out };
	size_t count = 0, written = 0;
	int err = 0;

	if (!match->present)
		return 0;
	if (match->address_of.text) {
		fprintf(out, " %s%s ", keyword, match->negated ? " not" : "");
		ks_print_own(match, out);
		return 0;
	}
	for (int negated = 0; !err && negated < 2; negated++)
		err = write_items(ast, &match->items, negated, ports, NULL, &count);
	fprintf(out, " %s%s%s", keyword, match->negated ? " not" : "", count > 1 ? " { " : " ");
	for (int negated = 0; !err && negated < 2; negated++)
		err = write_items(ast, &match->items, negated, ports, &w, &written);
	fputs(count > 1 ? " }" : "", out);
	return err;
}

static bool proto_has_word(unsigned proto)
{
	return proto == KS_PROTO_TCP || proto == KS_PROTO_UDP || proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/* "tcp", "proto gre", "{ tcp, udp }". */
static void rule_protos(const struct ks_ast_rule *rule, FILE *out)
{
	struct writer w = { .out = out };
	char buf[8];

	if (!rule->proto_count)
		return;
	if (rule->proto_count > 1)
		fputs(" { ", out);
	else
		fputs(proto_has_word(rule->protos[0]) ? " " : " proto ", out);
	for (size_t i = 0; i < rule->proto_count; i++)
		write_entry(&w, ks_proto_name(rule->protos[i], buf, sizeof(buf)));
	fputs(rule->proto_count > 1 ? " }" : "", out);
}

static void rule_types(const struct ks_ast_rule *rule, FILE *out)
{
	struct writer w = { .out = out };
	char buf[96];

	if (!rule->has_types)
		return;
	fputs(rule->type_count > 1 ? " type { " : " type ", out);
	for (size_t i = 0; i < rule->type_count; i++) {
		const struct ks_icmp_item *item = &rule->types[i];
		int used = item->name ? snprintf(buf, sizeof(buf), "%s", item->name)
				      : snprintf(buf, sizeof(buf), "%d", item->type);

		if (item->code >= 0)
			snprintf(buf + used, sizeof(buf) - (size_t)used, " code %d", item->code);
		write_entry(&w, buf);
	}
	fputs(rule->type_count > 1 ? " }" : "", out);
}

/* Prints "{ a, b }", or one target alone. */
static void print_targets(const struct ks_ast_target *targets, size_t count, FILE *out)
{
	struct writer w = { .out = out };
	char buf[2 * KS_ADDR_TEXT + 8];

	fputs(count > 1 ? "{ " : "", out);
	for (size_t i = 0; i < count; i++) {
		ks_range_text(&targets[i].range, targets[i].family, buf, sizeof(buf));
		write_entry(&w, buf);
	}
	fputs(count > 1 ? " }" : "", out);
}

static void print_target_port(const struct ks_ast_rule *rule, FILE *out)
{
	const struct ks_ast_translation *translation = &rule->translation;

	if (!(translation->flags & KS_TARGET_PORTS))
		return;
	fprintf(out, " port %u", translation->port_lo);
	if (translation->port_hi != translation->port_lo)
		fprintf(out, "-%u", translation->port_hi);
}

static void rule_translation(const struct ks_ast_rule *rule, FILE *out)
{
	const struct ks_ast_translation *translation = &rule->translation;

	if (!translation->present)
		return;
	if (translation->kind == KS_TARGET_MASQUERADE)
		fputs(" masquerade", out);
	else if (translation->kind == KS_TARGET_EXEMPT)
		fputs(" exempt", out);
	else
		fputs(" to ", out);
	if (translation->kind == KS_TARGET_SELF)
		fputs("self", out);
	if (translation->zone.text)
		fprintf(out, "%s ", translation->zone.text);
	print_targets(translation->targets, translation->target_count, out);
	print_target_port(rule, out);
	if (translation->flags & KS_TARGET_EIM)
		fputs(" endpoint-independent", out);
	if (translation->flags & KS_TARGET_ADF)
		fputs(" filtering address-dependent", out);
	if (translation->flags & KS_TARGET_RANDOM)
		fputs(" random-port", out);
}

static void rule_binat(const struct ks_ast_rule *rule, FILE *out)
{
	const struct ks_ast_translation *translation = &rule->translation;

	fputs(ks_statement_name(rule->statement), out);
	fputc(' ', out);
	if (translation->zone.text)
		fprintf(out, "%s ", translation->zone.text);
	print_targets(translation->targets, 1, out);
	fputs(" to ", out);
	print_targets(translation->targets + 1, 1, out);
	rule_zones(true, "on", &rule->to, rule->to_zones, out);
}

/* Prints the word, or words, that a rule begins with. */
static void rule_head(const struct ks_ast_rule *rule, FILE *out)
{
	struct writer w = { .out = out };

	if (rule->statement == KS_STATEMENT_RULE) {
		fputs(rule->staged ? "staged " : "", out);
		fputs(ks_action_name(rule->action), out);
		return;
	}
	fputs(ks_statement_name(rule->statement), out);
	if (!rule->helper_count)
		return;
	fputs(rule->helper_count > 1 ? " { " : " ", out);
	for (size_t i = 0; i < rule->helper_count; i++)
		write_entry(&w, ks_helper_name(rule->helpers[i]));
	fputs(rule->helper_count > 1 ? " }" : "", out);
}

static int rule_conditions(struct ks_ast *ast, const struct ks_ast_rule *rule, FILE *out)
{
	int err;

	rule_zones(rule->has_from, "from", &rule->from, rule->from_zones, out);
	rule_zones(rule->has_to, "to", &rule->to, rule->to_zones, out);
	if (rule->statement == KS_STATEMENT_FORWARD && rule->has_to && rule->to_zones == KS_ZONES_ANY)
		fputs(" to any", out);
	if (rule->family)
		fprintf(out, " family %s", rule->family == KS_IPV4 ? "ipv4" : "ipv6");
	rule_protos(rule, out);
	rule_types(rule, out);
	err = rule_match(ast, &rule->sport, "source port", true, out);
	err = err ? err : rule_match(ast, &rule->dport, "port", true, out);
	err = err ? err : rule_match(ast, &rule->source, "source", false, out);
	err = err ? err : rule_match(ast, &rule->destination, "destination", false, out);
	return err ? err : ks_conditions_print(ast, rule, out);
}

char *ks_rule_text(struct ks_parser *p, const struct ks_ast_rule *rule, bool amounts)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;

	if (ks_memory_file_open(&file))
		return NULL;
	if (rule->statement == KS_STATEMENT_BINAT || rule->statement == KS_STATEMENT_NPTV6) {
		rule_binat(rule, file.out);
	} else {
		rule_head(rule, file.out);
		if (rule_conditions(p->ast, rule, file.out))
			return NULL;
		rule_translation(rule, file.out);
		ks_limits_print(rule, amounts, file.out);
		if (amounts)
			ks_effects_print(rule, file.out);
	}
	text = ks_memory_file_take(&file);
	return text ? ks_arena_strndup(p->arena, text, strlen(text)) : NULL;
}

/* --- tests --- */

static void print_token(const struct ks_token *token, bool fresh, FILE *out)
{
	if (!fresh && token->kind != KS_TOKEN_COMMA)
		fputc(' ', out);
	if (token->kind == KS_TOKEN_STRING)
		ks_print_quoted(token->text, out);
	else
		fputs(token->text, out);
}

/* Prints the words of the block, a step on each line. */
static void print_block(const struct ks_parser *p, FILE *out)
{
	bool fresh = false;

	fputs("test", out);
	for (size_t i = 0; i < p->record_count; i++) {
		const struct ks_token *token = &p->record[i];
		bool last = i + 1 == p->record_count;

		if (token->kind == KS_TOKEN_NEWLINE) {
			fputs(i + 2 == p->record_count ? "\n" : "\n\t", out);
			fresh = true;
			continue;
		}
		if (last && !fresh)
			fputc('\n', out);
		print_token(token, fresh || last, out);
		fresh = false;
		if (token->kind == KS_TOKEN_LBRACE && i < 2 && !last && p->record[i + 1].kind != KS_TOKEN_NEWLINE) {
			fputs(i + 2 == p->record_count ? "" : "\n\t", out);
			fresh = true;
		}
	}
	fputc('\n', out);
}

int ks_test_text_keep(struct ks_parser *p)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;
	struct ks_policy *policy = p->policy;
	char **list, *copy;

	if (ks_memory_file_open(&file))
		return ks_parser_no_memory(p);
	print_block(p, file.out);
	text = ks_memory_file_take(&file);
	list = ks_arena_grow(p->arena, policy->test_texts, policy->test_text_count, sizeof(*list));
	copy = text ? ks_arena_strndup(p->arena, text, strlen(text)) : NULL;
	if (!list || !copy)
		return ks_parser_no_memory(p);
	policy->test_texts = list;
	list[policy->test_text_count++] = copy;
	return 0;
}

/* --- the policy --- */

static void print_zone_statement(const struct ks_zone *zone, FILE *out)
{
	struct writer w = { .out = out, .wrap = true, .column = 8 + strlen(zone->name) };
	char text[64], buf[80];

	fprintf(out, "zone %s { ", zone->name);
	for (size_t i = 0; i < zone->interface_count; i++)
		write_entry(&w, zone->interfaces[i]);
	for (size_t i = 0; i < zone->network_count; i++) {
		snprintf(buf, sizeof(buf), "network %s", ks_prefix_text(&zone->networks[i], text, sizeof(text)));
		write_entry(&w, buf);
	}
	for (int i = 0; i < 2; i++) {
		if (!zone->address[i].family)
			continue;
		snprintf(buf, sizeof(buf), "address %s", ks_prefix_text(&zone->address[i], text, sizeof(text)));
		write_entry(&w, buf);
	}
	for (size_t i = 0; i < zone->mac_count; i++) {
		const __u8 *mac = zone->macs[i];

		snprintf(buf, sizeof(buf), "mac %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
			 mac[5]);
		write_entry(&w, buf);
	}
	if (!zone->antispoof)
		write_entry(&w, "antispoof off");
	if (zone->challenge != KS_CHALLENGE_AUTO) {
		snprintf(buf, sizeof(buf), "challenge %s", ks_challenge_mode_name(zone->challenge));
		write_entry(&w, buf);
	}
	if (zone->mss) {
		snprintf(buf, sizeof(buf), "mss %s", ks_mss_text(zone->mss, text));
		write_entry(&w, buf);
	}
	if (zone->mtu) {
		snprintf(buf, sizeof(buf), "mtu %u", zone->mtu);
		write_entry(&w, buf);
	}
	fputs(" }\n", out);
}

static void print_ignore_statement(const struct ks_policy *policy, FILE *out)
{
	struct writer w = { .out = out, .wrap = true, .column = 9 };

	if (!policy->ignore_count)
		return;
	fputs("ignore { ", out);
	for (size_t i = 0; i < policy->ignore_count; i++)
		write_entry(&w, policy->ignores[i]);
	fputs(" }\n", out);
}

static void print_dynamic_settings(const struct ks_dynamic *dynamic, FILE *out)
{
	char buf[KS_DURATION_TEXT];

	fputs(" dynamic", out);
	if (dynamic->timeout)
		fprintf(out, ", timeout %s", ks_duration_text(dynamic->timeout, buf));
	fprintf(out, ", limit %u%s\n", dynamic->limit, dynamic->flags & KS_DYNAMIC_KEEP ? ", keep" : "");
}

static void write_host(struct writer *w, const struct ks_set_host *host)
{
	char text[KS_HOST_NAME_MAX + 16], buf[64];

	snprintf(text, sizeof(text), "host %s%s", host->name, host->answer_count ? " is {" : "");
	write_entry(w, text);
	for (size_t i = 0; i < host->answer_count; i++)
		fprintf(w->out, "%s %s", i ? "," : "", ks_prefix_text(&host->answers[i], buf, sizeof(buf)));
	fputs(host->answer_count ? " }" : "", w->out);
}

static void print_dynamic_statement(const struct ks_policy *policy, const struct ks_set_info *info, FILE *out)
{
	struct writer w = { .out = out, .wrap = true, .column = 7 + strlen(info->name) };
	char buf[64];

	fprintf(out, "set %s { ", info->name);
	for (size_t i = 0; i < info->fixed_count; i++)
		write_entry(&w, ks_prefix_text(&info->initial[i], buf, sizeof(buf)));
	for (size_t i = 0; i < info->host_count; i++)
		write_host(&w, &info->hosts[i]);
	fputs(w.count ? " }" : "}", out);
	print_dynamic_settings(&policy->config.dynamic[info->number], out);
}

/* The run-time sets that belong to a set keep their names. */
static void write_dynamics(struct writer *w, const struct ks_policy *policy, __u64 dynamic)
{
	char name[KS_NAME_MAX + 2];

	for (size_t i = 0; dynamic && i < policy->set_info_count; i++) {
		const struct ks_set_info *info = &policy->set_infos[i];

		if (!info->dynamic || !(dynamic >> info->number & 1))
			continue;
		snprintf(name, sizeof(name), "@%s", info->name);
		write_entry(w, name);
	}
}

static void print_set_statement(const struct ks_policy *policy, const struct ks_set_info *info, FILE *out)
{
	const struct ks_set *set = &policy->sets[info->set];
	struct writer w = { .out = out, .wrap = true, .column = 12 + strlen(info->name) };

	if (info->dynamic) {
		print_dynamic_statement(policy, info, out);
		return;
	}
	fprintf(out, "set %s %s{ ", info->name, info->ports ? "port " : "");
	write_dynamics(&w, policy, set->dynamic);
	write_ranges(&w, policy->ranges + set->first4, set->count4, info->ports, KS_IPV4);
	write_ranges(&w, policy->ranges + set->first6, set->count6, info->ports, KS_IPV6);
	fputs(w.count ? " }\n" : "}\n", out);
}

static void print_rule(const struct ks_rule_info *info, FILE *out)
{
	fputs(info->text, out);
	if (info->log)
		fputs(" log", out);
	if (info->label) {
		fputc(' ', out);
		ks_print_quoted(info->label, out);
	}
	fputc('\n', out);
}

void ks_policy_print(const struct ks_policy *policy, FILE *out)
{
	for (size_t i = 0; i < policy->zone_count; i++)
		print_zone_statement(&policy->zones[i], out);
	print_ignore_statement(policy, out);
	for (size_t i = 0; i < policy->set_info_count; i++)
		print_set_statement(policy, &policy->set_infos[i], out);
	ks_protect_print(policy, out);
	ks_settings_print(&policy->config, out);
	for (size_t i = 0; i < policy->info_count; i++)
		print_rule(&policy->infos[i], out);
	for (size_t i = 0; i < policy->test_text_count; i++)
		fputs(policy->test_texts[i], out);
}
