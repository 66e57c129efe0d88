/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules of the text of `nft list ruleset`. A part that is not known here goes on to the end of the rule, and begins with the statement
 * before it if it may belong to that: it is a condition that nothing says if the rule ends in a verdict, and a verdict that
 * nobody knows if not.
 */
#include <string.h>

#include "import/nft_list.h"

#define BURST_DEFAULT 5 /* of the kernel; nft prints all others */
#define UNREAD_SIZE 100

/* A rule that is read. */
struct reader {
	struct ks_nft_scan scan;
	json_t *list;
	bool ends; /* nothing that follows matters */
};

/* Appends a statement. Returns true if there is one. */
static bool add(struct reader *reader, json_t *statement)
{
	return !json_array_append_new(reader->list, statement);
}

static bool comes(struct reader *reader, const char *word)
{
	return ks_nft_token_comes(&reader->scan, word);
}

static struct ks_nft_token take(struct reader *reader)
{
	return ks_nft_token_next(&reader->scan);
}

static bool number_take(struct reader *reader, __u64 *number)
{
	ks_auto_json json_t *value = ks_nft_list_value(take(reader));

	*number = json_is_integer(value) ? (__u64)json_integer_value(value) : 0;
	return json_is_integer(value);
}

/* --- statements with words of their own --- */

static bool counter_read(struct reader *reader)
{
	if (comes(reader, "name"))
		return take(reader).length != 0;
	if (!comes(reader, "packets"))
		return true;
	take(reader);
	if (!comes(reader, "bytes"))
		return false;
	return take(reader).length != 0;
}

/* The flags of a log, in no order that matters. */
static void log_flags_skip(struct reader *reader)
{
	if (comes(reader, "tcp")) {
		while (comes(reader, "sequence") || comes(reader, "options") || comes(reader, ","))
			;
	} else if (comes(reader, "ip")) {
		comes(reader, "options");
	} else {
		take(reader);
	}
}

static bool log_read(struct reader *reader)
{
	struct ks_nft_token prefix = { 0 };

	for (;;) {
		if (comes(reader, "prefix"))
			prefix = take(reader);
		else if (comes(reader, "level") || comes(reader, "group") || comes(reader, "snaplen") ||
			 comes(reader, "queue-threshold"))
			take(reader);
		else if (comes(reader, "flags"))
			log_flags_skip(reader);
		else
			break;
	}
	if (!prefix.quoted)
		return !prefix.length && add(reader, json_pack("{s:n}", "log"));
	return add(reader, json_pack("{s:{s:s%}}", "log", "prefix", prefix.text, prefix.length));
}

/* "10/minute", as a rate and its time. */
static json_t *rate_make(struct ks_nft_token token, __u64 burst, bool over)
{
	const char *slash = token.length ? memchr(token.text, '/', token.length) : NULL;
	const struct ks_nft_token before = { token.text, slash ? (size_t)(slash - token.text) : 0, false };
	ks_auto_json json_t *rate = slash ? ks_nft_list_value(before) : NULL;

	if (!json_is_integer(rate))
		return NULL;
	return json_pack("{s:{s:O, s:I, s:s%, s:b}}", "limit", "rate", rate, "burst", (json_int_t)burst, "per",
			 slash + 1, token.length - before.length - 1, "inv", over);
}

/* "10 mbytes/second burst 5 kbytes", of which ours count none. */
static json_t *bytes_read(struct reader *reader, struct ks_nft_token rate)
{
	const struct ks_nft_token unit = take(reader);

	if (comes(reader, "burst")) {
		take(reader);
		take(reader);
	}
	return unit.length ? json_pack("{s:{s:s%, s:s%}}", "limit", "rate", rate.text, rate.length, "rate_unit",
				       unit.text, unit.length)
			   : NULL;
}

