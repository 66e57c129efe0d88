/* SPDX-License-Identifier: BSD-2-Clause */
/* Expressions of the text of `nft list ruleset`: keys, values, and the entries of sets and maps. */
#include <string.h>

#include "import/nft_list.h"
#include "policy/value.h"

#define NUMBER_MAX 0xffffffffU
#define TEXT_SIZE 64

static bool is_among(struct ks_nft_token token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ks_nft_token_is(token, words[i]))
			return true;
	}
	return false;
}

#define IS_AMONG(token, words) is_among(token, words, KS_ARRAY_SIZE(words))

/* --- values --- */

static bool number_read(const char *text, size_t length, __u64 *number)
{
	char buf[TEXT_SIZE];

	if (!length || length >= sizeof(buf) || text[0] < '0' || text[0] > '9')
		return false;
	snprintf(buf, sizeof(buf), "%.*s", (int)length, text);
	return !ks_value_number(buf, 0, NUMBER_MAX, number);
}

json_t *ks_nft_list_value(struct ks_nft_token token)
{
	const char *dash = token.length ? memchr(token.text, '-', token.length) : NULL;
	const size_t before = dash ? (size_t)(dash - token.text) : token.length;
	__u64 low, high;

	if (token.quoted || !number_read(token.text, before, &low))
		return json_stringn(token.text, token.length);
	if (!dash)
		return json_integer((json_int_t)low);
	if (!number_read(dash + 1, token.length - before - 1, &high))
		return json_stringn(token.text, token.length);
	return json_pack("{s:[I, I]}", "range", (json_int_t)low, (json_int_t)high);
}

/* Returns true if a value may begin, or end, so: no mark, and no operator. */
static bool is_value(struct ks_nft_token token)
{
	static const char *const others[] = { "{", "}", "(",  ")",  ",",  ";",	 ".",	 ":",  "|",
					      "&", "/", "^",  "=",  "==", "!",	 "!=",	 "<=", "<",
					      ">", "-", ">=", ">>", "<<", "map", "vmap", "set" };

	return token.quoted || (token.length && token.text[0] != '"' && !IS_AMONG(token, others));
}

/* ""08:00"-"18:00""; NULL if the last one is no text. */
static json_t *quoted_range(struct ks_nft_token first, struct ks_nft_token last)
{
	return last.quoted ? json_pack("{s:[s%, s%]}", "range", first.text, first.length, last.text, last.length)
			   : NULL;
}

/* One value, or several with dots between them. */
static json_t *parts_read(struct ks_nft_scan *scan)
{
	ks_auto_json json_t *parts = json_array();
	json_t *one;

	do {
		struct ks_nft_token token = ks_nft_token_next(scan);

		if (!is_value(token))
			return NULL;
		/* the entry of all that no other has is no value */
		if (ks_nft_token_is(token, "*"))
			one = json_pack("{s:n}", "others");
		else
			one = token.quoted && ks_nft_token_comes(scan, "-")
				      ? quoted_range(token, ks_nft_token_next(scan))
				      : ks_nft_list_value(token);
		if (json_array_append_new(parts, one))
			return NULL;
	} while (ks_nft_token_comes(scan, "."));
	if (json_array_size(parts) == 1)
		return json_incref(json_array_get(parts, 0));
	return json_pack("{s:O}", "concat", parts);
}

/* Goes past notes of an entry that say nothing about what is in the set. Returns true if it ends by itself. */
static bool entry_notes_skip(struct ks_nft_scan *scan)
{
	static const char *const ends[] = { "timeout", "expires" };
	bool passes = false;

	for (;;) {
		struct ks_nft_scan ahead = *scan;
		const struct ks_nft_token note = ks_nft_token_next(&ahead);

		if (IS_AMONG(note, ends) || ks_nft_token_is(note, "comment")) {
			passes |= !ks_nft_token_is(note, "comment");
			ks_nft_token_next(&ahead);
		} else {
			ahead = *scan;
			if (!ks_nft_token_comes(&ahead, "counter") || !ks_nft_token_comes(&ahead, "packets"))
				return passes;
			ks_nft_token_next(&ahead);
			if (!ks_nft_token_comes(&ahead, "bytes"))
				return passes;
			ks_nft_token_next(&ahead);
		}
		*scan = ahead;
	}
}

/* An entry, or a pair of one and its verdict or value. */
static json_t *entry_read(struct ks_nft_scan *scan)
{
	ks_auto_json json_t *key = parts_read(scan), *verdict = NULL;
	struct ks_nft_scan before;
	bool passes;

	if (!key)
		return NULL;
	passes = entry_notes_skip(scan);
	if (!ks_nft_token_comes(scan, ":"))
		return passes ? json_pack("{s:{s:O, s:b}}", "elem", "val", key, "expires", 1) : json_incref(key);
	before = *scan;
	verdict = ks_nft_list_verdict(scan);
	if (!verdict) {
		*scan = before;
		verdict = parts_read(scan);
	}
	return verdict ? json_pack("[O, O]", key, verdict) : NULL;
}

