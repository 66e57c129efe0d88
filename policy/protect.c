/* SPDX-License-Identifier: BSD-2-Clause */
/* The statement `protect`: reading it, its zones, printing it; see protect.h. */
#include "policy/protect_internal.h"

#include <errno.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/check.h"
#include "policy/list.h"
#include "policy/rule.h"
#include "policy/sets.h"
#include "text/names.h"

#define NAME_SIZE 32 /* of the longest name, and more */

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
		if (name_begins(ks_protect_words[i].name, words))
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
		names[i] = ks_protect_words[i].name;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 ks_protect_words[i].name);
	}
	for (size_t i = 0; i < KS_ARRAY_SIZE(always); i++)
		names[KS_PROTECT_MAX + i] = always[i].name;
	return ks_parser_error(p, word, 0, "unknown protection '%.60s'%s: expected one of %s", said,
			       ks_did_you_mean(p, "", said, names, KS_ARRAY_SIZE(names)), list);
}

/* Answers who names what needs no switch. Returns 1 if the name is none of these. */
static int read_always(struct ks_parser *p, struct ks_ast_protect *ctx, const struct ks_token *word, const char *name)
{
	size_t i = 0;

	while (i < KS_ARRAY_SIZE(always) && strcmp(always[i].name, name) != 0)
		i++;
	if (i == KS_ARRAY_SIZE(always))
		return 1;
	if (ks_parser_accept_word(p, "off"))
		return ks_parser_error(p, word, 0, "'%s' cannot be off: it holds in every zone, counted as %s", name,
				       always[i].reasons);
	if (ctx->always >> i & 1)
		return ks_parser_error(p, word, 0, "'%s' stands twice: expected it once, or not at all", name);
	ctx->always |= 1U << i;
	ks_parser_warn_at(p, &word->place, "'%s' needs no mention: it holds in every zone, counted as %s", name,
			  always[i].reasons);
	return 0;
}

static int read_item(struct ks_parser *p, struct ks_ast_protect *ctx, const struct ks_token *word, unsigned at)
{
	struct ks_place *first = &ctx->given[at];

	if (first->line)
		return ks_parser_error(p, word, 0, "'%s' is already said at %s:%u:%u: expected it once",
				       ks_protect_words[at].name, first->file, first->line, first->column);
	*first = word->place;
	if (ks_parser_accept_word(p, "off")) {
		ctx->protection.items &= (__u16) ~(1U << at);
		return 0;
	}
	return ks_protect_words[at].read ? ks_protect_words[at].read(p, ctx) : 0;
}

static int one_item(struct ks_parser *p, void *arg)
{
	const struct ks_token word = *ks_parser_last(p);
	struct ks_ast_protect *ctx = arg;
	char name[NAME_SIZE];
	unsigned at = 0;
	int err;

	ctx->items++;
	read_name(p, name);
	err = read_always(p, ctx, &word, name);
	if (err <= 0)
		return err;
	while (at < KS_PROTECT_MAX && strcmp(ks_protect_words[at].name, name) != 0)
		at++;
	return at < KS_PROTECT_MAX ? read_item(p, ctx, &word, at) : unknown_item(p, &word, name);
}

static int read_items(struct ks_parser *p, struct ks_ast_protect *ctx)
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

static void protect_zone(struct ks_parser *p, const struct ks_ast_protect *ctx, const struct ks_name *name)
{
	int id = ks_zone_resolve_own(p, name);
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
	zone->scan_into = ctx->into.text;
	zone->scan_except = ctx->except.text;
	protection = &p->policy->config.protection[id];
	*protection = ctx->protection;
	ks_protect_fit(protection, zone);
	p->policy->config.options |= protection->items ? KS_OPT_PROTECT : 0;
	if (protection->items != ctx->protection.items && ctx->given[KS_PROTECT_SYN_FLOOD].line)
		ks_parser_error_at(p, &ctx->given[KS_PROTECT_SYN_FLOOD],
				   "zone '%s' is never challenged, so nothing lets newcomers in beyond this threshold: "
				   "expected 'syn flood off', or 'drop' behind it to keep them out",
				   zone->name);
}

/* Checks that a name is one of a set of addresses, which is used by it. Returns the set or NULL. */
static const struct ks_ast_set *check_set(struct ks_parser *p, const struct ks_name *name)
{
	struct ks_item item = { .set = name->text, .place = name->place };
	struct ks_items items = { .list = &item, .count = 1 };

	if (name->text)
		ks_items_check(p, &items, false);
	return name->text ? ks_ast_find_set(p->ast, name->text) : NULL;
}

