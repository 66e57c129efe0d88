/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random rule tables, and packets for them that lie at the borders of their rules: for tests that hold the trees against
 * the walk, natively (tree.c) and in the kernel (tests/bpf/trees_agree.c).
 */
#ifndef KS_TESTS_UNIT_POLICY_TREE_RANDOM_H
#define KS_TESTS_UNIT_POLICY_TREE_RANDOM_H

#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/policy.h"
#include "policy/tree.h"

#define TREE_SETS 96
#define TREE_RANGES_MAX 24 /* of a set and family */

/* xorshift64*: the same tables and packets for the same seed everywhere. */
static inline __u32 tree_roll(__u64 *seed, __u32 sides)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (__u32)((*seed * 0x2545f4914f6cdd1dULL) >> 32) % sides;
}

static inline bool tree_chance(__u64 *seed, __u32 percent)
{
	return tree_roll(seed, 100) < percent;
}

/* Addresses of a small world, so that rules meet: a few networks, a few hosts in each; seldom any other. */
static inline __u32 tree_ipv4(__u64 *seed)
{
	static const __u32 networks[] = { 0x0a000000, 0x0a010000, 0xac100000, 0xc0a80000, 0xcb007100, 0 };

	if (tree_chance(seed, 5))
		return tree_roll(seed, 0xffffffff);
	return networks[tree_roll(seed, KS_ARRAY_SIZE(networks))] + (tree_roll(seed, 12) << 8) + tree_roll(seed, 6);
}

/* The value of an address as in struct ks_range. Those of IPv6 differ in each of their words. */
static inline void tree_value(__u64 *seed, __u8 family, __u64 value[2])
{
	if (family == KS_IPV4) {
		value[0] = 0;
		value[1] = tree_ipv4(seed);
		return;
	}
	value[0] = 0x2001000000000000ULL + ((__u64)tree_roll(seed, 4) << 32) + tree_roll(seed, 4);
	value[1] = ((__u64)tree_roll(seed, 3) << 32) + tree_roll(seed, 6);
}

static inline int tree_compare_ranges(const void *a, const void *b)
{
	const struct ks_range *left = a, *right = b;

	if (left->lo[0] != right->lo[0])
		return left->lo[0] < right->lo[0] ? -1 : 1;
	return left->lo[1] < right->lo[1] ? -1 : left->lo[1] > right->lo[1];
}

static inline bool tree_touches(const struct ks_range *before, const struct ks_range *range)
{
	return range->lo[0] < before->hi[0] || (range->lo[0] == before->hi[0] && range->lo[1] <= before->hi[1]);
}

/* Sorts ranges and leaves those that overlap one before out. Returns how many are left. */
static inline __u32 tree_sort_ranges(struct ks_range *ranges, __u32 count)
{
	__u32 left = 0;

	qsort(ranges, count, sizeof(*ranges), tree_compare_ranges);
	for (__u32 i = 0; i < count; i++) {
		if (!left || !tree_touches(&ranges[left - 1], &ranges[i]))
			ranges[left++] = ranges[i];
	}
	return left;
}

/* A host, a prefix of any length, or a range. Of IPv6 some end with the first word. */
static inline struct ks_range tree_range(__u64 *seed, __u8 family)
{
	struct ks_range range;
	__u32 bits = tree_roll(seed, 24);

	tree_value(seed, family, range.lo);
	memcpy(range.hi, range.lo, sizeof(range.hi));
	if (tree_chance(seed, 60)) {
		range.hi[1] |= (1ULL << bits) - 1;
		range.lo[1] &= ~((1ULL << bits) - 1);
	}
	if (family == KS_IPV6 && tree_chance(seed, 30)) {
		range.lo[1] = 0;
		range.hi[0] |= (1ULL << bits) - 1;
		range.hi[1] = tree_chance(seed, 50) ? ~0ULL : 7;
	}
	if (family == KS_IPV6 && tree_chance(seed, 20)) {
		range.lo[0] &= ~0xffffffffULL;
		range.lo[1] = tree_chance(seed, 80) ? 0 : 1;
		range.hi[0] |= 0xffffffffULL;
		range.hi[1] = ~0ULL;
	}
	return range;
}

static inline struct ks_range tree_numbers(__u64 *seed)
{
	__u32 lo = tree_chance(seed, 80) ? tree_roll(seed, 40) * 25 : tree_roll(seed, 65536);
	__u32 width = tree_chance(seed, 70) ? 0 : tree_roll(seed, 8000);

	return (struct ks_range){ .lo = { 0, lo }, .hi = { 0, KS_MIN(lo + width, 65535U) } };
}