static json_t *limit_read(struct reader *reader)
{
	__u64 burst = BURST_DEFAULT;
	struct ks_nft_token rate;
	bool over;

	if (!comes(reader, "rate"))
		return NULL;
	over = comes(reader, "over");
	rate = take(reader);
	if (rate.length && !memchr(rate.text, '/', rate.length))
		return bytes_read(reader, rate);
	if (comes(reader, "burst") && (!number_take(reader, &burst) || !comes(reader, "packets")))
		return NULL;
	return rate_make(rate, burst, over);
}

static json_t *count_read(struct reader *reader)
{
	const bool over = comes(reader, "over");
	__u64 number;

	if (!number_take(reader, &number))
		return NULL;
	return json_pack("{s:{s:I, s:b}}", "ct count", "val", (json_int_t)number, "inv", over);
}

/* "with icmp type port-unreachable" and its like: how it is refused. */
static bool reject_read(struct reader *reader)
{
	if (comes(reader, "with")) {
		if (comes(reader, "tcp")) {
			if (!comes(reader, "reset"))
				return false;
		} else {
			take(reader);
			comes(reader, "type");
			if (!take(reader).length)
				return false;
		}
	}
	return add(reader, json_pack("{s:n}", "reject"));
}

/* "add @seen { ip saddr timeout 1m limit rate over 3/second }" */
static bool set_read(struct reader *reader, struct ks_nft_token op)
{
	const struct ks_nft_token name = take(reader);
	ks_auto_json json_t *key = NULL, *list = json_array();

	if (name.length < 2 || name.text[0] != '@' || !comes(reader, "{"))
		return false;
	key = ks_nft_list_key(&reader->scan);
	while (comes(reader, "timeout") || comes(reader, "expires"))
		take(reader);
	if (comes(reader, "limit")) {
		if (json_array_append_new(list, limit_read(reader)))
			return false;
	} else if (comes(reader, "ct")) {
		if (!comes(reader, "count") || json_array_append_new(list, count_read(reader)))
			return false;
	} else if (comes(reader, "counter")) {
		if (!counter_read(reader) || json_array_append_new(list, json_pack("{s:n}", "counter")))
			return false;
	}
	if (!key || !list || !comes(reader, "}"))
		return false;
	return add(reader, json_pack("{s:{s:s%, s:O, s:s%, s:O}}", "set", "op", op.text, op.length, "elem", key, "set",
				     name.text, name.length, "stmt", list));
}

/* --- translations --- */

/* "80" or "80-90" behind the colon. */
static json_t *target_ports(const char *text, size_t length)
{
	json_t *ports = ks_nft_list_value((struct ks_nft_token){ text, length, false });

	if (json_is_string(ports)) {
		json_decref(ports);
		return NULL;
	}
	return ports;
}

/* "10.0.0.5-10.0.0.9", whose ends stand alone in the JSON. */
static json_t *target_addresses(const char *text, size_t length)
{
	const char *dash = memchr(text, '-', length);
	const size_t before = dash ? (size_t)(dash - text) : length;

	if (memchr(text, '/', length) || !length)
		return NULL;
	if (!dash)
		return json_stringn(text, length);
	return json_pack("{s:[s%, s%]}", "range", text, before, dash + 1, length - before - 1);
}

/* Returns the place of the colon before the ports; the end without. Addresses of IPv6 stand in brackets then. */
static const char *colon_find(struct ks_nft_token token)
{
	const char *end = token.text + token.length, *colon = memchr(token.text, ':', token.length);
	const char *bracket = memrchr(token.text, ']', token.length);

	if (bracket)
		return bracket + 1;
	if (colon && memchr(colon + 1, ':', (size_t)(end - colon - 1)))
		return end;
	return colon ? colon : end;
}

/* Puts the new address and the ports into an object. Returns true if they are known. */
static bool target_read(json_t *object, struct ks_nft_token token)
{
	const char *colon, *end, *begin = token.text, *last;

	if (token.quoted || !token.length)
		return false;
	end = token.text + token.length;
	colon = last = colon_find(token);
	if (*begin == '[' && begin < colon) {
		begin++;
		last--;
		if (memchr(begin, '[', (size_t)(last - begin)) || memchr(begin, ']', (size_t)(last - begin)))
			return false;
	}
	if (last > begin && json_object_set_new(object, "addr", target_addresses(begin, (size_t)(last - begin))))
		return false;
	if (colon == end)
		return true;
	return *colon == ':' &&
	       !json_object_set_new(object, "port", target_ports(colon + 1, (size_t)(end - colon - 1)));
}