/* Checks the sets of `port scan`. */
static void check_sets(struct ks_parser *p, struct ks_ast_protect *ctx)
{
	const struct ks_ast_set *into = check_set(p, &ctx->into);

	check_set(p, &ctx->except);
	if (into && into->host_count)
		ks_parser_error_at(
			p, &ctx->into.place,
			"set '%s' has host names, and holds what they resolve to: expected another dynamic set",
			ctx->into.text);
	else if (into && !into->dynamic)
		ks_parser_error_at(
			p, &ctx->into.place,
			"set '%s' is not dynamic, so nothing comes into it while the policy is in force: expected "
			"one such as 'set %s { } dynamic'",
			ctx->into.text, ctx->into.text);
	else if (into)
		ctx->protection.scan_set = (__u8)(into->number + 1);
}

void ks_protect_check(struct ks_parser *p)
{
	for (struct ks_ast_protect *ctx = p->ast->protects; ctx; ctx = ctx->next) {
		if (!ctx->zones.count)
			ks_parser_error_at(p, &ctx->place, "this list is empty: expected zones of this policy");
		check_sets(p, ctx);
		for (size_t i = 0; i < ctx->zones.count; i++)
			protect_zone(p, ctx, &ctx->zones.list[i]);
	}
}

void ks_protect_compile(struct ks_parser *p)
{
	struct ks_policy *policy = p->policy;

	for (size_t i = 0; i < policy->zone_count; i++) {
		const struct ks_zone *zone = &policy->zones[i];

		if (zone->scan_except)
			policy->config.protection[zone->id].scan_except =
				policy->set_infos[ks_ast_find_set(p->ast, zone->scan_except) - p->ast->sets].set;
	}
}

int ks_parse_protect(struct ks_parser *p)
{
	struct ks_ast_protect *ctx = ks_arena_alloc(p->scratch, sizeof(*ctx));
	bool has = false;
	int err;

	if (!ctx)
		return ks_parser_no_memory(p);
	memset(ctx, 0, sizeof(*ctx));
	ctx->place = ks_parser_last(p)->place;
	ks_protect_defaults(&ctx->protection);
	err = ks_parse_zones(p, "protect", &has, &ctx->zones);
	if (!err && ks_parser_is(p, KS_TOKEN_LBRACE))
		err = read_items(p, ctx);
	if (err)
		return err;
	if (p->ast->protects)
		p->ast->protects_last->next = ctx;
	else
		p->ast->protects = ctx;
	p->ast->protects_last = ctx;
	return 0;
}

/* --- printing --- */

static bool is_default(const struct ks_protection *protection, const struct ks_zone *zone, unsigned at)
{
	struct ks_protection initial;

	ks_protect_defaults(&initial);
	ks_protect_fit(&initial, zone);
	if (ks_protect_has(protection, at) != ks_protect_has(&initial, at))
		return false;
	return !ks_protect_has(protection, at) || ks_protect_same_value(protection, &initial, at);
}

static void print_changes(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out)
{
	const char *open = " { ", *separator = open;

	for (unsigned at = 0; at < KS_PROTECT_MAX; at++) {
		if (is_default(protection, zone, at))
			continue;
		fprintf(out, "%s%s", separator, ks_protect_words[at].name);
		separator = ", ";
		if (!ks_protect_has(protection, at))
			fputs(" off", out);
		else if (ks_protect_words[at].print)
			ks_protect_words[at].print(protection, zone, out);
	}
	fputs(separator == open ? "\n" : " }\n", out);
}

static void print_meaning(const struct ks_protection *protection, const struct ks_zone *zone, unsigned at, FILE *out)
{
	fprintf(out, "#   %s", ks_protect_words[at].name);
	if (!ks_protect_has(protection, at)) {
		fputs(": off\n", out);
		return;
	}
	if (ks_protect_words[at].print)
		ks_protect_words[at].print(protection, zone, out);
	if (at == KS_PROTECT_SYN_FLOOD && !(protection->flags & KS_PROTECT_SYN_DROP))
		fputs(": beyond that new TCP connections are challenged, so that who is there gets in; counted as "
		      "\"challenged\"\n",
		      out);
	else if (at == KS_PROTECT_PORT_SCAN)
		fprintf(out, ": whoever is refused at so many is told apart%s; counted as \"port scan\"\n",
			protection->scan_set ? ", and comes into the set" : ", and nothing more");
	else
		fprintf(out, ": refused is %s; counted as \"%s\"\n", ks_protect_words[at].means,
			ks_reason_name(ks_protect_words[at].reason));
}

static void print_zone(const struct ks_policy *policy, const struct ks_zone *zone, FILE *out)
{
	const struct ks_protection *protection = &policy->config.protection[zone->id];

	fprintf(out, "protect %s", zone->name);
	print_changes(protection, zone, out);
	fprintf(out, "# For packets that come from zone %s this means:\n", zone->name);
	for (unsigned at = 0; at < KS_PROTECT_MAX; at++)
		print_meaning(protection, zone, at, out);
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
