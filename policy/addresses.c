/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets that follow the interfaces of a zone: `address of ZONE`, `network of ZONE`, `suffix ::10/64 of ZONE`. Such a set is not
 * shared with another of equal content: it has ranges of its own, with room for KS_ADDRESS_SET_MAX of each family.
 * ks_policy_set_addresses() fills it again when an interface gets or loses an address; the rest of the tables stays as it is.
 */
#include <errno.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/value.h"

#define RANGES (2 * KS_ADDRESS_SET_MAX) /* IPv4, then IPv6 */

/* The ranges of one family while they are put together, sorted and disjoint. */
struct followed {
	struct ks_range *ranges;
	__u32 count;
	unsigned family;
};

/* Returns true if b, which does not begin below a, begins inside of it. */
static bool overlaps(const struct ks_range *a, const struct ks_range *b)
{
	return ks_value_compare(b->lo, a->hi) <= 0;
}

/* Takes the range at a place, and those behind it, into the one before it as long as they overlap. */
static void merge_at(struct followed *to, __u32 at)
{
	while (at && at < to->count && overlaps(&to->ranges[at - 1], &to->ranges[at])) {
		struct ks_range *left = &to->ranges[at - 1], *right = &to->ranges[at];

		if (ks_value_compare(right->hi, left->hi) > 0)
			memcpy(left->hi, right->hi, sizeof(left->hi));
		to->count--;
		memmove(right, right + 1, (to->count - at) * sizeof(*right));
	}
}

/* Inserts a range among sorted ones, if there is room. */
static void insert_range(struct followed *to, const struct ks_range *range)
{
	__u32 at = to->count;

	if (to->count == KS_ADDRESS_SET_MAX)
		return;
	while (at > 0 && ks_value_compare(range->lo, to->ranges[at - 1].lo) < 0)
		at--;
	memmove(&to->ranges[at + 1], &to->ranges[at], (to->count - at) * sizeof(*range));
	to->ranges[at] = *range;
	to->count++;
	merge_at(to, at + 1);
	merge_at(to, at);
}

/* Inserts a host of a network: as many bits of the network as the suffix leaves open, the others of the suffix. */
static void insert_host(struct followed *to, const struct ks_prefix *network, const struct ks_prefix *suffix)
{
	struct ks_prefix prefix = { .family = suffix->family, .addr = network->addr };
	struct ks_range open, host = { 0 };

	prefix.length = KS_MIN(network->length, suffix->length);
	ks_prefix_range(&prefix, &open);
	ks_addr_to_value(&suffix->addr, suffix->family, host.lo);
	for (int i = 0; i < 2; i++)
		host.hi[i] = host.lo[i] = open.lo[i] | host.lo[i];
	insert_range(to, &host);
}

/* Inserts what a set of this kind has of an address. */
static void insert_own(struct followed *to, const struct ks_address_set *own, const struct ks_own_address *address)
{
	struct ks_range range;

	if (own->kind == KS_OWN_ADDRESS && address->family == to->family) {
		ks_addr_to_value(&address->addr, address->family, range.lo);
		memcpy(range.hi, range.lo, sizeof(range.hi));
		insert_range(to, &range);
	}
	if (own->kind == KS_OWN_ADDRESS || address->network.family != to->family)
		return;
	if (own->kind == KS_OWN_NETWORK) {
		ks_prefix_range(&address->network, &range);
		insert_range(to, &range);
	}
	for (size_t i = 0; i < own->suffix_count; i++) {
		if (own->suffixes[i].family == to->family)
			insert_host(to, &address->network, &own->suffixes[i]);
	}
}

static bool fill_set(struct ks_policy *policy, const struct ks_address_set *own, const struct ks_own_address *list,
		     size_t count)
{
	struct ks_range ranges[RANGES] = { 0 };
	struct followed to[] = { { .ranges = ranges, .family = KS_IPV4 },
				 { .ranges = ranges + KS_ADDRESS_SET_MAX, .family = KS_IPV6 } };
	struct ks_set *set = &policy->sets[own->set];
	struct ks_range *old = &policy->ranges[set->first4];
	bool same;

	for (size_t i = 0; i < count; i++) {
		insert_own(&to[0], own, &list[i]);
		insert_own(&to[1], own, &list[i]);
	}
	memset(ranges + to[0].count, 0, (KS_ADDRESS_SET_MAX - to[0].count) * sizeof(*ranges));
	memset(to[1].ranges + to[1].count, 0, (KS_ADDRESS_SET_MAX - to[1].count) * sizeof(*ranges));
	same = to[0].count == set->count4 && to[1].count == set->count6 && !memcmp(old, ranges, sizeof(ranges));
	set->count4 = to[0].count;
	set->count6 = to[1].count;
	memcpy(old, ranges, sizeof(ranges));
	return !same;
}

