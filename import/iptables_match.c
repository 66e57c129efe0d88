/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions of iptables(8) rules: iptables-extensions(8). */
#include <errno.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "import/iptables.h"
#include "policy/icmp.h"
#include "policy/value.h"
#include "text/names.h"

#define PART 64
#define SAVE_HINT " (lines of 'ipset save' before these would say what is in it)"
#define SUFFIX_HINT " ('destination suffix' says it of the networks of a zone)"

typedef int reader(struct ks_iptables *ipt, const char *value, bool negated);

/* --- addresses and interfaces --- */

static int addresses_read(struct ks_iptables *ipt, enum ks_dim dim, const char *value, bool negated)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	struct ks_spans spans[2];
	char part[PART];
	int err = 0;

	for (const char *rest = value; !err && rest;) {
		ks_word_part(&rest, ',', part, sizeof(part));
		err = ks_ranges_address(&ranges, part);
	}
	if (err == -EINVAL)
		return ks_draft_unsaid(&ipt->draft,
				       ks_import_format(ipt->import, "%s %.200s%s",
							dim == KS_DIM_SRC ? "source" : "destination", value,
							strstr(value, "/::") ? SUFFIX_HINT : ""),
				       negated);
	err = err ? err : ks_ranges_take(ipt->import, &ranges, spans);
	return err ? err : ks_draft_addresses(&ipt->draft, dim, spans, negated);
}

static int read_source(struct ks_iptables *ipt, const char *value, bool negated)
{
	return addresses_read(ipt, KS_DIM_SRC, value, negated);
}

static int read_destination(struct ks_iptables *ipt, const char *value, bool negated)
{
	return addresses_read(ipt, KS_DIM_DST, value, negated);
}

static int interface_read(struct ks_iptables *ipt, bool to, const char *value, bool negated)
{
	char name[PART];
	__u64 zones;
	size_t length;
	int err;

	snprintf(name, sizeof(name), "%s", value);
	length = strlen(name);
	if (length && name[length - 1] == '+')
		name[length - 1] = '*';
	err = ks_import_interface(ipt->import, name, &zones);
	if (err == -EINVAL)
		return ks_import_fail(ipt->import, "line %u: '%.40s' is no interface", ipt->import->line, value);
	return err ? err : ks_draft_zones(&ipt->draft, to, negated ? ~zones : zones);
}

static int read_in(struct ks_iptables *ipt, const char *value, bool negated)
{
	return interface_read(ipt, false, value, negated);
}

static int read_out(struct ks_iptables *ipt, const char *value, bool negated)
{
	return interface_read(ipt, true, value, negated);
}

/* --- protocols and ports --- */

static int read_proto(struct ks_iptables *ipt, const char *value, bool negated)
{
	int proto =
		!strcmp(value, "ipv6-icmp") || !strcmp(value, "icmpv6") ? KS_PROTO_ICMPV6 : ks_proto_from_name(value);

	if (!strcmp(value, "all") || !strcmp(value, "0"))
		return 0;
	if (proto < 0)
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "-p %.100s", value), negated);
	if (!negated)
		ipt->proto = (unsigned)proto;
	return ks_draft_proto(&ipt->draft, (unsigned)proto, negated);
}

/* Ports with commas between them, as spans. */
static int ports_parse(struct ks_iptables *ipt, const char *value, struct ks_spans *spans)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	struct ks_spans made[2];
	char part[PART];
	int err = 0;

	for (const char *rest = value; !err && rest;) {
		__u32 low, high;

		ks_word_part(&rest, ',', part, sizeof(part));
		err = ks_word_ports(part, ':', KS_PORT_MAX, &low, &high);
		err = err ? err : ks_ranges_number(&ranges, low, high);
	}
	err = err ? err : ks_ranges_take(ipt->import, &ranges, made);
	if (!err)
		*spans = made[0];
	return err;
}

static int ports_read(struct ks_iptables *ipt, enum ks_dim one, enum ks_dim other, const char *value, bool negated)
{
	struct ks_spans spans;
	int err = ports_parse(ipt, value, &spans);

	if (err == -EINVAL)
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "ports %.200s", value), negated);
	err = err ? err : ks_draft_ported(&ipt->draft);
	if (err)
		return err;
	if (one == other)
		return ks_draft_numbers(&ipt->draft, one, &spans, negated);
	return ks_draft_either(&ipt->draft, one, other, &spans, negated);
}

