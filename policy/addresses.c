/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of the firewall's own addresses, `address of ZONE`. Such a set is not
 * shared with another of equal content: it has ranges of its own, with room for
 * KS_ADDRESS_SET_MAX addresses of each family. ks_policy_set_addresses() fills
 * it again when an interface gets or loses an address; the rest of the tables
 * stays as it is.
 */
#include <errno.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/value.h"

#define RANGES (2 * KS_ADDRESS_SET_MAX) /* IPv4, then IPv6 */

static const struct ks_address_set *find_address_set(const struct ks_policy *policy, unsigned zone)
{
	for (size_t i = 0; i < policy->address_set_count; i++) {
		if (policy->address_sets[i].zone == zone)
			return &policy->address_sets[i];
	}
	return NULL;
}

/* Inserts an address among `count` sorted ones, if it is not there yet. Returns the new count. */
static __u32 insert_address(struct ks_range *ranges, __u32 count, const __u64 value[2])
{
	__u32 at = count;

	while (at > 0 && ks_value_compare(value, ranges[at - 1].lo) < 0)
		at--;
	if (at > 0 && !memcmp(ranges[at - 1].lo, value, sizeof(ranges->lo)))
		return count;
	memmove(&ranges[at + 1], &ranges[at], (count - at) * sizeof(*ranges));
	memcpy(ranges[at].lo, value, sizeof(ranges->lo));
	memcpy(ranges[at].hi, value, sizeof(ranges->hi));
	return count + 1;
}

/* Sorts the addresses of one family into `ranges`. Returns how many there are. */
static __u32 sort_family(const struct ks_own_address *list, size_t count, unsigned family,
			 struct ks_range ranges[KS_ADDRESS_SET_MAX])
{
	__u32 taken = 0;

	for (size_t i = 0; i < count && taken < KS_ADDRESS_SET_MAX; i++) {
		__u64 value[2];

		if (list[i].family != family)
			continue;
		ks_addr_to_value(&list[i].addr, family, value);
		taken = insert_address(ranges, taken, value);
	}
	return taken;
}

bool ks_policy_set_addresses(struct ks_policy *policy, unsigned zone, const struct ks_own_address *list, size_t count)
{
	struct ks_range ranges[RANGES] = { 0 };
	const struct ks_address_set *own = find_address_set(policy, zone);
	struct ks_range *old;
	struct ks_set *set;
	__u32 count4, count6;
	bool same;

	if (!own)
		return false;
	set = &policy->sets[own->set];
	old = &policy->ranges[set->first4];
	count4 = sort_family(list, count, KS_IPV4, ranges);
	count6 = sort_family(list, count, KS_IPV6, ranges + KS_ADDRESS_SET_MAX);
	same = count4 == set->count4 && count6 == set->count6 && !memcmp(old, ranges, sizeof(ranges));
	set->count4 = count4;
	set->count6 = count6;
	memcpy(old, ranges, sizeof(ranges));
	return !same;
}

/* The `address` of the zone, until the daemon puts in those of the interfaces. */
static void fill_from_text(struct ks_policy *policy, unsigned zone)
{
	struct ks_own_address list[2];
	size_t count = 0;

	for (size_t i = 0; i < policy->zone_count; i++) {
		for (int j = 0; j < 2 && policy->zones[i].id == zone; j++) {
			const struct ks_prefix *address = &policy->zones[i].address[j];

			if (address->family)
				list[count++] = (struct ks_own_address){ address->addr, address->family };
		}
	}
	ks_policy_set_addresses(policy, zone, list, count);
}

int ks_compile_address_set(struct ks_compiler *c, unsigned zone, const struct ks_place *place, __u32 *set)
{
	struct ks_policy *policy = c->policy;
	struct ks_config *config = &policy->config;
	const struct ks_address_set *known = find_address_set(policy, zone);
	struct ks_address_set *list;

	if (known) {
		*set = known->set;
		return 0;
	}
	if (config->ranges + RANGES > KS_RANGES_MAX)
		return ks_compile_too_many(c, place, -ENOSPC);
	list = ks_arena_grow(c->p->arena, policy->address_sets, policy->address_set_count, sizeof(*list));
	if (!list || ks_compile_reserve(&policy->sets, &c->set_room, config->sets, 1, sizeof(struct ks_set)) ||
	    ks_compile_reserve(&policy->ranges, &c->range_room, config->ranges, RANGES, sizeof(struct ks_range)))
		return ks_parser_no_memory(c->p);
	memset(policy->ranges + config->ranges, 0, RANGES * sizeof(struct ks_range));
	policy->sets[config->sets] = (struct ks_set){
		.first4 = config->ranges,
		.first6 = config->ranges + KS_ADDRESS_SET_MAX,
	};
	policy->address_sets = list;
	list[policy->address_set_count++] = (struct ks_address_set){ .zone = (__u8)zone, .set = config->sets };
	config->ranges += RANGES;
	*set = config->sets++;
	fill_from_text(policy, zone);
	return 0;
}
