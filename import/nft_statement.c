/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Statements of nft rules: nft(8), "statements". They are applied from left to right; what stands behind a match is said of the
 * packets that it leaves. Maps of verdicts and sets of pairs make a rule of each of their entries.
 */
#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "import/nft.h"
#include "policy/value.h"

#define RATE_MAX 1000000000

/* Appends the rule, with its verdict. Limits that ours cannot count so are conditions that nothing says. */
static int verdict_end(struct ks_nft *nft, struct ks_draft *draft, enum ks_verdict_kind kind)
{
	const bool refuses = kind == KS_IMPORT_DROP || kind == KS_IMPORT_REJECT;
	struct ks_import_rule *rule = &draft->rule;
	int err = 0;

	rule->kind = kind;
	if (rule->limit && !(rule->over ? refuses : kind == KS_IMPORT_ACCEPT)) {
		rule->limit = NULL;
		rule->over = false;
		err = ks_draft_unsaid(draft, "a limit in front of this verdict", false);
	}
	return err ? err : ks_draft_end(draft, nft->chain);
}

/* Appends a rule that decides nothing, such as one that logs, for the packets so far. */
static int aside(struct ks_nft *nft, const struct ks_draft *draft, enum ks_verdict_kind kind, const char *label)
{
	struct ks_draft copy = *draft;

	copy.rule.kind = kind;
	copy.rule.label = label;
	copy.rule.limit = NULL;
	copy.rule.changes = 0;
	return ks_draft_end(&copy, nft->chain);
}

int ks_nft_refuse(struct ks_nft *nft, struct ks_draft *draft, const char *what)
{
	draft->rule.trouble = ks_import_format(nft->import, "nobody here knows what %.40s does with them", what);
	return draft->rule.trouble ? verdict_end(nft, draft, KS_IMPORT_DROP) : -ENOMEM;
}

/* --- limits --- */

