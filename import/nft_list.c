/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the text of `nft list ruleset`: tables, and in them chains, sets and maps. It becomes the JSON that `nft -j` would print of
 * it, with the lines of the text in place of handles, so that one reader (nft.c) says what all of it means.
 */
#include "import/nft_list.h"

#include <errno.h>
#include <string.h>

#define TEXT_MAX 400

/* The text that is read. */
struct list {
	struct ks_import *import;
	struct ks_nft_scan scan;
	json_t *objects;
	struct ks_nft_token family, table;
};

static struct ks_nft_token take(struct list *list)
{
	return ks_nft_token_next(&list->scan);
}

static bool comes(struct list *list, const char *word)
{
	return ks_nft_token_comes(&list->scan, word);
}

static int unexpected(struct list *list, struct ks_nft_token token)
{
	const int length = (int)KS_MIN(token.length, (size_t)40);

	if (!token.length)
		return ks_import_fail(list->import, "a brace is not closed at the end");
	return ks_import_fail(list->import, "line %u: '%.*s' is not expected in what 'nft list ruleset' prints",
			      list->scan.line, length, token.text);
}

/* Adds an object of the table. */
static int object_add(struct list *list, const char *kind, json_t *object)
{
	int err = object ? 0 : -1;

	err = err ? err : json_object_set_new(object, "family", json_stringn(list->family.text, list->family.length));
	err = err ? err : json_object_set_new(object, "table", json_stringn(list->table.text, list->table.length));
	err = err ? err : json_array_append_new(list->objects, json_pack("{s:O}", kind, object));
	json_decref(object);
	return err ? -ENOMEM : 0;
}

/* Goes to the end of a statement: that of its line, a semicolon, or the brace that closes what it stands in. */
static struct ks_nft_scan statement_take(struct list *list)
{
	struct ks_nft_scan statement;
	int depth = 0;

	list->scan.lines = true;
	while (comes(list, "\n"))
		;
	statement = list->scan;
	statement.lines = false;
	for (;;) {
		struct ks_nft_token token = ks_nft_token_peek(&list->scan);
		const bool ends = ks_nft_token_is(token, ";") || ks_nft_token_is(token, "\n");

		if (!token.length || (!depth && (ends || ks_nft_token_is(token, "}"))))
			break;
		depth += ks_nft_token_is(token, "{");
		depth -= ks_nft_token_is(token, "}");
		take(list);
	}
	statement.end = list->scan.at;
	list->scan.lines = false;
	return statement;
}

/* Goes past a body in braces that says nothing here. */
static int body_skip(struct list *list)
{
	int depth = 0;

	do {
		struct ks_nft_token token = take(list);

		if (!token.length)
			return unexpected(list, token);
		depth += ks_nft_token_is(token, "{");
		depth -= ks_nft_token_is(token, "}");
	} while (depth);
	return 0;
}

/* --- sets and maps --- */

/* The type of `typeof ip saddr`. */
static const char *type_of(struct ks_nft_scan scan)
{
	const struct ks_nft_token proto = ks_nft_token_next(&scan), field = ks_nft_token_next(&scan);

	if (!ks_nft_token_is(field, "saddr") && !ks_nft_token_is(field, "daddr"))
		return "";
	if (ks_nft_token_peek(&scan).length)
		return "";
	return ks_nft_token_is(proto, "ip") ? "ipv4_addr" : ks_nft_token_is(proto, "ip6") ? "ipv6_addr" : "";
}

static int set_flags(struct ks_nft_scan scan, json_t *flags)
{
	for (;;) {
		const struct ks_nft_token token = ks_nft_token_next(&scan);

		if (!token.length)
			return 0;
		if (!ks_nft_token_is(token, ",") &&
		    json_array_append_new(flags, json_stringn(token.text, token.length)))
			return -ENOMEM;
	}
}

/* A statement of the body. What cannot be read makes a set that nobody knows: one of no type, which changes. */
static int set_statement(struct ks_nft_scan scan, json_t *set, json_t *flags)
{
	static const char *const silent[] = { "size", "gc-interval", "auto-merge", "policy", "comment", "counter" };
	const struct ks_nft_token name = ks_nft_token_next(&scan);
	ks_auto_json json_t *elements = NULL;
	const struct ks_nft_token type = ks_nft_token_peek(&scan);

	for (size_t i = 0; i < KS_ARRAY_SIZE(silent); i++) {
		if (ks_nft_token_is(name, silent[i]))
			return 0;
	}
	if (ks_nft_token_is(name, "type"))
		return json_object_set_new(set, "type", json_stringn(type.text ? type.text : "", type.length));
	if (ks_nft_token_is(name, "typeof"))
		return json_object_set_new(set, "type", json_string(type_of(scan)));
	if (ks_nft_token_is(name, "flags"))
		return set_flags(scan, flags);
	if (ks_nft_token_is(name, "timeout") &&
	    json_object_set_new(set, "timeout", json_stringn(type.text ? type.text : "", type.length)))
		return -ENOMEM;
	if (ks_nft_token_is(name, "timeout"))
		return json_array_append_new(flags, json_string("timeout"));
	if (ks_nft_token_is(name, "elements") && ks_nft_token_comes(&scan, "="))
		elements = ks_nft_list_entries(&scan);
	if (elements && !ks_nft_token_peek(&scan).length)
		return json_object_set(set, "elem", elements);
	return json_object_set_new(set, "unread", json_true());
}

