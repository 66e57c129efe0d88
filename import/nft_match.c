/* SPDX-License-Identifier: BSD-2-Clause */
/* Matches of nft rules: nft(8), "expressions". */
#include <errno.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "import/nft.h"
#include "policy/icmp.h"
#include "policy/value.h"
#include "text/names.h"

#define NUMBER_MAX 0xffffffffU

/* A match that is read. */
struct wish {
	struct ks_nft *nft;
	struct ks_draft *draft;
	const char *op;
	bool negated;
	const json_t *left, *right;
	const json_t *entries;
};

/* A condition that nothing says. One and its negation are one condition; other operators ask for something else. */
static int unsaid(const struct wish *wish)
{
	const char *op = !strcmp(wish->op, "!") ? "in" : wish->negated ? "==" : wish->op;
	ks_auto_json json_t *match =
		json_pack("{s:{s:O, s:s, s:O}}", "match", "left", wish->left, "op", op, "right", wish->right);
	const char *text = match ? ks_nft_text(wish->nft->import, match) : NULL;

	return text ? ks_draft_unsaid(wish->draft, text, wish->negated) : -ENOMEM;
}

const json_t *ks_nft_element(const json_t *entry)
{
	const json_t *element = json_object_get(entry, "elem");

	return element && json_object_get(element, "val") ? json_object_get(element, "val") : entry;
}

/* --- numbers --- */

typedef int name_fn(const char *name); /* the number of a name, or -1 */

static int number_of(const json_t *value, name_fn *name, __u64 *number)
{
	int known;

	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*number = (__u64)json_integer_value(value);
		return 0;
	}
	if (!json_is_string(value))
		return -EINVAL;
	known = name ? name(json_string_value(value)) : -1;
	if (known < 0)
		return ks_value_number(json_string_value(value), 0, NUMBER_MAX, number);
	*number = (__u64)known;
	return 0;
}

/* One number or range, and with <, > and their like all those numbers. */
static int numbers_one(const struct wish *wish, const json_t *entry, name_fn *name, __u32 max, struct ks_ranges *ranges)
{
	const json_t *value = ks_nft_element(entry), *range = json_object_get(value, "range");
	__u64 low, high;
	int err = number_of(range ? json_array_get(range, 0) : value, name, &low);

	err = err ? err : number_of(range ? json_array_get(range, 1) : value, name, &high);
	if (err || low > high || high > max)
		return -EINVAL;
	if (wish->op[0] == '<') {
		if (!wish->op[1] && !low)
			return -EINVAL;
		return ks_ranges_number(ranges, 0, (__u32)low - !wish->op[1]);
	}
	if (wish->op[0] == '>') {
		if (!wish->op[1] && low == max)
			return -EINVAL;
		return ks_ranges_number(ranges, (__u32)low + !wish->op[1], max);
	}
	return ks_ranges_number(ranges, (__u32)low, (__u32)high);
}

/* All numbers of the right side, as spans. Returns 0, -EINVAL, -E2BIG or -ENOMEM. */
static int numbers_read(const struct wish *wish, name_fn *name, __u32 max, struct ks_spans spans[2])
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	const json_t *entry;
	int err = 0;
	size_t i;

	json_array_foreach(wish->entries, i, entry)
	{
		err = numbers_one(wish, entry, name, max, &ranges);
		if (err)
			return err;
	}
	return ks_ranges_take(wish->nft->import, &ranges, spans);
}

static int match_ports(const struct wish *wish, enum ks_dim dim)
{
	struct ks_spans spans[2];
	int err = numbers_read(wish, NULL, KS_PORT_MAX, spans);

	if (err)
		return err == -EINVAL ? unsaid(wish) : err;
	err = ks_draft_ported(wish->draft);
	return err ? err : ks_draft_numbers(wish->draft, dim, &spans[0], wish->negated);
}