static int limit_add(struct ks_nft *nft, struct ks_draft *draft, const struct ks_import_limit *limit, bool over)
{
	struct ks_import_limit *made;

	if (draft->rule.limit)
		return ks_draft_unsaid(draft, "a second limit", false);
	made = ks_pool_alloc(&nft->import->pool, sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = *limit;
	draft->rule.limit = made;
	draft->rule.over = over;
	return 0;
}

static int limit_read(struct ks_nft *nft, struct ks_draft *draft, const json_t *limit, const char *per)
{
	static const char *const units[] = { "second", "minute", "hour", "day" };
	const char *unit = json_string_value(json_object_get(limit, "per"));
	const json_t *kind = json_object_get(limit, "rate_unit");
	struct ks_import_limit made = { .per = per };

	made.amount = (__u64)json_integer_value(json_object_get(limit, "rate"));
	made.burst = (__u64)json_integer_value(json_object_get(limit, "burst"));
	for (size_t i = 0; unit && i < KS_ARRAY_SIZE(units); i++)
		made.unit = strcmp(units[i], unit) ? made.unit : units[i];
	if (!made.unit || made.amount < 1 || made.amount > RATE_MAX || made.burst > RATE_MAX ||
	    (kind && strcmp(json_string_value(kind) ? json_string_value(kind) : "", "packets") != 0))
		return ks_draft_unsaid(draft, ks_nft_text(nft->import, limit), false);
	return limit_add(nft, draft, &made, json_is_true(json_object_get(limit, "inv")));
}

static int count_read(struct ks_nft *nft, struct ks_draft *draft, const json_t *count, const char *per)
{
	struct ks_import_limit made = { .per = per };

	made.amount = (__u64)json_integer_value(json_object_get(count, "val"));
	if (made.amount < 1 || made.amount > 16777216)
		return ks_draft_unsaid(draft, "ct count", false);
	return limit_add(nft, draft, &made, json_is_true(json_object_get(count, "inv")));
}

/* Adds to a set; with a limit for each of its entries it is a condition. */
static int set_read(struct ks_nft *nft, struct ks_draft *draft, const json_t *set)
{
	const json_t *payload = json_object_get(json_object_get(set, "elem"), "payload");
	const char *field = json_string_value(json_object_get(payload, "field"));
	const json_t *stmt = json_array_get(json_object_get(set, "stmt"), 0);
	const char *per = field && !strcmp(field, "saddr")   ? " per source"
			  : field && !strcmp(field, "daddr") ? " per destination"
							     : NULL;

	if (!json_array_size(json_object_get(set, "stmt")))
		return ks_import_note(nft->import, "what comes into a set here is not known: it counts as unknown");
	if (per && json_object_get(stmt, "limit"))
		return limit_read(nft, draft, json_object_get(stmt, "limit"), per);
	if (per && json_object_get(stmt, "ct count"))
		return count_read(nft, draft, json_object_get(stmt, "ct count"), per);
	if (json_object_get(stmt, "counter"))
		return 0;
	return ks_draft_unsaid(draft, ks_nft_text(nft->import, set), false);
}

/* --- translations --- */

static int target_port(const json_t *value, struct ks_import_target *target)
{
	const json_t *range = json_object_get(value, "range");
	const json_int_t low = json_integer_value(range ? json_array_get(range, 0) : value);
	const json_int_t high = json_integer_value(range ? json_array_get(range, 1) : value);

	if (!value)
		return 0;
	if (low < 1 || high < low || high > (json_int_t)KS_PORT_MAX)
		return -EINVAL;
	target->port = (__u16)low;
	target->port_last = (__u16)high;
	return 0;
}

static int target_address(struct ks_import *import, const json_t *value, struct ks_import_target *target)
{
	const json_t *range = json_object_get(value, "range");
	const char *first = json_string_value(range ? json_array_get(range, 0) : value);
	const char *last = json_string_value(json_array_get(range, 1));
	const char *text;

	if (!value)
		return 0;
	if (!first || (range && !last))
		return -EINVAL;
	text = range ? ks_import_format(import, "%.60s-%.60s", first, last) : ks_import_format(import, "%.60s", first);
	if (!text)
		return -ENOMEM;
	if (ks_value_range(text, &target->range, &target->family))
		return -EINVAL;
	target->address = text;
	return 0;
}

static bool has_flag(const json_t *object, const char *name)
{
	const json_t *flags = json_object_get(object, "flags"), *flag;
	size_t i;

	json_array_foreach(flags, i, flag)
	{
		if (json_is_string(flag) && !strcmp(json_string_value(flag), name))
			return true;
	}
	return json_is_string(flags) && !strcmp(json_string_value(flags), name);
}

/* --- others --- */

/* The type of a helper object; NULL if it is none of ours. */
static const char *helper_find(const struct ks_nft *nft, const char *name)
{
	static const char *const ours[] = { "ftp", "irc", "pptp", "rtsp", "sip", "tftp" };
	const json_t *object;
	size_t i;

	json_array_foreach(nft->objects, i, object)
	{
		const json_t *helper = json_object_get(object, "ct helper");
		const char *called = json_string_value(json_object_get(helper, "name"));
		const char *type = json_string_value(json_object_get(helper, "type"));

		for (size_t at = 0; called && type && !strcmp(called, name) && at < KS_ARRAY_SIZE(ours); at++) {
			if (!strcmp(ours[at], type))
				return ours[at];
		}
	}
	return NULL;
}

static int helper_read(struct ks_nft *nft, struct ks_draft *draft, const json_t *value)
{
	const char *type = json_is_string(value) ? helper_find(nft, json_string_value(value)) : NULL;

	return type ? aside(nft, draft, KS_IMPORT_HELPER, type) : ks_import_note(nft->import, "no such helper here");
}

/* --- loops --- */

static const json_t *key_of(const json_t *entry)
{
	const json_t *element = json_object_get(entry, "elem");

	return element && json_object_get(element, "val") ? json_object_get(element, "val") : entry;
}

/* Restricts a draft to one key: a value, or a value for each part of a concatenation. */
static int key_match(struct ks_nft *nft, struct ks_draft *draft, const json_t *left, const json_t *key)
{
	const json_t *lefts = json_object_get(left, "concat"), *keys = json_object_get(key, "concat"), *part;
	int err = 0;
	size_t i;

	if (!lefts)
		return ks_nft_match(nft, draft, left, "==", key);
	if (json_array_size(lefts) != json_array_size(keys))
		return ks_draft_unsaid(draft, ks_nft_text(nft->import, key), false);
	json_array_foreach(lefts, i, part)
	{
		err = ks_nft_match(nft, draft, part, "==", json_array_get(keys, i));
		if (err)
			return err;
	}
	return 0;
}

/* A match of several keys at once: the rest of the rule once for each entry. */
static int concat_read(struct ks_nft *nft, const struct ks_draft *draft, const json_t *match, const json_t *list,
		       size_t at)
{
	const json_t *right = json_object_get(match, "right"), *entry;
	ks_auto_json json_t *made = NULL;
	const json_t *entries = ks_nft_entries(nft, right, &made);
	const char *op = json_string_value(json_object_get(match, "op"));
	struct ks_draft copy = *draft;
	int err = 0;
	size_t i;

	if (!entries || !op || strcmp(op, "==") != 0 || nft->loops == KS_NFT_LOOPS) {
		ks_auto_json json_t *shown = json_pack("{s:O}", "match", match);

		err = shown ? ks_draft_unsaid(&copy, ks_nft_text(nft->import, shown), false) : -ENOMEM;
		return err ? err : ks_nft_statements(nft, &copy, list, at + 1);
	}
	nft->loops++;
	json_array_foreach(entries, i, entry)
	{
		copy = *draft;
		err = key_match(nft, &copy, json_object_get(match, "left"), key_of(entry));
		err = err ? err : ks_nft_statements(nft, &copy, list, at + 1);
		if (err)
			return err;
	}
	nft->loops--;
	return 0;
}

/* A map of verdicts: a rule for each entry. What no entry has goes on with the chain. */
static int map_read(struct ks_nft *nft, const struct ks_draft *draft, const json_t *map)
{
	ks_auto_json json_t *made = NULL;
	const json_t *entries = ks_nft_entries(nft, json_object_get(map, "data"), &made), *entry;
	struct ks_draft copy = *draft;
	int err = 0;
	size_t i;

	if (!entries || nft->loops == KS_NFT_LOOPS)
		return ks_nft_refuse(nft, &copy, "a map that changes");
	json_array_foreach(entries, i, entry)
	{
		ks_auto_json json_t *verdict = json_pack("[O]", json_array_get(entry, 1));

		copy = *draft;
		copy.quiet = true;
		if (!verdict)
			return -ENOMEM;
		err = key_match(nft, &copy, json_object_get(map, "key"), key_of(json_array_get(entry, 0)));
		err = err ? err : ks_nft_statements(nft, &copy, verdict, 0);
		if (err)
			return err;
	}
	return 0;
}

/* --- translations of a rule --- */

static int translate(struct ks_nft *nft, struct ks_draft *draft, enum ks_verdict_kind kind, const json_t *value)
{
	struct ks_import_rule *rule = &draft->rule;
	int err = target_address(nft->import, json_object_get(value, "addr"), &rule->target);

	err = err ? err : target_port(json_object_get(value, "port"), &rule->target);
	rule->target.random = has_flag(value, "random") || has_flag(value, "fully-random");
	if (err == -ENOMEM)
		return err;
	if (err)
		rule->trouble = "its new address depends on the packet";
	else if (!rule->target.address && (kind == KS_IMPORT_FORWARD || kind == KS_IMPORT_SOURCE))
		rule->trouble = "only the port becomes another one";
	if (rule->target.address && !rule->trouble)
		ks_draft_family(draft, rule->target.family);
	return verdict_end(nft, draft, kind);
}

/* The target of an entry of a map: an address, or an address and a port. */
static json_t *mapped_make(const json_t *value, const json_t *entry)
{
	const json_t *parts = json_object_get(entry, "concat"), *flags = json_object_get(value, "flags");
	json_t *made = json_object();

	if (json_object_set(made, "addr", (json_t *)(parts ? json_array_get(parts, 0) : entry)) ||
	    (parts && json_object_set(made, "port", json_array_get(parts, 1))) ||
	    (!parts && json_object_get(value, "port") &&
	     json_object_set(made, "port", json_object_get(value, "port"))) ||
	    (flags && json_object_set(made, "flags", (json_t *)flags))) {
		json_decref(made);
		return NULL;
	}
	return made;
}

/* A translation by a map: a rule for each entry. What no entry has goes on with the chain. */
static int mapped_read(struct ks_nft *nft, const struct ks_draft *draft, enum ks_verdict_kind kind, const json_t *value)
{
	const json_t *map = json_object_get(json_object_get(value, "addr"), "map"), *entry;
	ks_auto_json json_t *made = NULL;
	const json_t *entries = ks_nft_entries(nft, json_object_get(map, "data"), &made);
	struct ks_draft copy = *draft;
	int err = 0;
	size_t i;

	if (!entries || nft->loops == KS_NFT_LOOPS) {
		copy.rule.trouble = "its new address is in a map that changes";
		return verdict_end(nft, &copy, kind);
	}
	json_array_foreach(entries, i, entry)
	{
		ks_auto_json json_t *target = mapped_make(value, json_array_get(entry, 1));

		copy = *draft;
		copy.quiet = true;
		if (!target)
			return -ENOMEM;
		err = key_match(nft, &copy, json_object_get(map, "key"), key_of(json_array_get(entry, 0)));
		err = err ? err : translate(nft, &copy, kind, target);
		if (err)
			return err;
	}
	return 0;
}

static int translation_read(struct ks_nft *nft, struct ks_draft *draft, enum ks_verdict_kind kind, const json_t *value)
{
	if (json_object_get(json_object_get(json_object_get(value, "addr"), "map"), "key"))
		return mapped_read(nft, draft, kind, value);
	return translate(nft, draft, kind, value);
}

/* --- the table --- */

static const struct {
	const char *name;
	enum ks_verdict_kind kind;
	bool translates, jumps;
} verdicts[] = {
	{ "accept", KS_IMPORT_ACCEPT, false, false },
	{ "drop", KS_IMPORT_DROP, false, false },
	{ "reject", KS_IMPORT_REJECT, false, false },
	{ "return", KS_IMPORT_RETURN, false, false },
	{ "jump", KS_IMPORT_JUMP, false, true },
	{ "goto", KS_IMPORT_GOTO, false, true },
	{ "dnat", KS_IMPORT_FORWARD, true, false },
	{ "snat", KS_IMPORT_SOURCE, true, false },
	{ "masquerade", KS_IMPORT_MASQUERADE, true, false },
	{ "redirect", KS_IMPORT_REDIRECT, true, false },
};

static const char *const ignored[] = { "counter", "flow", "continue", "quota", "dup", "last", "secmark" };

/* Returns 1 if the statement is a verdict, which ends the rule, 0 if it is none, or -errno. */
static int verdict_read(struct ks_nft *nft, struct ks_draft *draft, const char *name, const json_t *value)
{
	const char *target = json_string_value(json_object_get(value, "target"));
	int err = 0;

	for (size_t i = 0; i < KS_ARRAY_SIZE(verdicts); i++) {
		if (strcmp(verdicts[i].name, name) != 0)
			continue;
		if (verdicts[i].jumps)
			err = target ? ks_nft_chain(nft, target, &draft->rule.chain)
				     : ks_import_fail(nft->import, "rule %u jumps nowhere", nft->import->line);
		err = err		       ? err
		      : verdicts[i].translates ? translation_read(nft, draft, verdicts[i].kind, value)
					       : verdict_end(nft, draft, verdicts[i].kind);
		return err ? err : 1;
	}
	return 0;
}

/* Returns true for "in" and "!" where they ask for bits, or for an entry of a set. */
static bool asks_known_bits(const char *op, const json_t *left, const json_t *right)
{
	const json_t *masked = json_array_get(json_object_get(left, "&"), 0), *key = masked ? masked : left;
	const char *field = json_string_value(json_object_get(json_object_get(key, "payload"), "field"));
	const bool bits = json_object_get(key, "ct") || (field && !strcmp(field, "flags"));

	if (json_object_get(right, "set") || (json_is_string(right) && json_string_value(right)[0] == '@'))
		return !strcmp(op, "in");
	return bits && (!strcmp(op, "in") || !strcmp(op, "!"));
}

/* A condition. Operators that are not known are not guessed. */
static int match_read(struct ks_nft *nft, struct ks_draft *draft, const json_t *match)
{
	static const char *const operators[] = { "==", "!=", "<", ">", "<=", ">=" };
	const json_t *left = json_object_get(match, "left"), *right = json_object_get(match, "right");
	const char *op = json_string_value(json_object_get(match, "op"));
	ks_auto_json json_t *shown = NULL;
	bool known = !op;

	for (size_t i = 0; op && i < KS_ARRAY_SIZE(operators); i++)
		known |= !strcmp(operators[i], op);
	if (known || asks_known_bits(op, left, right))
		return ks_nft_match(nft, draft, left, op ? op : "==", right);
	shown = json_pack("{s:O}", "match", match);
	return shown ? ks_draft_unsaid(draft, ks_nft_text(nft->import, shown), false) : -ENOMEM;
}

/* A statement that ends no rule. Returns 0 or -errno. */
static int statement_read(struct ks_nft *nft, struct ks_draft *draft, const char *name, const json_t *value)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(ignored); i++) {
		if (!strcmp(ignored[i], name) && strcmp(name, "quota") != 0)
			return 0;
	}
	if (!strcmp(name, "match") && json_object_get(value, "left") && json_object_get(value, "right"))
		return match_read(nft, draft, value);
	if (!strcmp(name, "limit"))
		return limit_read(nft, draft, value, "");
	if (!strcmp(name, "ct count"))
		return count_read(nft, draft, value, "");
	if (!strcmp(name, "set"))
		return set_read(nft, draft, value);
	if (!strcmp(name, "log"))
		return aside(nft, draft, KS_IMPORT_LOG,
			     json_string_value(json_object_get(value, "prefix"))
				     ? ks_import_format(nft->import, "%s",
							json_string_value(json_object_get(value, "prefix")))
				     : NULL);
	if (!strcmp(name, "notrack"))
		return aside(nft, draft, KS_IMPORT_UNTRACK, NULL);
	if (!strcmp(name, "ct helper"))
		return helper_read(nft, draft, value);
	if (!strcmp(name, "mangle"))
		return ks_nft_mangle(nft, draft, value);
	if (!strcmp(name, "queue") || !strcmp(name, "tproxy") || !strcmp(name, "synproxy") || !strcmp(name, "fwd"))
		return ks_nft_refuse(nft, draft, name);
	if (!strcmp(name, "unread")) /* nft_list_rule.c */
		return ks_nft_refuse(nft, draft, "the rest of the rule");
	return ks_draft_unsaid(draft, ks_import_format(nft->import, "%.100s", name), false);
}

