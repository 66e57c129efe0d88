/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run-time sets: `set NAME { ... } dynamic, timeout 1h, limit 1000000, keep`. What stands in the braces are the entries that
 * it begins with: addresses and prefixes, because each is added and removed as a whole (core/members.h). A set with host names
 * is one without a word.
 */
#include "policy/dynamic.h"

#include <errno.h>
#include <string.h>

#include "policy/value.h"

#define HOST_SET_LIMIT 4096U /* of a set with host names that says none */

/* --- entries --- */

/* Makes the prefix that a range of addresses was written as. */
static void prefix_of(const struct ks_item *item, struct ks_prefix *prefix)
{
	struct ks_range range;

	memset(prefix, 0, sizeof(*prefix));
	prefix->family = item->family;
	prefix->length = item->family == KS_IPV4 ? 32 : 128;
	ks_addr_from_value(item->range.lo, item->family, &prefix->addr);
	ks_prefix_range(prefix, &range);
	while (ks_value_compare(range.hi, item->range.hi) < 0) {
		prefix->length--;
		ks_prefix_range(prefix, &range);
	}
	ks_prefix_unmap(prefix);
}

/* The answers of its hosts stand behind the entries. */
static void read_answers(struct ks_ast_set *set, struct ks_prefix *list)
{
	for (size_t i = 0; i < set->host_count; i++) {
		const struct ks_items *answers = &set->said_hosts[i].answers;

		set->hosts[i].answers = list;
		set->hosts[i].answer_count = answers->count;
		for (size_t j = 0; j < answers->count; j++)
			prefix_of(&answers->list[j], list++);
	}
}

static size_t count_initial(const struct ks_ast_set *set)
{
	size_t count = set->items.count;

	for (size_t i = 0; i < set->host_count; i++)
		count += set->said_hosts[i].answers.count;
	return count;
}

static int read_initial(struct ks_parser *p, struct ks_ast_set *set)
{
	size_t count = count_initial(set);
	struct ks_prefix *list = ks_arena_alloc(p->arena, (count + 1) * sizeof(*list));
	int err = 0;

	if (!list)
		return ks_parser_no_memory(p);
	for (size_t i = 0; i < set->items.count; i++) {
		const struct ks_item *item = &set->items.list[i];

		if (item->negated)
			err = ks_parser_error_at(
				p, &item->place,
				"'not' cannot stand in a dynamic set: expected the addresses and prefixes "
				"that are in it");
		else if (item->set)
			err = ks_parser_error_at(p, &item->place,
						 "a dynamic set cannot hold another: expected addresses and prefixes");
		else if (item->is_range)
			err = ks_parser_error_at(p, &item->place,
						 "a range cannot be an entry of a dynamic set: expected addresses, or "
						 "prefixes such as 192.0.2.0/28");
		else
			prefix_of(item, &list[i]);
	}
	read_answers(set, list + set->items.count);
	set->initial = list;
	set->initial_count = count;
	return err;
}

/* --- words behind `dynamic` --- */

static int read_timeout(struct ks_parser *p, struct ks_dynamic *settings)
{
	char low[KS_DURATION_TEXT], high[KS_DURATION_TEXT];
	struct ks_token token;
	__u64 ms;

	if (settings->timeout)
		return ks_parser_error(p, ks_parser_last(p), 0, "'timeout' stands twice: expected it once");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a duration such as 1h", &token))
		return -EINVAL;
	if (ks_value_duration(token.text, &ms) || ms < KS_DYNAMIC_TIMEOUT_MIN_MS || ms > KS_DYNAMIC_TIMEOUT_MAX_MS)
		return ks_parser_error(p, &token, 0,
				       "'%.60s' is no timeout: expected a duration such as 10m or 1h30m, %s to %s",
				       token.text, ks_duration_text(KS_DYNAMIC_TIMEOUT_MIN_MS, low),
				       ks_duration_text(KS_DYNAMIC_TIMEOUT_MAX_MS, high));
	settings->timeout = ms;
	return 0;
}

static int read_limit(struct ks_parser *p, struct ks_dynamic *settings)
{
	struct ks_token token;
	__u64 number;

	if (settings->limit)
		return ks_parser_error(p, ks_parser_last(p), 0, "'limit' stands twice: expected it once");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a number", &token))
		return -EINVAL;
	if (ks_value_number(token.text, 1, KS_DYNAMIC_LIMIT_MAX, &number))
		return ks_parser_error(p, &token, 0, "'%.60s' is no limit: expected a number of entries, 1 to %u",
				       token.text, KS_DYNAMIC_LIMIT_MAX);
	settings->limit = (__u32)number;
	return 0;
}

static int read_setting(struct ks_parser *p, struct ks_ast_set *set)
{
	struct ks_dynamic *settings = &set->settings;
	const struct ks_token *token = ks_parser_peek(p);
	char buf[96];

	if (set->host_count && ks_parser_is(p, KS_TOKEN_WORD) && !strcmp(token->text, "timeout"))
		return ks_parser_error(
			p, token, 0,
			"a set with host names takes no timeout, because answers say how long they hold: "
			"expected limit or keep");
	if (ks_parser_accept_word(p, "timeout"))
		return read_timeout(p, settings);
	if (ks_parser_accept_word(p, "limit"))
		return read_limit(p, settings);
	if (!ks_parser_accept_word(p, "keep"))
		return ks_parser_error(p, token, 0, "expected timeout, limit or keep, found %s",
				       ks_token_describe(token, buf, sizeof(buf)));
	if (settings->flags & KS_DYNAMIC_KEEP)
		return ks_parser_error(p, ks_parser_last(p), 0, "'keep' stands twice: expected it once");
	settings->flags |= KS_DYNAMIC_KEEP;
	return 0;
}

int ks_parse_dynamic(struct ks_parser *p, struct ks_ast_set *set)
{
	bool said = ks_parser_accept_word(p, "dynamic");
	struct ks_place place = ks_parser_last(p)->place;
	__u32 limit = set->host_count ? HOST_SET_LIMIT : KS_DYNAMIC_LIMIT_DEFAULT;
	int err = 0;

	if (!said && !set->host_count)
		return 0;
	if (set->ports)
		return ks_parser_error_at(p, &place, "a set of ports cannot be dynamic: expected a set of addresses");
	if (p->ast->dynamic_count >= KS_DYNAMIC_MAX)
		return ks_parser_error_at(p, &place, "the policy has more than %u dynamic sets", KS_DYNAMIC_MAX);
	set->dynamic = true;
	while (!err && said && ks_parser_accept(p, KS_TOKEN_COMMA))
		err = read_setting(p, set);
	if (err)
		return err;
	if (!set->settings.limit)
		set->settings.limit = KS_MAX(limit, (__u32)count_initial(set));
	err = read_initial(p, set);
	if (!err)
		set->number = p->ast->dynamic_count++;
	return err;
}
