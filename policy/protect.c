/* SPDX-License-Identifier: BSD-2-Clause */
/* Protection of zones: the table, reading it, printing it; see protect.h. */
#include "policy/protect.h"

#include <errno.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/check.h"
#include "policy/list.h"
#include "policy/rule.h"
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

static int read_options(struct ks_parser *p, struct ks_protection *protection);
static void print_options(const struct ks_protection *protection, FILE *out);

static const struct item items[KS_PROTECT_MAX] = {
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

static void defaults_set(struct ks_protection *protection)
{
	*protection = (struct ks_protection){
		.items = (1U << KS_PROTECT_MAX) - 1,
		.ip_options = KS_IP_OPTIONS_ALL,
	};
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
	p->policy->config.protection[id] = ctx->protection;
	p->policy->config.options |= ctx->protection.items ? KS_OPT_PROTECT : 0;
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

static bool is_default(const struct ks_protection *protection, unsigned at)
{
	struct ks_protection initial;

	defaults_set(&initial);
	if (ks_protect_has(protection, at) != ks_protect_has(&initial, at))
		return false;
	return !ks_protect_has(protection, at) || at != KS_PROTECT_IP_OPTIONS ||
	       protection->ip_options == initial.ip_options;
}

static void print_changes(const struct ks_protection *protection, FILE *out)
{
	const char *open = " { ", *separator = open;

	for (unsigned at = 0; at < KS_PROTECT_MAX; at++) {
		if (is_default(protection, at))
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
	fprintf(out, ": %s; counted as \"%s\"\n", items[at].means, ks_reason_name(items[at].reason));
}

static void print_zone(const struct ks_policy *policy, const struct ks_zone *zone, FILE *out)
{
	const struct ks_protection *protection = &policy->config.protection[zone->id];

	fprintf(out, "protect %s", zone->name);
	print_changes(protection, out);
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