/* Returns true if nothing is said behind the statement that we do not know, so that it may have been a verdict. */
static bool is_unknown_end(const char *name, const json_t *list, size_t at)
{
	return !strcmp(name, "xt") && at + 1 >= json_array_size(list);
}

/* Statements behind which fewer packets may go on. */
static bool is_condition(const char *name)
{
	static const char *const others[] = { "counter", "log", "mangle", "notrack", "ct helper" };
	bool found = false;

	for (size_t i = 0; i < KS_ARRAY_SIZE(others); i++)
		found |= !strcmp(others[i], name);
	for (size_t i = 0; i < KS_ARRAY_SIZE(verdicts); i++)
		found |= !strcmp(verdicts[i].name, name);
	return !found;
}

int ks_nft_statements(struct ks_nft *nft, struct ks_draft *draft, const json_t *list, size_t at)
{
	int done = 0;

	for (; !done && at < json_array_size(list); at++) {
		const json_t *statement = json_array_get(list, at);
		void *pair = json_object_iter((json_t *)statement);
		const char *name = pair			       ? json_object_iter_key(pair)
				   : json_is_string(statement) ? json_string_value(statement)
							       : "";
		const json_t *value = pair ? json_object_iter_value(pair) : NULL;

		if (is_condition(name))
			done = ks_nft_changes_end(nft, draft);
		if (done)
			return done;
		if (!strcmp(name, "vmap"))
			return map_read(nft, draft, value);
		if (!strcmp(name, "match") && json_object_get(json_object_get(value, "left"), "concat"))
			return concat_read(nft, draft, value, list, at);
		done = is_unknown_end(name, list, at) ? ks_nft_refuse(nft, draft, "a rule of iptables")
						      : verdict_read(nft, draft, name, value);
		if (!done)
			done = statement_read(nft, draft, name, value);
	}
	if (!done) /* no verdict makes the changes */
		done = ks_nft_changes_end(nft, draft);
	return KS_MIN(done, 0);
}
