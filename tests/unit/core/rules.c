// SPDX-License-Identifier: BSD-2-Clause
/* Deciding by the tables: bisection against a plain search, each criterion of a rule alone, first match, default. */
#include "tests/unit/core/test_home.h"

#include "core/track/icmp_error.h"
#include "core/verdict.h"

static struct ks_env *env;

static int setup(void **state)
{
	env = test_env_create(1);
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

/* A packet from the LAN to the WAN: 10.0.0.1:1000 > 10.0.0.2:80, or the same in fd00::/64. */
/* Asks the filter about the packet in `insp`. */
static void decide(struct ks_env *home, const struct ks_inspection *insp, struct ks_decision *decision)
{
	struct ks_question question = {};

	ks_question_make(insp, &insp->opening.as_filtered, KS_LIST_FILTER, &question);
	ks_rules_ask(home, &question, decision);
}

static struct ks_inspection packet(__u8 proto, bool v6)
{
	struct ks_inspection insp = { .home.from = ZONE_LAN, .to = ZONE_WAN };

	insp.opening.as_filtered.proto = proto;
	insp.opening.as_filtered.family = v6 ? KS_IPV6 : KS_IPV4;
	insp.opening.as_filtered.src.b[v6 ? 0 : 12] = v6 ? 0xfd : 10;
	insp.opening.as_filtered.dst.b[v6 ? 0 : 12] = v6 ? 0xfd : 10;
	insp.opening.as_filtered.src.b[15] = 1;
	insp.opening.as_filtered.dst.b[15] = 2;
	insp.opening.as_filtered.sport = ks_be16(1000);
	insp.opening.as_filtered.dport = ks_be16(80);
	return insp;
}

static void tables(const struct ks_rule *rules, __u32 count, const struct ks_set *sets, __u32 set_count,
		   const struct ks_range *ranges, __u32 range_count)
{
	env->rules = rules;
	env->config.rules = count;
	env->sets = sets;
	env->config.sets = set_count;
	env->ranges = ranges;
	env->config.ranges = range_count;
}

/* --- sets --- */

#define RANGES_MAX 400
#define VALUE_MAX 3000

/* Sorted, disjoint ranges, as close as they may be; returns how many. */
static __u32 random_ranges(__u64 *seed, struct ks_range *ranges, __u32 first, __u64 high)
{
	__u32 count = test_below(seed, RANGES_MAX / 2), value = test_below(seed, 5);

	for (__u32 i = 0; i < count; i++) {
		struct ks_range *r = &ranges[first + i];

		r->lo[0] = high;
		r->lo[1] = value;
		value += test_below(seed, 6);
		r->hi[0] = high;
		r->hi[1] = value;
		value += 1 + test_below(seed, 6);
	}
	return count;
}

static bool in_ranges(const struct ks_range *ranges, __u32 first, __u32 count, __u64 value)
{
	for (__u32 i = first; i < first + count; i++) {
		if (ranges[i].lo[1] <= value && value <= ranges[i].hi[1])
			return true;
	}
	return false;
}

static void test_bisection(void **state)
{
	static struct ks_range ranges[RANGES_MAX];
	const struct ks_rule rule = {
		.from_zones = KS_ZONES_ANY, .to_zones = KS_ZONES_ANY, .src_set = 1, .flags = KS_RULE_ANY_PROTO
	};
	__u64 seed = 99;

	for (int round = 0; round < 60; round++) {
		struct ks_set sets[2] = { { 0 } };

		sets[1].first4 = test_below(&seed, 3);
		sets[1].count4 = random_ranges(&seed, ranges, sets[1].first4, 0);
		sets[1].first6 = sets[1].first4 + sets[1].count4;
		sets[1].count6 = random_ranges(&seed, ranges, sets[1].first6, 0xfd00000000000000ULL);
		tables(&rule, 1, sets, 2, ranges, RANGES_MAX);
		for (__u32 value = 0; value < VALUE_MAX; value++) {
			struct ks_inspection insp = packet(KS_PROTO_UDP, false);

			insp.opening.as_filtered.src.w[3] = ks_be32(value);
			assert_int_equal(ks_rule_compare(env, &rule, &insp) == KS_MISS_NOTHING,
					 in_ranges(ranges, sets[1].first4, sets[1].count4, value));
			insp = packet(KS_PROTO_UDP, true);
			insp.opening.as_filtered.src.d[1] = ks_be64((__u64)value);
			assert_int_equal(ks_rule_compare(env, &rule, &insp) == KS_MISS_NOTHING,
					 in_ranges(ranges, sets[1].first6, sets[1].count6, value));
			/* The same low half under another prefix is elsewhere. */
			insp.opening.as_filtered.src.b[1] = 1;
			assert_int_equal(ks_rule_compare(env, &rule, &insp), KS_MISS_SRC);
		}
	}
}

/* The ends of the number space, and ranges that cross the low half of 128 bits. */
static void test_extreme_values(void **state)
{
	const struct ks_range ranges[] = {
		{ { 0, 0 }, { 0, 0 } },
		{ { 0, 0xffffffff }, { 0, 0xffffffff } },
		{ { 0, 5 }, { 0x2000, 7 } },
		{ { ~0ULL, ~0ULL }, { ~0ULL, ~0ULL } },
	};
	const struct ks_set sets[] = { { 0 }, { .first4 = 0, .count4 = 2, .first6 = 2, .count6 = 2 } };
	const struct ks_rule rule = {
		.from_zones = KS_ZONES_ANY, .to_zones = KS_ZONES_ANY, .dst_set = 1, .flags = KS_RULE_ANY_PROTO
	};
	const struct {
		__u64 high, low;
		bool insp;
	} cases[] = {
		{ 0, 4, false },	{ 0, 5, true },	      { 0, ~0ULL, true },   { 1, 0, true },
		{ 0x2000, 7, true },	{ 0x2000, 8, false }, { 0x2001, 0, false }, { ~0ULL, ~0ULL - 1, false },
		{ ~0ULL, ~0ULL, true },
	};

	tables(&rule, 1, sets, 2, ranges, KS_ARRAY_SIZE(ranges));
	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct ks_inspection insp = packet(KS_PROTO_UDP, true);

		insp.opening.as_filtered.dst.d[0] = ks_be64(cases[i].high);
		insp.opening.as_filtered.dst.d[1] = ks_be64(cases[i].low);
		assert_int_equal(ks_rule_compare(env, &rule, &insp) == KS_MISS_NOTHING, cases[i].insp);
	}
	for (unsigned i = 0; i < 4; i++) {
		static const __u32 values[] = { 0, 1, 0xfffffffe, 0xffffffff };
		struct ks_inspection insp = packet(KS_PROTO_UDP, false);

		insp.opening.as_filtered.dst.w[3] = ks_be32(values[i]);
		assert_int_equal(ks_rule_compare(env, &rule, &insp) == KS_MISS_NOTHING, i == 0 || i == 3);
	}
}

