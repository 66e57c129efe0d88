/* SPDX-License-Identifier: BSD-2-Clause */
/* See host.h. */
#include "proof/host.h"

#include <string.h>

#include "core/header/icmp.h"
#include "core/header/neighbour.h"
#include "core/network.h"
#include "policy/value.h"

#define RANGES_TRIED 64U
#define STEPS_MAX 128U /* from one obstacle to the next, in one range */
#define IPV4_FIRST 0x01000000U /* below it is "this network" */
#define IPV4_LOOPBACK 127U
#define IPV4_RESERVED 240U
#define IPV4_HOST_BITS 31U /* networks as long as this have no address of all (RFC 3021) */
#define IPV6_GLOBAL 0x20U /* the first byte of 2000::/3 ... */
#define IPV6_GLOBAL_LAST 0x3fU
#define IPV6_UNIQUE 0xfcU /* and of fc00::/7 */
#define IPV6_UNIQUE_LAST 0xfdU
#define BYTE_SHIFT_IPV4 24
#define BYTE_SHIFT_IPV6 56

/* An end of the packet, whose address is chosen. */
struct end {
	const struct ks_policy *policy;
	const struct ks_spans *spans;
	const struct ks_addr *other; /* the address of the other end, if it was chosen */
	__u8 family, zone, peer; /* its zone, and that of the other end */
	bool is_source;
	bool takes_any; /* also IPv6 addresses that nobody is given */
};

/* Returns true if the policy says which addresses of a family the box has. */
static bool has_addresses(const struct ks_config *config, __u8 family)
{
	for (unsigned zone = 0; zone < KS_ZONE_MAX; zone++) {
		const struct ks_addr *own = &config->address[zone][family == KS_IPV6];

		if (own->d[0] | own->d[1])
			return true;
	}
	return false;
}

/* The first bytes of addresses that hosts have. */
static const struct {
	__u8 first, last;
} usual_bytes[2][2] = {
	{ { 1, IPV4_LOOPBACK - 1 }, { IPV4_LOOPBACK + 1, IPV4_RESERVED - 1 } },
	{ { IPV6_GLOBAL, IPV6_GLOBAL_LAST }, { IPV6_UNIQUE, IPV6_UNIQUE_LAST } },
};

static bool is_usual_byte(const struct end *end, __u8 byte)
{
	bool usual = end->family == KS_IPV6 && end->takes_any;

	for (size_t i = 0; i < 2; i++)
		usual |= byte >= usual_bytes[end->family == KS_IPV6][i].first &&
			 byte <= usual_bytes[end->family == KS_IPV6][i].last;
	return usual;
}

/* Returns true for the first address of an IPv4 network, which stands for the network. */
static bool is_of_all(const struct ks_network *network, const struct ks_addr *addr)
{
	return network->family == KS_IPV4 && network->bits < IPV4_HOST_BITS && ks_addr_equal(&network->addr, addr);
}

/* Returns true if a host of the zone may have the address. */
static bool is_usual(const struct end *end, const struct ks_addr *addr)
{
	const struct ks_network *network = ks_network_find(&end->policy->config, addr, end->family);

	if (ks_addr_is_on_link(addr, end->family) || (end->other && ks_addr_equal(end->other, addr)))
		return false;
	if (end->family == KS_IPV6 && !addr->d[0])
		return false; /* loopback, IPv4 ones, and more that is no host's */
	if (!is_usual_byte(end, addr->b[end->family == KS_IPV4 ? IPV4_FIRST_BYTE : 0]))
		return false;
	if (end->zone == KS_ZONE_SELF)
		return ks_config_has_address(&end->policy->config, addr, end->family) ||
		       !has_addresses(&end->policy->config, end->family);
	if (ks_config_has_address(&end->policy->config, addr, end->family))
		return false;
	return !network ||
	       (network->zone == end->zone && !ks_network_is_broadcast(network, addr) && !is_of_all(network, addr));
}

static bool address_try(const struct end *end, const __u64 value[2], struct ks_addr *addr)
{
	if (!ks_spans_hold(end->spans, value))
		return false;
	ks_addr_from_value(value, end->family, addr);
	return is_usual(end, addr);
}