static void target_flags_read(struct reader *reader, json_t *flags)
{
	static const char *const names[] = { "random", "fully-random", "persistent" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (!comes(reader, names[i]))
			continue;
		json_array_append_new(flags, json_string(names[i]));
		comes(reader, ",");
		i = (size_t)-1;
	}
}

/* The entries of a map, or its name: what stands behind "map" or "vmap". */
static json_t *map_data(struct reader *reader)
{
	const struct ks_nft_token name = ks_nft_token_peek(&reader->scan);
	ks_auto_json json_t *entries = NULL;

	if (name.length && name.text[0] == '@') {
		take(reader);
		return json_stringn(name.text, name.length);
	}
	entries = ks_nft_list_entries(&reader->scan);
	return entries ? json_pack("{s:O}", "set", entries) : NULL;
}

/* "tcp dport map { 80 : 10.0.0.5 }" in the place of an address. Returns true if it is one. */
static bool target_map_read(struct reader *reader, json_t *object)
{
	const struct ks_nft_scan before = reader->scan;
	ks_auto_json json_t *key = ks_nft_list_key(&reader->scan), *data = NULL;

	if (key && comes(reader, "map"))
		data = map_data(reader);
	if (data && !json_object_set_new(object, "addr", json_pack("{s:{s:O, s:O}}", "map", "key", key, "data", data)))
		return true;
	reader->scan = before;
	return false;
}

/* A translation ends the rule; one that is not known here still does. */
static bool translation_read(struct reader *reader, struct ks_nft_token kind)
{
	ks_auto_json json_t *object = json_object(), *flags = json_array();
	bool known = true;

	if (!comes(reader, "ip"))
		comes(reader, "ip6");
	if (comes(reader, "to"))
		known = target_map_read(reader, object) || target_read(object, take(reader));
	target_flags_read(reader, flags);
	if (comes(reader, "comment"))
		take(reader);
	if (!known || ks_nft_token_peek(&reader->scan).length)
		json_object_set_new(object, "addr", json_object());
	reader->ends = true;
	if (json_object_set(object, "flags", flags))
		return false;
	return add(reader, json_pack("{s%:O}", kind.text, kind.length, object));
}

/* --- matches and what changes packets --- */

/* An operation on a value that is read, "| 0x4000", as the JSON has it. NULL if none comes that is known here. */
static json_t *operation_read(struct reader *reader, const json_t *value)
{
	static const char *const operators[] = { "|", "&", "^", "<<", ">>" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(operators); i++) {
		ks_auto_json json_t *right = NULL;
		bool many;

		if (!comes(reader, operators[i]))
			continue;
		right = ks_nft_list_right(&reader->scan, &many);
		return right && !many ? json_pack("{s:[O, O]}", operators[i], value, right) : NULL;
	}
	return NULL;
}

/* "meta mark set 0x1", "ct mark set meta mark", "meta mark set meta mark | 0x1" */
static bool mangle_read(struct reader *reader, const json_t *key)
{
	const struct ks_nft_scan before = reader->scan;
	ks_auto_json json_t *value = ks_nft_list_key(&reader->scan);
	bool many = false;

	if (!value) {
		reader->scan = before;
		value = ks_nft_list_right(&reader->scan, &many);
	}
	for (json_t *more = value; value && more;) {
		more = operation_read(reader, value);
		if (more) {
			json_decref(value);
			value = more;
		}
	}
	return value && !many && add(reader, json_pack("{s:{s:O, s:O}}", "mangle", "key", key, "value", value));
}