static int set_read(struct list *list, const char *kind)
{
	const struct ks_nft_token name = take(list);
	ks_auto_json json_t *flags = json_array(),
			    *set = json_pack("{s:s%}", "name", name.text ? name.text : "", name.length);
	int err = set && flags ? 0 : -ENOMEM;

	if (!err && !comes(list, "{"))
		return unexpected(list, take(list));
	while (!err && !comes(list, "}")) {
		struct ks_nft_scan statement = statement_take(list);

		if (ks_nft_token_peek(&statement).length)
			err = set_statement(statement, set, flags) ? -ENOMEM : 0;
		else if (!comes(list, ";"))
			return unexpected(list, take(list));
	}
	if (!err && json_object_get(set, "unread")) {
		err = json_object_set_new(set, "type", json_string(""));
		err = err ? err : json_array_append_new(flags, json_string("timeout"));
	}
	err = err ? err : json_object_set(set, "flags", flags);
	return err ? -ENOMEM : object_add(list, kind, json_incref(set));
}

/* --- chains --- */

/* "filter + 10" */
static bool priority_read(struct ks_nft_scan *scan, json_int_t *priority)
{
	static const struct {
		const char *name;
		int value;
	} names[] = { { "raw", -300 }, { "mangle", -150 }, { "dstnat", -100 },
		      { "filter", 0 }, { "security", 50 }, { "srcnat", 100 } };
	const struct ks_nft_token token = ks_nft_token_next(scan);
	const bool minus = token.length > 1 && token.text[0] == '-';
	const struct ks_nft_token rest = { minus ? token.text + 1 : token.text, token.length - minus, token.quoted };
	ks_auto_json json_t *number = token.length ? ks_nft_list_value(rest) : NULL, *more = NULL;
	bool less;

	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (!ks_nft_token_is(token, names[i].name))
			continue;
		*priority = names[i].value;
		less = ks_nft_token_comes(scan, "-");
		if (!less && !ks_nft_token_comes(scan, "+"))
			return true;
		more = ks_nft_list_value(ks_nft_token_next(scan));
		*priority += less ? -json_integer_value(more) : json_integer_value(more);
		return json_is_integer(more);
	}
	*priority = minus ? -json_integer_value(number) : json_integer_value(number);
	return json_is_integer(number);
}

static json_t *devices_read(struct ks_nft_scan *scan)
{
	bool many;
	ks_auto_json json_t *right = NULL;

	if (ks_nft_token_comes(scan, "devices") && !ks_nft_token_comes(scan, "="))
		return NULL;
	ks_nft_token_comes(scan, "device");
	right = ks_nft_list_right(scan, &many);
	return json_incref(json_object_get(right, "set") ? json_object_get(right, "set") : right);
}

/* "type filter hook input priority filter", and what comes in its way. */
static int base_read(struct list *list, struct ks_nft_scan scan, json_t *chain)
{
	struct ks_nft_token type, hook, next;
	json_int_t priority;
	int err;

	ks_nft_token_next(&scan);
	type = ks_nft_token_next(&scan);
	if (!ks_nft_token_comes(&scan, "hook") || !type.length)
		return unexpected(list, type);
	hook = ks_nft_token_next(&scan);
	next = ks_nft_token_peek(&scan);
	err = json_object_set_new(chain, "type", json_stringn(type.text, type.length));
	err = err ? err : json_object_set_new(chain, "hook", json_stringn(hook.text ? hook.text : "", hook.length));
	if (!err && (ks_nft_token_is(next, "device") || ks_nft_token_is(next, "devices")) &&
	    json_object_set_new(chain, "dev", devices_read(&scan)))
		return unexpected(list, next);
	if (!ks_nft_token_comes(&scan, "priority") || !priority_read(&scan, &priority) ||
	    ks_nft_token_peek(&scan).length)
		return unexpected(list, next);
	return err || json_object_set_new(chain, "prio", json_integer(priority)) ? -ENOMEM : 0;
}

static int policy_read(struct list *list, struct ks_nft_scan scan, json_t *chain)
{
	struct ks_nft_token policy;

	ks_nft_token_next(&scan);
	policy = ks_nft_token_next(&scan);
	if (!ks_nft_token_is(policy, "accept") && !ks_nft_token_is(policy, "drop"))
		return unexpected(list, policy);
	return json_object_set_new(chain, "policy", json_stringn(policy.text, policy.length)) ? -ENOMEM : 0;
}