/* --- rules --- */

enum { SET_NONE, SET_SRC, SET_DST, SET_SPORT, SET_DPORT, SET_ECHO, SET_EMPTY, SETS };

static const struct ks_range rule_ranges[] = {
	{ { 0, 0x0a000001 }, { 0, 0x0a000001 } },
	{ { 0xfd00000000000000ULL, 1 }, { 0xfd00000000000000ULL, 1 } },
	{ { 0, 0x0a000002 }, { 0, 0x0a000002 } },
	{ { 0xfd00000000000000ULL, 2 }, { 0xfd00000000000000ULL, 2 } },
	{ { 0, 1000 }, { 0, 1000 } },
	{ { 0, 80 }, { 0, 80 } },
	{ { 0, 8 << 8 }, { 0, 8 << 8 | 255 } },
};
static const struct ks_set rule_sets[SETS] = {
	[SET_SRC] = { 0, 1, 1, 1 },   [SET_DST] = { 2, 1, 3, 1 },  [SET_SPORT] = { 4, 1, 0, 0 },
	[SET_DPORT] = { 5, 1, 0, 0 }, [SET_ECHO] = { 6, 1, 0, 0 },
};

static __u32 compare(const struct ks_rule *rule, const struct ks_inspection *insp)
{
	tables(rule, 1, rule_sets, SETS, rule_ranges, KS_ARRAY_SIZE(rule_ranges));
	return ks_rule_compare(env, rule, insp);
}

/* A rule with every criterion for the packet above. */
static struct ks_rule full_rule(__u8 proto, bool v6)
{
	return (struct ks_rule){
		.from_zones = 1ULL << ZONE_LAN,
		.to_zones = 1ULL << ZONE_WAN,
		.src_set = SET_SRC,
		.dst_set = SET_DST,
		.sport_set = SET_SPORT,
		.dport_set = SET_DPORT,
		.proto = proto,
		.family = v6 ? KS_IPV6 : KS_IPV4,
	};
}