/* Numbers as our language lists them: "{ 1, 5-9 }". */
static int match_word(const struct wish *wish, enum ks_import_word word, name_fn *name, __u32 max)
{
	struct ks_spans spans[2];
	char text[256] = "{ ";
	size_t length = strlen(text);
	int err = numbers_read(wish, name, max, spans);

	if (err == -ENOMEM || err == -E2BIG)
		return err;
	if (err || spans[0].count > 8 || !spans[0].count)
		return unsaid(wish);
	for (__u32 i = 0; i < spans[0].count; i++) {
		const struct ks_range *range = &spans[0].list[i];

		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   range->lo[1] == range->hi[1] ? "%s%llu" : "%s%llu-%llu", i ? ", " : "",
					   (unsigned long long)range->lo[1], (unsigned long long)range->hi[1]);
	}
	snprintf(text + length, sizeof(text) - length, " }");
	return ks_draft_condition(wish->draft, word, text, wish->negated);
}

/* A field that rules of the text may change before: then one value of it can be asked for. */
static int match_field(const struct wish *wish, enum ks_import_word word, enum ks_field field, name_fn *name, __u32 max)
{
	struct ks_field_test test = { .field = field, .mask = max, .negated = wish->negated };
	struct ks_spans spans[2];
	int err;

	if (!wish->nft->import->alters[field])
		return match_word(wish, word, name, max);
	err = numbers_read(wish, name, max, spans);
	if (err == -ENOMEM || err == -E2BIG)
		return err;
	if (err || spans[0].count != 1 || spans[0].list[0].lo[1] != spans[0].list[0].hi[1])
		return unsaid(wish);
	test.value = (__u32)spans[0].list[0].lo[1];
	return ks_draft_field(wish->draft, &test, word, ks_import_format(wish->nft->import, "%u", test.value));
}

static int proto_number(const char *name)
{
	if (!strcmp(name, "ipv6-icmp") || !strcmp(name, "icmpv6"))
		return KS_PROTO_ICMPV6;
	return ks_proto_from_name(name);
}

static int match_protos(const struct wish *wish)
{
	__u64 protos[KS_PROTO_WORDS] = { 0 };
	struct ks_spans spans[2];
	int err = numbers_read(wish, proto_number, 255, spans);

	if (err)
		return err == -EINVAL ? unsaid(wish) : err;
	for (__u32 i = 0; i < spans[0].count; i++) {
		for (__u64 proto = spans[0].list[i].lo[1]; proto <= spans[0].list[i].hi[1]; proto++)
			protos[proto / 64] |= 1ULL << proto % 64;
	}
	for (unsigned i = 0; i < KS_PROTO_WORDS && wish->negated; i++)
		protos[i] = ~protos[i];
	for (unsigned i = 0; i < wish->draft->matches; i++)
		ks_import_match_protos(&wish->draft->match[i], protos);
	return 0;
}

static int icmp4_number(const char *name)
{
	__s32 type, code;

	return ks_icmp_lookup(KS_PROTO_ICMP, name, &type, &code) || code >= 0 ? -1 : type;
}

static int icmp6_number(const char *name)
{
	static const char *const others[][2] = { { "nd-router-solicit", "router-solicitation" },
						 { "nd-router-advert", "router-advertisement" },
						 { "nd-neighbor-solicit", "neighbour-solicitation" },
						 { "nd-neighbor-advert", "neighbour-advertisement" },
						 { "nd-redirect", "redirect" },
						 { "mld-listener-query", "multicast-listener-query" },
						 { "mld-listener-report", "multicast-listener-report" },
						 { "mld-listener-done", "multicast-listener-done" },
						 { "mld-listener-reduction", "multicast-listener-done" },
						 { "mld2-listener-report", "multicast-listener-report-v2" } };
	__s32 type, code;

	for (size_t i = 0; i < KS_ARRAY_SIZE(others); i++)
		name = strcmp(others[i][0], name) ? name : others[i][1];
	return ks_icmp_lookup(KS_PROTO_ICMPV6, name, &type, &code) || code >= 0 ? -1 : type;
}

