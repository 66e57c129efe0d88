/* SPDX-License-Identifier: BSD-2-Clause */
/* Matches of the text of `nft list ruleset`, behind their keys. */
#include <string.h>

#include "import/nft_list.h"

static bool key_is(const json_t *key, const char *kind, const char *name)
{
	const json_t *object = json_object_get(key, kind);
	const char *text = json_string_value(json_object_get(object, !strcmp(kind, "payload") ? "field" : "key"));

	return text && !strcmp(text, name);
}

/* "(fin | syn)", "fin | syn", "fin,syn" or a number: what has the bits of all. */
static json_t *bits_read(struct ks_nft_scan *scan)
{
	ks_auto_json json_t *list = json_array();
	const bool closes = ks_nft_token_comes(scan, "(");
	bool many;

	do {
		ks_auto_json json_t *right = ks_nft_list_right(scan, &many);

		if (!right || (many ? json_array_extend(list, right) : json_array_append(list, right)))
			return NULL;
	} while (ks_nft_token_comes(scan, "|"));
	if (closes && !ks_nft_token_comes(scan, ")"))
		return NULL;
	return json_incref(json_array_size(list) > 1 ? list : json_array_get(list, 0));
}

static json_t *match_make(const json_t *left, const char *op, const json_t *right)
{
	return left && right ? json_pack("{s:{s:s, s:O, s:O}}", "match", "op", op, "left", left, "right", right) : NULL;
}

/* "tcp flags & (fin | syn) == syn" and "tcp flags syn / fin,syn", behind the key and the mask. */
static json_t *masked_make(const json_t *key, const char *op, const json_t *mask, const json_t *right)
{
	ks_auto_json json_t *left = mask && right ? json_pack("{s:[O, O]}", "&", key, mask) : NULL;

	return match_make(left, op, right);
}

json_t *ks_nft_list_masked(struct ks_nft_scan *scan, const json_t *key)
{
	ks_auto_json json_t *mask = bits_read(scan), *right = NULL;
	const bool negated = ks_nft_token_comes(scan, "!=");

	if (!mask || (!negated && !ks_nft_token_comes(scan, "==")))
		return NULL;
	right = bits_read(scan);
	return masked_make(key, negated ? "!=" : "==", mask, right);
}

static const char *operator_take(struct ks_nft_scan *scan)
{
	static const char *const operators[] = { "==", "!=", "<=", ">=", "<", ">", "!" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(operators); i++) {
		if (ks_nft_token_comes(scan, operators[i]))
			return operators[i];
	}
	return "";
}

/*
 * Returns the operator as the JSON has it; NULL for what is not known here. Bits without an operator are any of them; with one, and
 * several bits, it is another question. "!" asks for none of them.
 */
static const char *operator_find(const json_t *key, const char *op, const json_t *right, bool many)
{
	const bool state = key_is(key, "ct", "state"), status = key_is(key, "ct", "status");
	const bool bits = state || status || key_is(key, "payload", "flags");
	const bool set = json_is_object(right) || (json_is_string(right) && json_string_value(right)[0] == '@');

	if ((op[0] == '<' || op[0] == '>') && !json_is_integer(right))
		return NULL;
	if (many && (!bits || (*op && strcmp(op, "!") != 0 && !(state && op[0] == '!'))))
		return NULL;
	if (status && ((*op && strcmp(op, "!") != 0) || set))
		return NULL;
	if (!strcmp(op, "!") && (!bits || set))
		return NULL;
	if (*op)
		return op;
	return bits && !set ? "in" : "==";
}

json_t *ks_nft_list_match(struct ks_nft_scan *scan, const json_t *key)
{
	const char *op = operator_take(scan);
	bool many;
	ks_auto_json json_t *right = ks_nft_list_right(scan, &many), *mask = NULL;

	if (!right)
		return NULL;
	if (ks_nft_token_comes(scan, "/")) {
		mask = bits_read(scan);
		return *op && strcmp(op, "!=") != 0 ? NULL : masked_make(key, *op ? op : "==", mask, right);
	}
	if (json_object_get(key, "fib") && json_is_string(right) && !strcmp(json_string_value(right), "missing"))
		return *op ? NULL : json_pack("{s:{s:s, s:O, s:b}}", "match", "op", "==", "left", key, "right", 0);
	op = operator_find(key, op, right, many);
	return op ? match_make(key, op, right) : NULL;
}
