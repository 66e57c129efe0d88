/* SPDX-License-Identifier: BSD-2-Clause */
/* Protection of zones: the table, reading it, printing it; see protect.h. */
#include "policy/protect.h"

#include <errno.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/check.h"
#include "policy/list.h"
#include "policy/rule.h"
#include "policy/value.h"
#include "text/names.h"

#define NAME_SIZE 32 /* of the longest name, and more */

/* A statement until the zones are known. */
struct protect_ctx {
	struct ks_place place; /* of the keyword */
	struct ks_names zones;
	struct ks_protection protection;
	size_t items; /* said so far */
	struct ks_place given[KS_PROTECT_MAX]; /* where each item is said; line 0 if not */
};

/* --- the table --- */

/* An item: how it is read and printed besides on and off, and what it means. */
struct item {
	const char *name;
	__u8 reason;
	const char *means; /* continues "refused is" */
	int (*read)(struct ks_parser *p, struct ks_protection *protection); /* NULL: it has no value */
	void (*print)(const struct ks_protection *protection, FILE *out); /* the value, with a blank before it */
};

static int read_syn_flood(struct ks_parser *p, struct ks_protection *protection);
static int read_udp_flood(struct ks_parser *p, struct ks_protection *protection);
static int read_icmp_flood(struct ks_parser *p, struct ks_protection *protection);
static int read_options(struct ks_parser *p, struct ks_protection *protection);
static void print_syn_flood(const struct ks_protection *protection, FILE *out);
static void print_udp_flood(const struct ks_protection *protection, FILE *out);
static void print_icmp_flood(const struct ks_protection *protection, FILE *out);
static void print_options(const struct ks_protection *protection, FILE *out);

static const struct item items[KS_PROTECT_MAX] = {
	[KS_PROTECT_SYN_FLOOD] = { "syn flood", KS_REASON_SYN_FLOOD, "a new TCP connection beyond that", read_syn_flood,
				   print_syn_flood },
	[KS_PROTECT_UDP_FLOOD] = { "udp flood", KS_REASON_UDP_FLOOD, "UDP beyond that, where nobody has answered",
				   read_udp_flood, print_udp_flood },
	[KS_PROTECT_ICMP_FLOOD] = { "icmp flood", KS_REASON_ICMP_FLOOD, "an ICMP query beyond that", read_icmp_flood,
				    print_icmp_flood },
	[KS_PROTECT_TRACE_ROUTE] = { "trace route", KS_REASON_TRACE_ROUTE,
				     "what would end here on its way to others, and UDP to ports 33434-33534 with a "
				     "hop limit up to 30" },
	[KS_PROTECT_IP_OPTIONS] = { "ip options", KS_REASON_IP_OPTION,
				    "a packet with one of these, unless it is of IGMP or MLD", read_options,
				    print_options },
	[KS_PROTECT_SYN_FRAGMENT] = { "syn fragment", KS_REASON_SYN_FRAGMENT, "a SYN in fragments" },
	[KS_PROTECT_ICMP_FRAGMENT] = { "icmp fragment", KS_REASON_ICMP_FRAGMENT,
				       "an ICMP message in fragments that nobody inside has asked for" },
	[KS_PROTECT_SMURF] = { "smurf", KS_REASON_SMURF, "an ICMP query to a broadcast or multicast address" },
	[KS_PROTECT_FRAGGLE] = { "fraggle", KS_REASON_FRAGGLE,
				 "UDP to port 7 or 19 of a broadcast or multicast address" },
	[KS_PROTECT_UNASSIGNED] = { "unassigned protocols", KS_REASON_UNASSIGNED_PROTOCOL,
				    "a protocol of number 148 to 255" },
};

/* Names by which administrators look for what needs no switch: it always holds, in every zone. */
static const struct {
	const char *name;
	const char *reasons;
} always[] = {
	{ "land", "\"land\"" },
	{ "flag scans", "\"bad tcp flags\"" },
	{ "tear drop", "\"fragment overlap\"" },
	{ "ping of death", "\"fragment too long\"" },
	{ "tiny fragment", "\"tiny fragment\"" },
	{ "source route", "\"source route\", \"routing header\"" },
	{ "directed broadcast", "\"directed broadcast\"" },
	{ "spoofed source", "\"spoofed source\", \"bad source address\"" },
};