/* Types, with all of their codes. */
static int match_icmp(const struct wish *wish, unsigned proto)
{
	struct ks_spans spans[2];
	struct ks_range *list;
	int err = numbers_read(wish, proto == KS_PROTO_ICMP ? icmp4_number : icmp6_number, 255, spans);

	if (err)
		return err == -EINVAL ? unsaid(wish) : err;
	list = (struct ks_range *)spans[0].list;
	for (__u32 i = 0; i < spans[0].count; i++) {
		list[i].lo[1] <<= KS_ICMP_TYPE_SHIFT;
		list[i].hi[1] = list[i].hi[1] << KS_ICMP_TYPE_SHIFT | 0xff;
	}
	ks_draft_proto(wish->draft, proto, false);
	return ks_draft_numbers(wish->draft, KS_DIM_ICMP, &spans[0], wish->negated);
}

/* --- addresses --- */

int ks_nft_address(const json_t *entry, struct ks_ranges *ranges)
{
	const json_t *value = ks_nft_element(entry), *prefix = json_object_get(value, "prefix"),
		     *range = json_object_get(value, "range");
	const char *first, *last;
	char text[128];

	if (json_is_string(value))
		return ks_ranges_address(ranges, json_string_value(value));
	if (prefix) {
		first = json_string_value(json_object_get(prefix, "addr"));
		snprintf(text, sizeof(text), "%.60s/%d", first ? first : "",
			 (int)json_integer_value(json_object_get(prefix, "len")));
		return ks_ranges_address(ranges, text);
	}
	first = json_string_value(json_array_get(range, 0));
	last = json_string_value(json_array_get(range, 1));
	if (!first || !last)
		return -EINVAL;
	snprintf(text, sizeof(text), "%.60s-%.60s", first, last);
	return ks_ranges_address(ranges, text);
}

static int match_addresses(const struct wish *wish, enum ks_dim dim, __u8 family)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	struct ks_spans spans[2];
	const json_t *entry;
	int err = ks_draft_family(wish->draft, family);
	size_t i;

	json_array_foreach(wish->entries, i, entry)
	{
		err = err ? err : ks_nft_address(entry, &ranges);
		if (err)
			return err == -EINVAL ? unsaid(wish) : err;
	}
	err = ks_ranges_take(wish->nft->import, &ranges, spans);
	return err ? err : ks_draft_addresses(wish->draft, dim, spans, wish->negated);
}

static int match_macs(const struct wish *wish)
{
	const char *text = json_string_value(json_array_get(wish->entries, 0));
	__u8 mac[6];

	if (json_array_size(wish->entries) != 1 || !text || ks_value_mac(text, mac))
		return unsaid(wish);
	return ks_draft_condition(wish->draft, KS_WORD_MAC, text, wish->negated);
}

/* --- interfaces and families --- */

static int match_interfaces(const struct wish *wish, bool to)
{
	__u64 all = 0, zones;
	const json_t *entry;
	size_t i;

	json_array_foreach(wish->entries, i, entry)
	{
		const char *name = json_string_value(ks_nft_element(entry));
		int err = name ? ks_import_interface(wish->nft->import, name, &zones) : -EINVAL;

		if (err)
			return err == -EINVAL ? unsaid(wish) : err;
		all |= zones;
	}
	return ks_draft_zones(wish->draft, to, wish->negated ? ~all : all);
}

static int family_number(const char *name)
{
	if (!strcmp(name, "ipv4") || !strcmp(name, "ip"))
		return KS_IPV4;
	return !strcmp(name, "ipv6") || !strcmp(name, "ip6") ? KS_IPV6 : -1;
}

static int match_family(const struct wish *wish)
{
	const char *name = json_string_value(json_array_get(wish->entries, 0));
	const int family = name ? family_number(name) : -1;

	if (json_array_size(wish->entries) != 1 || family < 0)
		return unsaid(wish);
	return ks_draft_family(wish->draft, (family == KS_IPV4) != wish->negated ? KS_IPV4 : KS_IPV6);
}

/* --- connections --- */