static int read_sport(struct ks_iptables *ipt, const char *value, bool negated)
{
	return ports_read(ipt, KS_DIM_SPORT, KS_DIM_SPORT, value, negated);
}

static int read_dport(struct ks_iptables *ipt, const char *value, bool negated)
{
	return ports_read(ipt, KS_DIM_DPORT, KS_DIM_DPORT, value, negated);
}

static int read_ports(struct ks_iptables *ipt, const char *value, bool negated)
{
	return ports_read(ipt, KS_DIM_SPORT, KS_DIM_DPORT, value, negated);
}

/* "8", "3/1" or a name, as a range of types and codes. */
static int icmp_parse(unsigned proto, const char *value, struct ks_range *range)
{
	const char *slash = strchr(value, '/');
	__u64 type = 0, code = 0;
	__s32 named_type, named_code;
	char text[PART];

	if (!ks_icmp_lookup(proto, value, &named_type, &named_code)) {
		type = (__u64)named_type;
		code = named_code < 0 ? 0 : (__u64)named_code;
		slash = named_code < 0 ? NULL : "";
	} else {
		snprintf(text, sizeof(text), "%.*s", slash ? (int)KS_MIN(slash - value, PART - 1) : PART - 1, value);
		if (ks_value_number(text, 0, 255, &type) || (slash && ks_value_number(slash + 1, 0, 255, &code)))
			return -EINVAL;
	}
	range->lo[0] = range->hi[0] = 0;
	range->lo[1] = type << KS_ICMP_TYPE_SHIFT | code;
	range->hi[1] = type << KS_ICMP_TYPE_SHIFT | (slash ? code : 255);
	return 0;
}

static int icmp_read(struct ks_iptables *ipt, unsigned proto, const char *value, bool negated)
{
	struct ks_range *range = ks_pool_alloc(&ipt->import->pool, sizeof(*range));
	struct ks_spans spans = { range, 1 };

	if (!range)
		return -ENOMEM;
	if (!strcmp(value, "any") || !strcmp(value, "255"))
		return ks_draft_proto(&ipt->draft, proto, false);
	if (icmp_parse(proto, value, range))
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "icmp type %.100s", value), negated);
	ks_draft_proto(&ipt->draft, proto, false);
	return ks_draft_numbers(&ipt->draft, KS_DIM_ICMP, &spans, negated);
}

static int read_icmp(struct ks_iptables *ipt, const char *value, bool negated)
{
	return icmp_read(ipt, KS_PROTO_ICMP, value, negated);
}

static int read_icmp6(struct ks_iptables *ipt, const char *value, bool negated)
{
	return icmp_read(ipt, KS_PROTO_ICMPV6, value, negated);
}

/* --- flags --- */

/* "FIN,SYN" as bits; -1 for what is no flag. */
static int flags_parse(const char *value)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG" };
	int flags = 0;

	if (!strcmp(value, "NONE"))
		return 0;
	if (!strcmp(value, "ALL"))
		return (1 << KS_ARRAY_SIZE(names)) - 1;
	for (const char *rest = value; rest;) {
		char part[PART];
		size_t i;

		ks_word_part(&rest, ',', part, sizeof(part));
		for (i = 0; i < KS_ARRAY_SIZE(names) && strcmp(names[i], part) != 0; i++)
			;
		if (i == KS_ARRAY_SIZE(names))
			return -1;
		flags |= 1 << i;
	}
	return flags;
}

static int read_flags(struct ks_iptables *ipt, const char *value, bool negated)
{
	const char *second = ks_words_take(&ipt->words);
	const int mask = flags_parse(value), set = second ? flags_parse(second) : -1;

	if (mask < 0 || set < 0)
		return ks_import_fail(ipt->import, "line %u: no such TCP flags", ipt->import->line);
	if (set & ~mask)
		return ks_draft_unsaid(&ipt->draft, "flags that are not looked at", negated);
	return ks_draft_flags(&ipt->draft, (unsigned)set, (unsigned)mask, negated);
}

static int read_syn(struct ks_iptables *ipt, const char *value, bool negated)
{
	const int mask = flags_parse("FIN,SYN,RST,ACK"), set = flags_parse("SYN");

	return ks_draft_flags(&ipt->draft, (unsigned)set, (unsigned)mask, negated);
}

/* --- connections --- */