/* `udp flood` is off: it would let anybody who sends as much keep others out of a service. */
static void defaults_set(struct ks_protection *protection)
{
	*protection = (struct ks_protection){
		.items = ((1U << KS_PROTECT_MAX) - 1) & ~(1U << KS_PROTECT_UDP_FLOOD),
		.ip_options = KS_IP_OPTIONS_ALL,
		.rate = { KS_SYN_FLOOD_DEFAULT, KS_UDP_FLOOD_DEFAULT, KS_ICMP_FLOOD_DEFAULT },
	};
}

/* Where SYNs are never challenged, a threshold could only keep newcomers out. */
static void defaults_fit(struct ks_protection *protection, const struct ks_zone *zone)
{
	if (zone->challenge == KS_CHALLENGE_NEVER && !(protection->flags & KS_PROTECT_SYN_DROP))
		protection->items &= (__u16) ~(1U << KS_PROTECT_SYN_FLOOD);
}

const char *ks_protect_name(unsigned item)
{
	return item < KS_PROTECT_MAX ? items[item].name : "?";
}

const char *ks_protect_means(unsigned item)
{
	return item < KS_PROTECT_MAX ? items[item].means : "?";
}

int ks_protect_item_of(unsigned reason)
{
	for (int item = 0; item < KS_PROTECT_MAX; item++) {
		if (items[item].reason == reason)
			return item;
	}
	return -1;
}

/* --- thresholds --- */

static int bad_rate(struct ks_parser *p, const struct ks_token *token)
{
	return ks_parser_error(p, token, 0,
			       "'%.60s' is no threshold: expected a number 1 to %u a second, such as 2000/second",
			       token->text, KS_FLOOD_RATE_MAX);
}

/* Reads "2000/second per destination"; without it the default stays. */
static int read_rate(struct ks_parser *p, __u32 *rate)
{
	struct ks_token token;
	char digits[16];
	const char *slash;
	__u64 number;

	if (!ks_parser_is(p, KS_TOKEN_WORD) || ks_parser_is_word(p, "drop"))
		return 0;
	token = *ks_parser_next(p);
	slash = strchr(token.text, '/');
	if (!slash || strcmp(slash, "/second") != 0 || slash - token.text >= (long)sizeof(digits))
		return bad_rate(p, &token);
	snprintf(digits, sizeof(digits), "%.*s", (int)(slash - token.text), token.text);
	if (ks_value_number(digits, 1, KS_FLOOD_RATE_MAX, &number))
		return bad_rate(p, &token);
	*rate = (__u32)number;
	if (!ks_parser_accept_word(p, "per"))
		return 0;
	if (!ks_parser_accept_word(p, "destination"))
		return ks_parser_error(
			p, ks_parser_peek(p), 0,
			"expected 'destination': thresholds are of each; the clause 'limit' of a rule can "
			"count sources");
	return 0;
}

static int read_syn_flood(struct ks_parser *p, struct ks_protection *protection)
{
	int err = read_rate(p, &protection->rate[KS_PROTECT_SYN_FLOOD]);

	if (!err && ks_parser_accept_word(p, "drop"))
		protection->flags |= KS_PROTECT_SYN_DROP;
	return err;
}

static int read_udp_flood(struct ks_parser *p, struct ks_protection *protection)
{
	protection->items |= 1U << KS_PROTECT_UDP_FLOOD;
	return read_rate(p, &protection->rate[KS_PROTECT_UDP_FLOOD]);
}

static int read_icmp_flood(struct ks_parser *p, struct ks_protection *protection)
{
	return read_rate(p, &protection->rate[KS_PROTECT_ICMP_FLOOD]);
}

static void print_rate(const struct ks_protection *protection, enum ks_protect_item item, FILE *out)
{
	fprintf(out, " %u/second per destination", protection->rate[item]);
}

static void print_syn_flood(const struct ks_protection *protection, FILE *out)
{
	print_rate(protection, KS_PROTECT_SYN_FLOOD, out);
	fputs(protection->flags & KS_PROTECT_SYN_DROP ? " drop" : "", out);
}