/* Returns true for bits of which one is enough, or none is to be set ("!"). */
static bool asks_bits(const struct wish *wish)
{
	return !strcmp(wish->op, "in") || !strcmp(wish->op, "!");
}

static int match_states(const struct wish *wish, bool status)
{
	static const char *const names[] = { "new", "established", "related", "invalid", "untracked", "dnat" };
	unsigned states = 0;
	const json_t *entry;
	int err;
	size_t i;

	if (status && !asks_bits(wish)) /* of all bits of the status together */
		return unsaid(wish);
	json_array_foreach(wish->entries, i, entry)
	{
		const char *name = json_string_value(ks_nft_element(entry));
		size_t at = status ? 5 : 0;

		while (name && at < KS_ARRAY_SIZE(names) - !status && strcmp(names[at], name) != 0)
			at++;
		if (!name || at >= KS_ARRAY_SIZE(names) - !status)
			return unsaid(wish);
		states |= 1U << at;
	}
	err = ks_draft_states(wish->draft, states, wish->negated);
	return err == -E2BIG ? unsaid(wish) : err;
}

/* --- TCP flags --- */

/* Flags as a number, a name, a list, or names with "|" between them; -1 for anything else. */
static int flags_of(const json_t *value)
{
	static const char *const names[] = { "fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr" };
	const char *name = json_string_value(value);
	const json_t *parts = json_is_array(value) ? value : json_object_get(value, "|"), *part;
	int flags = 0, more;
	size_t i;

	if (json_is_integer(value))
		return json_integer_value(value) >= 0 && json_integer_value(value) < 256
			       ? (int)json_integer_value(value)
			       : -1;
	for (i = 0; name && i < KS_ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], name))
			return 1 << i;
	}
	if (!parts || json_array_size(parts) > 8)
		return -1;
	json_array_foreach(parts, i, part)
	{
		more = json_is_string(part) || json_is_object(part) ? flags_of(part) : -1;
		if (more < 0)
			return -1;
		flags |= more;
	}
	return flags;
}

static int match_flags(const struct wish *wish, int mask)
{
	const int set = flags_of(wish->right);
	const bool any = asks_bits(wish);

	if (set < 0 || mask < 0 || (!any && set & ~mask))
		return unsaid(wish);
	ks_draft_proto(wish->draft, KS_PROTO_TCP, false);
	if (any) /* one of them is enough */
		return ks_draft_flags(wish->draft, 0, (unsigned)(set & mask), !wish->negated);
	return ks_draft_flags(wish->draft, (unsigned)set, (unsigned)mask, wish->negated);
}

/* --- routes --- */

static bool flag_is(const json_t *fib, const char *flag)
{
	const json_t *flags = json_object_get(fib, "flags"), *one;
	size_t i;

	json_array_foreach(flags, i, one)
	{
		if (json_is_string(one) && !strcmp(json_string_value(one), flag))
			return true;
	}
	return json_is_string(flags) && !strcmp(json_string_value(flags), flag);
}

static int match_fib(const struct wish *wish, const json_t *fib)
{
	const char *result = json_string_value(json_object_get(fib, "result"));
	const char *type = json_string_value(json_array_get(wish->entries, 0));
	const json_t *value = json_array_get(wish->entries, 0);
	int err = -E2BIG;

	if (json_array_size(wish->entries) != 1 || !result)
		return unsaid(wish);
	/* With the interface, too, an address of another one is none. */
	if (!strcmp(result, "type") && flag_is(fib, "daddr") && !flag_is(fib, "iif") && !flag_is(fib, "mark") && type) {
		if (!strcmp(type, "local"))
			err = ks_draft_own(wish->draft, wish->negated);
		else if (!strcmp(type, "broadcast"))
			err = ks_draft_broadcast(wish->draft, wish->negated);
		else if (!strcmp(type, "multicast"))
			err = ks_draft_multicast(wish->draft, KS_DIM_DST, wish->negated);
		return err == -E2BIG ? unsaid(wish) : err;
	}
	/* A source without a route back: sources are believed by zone here. */
	if (!strcmp(result, "oif") && flag_is(fib, "saddr") && !wish->negated &&
	    (json_is_false(value) || (json_is_integer(value) && !json_integer_value(value))))
		return ks_draft_zones(wish->draft, false, 0);
	return unsaid(wish);
}