static int read_states(struct ks_iptables *ipt, const char *value, bool negated)
{
	static const char *const names[] = { "NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "DNAT" };
	unsigned states = 0;
	int err;

	for (const char *rest = value; rest;) {
		char part[PART];
		size_t i;

		ks_word_part(&rest, ',', part, sizeof(part));
		for (i = 0; i < KS_ARRAY_SIZE(names) && strcmp(names[i], part) != 0; i++)
			;
		if (i == KS_ARRAY_SIZE(names))
			return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "--ctstate %.100s", value),
					       negated);
		states |= 1U << i;
	}
	err = ks_draft_states(&ipt->draft, states, negated);
	if (err == -E2BIG)
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "--ctstate %.100s", value), negated);
	return err;
}

/* --- kinds of addresses --- */

static int read_dst_type(struct ks_iptables *ipt, const char *value, bool negated)
{
	int err = -EINVAL;

	if (!strcmp(value, "LOCAL"))
		err = ks_draft_own(&ipt->draft, negated);
	else if (!strcmp(value, "MULTICAST"))
		err = ks_draft_multicast(&ipt->draft, KS_DIM_DST, negated);
	else if (!strcmp(value, "BROADCAST"))
		err = ks_draft_broadcast(&ipt->draft, negated);
	if (err != -EINVAL && err != -E2BIG)
		return err;
	return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "--dst-type %.100s", value), negated);
}

static int read_src_type(struct ks_iptables *ipt, const char *value, bool negated)
{
	if (!strcmp(value, "MULTICAST"))
		return ks_draft_multicast(&ipt->draft, KS_DIM_SRC, negated);
	if (!strcmp(value, "LOCAL")) /* the box's own addresses come from nowhere else */
		return ks_draft_zones(&ipt->draft, false, negated ? ~(1ULL << KS_ZONE_SELF) : 1ULL << KS_ZONE_SELF);
	return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "--src-type %.100s", value), negated);
}

/* --match-set NAME src */
static int read_set(struct ks_iptables *ipt, const char *value, bool negated)
{
	const char *direction = ks_words_take(&ipt->words);
	const bool source = direction && !strcmp(direction, "src");
	const struct ks_named_spans *set = ks_import_set_find(ipt->import, value),
				    *dynamic = ks_import_dynamic_find(ipt->import, value);
	const bool filled = ks_import_is_filled(ipt->import, value);

	if (filled || (!source && (!direction || strcmp(direction, "dst") != 0)))
		set = dynamic = NULL;
	if (dynamic)
		return ks_draft_condition(&ipt->draft, source ? KS_WORD_SOURCE : KS_WORD_DESTINATION,
					  ks_import_format(ipt->import, "@%s", dynamic->name), negated);
	if (set)
		return ks_draft_addresses(&ipt->draft, source ? KS_DIM_SRC : KS_DIM_DST, set->spans, negated);
	return ks_draft_unsaid(&ipt->draft,
			       ks_import_format(ipt->import, "--match-set %.60s %.20s%s", value,
						direction ? direction : "", set || dynamic || filled ? "" : SAVE_HINT),
			       negated);
}

/* --- what rules of ours have, too --- */

/* A range of numbers as ours has it. */
static int number_read(struct ks_iptables *ipt, enum ks_import_word word, __u32 max, __u32 low, __u32 high,
		       bool negated)
{
	if (low > high || high > max)
		return ks_draft_unsaid(&ipt->draft, "numbers out of range", negated);
	return ks_draft_condition(&ipt->draft, word,
				  low == high ? ks_import_format(ipt->import, "%u", low)
					      : ks_import_format(ipt->import, "%u-%u", low, high),
				  negated);
}

static int read_length(struct ks_iptables *ipt, const char *value, bool negated)
{
	__u32 low, high;

	if (ks_word_ports(value, ':', 65535, &low, &high))
		return ks_draft_unsaid(&ipt->draft, "--length", negated);
	return number_read(ipt, KS_WORD_LENGTH, 65535, low, high, negated);
}

static int ttl_read(struct ks_iptables *ipt, const char *value, int below, bool negated)
{
	__u64 ttl;

	if (ks_value_number(value, 0, 255, &ttl) || (below && ttl == (below < 0 ? 0 : 255)))
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "ttl %.40s", value), negated);
	if (!below)
		return number_read(ipt, KS_WORD_TTL, 255, (__u32)ttl, (__u32)ttl, negated);
	if (below < 0)
		return number_read(ipt, KS_WORD_TTL, 255, 0, (__u32)ttl - 1, negated);
	return number_read(ipt, KS_WORD_TTL, 255, (__u32)ttl + 1, 255, negated);
}