/* Tries the first addresses of a range: that of a network and the host behind it; and the last one. */
static bool range_try(const struct end *end, const struct ks_range *range, struct ks_addr *addr)
{
	__u64 value[2] = { range->lo[0], range->lo[1] + 1 };

	if (ks_value_compare(value, range->hi) <= 0 && value[1] && address_try(end, value, addr))
		return true;
	value[1]++;
	if (ks_value_compare(value, range->hi) <= 0 && value[1] > 1 && address_try(end, value, addr))
		return true;
	return address_try(end, range->lo, addr) || address_try(end, range->hi, addr);
}

/* Moves a value, whose address is not usual, to the next one that may be: behind a network, or to the next usual first byte. */
static void obstacle_pass(const struct end *end, __u64 value[2])
{
	const unsigned at = end->family == KS_IPV4, shift = at ? BYTE_SHIFT_IPV4 : BYTE_SHIFT_IPV6;
	const struct ks_network *network;
	const __u8 byte = (__u8)(value[at] >> shift);
	struct ks_range range = { .hi = { value[0], value[1] } };
	struct ks_addr addr;

	if (!is_usual_byte(end, byte)) {
		const bool is_second = byte >= usual_bytes[!at][0].first;

		value[at] = (__u64)usual_bytes[!at][is_second].first << shift;
		value[1] &= at ? ~0ULL : 0;
		if (byte > usual_bytes[!at][1].last)
			value[0] = value[1] = ~0ULL;
		return;
	}
	ks_addr_from_value(value, end->family, &addr);
	network = ks_network_find(&end->policy->config, &addr, end->family);
	if (network && network->zone != end->zone) {
		const struct ks_prefix prefix = { network->addr, network->bits, network->family };

		ks_prefix_range(&prefix, &range);
	}
	value[1] = range.hi[1] + 1;
	value[0] = range.hi[0] + !value[1];
}

/* Looks for a usual address in a range, one obstacle after the other. */
static bool range_search(const struct end *end, const struct ks_range *range, struct ks_addr *addr)
{
	__u64 value[2] = { range->lo[0], range->lo[1] };

	for (unsigned n = 0; n < STEPS_MAX && ks_value_compare(value, range->hi) <= 0; n++) {
		__u64 before[2] = { value[0], value[1] };

		if (address_try(end, value, addr))
			return true;
		obstacle_pass(end, value);
		if (ks_value_compare(value, before) <= 0)
			return false; /* it was the last one */
	}
	return false;
}

static bool ranges_search(const struct end *end, struct ks_addr *addr)
{
	for (__u32 i = 0; i < KS_MIN(end->spans->count, RANGES_TRIED); i++) {
		if (range_try(end, &end->spans->list[i], addr) || range_search(end, &end->spans->list[i], addr))
			return true;
	}
	return false;
}

/* An address of the box in the zone of the other end, or in any. */
static bool own_choose(const struct end *end, struct ks_addr *addr)
{
	const struct ks_config *config = &end->policy->config;
	__u64 value[2];

	for (unsigned i = 0; i < 2 * KS_ZONE_MAX; i++) {
		const struct ks_addr *own = &config->address[(end->peer + i) % KS_ZONE_MAX][end->family == KS_IPV6];

		ks_addr_to_value(own, end->family, value);
		if ((own->d[0] | own->d[1]) && address_try(end, value, addr))
			return true;
	}
	return false;
}

/* An address of a network of the zone. */
static bool home_choose(const struct end *end, struct ks_addr *addr)
{
	const struct ks_config *config = &end->policy->config;

	for (__u32 i = 0; i < config->networks; i++) {
		const struct ks_network *network = &config->network[i];
		struct ks_prefix prefix = { .addr = network->addr, .family = network->family, .length = network->bits };
		struct ks_range range;

		if (network->zone != end->zone || network->family != end->family)
			continue;
		ks_prefix_range(&prefix, &range);
		for (__u32 j = 0; j < KS_MIN(end->spans->count, RANGES_TRIED); j++) {
			const struct ks_range *span = &end->spans->list[j];
			struct ks_range both = range;

			if (ks_value_compare(span->lo, both.lo) > 0)
				memcpy(both.lo, span->lo, sizeof(both.lo));
			if (ks_value_compare(span->hi, both.hi) < 0)
				memcpy(both.hi, span->hi, sizeof(both.hi));
			if (ks_value_compare(both.lo, both.hi) <= 0 && range_try(end, &both, addr))
				return true;
		}
	}
	return false;
}