/* The first third of the sets are numbers, the rest addresses of both families; the last of all is empty. */
static inline void tree_make_set(__u64 *seed, struct ks_policy *policy, __u32 index)
{
	struct ks_set *set = &policy->sets[index];
	struct ks_range *ranges = policy->ranges + index * 2 * TREE_RANGES_MAX;
	__u32 most = tree_chance(seed, 80) ? 3 : TREE_RANGES_MAX;
	bool numbers = index < TREE_SETS / 3, empty = index == TREE_SETS - 1;
	__u32 count4 = empty ? 0 : 1 + tree_roll(seed, most), count6 = empty || numbers ? 0 : tree_roll(seed, most + 1);

	set->first4 = index * 2 * TREE_RANGES_MAX;
	set->first6 = set->first4 + TREE_RANGES_MAX;
	for (__u32 i = 0; i < count4; i++)
		ranges[i] = numbers ? tree_numbers(seed) : tree_range(seed, KS_IPV4);
	for (__u32 i = 0; i < count6; i++)
		ranges[TREE_RANGES_MAX + i] = tree_range(seed, KS_IPV6);
	set->count4 = tree_sort_ranges(ranges, count4);
	set->count6 = tree_sort_ranges(ranges + TREE_RANGES_MAX, count6);
	set->dynamic = !numbers && tree_chance(seed, 5);
}

static inline __u64 tree_zones(__u64 *seed)
{
	if (tree_chance(seed, 30))
		return KS_ZONES_ANY;
	if (tree_chance(seed, 5))
		return ~(1ULL << KS_ZONE_SELF);
	return 1ULL << tree_roll(seed, 6) | (tree_chance(seed, 20) ? 1ULL << tree_roll(seed, KS_ZONE_MAX) : 0);
}

static inline __u32 tree_number_set(__u64 *seed, __u32 percent)
{
	return tree_chance(seed, percent) ? 1 + tree_roll(seed, TREE_SETS / 3 - 1) : KS_SET_ANY;
}

static inline __u32 tree_address_set(__u64 *seed, __u32 percent)
{
	return tree_chance(seed, percent) ? TREE_SETS / 3 + tree_roll(seed, TREE_SETS * 2 / 3) : KS_SET_ANY;
}

static inline struct ks_rule tree_rule(__u64 *seed, __u32 id, __u32 narrow)
{
	static const __u8 protos[] = { KS_PROTO_TCP, KS_PROTO_UDP, KS_PROTO_ICMP, KS_PROTO_ICMPV6, 47 };
	static const __u8 flags[] = { KS_RULE_NOT_SRC, KS_RULE_NOT_DST, KS_RULE_NOT_SPORT, KS_RULE_NOT_DPORT };
	struct ks_rule rule = {
		.from_zones = tree_zones(seed),
		.to_zones = tree_zones(seed),
		.src_set = tree_address_set(seed, narrow),
		.dst_set = tree_address_set(seed, narrow),
		.sport_set = tree_number_set(seed, narrow / 8),
		.dport_set = tree_number_set(seed, narrow),
		.icmp_set = tree_number_set(seed, narrow / 8),
		.id = id,
		.action = (__u8)tree_roll(seed, 4),
		.proto = protos[tree_roll(seed, KS_ARRAY_SIZE(protos))],
		.family = (__u8)(tree_chance(seed, 70)	 ? 0
				 : tree_chance(seed, 50) ? KS_IPV4
							 : KS_IPV6),
		.conditions = tree_chance(seed, 10),
	};

	rule.flags = tree_chance(seed, 20) ? KS_RULE_ANY_PROTO : 0;
	for (__u32 i = 0; i < KS_ARRAY_SIZE(flags); i++)
		rule.flags |= tree_chance(seed, 6) ? flags[i] : 0;
	return rule;
}

/* The only conditions that rules have, beside none: every second code point. */
static inline int tree_make_conditions(struct ks_policy *policy)
{
	free(policy->conditions);
	policy->conditions = calloc(2, sizeof(*policy->conditions));
	if (!policy->conditions)
		return -12;
	policy->config.conditions = 2;
	policy->conditions[1].asks = KS_CONDITION_BIT(KS_CONDITION_DSCP);
	policy->conditions[1].dscp = 0x5555555555555555ULL;
	return 0;
}

/*
 * Puts `count` random rules, in all lists, in place of those of a loaded policy; `narrow`: how many of 100 conditions there
 * are. Returns 0 or -ENOMEM.
 */