static void print_udp_flood(const struct ks_protection *protection, FILE *out)
{
	print_rate(protection, KS_PROTECT_UDP_FLOOD, out);
}

static void print_icmp_flood(const struct ks_protection *protection, FILE *out)
{
	print_rate(protection, KS_PROTECT_ICMP_FLOOD, out);
}

/* --- ip options --- */

static const char *const option_names[] = {
#define X(id, name) name,
	KS_IP_OPTIONS(X)
#undef X
};

const char *ks_ip_option_name(unsigned option)
{
	return option < KS_IP_OPTION_MAX ? option_names[option] : "?";
}

static int one_option(struct ks_parser *p, void *arg)
{
	struct ks_protection *protection = arg;
	const struct ks_token token = *ks_parser_last(p);

	for (unsigned i = 0; i < KS_IP_OPTION_MAX; i++) {
		if (strcmp(token.text, option_names[i]) != 0)
			continue;
		protection->ip_options |= (__u8)(1U << i);
		return 0;
	}
	return ks_parser_error(p, &token, 0,
			       "unknown IP option '%.60s'%s: expected record-route, timestamp, security, source-route, "
			       "stream-id, router-alert, other or hop-by-hop",
			       token.text, ks_did_you_mean(p, "", token.text, option_names, KS_IP_OPTION_MAX));
}

/* Reads which options are refused; without a list all are. */
static int read_options(struct ks_parser *p, struct ks_protection *protection)
{
	const struct ks_token *next = ks_parser_peek(p);
	struct ks_place place = next->place;
	int err;

	protection->ip_options = KS_IP_OPTIONS_ALL;
	if (next->kind != KS_TOKEN_WORD && next->kind != KS_TOKEN_LBRACE)
		return 0;
	protection->ip_options = 0;
	err = ks_parse_list(p, "an IP option such as record-route", one_option, protection);
	if (!err && !protection->ip_options)
		return ks_parser_error_at(p, &place, "this list is empty: expected IP options such as record-route");
	return err;
}

static void write_options(const struct ks_protection *protection, FILE *out)
{
	const char *separator = "";

	for (unsigned i = 0; i < KS_IP_OPTION_MAX; i++) {
		if (!(protection->ip_options >> i & 1))
			continue;
		fprintf(out, "%s%s", separator, option_names[i]);
		separator = ", ";
	}
}

static void print_options(const struct ks_protection *protection, FILE *out)
{
	fputs(" { ", out);
	write_options(protection, out);
	fputs(" }", out);
}

/* --- reading --- */

/* Returns true if a name begins with these words, or is these words. */
static bool name_begins(const char *name, const char *words)
{
	size_t length = strlen(words);

	return strncmp(name, words, length) == 0 && (name[length] == ' ' || name[length] == '\0');
}

static bool any_name_begins(const char *words)
{
	for (size_t i = 0; i < KS_PROTECT_MAX; i++) {
		if (name_begins(items[i].name, words))
			return true;
	}
	for (size_t i = 0; i < KS_ARRAY_SIZE(always); i++) {
		if (name_begins(always[i].name, words))
			return true;
	}
	return false;
}

/* Reads the words behind the first one as long as they are the beginning of a name. */
static void read_name(struct ks_parser *p, char name[NAME_SIZE])
{
	char longer[NAME_SIZE];

	snprintf(name, NAME_SIZE, "%s", ks_parser_last(p)->text);
	while (ks_parser_is(p, KS_TOKEN_WORD)) {
		if (snprintf(longer, sizeof(longer), "%s %s", name, ks_parser_peek(p)->text) >= NAME_SIZE ||
		    !any_name_begins(longer))
			return;
		ks_parser_next(p);
		memcpy(name, longer, sizeof(longer));
	}
}