static int read_ttl(struct ks_iptables *ipt, const char *value, bool negated)
{
	return ttl_read(ipt, value, 0, negated);
}

static int read_ttl_lt(struct ks_iptables *ipt, const char *value, bool negated)
{
	return ttl_read(ipt, value, -1, negated);
}

static int read_ttl_gt(struct ks_iptables *ipt, const char *value, bool negated)
{
	return ttl_read(ipt, value, 1, negated);
}

static int read_dscp(struct ks_iptables *ipt, const char *value, bool negated)
{
	__u64 dscp;

	if (ks_value_number(value, 0, 63, &dscp))
		return ks_draft_unsaid(&ipt->draft, "--dscp", negated);
	return ks_draft_field(
		&ipt->draft,
		&(struct ks_field_test){
			.field = KS_FIELD_DSCP, .value = (__u32)dscp, .mask = KS_FIELD_DSCP_BITS, .negated = negated },
		KS_WORD_DSCP, ks_import_format(ipt->import, "%u", (unsigned)dscp));
}

static int read_mac(struct ks_iptables *ipt, const char *value, bool negated)
{
	__u8 mac[6];

	if (ks_value_mac(value, mac))
		return ks_draft_unsaid(&ipt->draft, "--mac-source", negated);
	return ks_draft_condition(&ipt->draft, KS_WORD_MAC,
				  ks_import_format(ipt->import, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
						   mac[3], mac[4], mac[5]),
				  negated);
}

static int read_mark(struct ks_iptables *ipt, const char *value, bool negated)
{
	const char *slash = strchr(value, '/');
	__u64 mark, mask = 0xffffffffU;
	char text[PART];

	snprintf(text, sizeof(text), "%.*s", slash ? (int)KS_MIN(slash - value, PART - 1) : PART - 1, value);
	if (!strcmp(ipt->module, "connmark") || ks_value_number(text, 0, 0xffffffffU, &mark) ||
	    (slash && ks_value_number(slash + 1, 1, 0xffffffffU, &mask)) || mark & ~mask)
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "--mark %.60s", value), negated);
	return ks_draft_field(
		&ipt->draft,
		&(struct ks_field_test){
			.field = KS_FIELD_MARK, .value = (__u32)mark, .mask = (__u32)mask, .negated = negated },
		KS_WORD_MARK,
		mask == 0xffffffffU ? ks_import_format(ipt->import, "0x%llx", (unsigned long long)mark)
				    : ks_import_format(ipt->import, "0x%llx/0x%llx", (unsigned long long)mark,
						       (unsigned long long)mask));
}

/*
 * The user of the socket. Of what has none, such as resets, no rule of ours with users knows anything, but '!' is about it, too. Only
 * rules that decide whether packets pass ask for users.
 */
static int read_user(struct ks_iptables *ipt, const char *value, bool negated)
{
	const bool filters = !strcmp(ipt->table, "filter") || !strcmp(ipt->table, "mangle");
	__u32 low, high;

	if (negated || !filters || ks_word_ports(value, '-', 0xfffffffeU, &low, &high))
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "--uid-owner %.60s", value), negated);
	ks_draft_zones(&ipt->draft, false, 1ULL << KS_ZONE_SELF);
	return number_read(ipt, KS_WORD_USER, 0xfffffffeU, low, high, false);
}

/* Sources are believed by zone here, as strict as this. */
static int read_invert(struct ks_iptables *ipt, const char *value, bool negated)
{
	return ks_draft_zones(&ipt->draft, false, 0);
}

static int read_module(struct ks_iptables *ipt, const char *value, bool negated)
{
	ipt->module = value;
	return 0;
}

/* How `statistic` chooses: by what stands behind it. */
static int read_mode(struct ks_iptables *ipt, const char *value, bool negated)
{
	if (!strcmp(ipt->module, "statistic"))
		return 0;
	return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "--mode %.60s", value), negated);
}

static int read_nothing(struct ks_iptables *ipt, const char *value, bool negated)
{
	return 0;
}

/* Further fragments never come here: connection tracking puts datagrams together. */
static int read_fragment(struct ks_iptables *ipt, const char *value, bool negated)
{
	return negated ? 0 : ks_draft_zones(&ipt->draft, false, 0);
}