static int rule_add(struct list *list, struct ks_nft_scan scan, const json_t *chain)
{
	ks_auto_json json_t *statements = ks_nft_list_rule(scan);
	const size_t length = KS_MIN((size_t)(scan.end - scan.at), (size_t)TEXT_MAX);
	char text[TEXT_MAX + 1];

	snprintf(text, sizeof(text), "%.*s", (int)length, scan.at);
	for (char *at = text; *at; at++)
		*at = *at < ' ' || *at > '~' ? ' ' : *at;
	return object_add(list, "rule",
			  json_pack("{s:O, s:I, s:O, s:s}", "chain", json_object_get(chain, "name"), "handle",
				    (json_int_t)scan.line, "expr", statements, "as", text + strspn(text, " ")));
}

static int chain_statement(struct list *list, struct ks_nft_scan scan, json_t *chain)
{
	const struct ks_nft_token name = ks_nft_token_peek(&scan);

	if (ks_nft_token_is(name, "type"))
		return base_read(list, scan, chain);
	if (ks_nft_token_is(name, "policy"))
		return policy_read(list, scan, chain);
	if (ks_nft_token_is(name, "comment") || ks_nft_token_is(name, "flags"))
		return 0;
	return rule_add(list, scan, chain);
}

static int chain_read(struct list *list)
{
	const struct ks_nft_token name = take(list);
	ks_auto_json json_t *chain = json_pack("{s:s%, s:I}", "name", name.text ? name.text : "", name.length, "handle",
					       (json_int_t)list->scan.line);
	int err = chain ? 0 : -ENOMEM;

	if (!err && !comes(list, "{"))
		return unexpected(list, take(list));
	while (!err && !comes(list, "}")) {
		struct ks_nft_scan statement = statement_take(list);

		if (ks_nft_token_peek(&statement).length)
			err = chain_statement(list, statement, chain);
		else if (!comes(list, ";"))
			return unexpected(list, take(list));
	}
	return err ? err : object_add(list, "chain", json_incref(chain));
}

/* --- tables --- */

static int helper_read(struct list *list)
{
	const struct ks_nft_token name = take(list);
	struct ks_nft_scan body;
	struct ks_nft_token type;
	int err;

	if (!ks_nft_token_is(ks_nft_token_peek(&list->scan), "{"))
		return unexpected(list, take(list));
	body = list->scan;
	err = body_skip(list);
	ks_nft_token_next(&body);
	if (err || !ks_nft_token_comes(&body, "type"))
		return err;
	type = ks_nft_token_next(&body);
	return object_add(list, "ct helper",
			  json_pack("{s:s%, s:s%}", "name", name.text, name.length, "type", type.text, type.length));
}

/* Whatever else has a name and a body. */
static int other_skip(struct list *list)
{
	struct ks_nft_token token;

	do {
		token = ks_nft_token_peek(&list->scan);
		if (!token.length || ks_nft_token_is(token, "}"))
			return unexpected(list, token);
		if (ks_nft_token_is(token, "{"))
			return body_skip(list);
		take(list);
	} while (1);
}

static int table_object(struct list *list)
{
	struct ks_nft_scan before = list->scan;
	const struct ks_nft_token kind = take(list);

	if (ks_nft_token_is(kind, "chain"))
		return chain_read(list);
	if (ks_nft_token_is(kind, "set") || ks_nft_token_is(kind, "map"))
		return set_read(list, ks_nft_token_is(kind, "set") ? "set" : "map");
	if (ks_nft_token_is(kind, "ct") && comes(list, "helper"))
		return helper_read(list);
	if (ks_nft_token_is(kind, "comment"))
		return take(list).quoted ? 0 : unexpected(list, kind);
	if (ks_nft_token_is(kind, ";"))
		return 0;
	if (ks_nft_token_is(kind, "flags"))
		return ks_import_fail(list->import, "line %u: a table with flags may be asleep: its rules are not read",
				      list->scan.line);
	list->scan = before;
	return other_skip(list);
}

static int table_read(struct list *list)
{
	int err;

	list->family = take(list);
	list->table = take(list);
	if (ks_nft_token_is(list->table, "{")) /* the family is ip if none is said */
		return unexpected(list, list->table);
	if (!list->family.length || !list->table.length || !comes(list, "{"))
		return unexpected(list, take(list));
	err = json_array_append_new(list->objects,
				    json_pack("{s:{s:s%, s:s%}}", "table", "family", list->family.text,
					      list->family.length, "name", list->table.text, list->table.length));
	err = err ? -ENOMEM : 0;
	while (!err && !comes(list, "}"))
		err = table_object(list);
	return err;
}

int ks_nft_list(struct ks_import *import, const char *text, size_t length, json_t **root)
{
	struct list list = { .import = import, .scan = { .at = text, .end = text + length, .line = 1 } };
	ks_auto_json json_t *objects = list.objects = json_array();
	int err = objects ? 0 : -ENOMEM;
	json_t *made;

	while (!err && ks_nft_token_peek(&list.scan).length) {
		struct ks_nft_token token = take(&list);

		err = ks_nft_token_is(token, "table") ? table_read(&list) : unexpected(&list, token);
	}
	made = err ? NULL : json_pack("{s:O}", "nftables", objects);
	if (!err && !made)
		return -ENOMEM;
	*root = err ? *root : made;
	return err;
}