static void test_each_criterion(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned i = 0; i < 2; i++) {
			__u8 proto = i ? KS_PROTO_TCP : KS_PROTO_UDP;
			struct ks_rule rule = full_rule(proto, v6), other;
			struct ks_inspection insp = packet(proto, v6), wrong;

			assert_int_equal(compare(&rule, &insp), KS_MISS_NOTHING);
			wrong = insp, wrong.home.from = ZONE_WAN;
			assert_int_equal(compare(&rule, &wrong), KS_MISS_FROM);
			wrong = insp, wrong.to = KS_ZONE_SELF;
			assert_int_equal(compare(&rule, &wrong), KS_MISS_TO);
			other = rule, other.family = v6 ? KS_IPV4 : KS_IPV6;
			assert_int_equal(compare(&other, &insp), KS_MISS_FAMILY);
			other = rule, other.proto = i ? KS_PROTO_UDP : KS_PROTO_TCP;
			assert_int_equal(compare(&other, &insp), KS_MISS_PROTO);
			wrong = insp, wrong.opening.as_filtered.sport = ks_be16(1001);
			assert_int_equal(compare(&rule, &wrong), KS_MISS_SPORT);
			wrong = insp, wrong.opening.as_filtered.dport = ks_be16(81);
			assert_int_equal(compare(&rule, &wrong), KS_MISS_DPORT);
			wrong = insp, wrong.opening.as_filtered.src.b[15] = 3;
			assert_int_equal(compare(&rule, &wrong), KS_MISS_SRC);
			wrong = insp, wrong.opening.as_filtered.dst.b[15] = 3;
			assert_int_equal(compare(&rule, &wrong), KS_MISS_DST);
			/* An ICMP criterion is no matter for TCP. */
			other = rule, other.icmp_set = SET_ECHO;
			assert_int_equal(compare(&other, &insp), KS_MISS_ICMP);
		}
	}
}

static void test_negation(void **state)
{
	static const struct {
		__u8 flag;
		__u32 miss;
	} cases[] = {
		{ KS_RULE_NOT_SRC, KS_MISS_SRC },
		{ KS_RULE_NOT_DST, KS_MISS_DST },
		{ KS_RULE_NOT_SPORT, KS_MISS_SPORT },
		{ KS_RULE_NOT_DPORT, KS_MISS_DPORT },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct ks_rule rule = full_rule(KS_PROTO_TCP, false);
		struct ks_inspection insp = packet(KS_PROTO_TCP, false);

		rule.flags = cases[i].flag;
		assert_int_equal(compare(&rule, &insp), cases[i].miss);
		if (cases[i].flag == KS_RULE_NOT_SRC)
			insp.opening.as_filtered.src.b[15] += 9;
		if (cases[i].flag == KS_RULE_NOT_DST)
			insp.opening.as_filtered.dst.b[15] += 9;
		if (cases[i].flag == KS_RULE_NOT_SPORT)
			insp.opening.as_filtered.sport += 9;
		if (cases[i].flag == KS_RULE_NOT_DPORT)
			insp.opening.as_filtered.dport += 9;
		assert_int_equal(compare(&rule, &insp), KS_MISS_NOTHING);
	}
}

/* Ports and ICMP types are criteria of protocols that have them, also negated. */
static void test_ports_of_protocols_without(void **state)
{
	struct ks_rule rule = { .from_zones = KS_ZONES_ANY, .to_zones = KS_ZONES_ANY, .flags = KS_RULE_ANY_PROTO };

	for (unsigned proto = 0; proto < 256; proto++) {
		struct ks_inspection insp = packet((__u8)proto, false);
		bool ports = proto == KS_PROTO_TCP || proto == KS_PROTO_UDP || proto == KS_PROTO_SCTP ||
			     proto == KS_PROTO_DCCP || proto == KS_PROTO_UDPLITE;

		rule.dport_set = SET_DPORT;
		rule.flags = KS_RULE_ANY_PROTO;
		assert_int_equal(compare(&rule, &insp) == KS_MISS_NOTHING, ports);
		rule.dport_set = SET_SPORT; /* another port */
		rule.flags = KS_RULE_ANY_PROTO | KS_RULE_NOT_DPORT;
		assert_int_equal(compare(&rule, &insp) == KS_MISS_NOTHING, ports);
	}
}