/* Routing header 0 never passes here, with segments left or without. */
static int read_rt_type(struct ks_iptables *ipt, const char *value, bool negated)
{
	if (strcmp(value, "0") != 0)
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "--rt-type %.20s", value), negated);
	return negated ? ks_draft_unsaid(&ipt->draft, "--rt-type 0", true) : ks_draft_zones(&ipt->draft, false, 0);
}

/* --- the table --- */

static const struct {
	const char *name;
	reader *read;
	bool alone; /* no value stands behind it */
} options[] = {
	{ "-s", read_source, false },
	{ "--source", read_source, false },
	{ "-d", read_destination, false },
	{ "--destination", read_destination, false },
	{ "--src-range", read_source, false },
	{ "--dst-range", read_destination, false },
	{ "-i", read_in, false },
	{ "--in-interface", read_in, false },
	{ "-o", read_out, false },
	{ "--out-interface", read_out, false },
	{ "-p", read_proto, false },
	{ "--protocol", read_proto, false },
	{ "-f", read_fragment, true },
	{ "-m", read_module, false },
	{ "--match", read_module, false },
	{ "--comment", read_nothing, false },
	{ "--mode", read_mode, false },
	{ "--sport", read_sport, false },
	{ "--source-port", read_sport, false },
	{ "--sports", read_sport, false },
	{ "--source-ports", read_sport, false },
	{ "--dport", read_dport, false },
	{ "--destination-port", read_dport, false },
	{ "--dports", read_dport, false },
	{ "--destination-ports", read_dport, false },
	{ "--ports", read_ports, false },
	{ "--icmp-type", read_icmp, false },
	{ "--icmpv6-type", read_icmp6, false },
	{ "--tcp-flags", read_flags, false },
	{ "--syn", read_syn, true },
	{ "--state", read_states, false },
	{ "--ctstate", read_states, false },
	{ "--dst-type", read_dst_type, false },
	{ "--src-type", read_src_type, false },
	{ "--match-set", read_set, false },
	{ "--length", read_length, false },
	{ "--ttl-eq", read_ttl, false },
	{ "--ttl-lt", read_ttl_lt, false },
	{ "--ttl-gt", read_ttl_gt, false },
	{ "--hl-eq", read_ttl, false },
	{ "--hl-lt", read_ttl_lt, false },
	{ "--hl-gt", read_ttl_gt, false },
	{ "--rt-type", read_rt_type, false },
	{ "--dscp", read_dscp, false },
	{ "--mac-source", read_mac, false },
	{ "--mark", read_mark, false },
	{ "--uid-owner", read_user, false },
	{ "--invert", read_invert, true },
	{ "--validmark", read_nothing, true },
	{ "--loose", read_nothing, true },
};

int ks_iptables_unsaid(struct ks_iptables *ipt, const char *option, bool negated)
{
	char text[256];
	size_t length = (size_t)snprintf(text, sizeof(text), "%s", option);

	while (ks_words_peek(&ipt->words) && ks_words_peek(&ipt->words)[0] != '-' &&
	       strcmp(ks_words_peek(&ipt->words), "!") != 0) {
		const char *word = ks_words_take(&ipt->words);

		if (length < sizeof(text))
			length += (size_t)snprintf(text + length, sizeof(text) - length, " %s", word);
	}
	return ks_draft_unsaid(&ipt->draft, text, negated);
}

bool ks_iptables_is_condition(const char *word)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(options); i++) {
		if (!strcmp(options[i].name, word))
			return true;
	}
	return !strcmp(word, "!");
}

int ks_iptables_match(struct ks_iptables *ipt, const char *option, bool negated)
{
	const char *value;
	int is = ks_iptables_limit(ipt, option, negated);

	is = is ? is : ks_iptables_time(ipt, option, negated);
	is = is ? is : ks_iptables_recent(ipt, option, negated);
	if (is)
		return KS_MIN(is, 0);
	for (size_t i = 0; i < KS_ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, option) != 0)
			continue;
		value = options[i].alone ? "" : ks_words_take(&ipt->words);
		if (!value)
			return ks_import_fail(ipt->import, "line %u: nothing stands behind '%.40s'", ipt->import->line,
					      option);
		return options[i].read(ipt, value, negated);
	}
	return ks_iptables_unsaid(ipt, option, negated);
}