static int unknown_item(struct ks_parser *p, const struct ks_token *word, const char *name)
{
	const char *names[KS_PROTECT_MAX + KS_ARRAY_SIZE(always)];
	char list[512] = "", said[3 * NAME_SIZE];
	size_t used = 0;

	snprintf(said, sizeof(said), "%s%s%.60s", name, ks_parser_is(p, KS_TOKEN_WORD) ? " " : "",
		 ks_parser_is(p, KS_TOKEN_WORD) ? ks_parser_peek(p)->text : "");
	for (size_t i = 0; i < KS_PROTECT_MAX; i++) {
		names[i] = items[i].name;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", items[i].name);
	}
	for (size_t i = 0; i < KS_ARRAY_SIZE(always); i++)
		names[KS_PROTECT_MAX + i] = always[i].name;
	return ks_parser_error(p, word, 0, "unknown protection '%.60s'%s: expected one of %s", said,
			       ks_did_you_mean(p, "", said, names, KS_ARRAY_SIZE(names)), list);
}

/* Answers who names what needs no switch. Returns 1 if the name is none of these. */
static int read_always(struct ks_parser *p, const struct ks_token *word, const char *name)
{
	size_t i = 0;

	while (i < KS_ARRAY_SIZE(always) && strcmp(always[i].name, name) != 0)
		i++;
	if (i == KS_ARRAY_SIZE(always))
		return 1;
	if (ks_parser_accept_word(p, "off"))
		return ks_parser_error(p, word, 0, "'%s' cannot be off: it holds in every zone, counted as %s", name,
				       always[i].reasons);
	ks_parser_warn_at(p, &word->place, "'%s' needs no mention: it holds in every zone, counted as %s", name,
			  always[i].reasons);
	return 0;
}

static int read_item(struct ks_parser *p, struct protect_ctx *ctx, const struct ks_token *word, unsigned at)
{
	struct ks_place *first = &ctx->given[at];

	if (first->line)
		return ks_parser_error(p, word, 0, "'%s' is already said at %s:%u:%u: expected it once", items[at].name,
				       first->file, first->line, first->column);
	*first = word->place;
	if (ks_parser_accept_word(p, "off")) {
		ctx->protection.items &= (__u16) ~(1U << at);
		return 0;
	}
	return items[at].read ? items[at].read(p, &ctx->protection) : 0;
}

static int one_item(struct ks_parser *p, void *arg)
{
	const struct ks_token word = *ks_parser_last(p);
	struct protect_ctx *ctx = arg;
	char name[NAME_SIZE];
	unsigned at = 0;
	int err;

	ctx->items++;
	read_name(p, name);
	err = read_always(p, &word, name);
	if (err <= 0)
		return err;
	while (at < KS_PROTECT_MAX && strcmp(items[at].name, name) != 0)
		at++;
	return at < KS_PROTECT_MAX ? read_item(p, ctx, &word, at) : unknown_item(p, &word, name);
}

static int read_items(struct ks_parser *p, struct protect_ctx *ctx)
{
	struct ks_place place = ks_parser_peek(p)->place;
	int err = ks_parse_list(p, "a protection such as 'trace route'", one_item, ctx);

	if (!err && !ctx->items)
		return ks_parser_error_at(
			p, &place,
			"this list is empty: expected what is to be different, such as 'trace route off', or no list");
	return err;
}

/* --- zones --- */

static void protect_zone(struct ks_parser *p, const struct protect_ctx *ctx, const struct ks_name *name)
{
	int id = strcmp(name->text, "any") == 0 ? KS_ZONE_SELF : ks_zone_resolve(p, name);
	struct ks_protection *protection;
	struct ks_zone *zone;

	if (id < 0)
		return;
	if (id < KS_ZONE_FIRST) {
		ks_parser_error_at(p, &name->place, "'%s' cannot be protected: expected a zone of this policy",
				   name->text);
		return;
	}
	zone = &p->policy->zones[id - KS_ZONE_FIRST];
	if (zone->protect.file == ctx->place.file && zone->protect.line == ctx->place.line)
		return; /* said twice in one list */
	if (zone->protect.line) {
		ks_parser_error_at(p, &name->place, "zone '%s' is already protected at %s:%u:%u: expected it once",
				   zone->name, zone->protect.file, zone->protect.line, zone->protect.column);
		return;
	}
	zone->protect = ctx->place;
	protection = &p->policy->config.protection[id];
	*protection = ctx->protection;
	defaults_fit(protection, zone);
	p->policy->config.options |= protection->items ? KS_OPT_PROTECT : 0;
	if (protection->items != ctx->protection.items && ctx->given[KS_PROTECT_SYN_FLOOD].line)
		ks_parser_error_at(p, &ctx->given[KS_PROTECT_SYN_FLOOD],
				   "zone '%s' is never challenged, so nothing lets newcomers in beyond this threshold: "
				   "expected 'syn flood off', or 'drop' behind it to keep them out",
				   zone->name);
}