/* "tcp option maxseg size set 1400"; other options of TCP are not known here. */
static bool option_read(struct reader *reader)
{
	ks_auto_json json_t *key = json_pack("{s:{s:s, s:s}}", "tcp option", "name", "maxseg", "field", "size");

	if (!comes(reader, "maxseg") || !comes(reader, "size") || !comes(reader, "set"))
		return false;
	if (comes(reader, "rt"))
		return comes(reader, "mtu") && add(reader, json_pack("{s:{s:O, s:{s:{s:s}}}}", "mangle", "key", key,
								     "value", "rt", "key", "mtu"));
	return mangle_read(reader, key);
}

/* A map of verdicts is the last thing that a rule has. */
static bool map_read(struct reader *reader, const json_t *key)
{
	ks_auto_json json_t *data = map_data(reader);

	if (comes(reader, "comment"))
		take(reader);
	if (!data || ks_nft_token_peek(&reader->scan).length)
		return false;
	return add(reader, json_pack("{s:{s:O, s:O}}", "vmap", "key", key, "data", data));
}

static bool expression_read(struct reader *reader)
{
	ks_auto_json json_t *key = ks_nft_list_key(&reader->scan);

	if (!key)
		return false;
	if (comes(reader, "vmap"))
		return map_read(reader, key);
	if (comes(reader, "set"))
		return mangle_read(reader, key);
	if (comes(reader, "&"))
		return add(reader, ks_nft_list_masked(&reader->scan, key));
	return add(reader, ks_nft_list_match(&reader->scan, key));
}

/* --- one statement --- */

static bool is_among(struct ks_nft_token token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ks_nft_token_is(token, words[i]))
			return true;
	}
	return false;
}

static bool ct_read(struct reader *reader)
{
	struct ks_nft_token name;

	if (comes(reader, "count"))
		return add(reader, count_read(reader));
	if (!comes(reader, "helper") || !comes(reader, "set"))
		return false;
	name = take(reader);
	return add(reader, json_pack("{s:s%}", "ct helper", name.text ? name.text : "", name.length));
}

/* Reads a statement whose first word says which one it is. Returns false for all others. */
static bool named_read(struct reader *reader)
{
	static const char *const translations[] = { "snat", "dnat", "masquerade", "redirect" };
	static const char *const sets[] = { "add", "update", "delete" };
	const struct ks_nft_token token = take(reader);

	if (is_among(token, translations, KS_ARRAY_SIZE(translations)))
		return translation_read(reader, token);
	if (is_among(token, sets, KS_ARRAY_SIZE(sets)))
		return set_read(reader, token);
	if (ks_nft_token_is(token, "counter"))
		return counter_read(reader);
	if (ks_nft_token_is(token, "comment"))
		return take(reader).quoted;
	if (ks_nft_token_is(token, "log"))
		return log_read(reader);
	if (ks_nft_token_is(token, "limit"))
		return add(reader, limit_read(reader));
	if (ks_nft_token_is(token, "reject"))
		return reject_read(reader);
	if (ks_nft_token_is(token, "notrack"))
		return add(reader, json_pack("{s:n}", "notrack"));
	if (ks_nft_token_is(token, "ct"))
		return ct_read(reader);
	if (ks_nft_token_is(token, "flow")) /* known flows go a shorter way */
		return (comes(reader, "add") || comes(reader, "offload")) && take(reader).length;
	if (ks_nft_token_is(token, "last"))
		return comes(reader, "used") && take(reader).length;
	return ks_nft_token_is(token, "tcp") && comes(reader, "option") && option_read(reader);
}

static bool statement_read(struct reader *reader)
{
	const struct ks_nft_scan before = reader->scan;
	const size_t kept = json_array_size(reader->list);
	json_t *verdict = ks_nft_list_verdict(&reader->scan);

	if (verdict)
		return add(reader, verdict);
	reader->scan = before;
	if (named_read(reader))
		return true;
	while (json_array_size(reader->list) > kept)
		json_array_remove(reader->list, kept);
	if (reader->ends)
		return false;
	reader->scan = before;
	return expression_read(reader);
}

/* --- what is not known here --- */

/* The rest of a rule: how it ends, and how it changes other rules. */
struct unread {
	struct ks_nft_token last, before;
	bool marks, untracks;
};