/* --- the keys --- */

/* Questions about the IP header. */
static int match_ip(const struct wish *wish, bool v4, const char *field)
{
	const __u8 family = v4 ? KS_IPV4 : KS_IPV6;

	if (!strcmp(field, "saddr"))
		return match_addresses(wish, KS_DIM_SRC, family);
	if (!strcmp(field, "daddr"))
		return match_addresses(wish, KS_DIM_DST, family);
	ks_draft_family(wish->draft, family);
	if (!strcmp(field, v4 ? "protocol" : "nexthdr"))
		return match_protos(wish);
	if (!strcmp(field, v4 ? "ttl" : "hoplimit"))
		return match_word(wish, KS_WORD_TTL, NULL, 255);
	if (!strcmp(field, "dscp"))
		return match_field(wish, KS_WORD_DSCP, KS_FIELD_DSCP, ks_nft_dscp, KS_FIELD_DSCP_BITS);
	if (v4 && !strcmp(field, "length"))
		return match_word(wish, KS_WORD_LENGTH, NULL, 65535);
	return unsaid(wish);
}

/* Questions about headers with ports; protocol 0: whichever has them. */
static int match_ported(const struct wish *wish, unsigned proto, const char *field)
{
	if (proto)
		ks_draft_proto(wish->draft, proto, false);
	if (!strcmp(field, "flags") && proto == KS_PROTO_TCP) /* a list: nft asks for none of them */
		return json_is_array(wish->right) && !asks_bits(wish) ? unsaid(wish) : match_flags(wish, 0xff);
	if (!strcmp(field, "sport") || !strcmp(field, "dport"))
		return match_ports(wish, field[0] == 's' ? KS_DIM_SPORT : KS_DIM_DPORT);
	return unsaid(wish);
}

static int match_payload(const struct wish *wish, const char *proto, const char *field)
{
	static const struct {
		const char *name;
		unsigned proto;
	} ported[] = { { "tcp", KS_PROTO_TCP },	  { "udp", KS_PROTO_UDP },	   { "sctp", KS_PROTO_SCTP },
		       { "dccp", KS_PROTO_DCCP }, { "udplite", KS_PROTO_UDPLITE }, { "th", 0 } };

	if (!strcmp(proto, "ip") || !strcmp(proto, "ip6"))
		return match_ip(wish, !proto[2], field);
	if (!strcmp(proto, "ether") && !strcmp(field, "saddr"))
		return match_macs(wish);
	if (!strcmp(proto, "icmp") && !strcmp(field, "type"))
		return match_icmp(wish, KS_PROTO_ICMP);
	if (!strcmp(proto, "icmpv6") && !strcmp(field, "type"))
		return match_icmp(wish, KS_PROTO_ICMPV6);
	for (size_t i = 0; i < KS_ARRAY_SIZE(ported); i++) {
		if (!strcmp(ported[i].name, proto))
			return match_ported(wish, ported[i].proto, field);
	}
	return unsaid(wish);
}

/* Users by their numbers. '!=' is about what has no socket, too, of which rules with users here know nothing. */
static int match_users(const struct wish *wish)
{
	if (wish->negated || strchr("<>", wish->op[0]))
		return unsaid(wish);
	ks_draft_zones(wish->draft, false, 1ULL << KS_ZONE_SELF);
	return match_word(wish, KS_WORD_USER, NULL, NUMBER_MAX - 1);
}

static int match_times(const struct wish *wish, bool days)
{
	const int err = strchr("<>", wish->op[0])
				? -EINVAL
				: ks_nft_times(wish->nft, wish->draft, wish->entries, days, wish->negated);

	return err == -EINVAL ? unsaid(wish) : err;
}