static void test_icmp_types(void **state)
{
	const struct ks_rule rule = {
		.from_zones = KS_ZONES_ANY, .to_zones = KS_ZONES_ANY, .icmp_set = SET_ECHO, .proto = KS_PROTO_ICMP
	};

	for (unsigned type = 0; type < 256; type++) {
		struct ks_inspection insp = packet(KS_PROTO_ICMP, false);

		insp.pkt.icmp_type = (__u8)type;
		insp.pkt.icmp_code = (__u8)(255 - type);
		assert_int_equal(compare(&rule, &insp), type == 8 ? KS_MISS_NOTHING : KS_MISS_ICMP);
	}
}

/* Every zone there can be, against every mask of one. */
static void test_zones(void **state)
{
	for (__u8 from = 0; from < KS_ZONE_MAX; from++) {
		for (unsigned bit = 0; bit < KS_ZONE_MAX; bit++) {
			struct ks_rule rule = { .from_zones = 1ULL << bit,
						.to_zones = KS_ZONES_ANY,
						.flags = KS_RULE_ANY_PROTO };
			struct ks_inspection insp = packet(KS_PROTO_UDP, false);

			insp.home.from = from;
			assert_int_equal(compare(&rule, &insp), bit == from ? KS_MISS_NOTHING : KS_MISS_FROM);
			rule.from_zones = KS_ZONES_ANY;
			rule.to_zones = 1ULL << bit;
			insp.to = from;
			assert_int_equal(compare(&rule, &insp), bit == from ? KS_MISS_NOTHING : KS_MISS_TO);
		}
	}
}

static void test_empty_set(void **state)
{
	struct ks_rule rule = {
		.from_zones = KS_ZONES_ANY, .to_zones = KS_ZONES_ANY, .src_set = SET_EMPTY, .flags = KS_RULE_ANY_PROTO
	};

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct ks_inspection insp = packet(KS_PROTO_UDP, v6);

		rule.flags = KS_RULE_ANY_PROTO;
		assert_int_equal(compare(&rule, &insp), KS_MISS_SRC);
		rule.flags = KS_RULE_ANY_PROTO | KS_RULE_NOT_SRC;
		assert_int_equal(compare(&rule, &insp), KS_MISS_NOTHING);
	}
}

/* --- the walk --- */

static void test_first_match(void **state)
{
	enum { COUNT = 300 };
	static struct ks_rule rules[COUNT];

	for (__u32 i = 0; i < COUNT; i++)
		rules[i] = (struct ks_rule){ .from_zones = KS_ZONES_ANY,
					     .to_zones = KS_ZONES_ANY,
					     .id = 1000 + i,
					     .proto = (__u8)(i % 150),
					     .flags = i & 1 ? KS_RULE_LOG : 0,
					     .action = i % 4 };
	tables(rules, COUNT, rule_sets, SETS, rule_ranges, KS_ARRAY_SIZE(rule_ranges));
	for (unsigned proto = 0; proto < 256; proto++) {
		struct ks_inspection insp = packet((__u8)proto, false);
		struct ks_decision d;

		decide(env, &insp, &d);
		if (proto >= 150) {
			assert_int_equal(d.index, KS_DECISION_DEFAULT);
			assert_int_equal(d.id, KS_RULE_DEFAULT);
			assert_int_equal(d.action, KS_DENY);
			assert_int_equal(d.flags, 0);
			continue;
		}
		assert_int_equal(d.index, proto);
		assert_int_equal(d.id, 1000 + proto);
		assert_int_equal(d.action, proto % 4);
		assert_int_equal(d.flags, proto & 1 ? KS_RULE_LOG : 0);
	}
}

static void test_no_rules(void **state)
{
	struct ks_inspection insp = packet(KS_PROTO_UDP, false);
	struct ks_decision d = { .action = KS_ALLOW, .index = 7 };

	tables(NULL, 0, NULL, 0, NULL, 0);
	decide(env, &insp, &d);
	assert_int_equal(d.action, KS_DENY);
	assert_int_equal(d.index, KS_DECISION_DEFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bisection),
		cmocka_unit_test(test_extreme_values),
		cmocka_unit_test(test_each_criterion),
		cmocka_unit_test(test_negation),
		cmocka_unit_test(test_ports_of_protocols_without),
		cmocka_unit_test(test_icmp_types),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_empty_set),
		cmocka_unit_test(test_first_match),
		cmocka_unit_test(test_no_rules),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