json_t *ks_nft_list_entries(struct ks_nft_scan *scan)
{
	ks_auto_json json_t *entries = json_array();

	if (!ks_nft_token_comes(scan, "{"))
		return NULL;
	while (!ks_nft_token_comes(scan, "}")) {
		if (json_array_append_new(entries, entry_read(scan)))
			return NULL;
		if (!ks_nft_token_comes(scan, ",") && !ks_nft_token_is(ks_nft_token_peek(scan), "}"))
			return NULL;
	}
	return json_incref(entries);
}

/* Values with commas between them; `many` if there are several. */
json_t *ks_nft_list_right(struct ks_nft_scan *scan, bool *many)
{
	ks_auto_json json_t *list = json_array(), *entries = NULL;

	*many = false;
	if (ks_nft_token_is(ks_nft_token_peek(scan), "{")) {
		entries = ks_nft_list_entries(scan);
		return entries ? json_pack("{s:O}", "set", entries) : NULL;
	}
	do {
		if (json_array_append_new(list, parts_read(scan)))
			return NULL;
	} while (ks_nft_token_comes(scan, ","));
	*many = json_array_size(list) > 1;
	return json_incref(*many ? list : json_array_get(list, 0));
}

json_t *ks_nft_list_verdict(struct ks_nft_scan *scan)
{
	static const char *const plain[] = { "accept", "drop", "continue", "return" };
	static const char *const jumps[] = { "jump", "goto" };
	struct ks_nft_token token = ks_nft_token_next(scan), target;

	if (IS_AMONG(token, plain))
		return json_pack("{s%:n}", token.text, token.length);
	if (!IS_AMONG(token, jumps))
		return NULL;
	target = ks_nft_token_next(scan);
	if (!is_value(target))
		return NULL;
	return json_pack("{s%:{s:s%}}", token.text, token.length, "target", target.text, target.length);
}

/* --- keys --- */

/* `fib saddr . iif oif`: what the packet has, and what is asked of the routes. */
static json_t *fib_read(struct ks_nft_scan *scan)
{
	static const char *const results[] = { "type", "oif", "oifname" };
	ks_auto_json json_t *flags = json_array();
	struct ks_nft_token token;

	do {
		token = ks_nft_token_next(scan);
		if (!is_value(token) || json_array_append_new(flags, json_stringn(token.text, token.length)))
			return NULL;
	} while (ks_nft_token_comes(scan, "."));
	token = ks_nft_token_next(scan);
	if (!IS_AMONG(token, results))
		return NULL;
	return json_pack("{s:{s:s%, s:O}}", "fib", "result", token.text, token.length, "flags", flags);
}

/* `ct state` and other keys of one word; what depends on the direction has more. */
static json_t *ct_read(struct ks_nft_scan *scan)
{
	static const char *const known[] = { "state",  "status", "mark",       "direction",
					     "helper", "zone",	 "expiration", "id" };
	const struct ks_nft_token token = ks_nft_token_next(scan);

	return IS_AMONG(token, known) ? json_pack("{s:{s:s%}}", "ct", "key", token.text, token.length) : NULL;
}

static json_t *meta_key(struct ks_nft_token token)
{
	return is_value(token) ? json_pack("{s:{s:s%}}", "meta", "key", token.text, token.length) : NULL;
}

static json_t *payload_read(struct ks_nft_scan *scan, struct ks_nft_token proto)
{
	static const char *const others[] = { "option", "hdr1", "hdr2" }; /* no value follows */
	const struct ks_nft_token field = ks_nft_token_next(scan);

	if (!is_value(field) || IS_AMONG(field, others))
		return NULL;
	return json_pack("{s:{s:s%, s:s%}}", "payload", "protocol", proto.text, proto.length, "field", field.text,
			 field.length);
}

static json_t *key_one(struct ks_nft_scan *scan)
{
	static const char *const metas[] = { "iif",	 "oif",	     "iifname", "oifname", "iiftype", "oiftype",
					     "iifgroup", "oifgroup", "skuid",	"skgid",   "mark" };
	static const char *const protos[] = { "ether",	"ip",	"ip6",	   "tcp",  "udp",  "th",  "icmp",
					      "icmpv6", "sctp", "udplite", "dccp", "igmp", "esp", "ah" };
	const struct ks_nft_token token = ks_nft_token_next(scan);

	if (ks_nft_token_is(token, "meta"))
		return meta_key(ks_nft_token_next(scan));
	if (ks_nft_token_is(token, "ct"))
		return ct_read(scan);
	if (ks_nft_token_is(token, "fib"))
		return fib_read(scan);
	if (IS_AMONG(token, metas))
		return meta_key(token);
	return IS_AMONG(token, protos) ? payload_read(scan, token) : NULL;
}

json_t *ks_nft_list_key(struct ks_nft_scan *scan)
{
	ks_auto_json json_t *parts = json_array();

	do {
		if (json_array_append_new(parts, key_one(scan)))
			return NULL;
	} while (ks_nft_token_comes(scan, "."));
	if (json_array_size(parts) == 1)
		return json_incref(json_array_get(parts, 0));
	return json_pack("{s:O}", "concat", parts);
}