static inline int tree_randomize(__u64 *seed, struct ks_policy *policy, __u32 count, __u32 narrow)
{
	struct ks_config *config = &policy->config;
	__u32 at = 0;

	free(policy->rules);
	free(policy->sets);
	free(policy->ranges);
	policy->rules = aligned_alloc(sizeof(*policy->rules), (count + 1) * sizeof(*policy->rules));
	policy->sets = calloc(TREE_SETS, sizeof(*policy->sets));
	policy->ranges = calloc(TREE_SETS * 2 * TREE_RANGES_MAX, sizeof(*policy->ranges));
	if (!policy->rules || !policy->sets || !policy->ranges || tree_make_conditions(policy))
		return -12;
	config->sets = TREE_SETS;
	config->ranges = TREE_SETS * 2 * TREE_RANGES_MAX;
	config->rules = count / 2;
	config->entries = count;
	for (__u32 i = 1; i < TREE_SETS; i++)
		tree_make_set(seed, policy, i);
	for (__u32 i = 0; i < count; i++)
		policy->rules[i] = tree_rule(seed, i + 1, narrow);
	at = config->rules;
	for (__u32 list = KS_LIST_FILTER + 1; list < KS_LIST_MAX; list++) {
		__u32 share = list + 1 < KS_LIST_MAX ? (count - at) / 3 : count - at;

		config->list[list] = (struct ks_rule_list){ .first = at, .count = share };
		at += share;
	}
	return ks_tree_make(policy);
}

/* An address at an end of a range of a set, or beside it; any other without one. */
static inline struct ks_addr tree_address(__u64 *seed, const struct ks_policy *policy, __u32 index, __u8 family)
{
	const struct ks_set *set = &policy->sets[index < policy->config.sets ? index : 0];
	__u32 first = family == KS_IPV4 ? set->first4 : set->first6;
	__u32 count = family == KS_IPV4 ? set->count4 : set->count6;
	struct ks_addr addr = { .d = { 0, 0 } };
	__u64 value[2];

	tree_value(seed, family, value);
	if (index && count && tree_chance(seed, 90)) {
		const struct ks_range *range = &policy->ranges[first + tree_roll(seed, count)];

		memcpy(value, tree_chance(seed, 50) ? range->lo : range->hi, sizeof(value));
		value[1] += tree_roll(seed, 10) ? 0 : tree_roll(seed, 3) - 1ULL;
	}
	if (family == KS_IPV4) {
		addr.w[3] = ks_be32((__u32)value[1]);
		return addr;
	}
	addr.d[0] = ks_be64(value[0]);
	addr.d[1] = ks_be64(value[1]);
	return addr;
}

static inline __u16 tree_number(__u64 *seed, const struct ks_policy *policy, __u32 index)
{
	const struct ks_set *set = &policy->sets[index < policy->config.sets ? index : 0];
	const struct ks_range *range;

	if (!index || !set->count4 || tree_chance(seed, 10))
		return (__u16)tree_roll(seed, 65536);
	range = &policy->ranges[set->first4 + tree_roll(seed, set->count4)];
	return (__u16)((tree_chance(seed, 50) ? range->lo[1] : range->hi[1]) +
		       (tree_roll(seed, 10) ? 0 : tree_roll(seed, 3) - 1U));
}

static inline __u8 tree_zone(__u64 *seed, __u64 zones)
{
	if (!zones || tree_chance(seed, 5))
		return (__u8)(tree_chance(seed, 90) ? tree_roll(seed, 8) : 250 + tree_roll(seed, 6));
	return zones == KS_ZONES_ANY ? (__u8)tree_roll(seed, KS_ZONE_MAX) : (__u8)__builtin_ctzll(zones);
}

/* The question of a packet that some rule of a list nearly matches, or does. */
static inline struct ks_question tree_question(__u64 *seed, const struct ks_policy *policy, __u32 list)
{
	const struct ks_config *config = &policy->config;
	__u32 first = list == KS_LIST_FILTER ? 0 : config->list[list].first;
	__u32 count = list == KS_LIST_FILTER ? config->rules : config->list[list].count;
	const struct ks_rule *rule = &policy->rules[first + (count ? tree_roll(seed, count) : 0)];
	__u8 family = rule->family;
	struct ks_question q = { .list = (__u8)list };

	if (!family || tree_chance(seed, 5))
		family = tree_chance(seed, 60) ? KS_IPV4 : KS_IPV6;
	q.tuple.family = family;
	q.tuple.proto = rule->flags & KS_RULE_ANY_PROTO || tree_chance(seed, 5) ? (__u8)(tree_roll(seed, 2) ? 6 : 17)
										: rule->proto;
	q.tuple.src = tree_address(seed, policy, rule->src_set, family);
	q.tuple.dst = tree_address(seed, policy, rule->dst_set, family);
	q.tuple.sport = ks_be16(tree_number(seed, policy, rule->sport_set));
	q.tuple.dport = ks_be16(tree_number(seed, policy, rule->dport_set));
	q.icmp = tree_number(seed, policy, rule->icmp_set);
	q.facts.known = KS_CONDITION_BIT(KS_CONDITION_DSCP);
	q.facts.dscp = (__u8)tree_roll(seed, 64);
	q.from = tree_zone(seed, rule->from_zones);
	q.to = tree_zone(seed, rule->to_zones);
	return q;
}

#endif