/* Sets that the rest may add to are known to be no longer as they are. */
static void unread_scan(struct reader *reader, struct unread *unread)
{
	bool mark = false, sets = false;

	for (;;) {
		const struct ks_nft_token token = take(reader);

		if (!token.text || (ks_nft_token_is(token, "comment") && ks_nft_token_peek(&reader->scan).quoted))
			break;
		unread->before = unread->last;
		unread->last = token;
		mark |= ks_nft_token_is(token, "mark");
		sets |= ks_nft_token_is(token, "set");
		unread->untracks |= ks_nft_token_is(token, "notrack");
		if (!token.quoted && token.text[0] == '@')
			add(reader, json_pack("{s:{s:s%}}", "set", "set", token.text, token.length));
	}
	unread->marks = mark && sets;
}

/* The verdict at the end of the rest; NULL without. */
static json_t *unread_verdict(const struct unread *unread)
{
	static const char *const plain[] = { "accept", "drop", "return", "reject" };
	static const char *const jumps[] = { "jump", "goto" };

	if (!unread->last.length || unread->untracks)
		return NULL;
	if (is_among(unread->before, jumps, KS_ARRAY_SIZE(jumps)) && !unread->last.quoted)
		return json_pack("{s%:{s:s%}}", unread->before.text, unread->before.length, "target", unread->last.text,
				 unread->last.length);
	if (!is_among(unread->last, plain, KS_ARRAY_SIZE(plain)))
		return NULL;
	return json_pack("{s%:n}", unread->last.text, unread->last.length);
}

static void unread_add(struct reader *reader)
{
	const char *begin = reader->scan.at;
	struct unread unread = { 0 };
	char text[UNREAD_SIZE];
	json_t *verdict;

	unread_scan(reader, &unread);
	while (begin < reader->scan.end && strchr(" \t", *begin))
		begin++;
	snprintf(text, sizeof(text), "nft %.*s", (int)KS_MIN(reader->scan.end - begin, UNREAD_SIZE), begin);
	for (char *at = text; *at; at++)
		*at = *at < ' ' || *at > '~' ? ' ' : *at;
	if (unread.marks)
		add(reader, json_pack("{s:{s:{s:{s:s}}}}", "mangle", "key", "meta", "key", "mark"));
	verdict = unread_verdict(&unread);
	if (!verdict) {
		add(reader, json_pack("{s:n}", "unread"));
		return;
	}
	add(reader, json_pack("{s:n}", text));
	add(reader, verdict);
}

/* Returns true if what comes is the first word of a statement, and so does not belong to the one before it. */
static bool statement_begins(struct ks_nft_scan scan)
{
	static const char *const words[] = { "meta",   "ct",	 "ip",	  "ip6",   "tcp",    "udp",    "icmp",
					     "icmpv6", "ether",	 "fib",	  "limit", "quota",  "numgen", "socket",
					     "osf",    "xt",	 "queue", "dup",   "tproxy", "fwd",    "synproxy",
					     "rt",     "exthdr", "frag",  "add",   "update", "meter",  "log",
					     "reject", "ipsec",	 "delete" };

	const struct ks_nft_token token = ks_nft_token_next(&scan);

	return ks_nft_token_is(token, "#") || is_among(token, words, KS_ARRAY_SIZE(words));
}

json_t *ks_nft_list_rule(struct ks_nft_scan scan)
{
	struct reader reader = { .scan = scan, .list = json_array() };
	struct ks_nft_scan before = scan;
	size_t kept = 0;

	while (reader.list && !reader.ends && ks_nft_token_peek(&reader.scan).text) {
		const struct ks_nft_scan here = reader.scan;
		const size_t size = json_array_size(reader.list);

		if (!statement_read(&reader)) {
			const bool begins = statement_begins(here);

			reader.scan = begins ? here : before;
			kept = begins ? size : kept;
			while (json_array_size(reader.list) > kept)
				json_array_remove(reader.list, kept);
			unread_add(&reader);
			break;
		}
		before = here;
		kept = size;
	}
	return reader.list;
}