/* An address that is for examples (RFC 5737, RFC 3849): of whoever asks, and of whom he asks. */
static bool example_choose(const struct end *end, struct ks_addr *addr)
{
	static const __u64 examples[2][2][2] = {
		{ { 0, 0xcb007101U }, { 0, 0xc6336401U } }, /* 203.0.113.1, 198.51.100.1 */
		{ { 0x20010db800020000U, 1 }, { 0x20010db800010000U, 1 } },
	};
	const __u64 *first = examples[end->family == KS_IPV6][end->is_source];
	const __u64 second[2] = { first[0], first[1] + 1 }; /* the box may have the first one */

	return address_try(end, first, addr) || address_try(end, second, addr);
}

static void address_choose(struct end *end, struct ks_addr *addr)
{
	static const struct ks_range usual = { .lo = { 0, IPV4_FIRST }, .hi = { 0, IPV4_FIRST } };

	end->takes_any = false;

	if (end->zone == KS_ZONE_SELF && own_choose(end, addr))
		return;
	if (end->zone >= KS_ZONE_FIRST && home_choose(end, addr))
		return;
	if (example_choose(end, addr) || (end->family == KS_IPV4 && range_try(end, &usual, addr)))
		return;
	if (ranges_search(end, addr))
		return;
	end->takes_any = true;
	if (ranges_search(end, addr))
		return;
	ks_addr_from_value(end->spans->list[0].lo, end->family, addr);
}

/* The addresses of the first set of own addresses that the packet's destination must be in. */
static void own_spans(const struct ks_space *space, __u64 in, __u8 family, enum ks_dim dim, struct ks_spans *spans)
{
	for (; in; in &= in - 1) {
		const struct ks_variable_set *set = &space->variables.set[__builtin_ctzll(in)];
		const struct ks_set *own = set->is_own ? &set->policy->sets[set->index] : NULL;

		if (!own || set->dim != dim || !(family == KS_IPV4 ? own->count4 : own->count6))
			continue;
		*spans = (struct ks_spans){ set->policy->ranges + (family == KS_IPV4 ? own->first4 : own->first6),
					    family == KS_IPV4 ? own->count4 : own->count6 };
		return;
	}
}

/* Routers and their neighbours speak by addresses of the link, or to all nodes of it (RFC 4861 4.2, 4.5). */
static void neighbours_choose(const struct ks_region *region, struct ks_witness *witness)
{
	static const __u64 source[2] = { 0xfe80ULL << 48, 1 }, neighbour[2] = { 0xfe80ULL << 48, 2 };
	static const __u64 nodes[2] = { 0xff02ULL << 48, 1 };
	const bool to_all = witness->icmp >> KS_ICMP_TYPE_SHIFT == KS_ND_ROUTER_ADVERTISEMENT;

	witness->facts[KS_CONDITION_TTL] = KS_ROUTER_TTL;
	if (ks_spans_hold(&region->dim[KS_DIM_SRC], source))
		ks_addr_from_value(source, KS_IPV6, &witness->tuple.src);
	if (to_all && ks_spans_hold(&region->dim[KS_DIM_DST], nodes))
		ks_addr_from_value(nodes, KS_IPV6, &witness->tuple.dst);
	else if (ks_spans_hold(&region->dim[KS_DIM_DST], neighbour))
		ks_addr_from_value(neighbour, KS_IPV6, &witness->tuple.dst);
}

void ks_hosts_choose(const struct ks_space *space, const struct ks_region *region, struct ks_witness *witness)
{
	struct ks_spans src = region->dim[KS_DIM_SRC], dst = region->dim[KS_DIM_DST];
	struct end end = { .policy = space->policy,
			   .spans = &dst,
			   .family = region->family,
			   .zone = witness->to,
			   .peer = witness->from };

	own_spans(space, ks_witness_members(witness), region->family, KS_DIM_SRC, &src);
	own_spans(space, ks_witness_members(witness), region->family, KS_DIM_DST, &dst);
	address_choose(&end, &witness->tuple.dst);
	end.spans = &src;
	end.zone = witness->from;
	end.peer = witness->to;
	end.other = &witness->tuple.dst;
	end.is_source = true;
	address_choose(&end, &witness->tuple.src);
	if (ks_witness_is_of_router(witness))
		neighbours_choose(region, witness);
}