static int match_meta(const struct wish *wish, const char *key)
{
	if (!strcmp(key, "iifname") || !strcmp(key, "iif"))
		return match_interfaces(wish, false);
	if (!strcmp(key, "oifname") || !strcmp(key, "oif"))
		return match_interfaces(wish, true);
	if (!strcmp(key, "l4proto"))
		return match_protos(wish);
	if (!strcmp(key, "nfproto") || !strcmp(key, "protocol"))
		return match_family(wish);
	if (!strcmp(key, "length"))
		return match_word(wish, KS_WORD_LENGTH, NULL, 65535);
	if (!strcmp(key, "skuid"))
		return match_users(wish);
	if (!strcmp(key, "hour") || !strcmp(key, "day"))
		return match_times(wish, key[0] == 'd');
	if (!strcmp(key, "mark"))
		return match_field(wish, KS_WORD_MARK, KS_FIELD_MARK, NULL, NUMBER_MAX);
	return unsaid(wish);
}

static int match_key(const struct wish *wish)
{
	const json_t *payload = json_object_get(wish->left, "payload"), *meta = json_object_get(wish->left, "meta"),
		     *ct = json_object_get(wish->left, "ct"), *masked = json_object_get(wish->left, "&");
	const char *proto = json_string_value(json_object_get(payload, "protocol"));
	const char *field = json_string_value(json_object_get(payload, "field"));
	const char *key = json_string_value(json_object_get(meta ? meta : ct, "key"));

	if (proto && field)
		return match_payload(wish, proto, field);
	if (meta && key)
		return match_meta(wish, key);
	if (ct && key && !json_object_get(ct, "dir") && (!strcmp(key, "state") || !strcmp(key, "status")))
		return match_states(wish, !strcmp(key, "status"));
	if (json_object_get(wish->left, "fib"))
		return match_fib(wish, json_object_get(wish->left, "fib"));
	payload = json_object_get(json_array_get(masked, 0), "payload");
	field = json_string_value(json_object_get(payload, "field"));
	proto = json_string_value(json_object_get(payload, "protocol"));
	if (field && proto && !strcmp(field, "flags") && !strcmp(proto, "tcp"))
		return match_flags(wish, flags_of(json_array_get(masked, 1)));
	return unsaid(wish);
}

/* A set that programs change is a run-time set of ours. Entries that it has at the moment are in it. */
static int match_dynamic(const struct wish *wish, const json_t *set)
{
	const json_t *payload = json_object_get(wish->left, "payload");
	const char *proto = json_string_value(json_object_get(payload, "protocol"));
	const char *field = json_string_value(json_object_get(payload, "field"));
	struct ks_named_spans *made;
	bool source;
	int err;

	if (!proto || !field || (strcmp(field, "saddr") != 0 && strcmp(field, "daddr") != 0))
		return unsaid(wish);
	source = field[0] == 's';
	err = ks_nft_dynamic_make(wish->nft->import, set, &made);
	if (err)
		return err == -EINVAL ? unsaid(wish) : err;
	err = ks_draft_family(wish->draft, strcmp(proto, "ip6") ? KS_IPV4 : KS_IPV6);
	return err ? err
		   : ks_draft_condition(wish->draft, source ? KS_WORD_SOURCE : KS_WORD_DESTINATION,
					ks_import_format(wish->nft->import, "@%s", made->name), wish->negated);
}

int ks_nft_match(struct ks_nft *nft, struct ks_draft *draft, const json_t *left, const char *op, const json_t *right)
{
	ks_auto_json json_t *made = NULL;
	struct wish wish = {
		.nft = nft, .draft = draft, .op = op, .negated = op[0] == '!', .left = left, .right = right
	};

	if (ks_nft_dynamic(nft, right))
		return match_dynamic(&wish, ks_nft_dynamic(nft, right));
	wish.entries = ks_nft_entries(nft, right, &made);
	if (!wish.entries && !json_is_string(right))
		return -ENOMEM;
	if (strchr("<>", op[0]) && !json_is_integer(right)) /* an order of addresses or names */
		return unsaid(&wish);
	return wish.entries ? match_key(&wish) : unsaid(&wish);
}