/* Called when the zones are known. */
static int protect_zones(struct ks_parser *p, void *arg)
{
	const struct protect_ctx *ctx = arg;

	if (!ctx->zones.count)
		return ks_parser_error_at(p, &ctx->place, "this list is empty: expected zones of this policy");
	for (size_t i = 0; i < ctx->zones.count; i++)
		protect_zone(p, ctx, &ctx->zones.list[i]);
	return 0;
}

int ks_parse_protect(struct ks_parser *p)
{
	struct protect_ctx *ctx = ks_arena_alloc(p->arena, sizeof(*ctx));
	bool has = false;
	int err;

	if (!ctx)
		return ks_parser_no_memory(p);
	memset(ctx, 0, sizeof(*ctx));
	ctx->place = ks_parser_last(p)->place;
	defaults_set(&ctx->protection);
	err = ks_parse_zones(p, "protect", &has, &ctx->zones);
	if (!err && ks_parser_is(p, KS_TOKEN_LBRACE))
		err = read_items(p, ctx);
	return err ? err : ks_parser_defer(p, protect_zones, ctx);
}

/* --- printing --- */

static bool is_default(const struct ks_protection *protection, const struct ks_zone *zone, unsigned at)
{
	struct ks_protection initial;

	defaults_set(&initial);
	defaults_fit(&initial, zone);
	if (ks_protect_has(protection, at) != ks_protect_has(&initial, at))
		return false;
	if (!ks_protect_has(protection, at))
		return true;
	if (at < KS_FLOODS)
		return protection->rate[at] == initial.rate[at] &&
		       (at != KS_PROTECT_SYN_FLOOD || protection->flags == initial.flags);
	return at != KS_PROTECT_IP_OPTIONS || protection->ip_options == initial.ip_options;
}

static void print_changes(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out)
{
	const char *open = " { ", *separator = open;

	for (unsigned at = 0; at < KS_PROTECT_MAX; at++) {
		if (is_default(protection, zone, at))
			continue;
		fprintf(out, "%s%s", separator, items[at].name);
		separator = ", ";
		if (!ks_protect_has(protection, at))
			fputs(" off", out);
		else if (items[at].print)
			items[at].print(protection, out);
	}
	fputs(separator == open ? "\n" : " }\n", out);
}

static void print_meaning(const struct ks_protection *protection, unsigned at, FILE *out)
{
	fprintf(out, "#   %s", items[at].name);
	if (!ks_protect_has(protection, at)) {
		fputs(": off\n", out);
		return;
	}
	if (items[at].print)
		items[at].print(protection, out);
	if (at == KS_PROTECT_SYN_FLOOD && !(protection->flags & KS_PROTECT_SYN_DROP))
		fputs(": beyond that a new TCP connection is challenged, so that who is there gets in; counted as "
		      "\"challenged\"\n",
		      out);
	else
		fprintf(out, ": %s; counted as \"%s\"\n", items[at].means, ks_reason_name(items[at].reason));
}

static void print_zone(const struct ks_policy *policy, const struct ks_zone *zone, FILE *out)
{
	const struct ks_protection *protection = &policy->config.protection[zone->id];

	fprintf(out, "protect %s", zone->name);
	print_changes(protection, zone, out);
	fprintf(out, "# Of what comes from zone %s this refuses:\n", zone->name);
	for (unsigned at = 0; at < KS_PROTECT_MAX; at++)
		print_meaning(protection, at, out);
}

void ks_protect_print(const struct ks_policy *policy, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < policy->zone_count; i++) {
		if (!policy->zones[i].protect.line)
			continue;
		print_zone(policy, &policy->zones[i], out);
		any = true;
	}
	if (!any)
		return;
	fputs("# Refused in every zone, without `protect`:\n", out);
	for (size_t i = 0; i < KS_ARRAY_SIZE(always); i++)
		fprintf(out, "#   %s: counted as %s\n", always[i].name, always[i].reasons);
}