bool ks_policy_set_addresses(struct ks_policy *policy, unsigned zone, const struct ks_own_address *list, size_t count)
{
	bool changed = false;

	for (size_t i = 0; i < policy->address_set_count; i++) {
		if (policy->address_sets[i].zone == zone)
			changed |= fill_set(policy, &policy->address_sets[i], list, count);
	}
	return changed;
}

/* --- compiling --- */

/* Fills a set with the entries of the zone in the text, until the daemon puts in what the interfaces have. */
static void fill_from_zone(struct ks_policy *policy, const struct ks_address_set *own, const struct ks_zone *zone)
{
	struct ks_own_address list[2 + KS_NETWORKS_MAX] = { 0 };
	size_t count = 0;

	for (int i = 0; i < 2; i++) {
		if (zone->address[i].family)
			list[count++] = (struct ks_own_address){ .addr = zone->address[i].addr,
								 .family = zone->address[i].family };
	}
	for (size_t i = 0; i < zone->network_count && i < KS_NETWORKS_MAX; i++)
		list[count++] = (struct ks_own_address){ .network = zone->networks[i] };
	fill_set(policy, own, list, count);
}

static void fill_from_text(struct ks_policy *policy, const struct ks_address_set *own)
{
	for (size_t i = 0; i < policy->zone_count; i++) {
		if (policy->zones[i].id == own->zone)
			fill_from_zone(policy, own, &policy->zones[i]);
	}
}

static bool same_own(const struct ks_address_set *own, unsigned zone, const struct ks_match *match)
{
	return own->zone == zone && own->kind == match->own && own->suffix_count == match->suffix_count &&
	       (!own->suffix_count ||
		!memcmp(own->suffixes, match->suffixes, own->suffix_count * sizeof(*own->suffixes)));
}

/* Makes a set without ranges in it, and room for them. */
static int make_set(struct ks_compiler *c, struct ks_address_set *own)
{
	struct ks_policy *policy = c->policy;
	struct ks_config *config = &policy->config;

	if (ks_compile_reserve(&policy->sets, &c->set_room, config->sets, 1, sizeof(struct ks_set)) ||
	    ks_compile_reserve(&policy->ranges, &c->range_room, config->ranges, RANGES, sizeof(struct ks_range)))
		return ks_parser_no_memory(c->p);
	memset(policy->ranges + config->ranges, 0, RANGES * sizeof(struct ks_range));
	policy->sets[config->sets] = (struct ks_set){
		.first4 = config->ranges,
		.first6 = config->ranges + KS_ADDRESS_SET_MAX,
	};
	config->ranges += RANGES;
	own->set = config->sets++;
	return 0;
}

int ks_compile_address_set(struct ks_compiler *c, const struct ks_match *match, __u32 *set)
{
	struct ks_policy *policy = c->policy;
	struct ks_address_set own = { .zone = (__u8)__builtin_ctzll(match->address_of.bit), .kind = match->own }, *list;

	for (size_t i = 0; i < policy->address_set_count; i++) {
		if (!same_own(&policy->address_sets[i], own.zone, match))
			continue;
		*set = policy->address_sets[i].set;
		return 0;
	}
	if (policy->config.ranges + RANGES > KS_RANGES_MAX)
		return ks_compile_too_many(c, &match->place, -ENOSPC);
	own.suffixes = match->suffixes;
	own.suffix_count = match->suffix_count;
	list = ks_arena_grow(c->p->arena, policy->address_sets, policy->address_set_count, sizeof(*list));
	if (!list || make_set(c, &own))
		return ks_parser_no_memory(c->p);
	policy->address_sets = list;
	list[policy->address_set_count++] = own;
	*set = own.set;
	fill_from_text(policy, &own);
	return 0;
}
