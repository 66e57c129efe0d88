/* SPDX-License-Identifier: BSD-2-Clause */
/* See unasked.h. */
#include "proof/unasked.h"

#include <errno.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/neighbour.h"
#include "core/header/packet.h"
#include "core/link.h"
#include "policy/value.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define ANY_CODE 0xffU
#define CODE(type, code) { 0, ((type) << KS_ICMP_TYPE_SHIFT) + (code) }
#define TYPE(type) { .lo = CODE(type, 0), .hi = CODE(type, 0) } /* with code 0 */
#define TYPES(first, last) { .lo = CODE(first, 0), .hi = CODE(last, ANY_CODE) }
#define CODES_ABOVE(type, code) { .lo = CODE(type, (code) + 1), .hi = CODE(type, ANY_CODE) }
#define SPANS(ranges) ((struct ks_spans){ ranges, KS_ARRAY_SIZE(ranges) })

static const __u8 families[] = { KS_IPV4, KS_IPV6 };

static const struct ks_range ipv4_groups[] = { { .lo = { 0, 0xe0000000U }, .hi = { 0, 0xffffffffU } } };
static const struct ks_range ipv6_groups[] = { { .lo = { 0xffULL << 56, 0 }, .hi = { ~0ULL, ~0ULL } } };

/* core/antispoof.c: loopback, and addresses that stand for IPv4 ones. */
static const struct ks_range ipv4_loopback[] = { { .lo = { 0, 0x7f000000U }, .hi = { 0, 0x7fffffffU } } };
static const struct ks_range ipv6_loopback[] = { { .lo = { 0, 1 }, .hi = { 0, 1 } } };
static const struct ks_range ipv6_mapped[] = { { .lo = { 0, 0xffff00000000ULL }, .hi = { 0, 0xffffffffffffULL } } };
static const struct ks_range ipv6_on_link[] = { { .lo = { 0xfe80ULL << 48, 0 },
						  .hi = { 0xfebfffffffffffffULL, ~0ULL } } };
static const struct ks_range ipv6_off_link[] = { { .lo = { 0, 0 }, .hi = { 0xfe7fffffffffffffULL, ~0ULL } },
						 { .lo = { 0xfec0ULL << 48, 0 }, .hi = { ~0ULL, ~0ULL } } };

static const struct ks_range port_zero[] = { { .lo = { 0, 0 }, .hi = { 0, 0 } } };

/* core/header/icmp.c: types that it does not know, and codes that the others do not have. */
static const struct ks_range ipv4_unknown[] = { TYPES(1U, 2U),	      CODES_ABOVE(3U, 15U), TYPES(4U, 4U),
						CODES_ABOVE(5U, 3U),  TYPES(6U, 7U),	    TYPES(9U, 10U),
						CODES_ABOVE(11U, 1U), CODES_ABOVE(12U, 2U), TYPES(19U, 255U) };
static const struct ks_range ipv6_unknown[] = { TYPES(0U, 0U),	       CODES_ABOVE(1U, 8U),   CODES_ABOVE(3U, 1U),
						CODES_ABOVE(4U, 10U),  TYPES(5U, 127U),	      CODES_ABOVE(130U, 0U),
						CODES_ABOVE(131U, 0U), CODES_ABOVE(132U, 0U), CODES_ABOVE(133U, 0U),
						CODES_ABOVE(134U, 0U), CODES_ABOVE(135U, 0U), CODES_ABOVE(136U, 0U),
						CODES_ABOVE(137U, 0U), TYPES(138U, 142U),     CODES_ABOVE(143U, 0U),
						TYPES(144U, 255U) };

/* Neighbour discovery and listeners, without what rules are asked about (core/read.c). */
static const struct ks_range ipv6_neighbours[] = { TYPE(130U), TYPE(131U), TYPE(132U), TYPE(133U),
						   TYPE(135U), TYPE(136U), TYPE(143U) };
static const struct ks_range ipv6_ruled[] = { TYPE(KS_ND_ROUTER_ADVERTISEMENT), TYPE(KS_ND_REDIRECT) };

static const struct ks_range ipv6_redirect[] = { TYPE(KS_ND_REDIRECT) };
static const struct ks_range ipv6_advertisement[] = { TYPE(KS_ND_ROUTER_ADVERTISEMENT) };

static void fill(const struct ks_space *space, __u8 family, struct ks_region *region)
{
	ks_region_fill(region, family, ks_policy_zone_bits(space->policy));
}

static void protocol_set(struct ks_region *region, unsigned proto)
{
	memset(region->proto, 0, sizeof(region->proto));
	region->proto[proto / 64] = 1ULL << proto % 64;
}

/* --- addresses --- */

/* Sources that nobody has, of those who come from elsewhere than the box. From loopback to loopback only captures have packets. */
static int add_nowhere(struct ks_space *space)
{
	const struct {
		__u8 family;
		struct ks_spans src;
	} list[] = {
		{ KS_IPV4, SPANS(ipv4_loopback) },
		{ KS_IPV6, SPANS(ipv6_loopback) },
		{ KS_IPV6, SPANS(ipv6_mapped) },
	};
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(list); i++) {
		struct ks_region region;

		fill(space, list[i].family, &region);
		region.from &= ~SELF;
		region.dim[KS_DIM_SRC] = list[i].src;
		err = ks_space_claim(space, &region, KS_CLAIM_NOBODY, false);
	}
	return err;
}

/* An address that the text says is the box's, as the source of somebody else. Each link has its own of those that are local to it. */
static int add_own(struct ks_space *space, const struct ks_addr *own, __u8 family)
{
	struct ks_range *range;
	struct ks_region region;

	if (!(own->d[0] | own->d[1]) || ks_addr_is_on_link(own, family))
		return 0;
	range = ks_pool_alloc(&space->pool, sizeof(*range));
	if (!range)
		return -ENOMEM;
	ks_addr_to_value(own, family, range->lo);
	ks_addr_to_value(own, family, range->hi);
	fill(space, family, &region);
	region.from &= ~SELF;
	region.dim[KS_DIM_SRC] = (struct ks_spans){ range, 1 };
	return ks_space_claim(space, &region, KS_CLAIM_NOBODY, false);
}

static int add_owns(struct ks_space *space)
{
	const struct ks_config *config = &space->policy->config;
	int err = 0;

	for (__u32 zone = 0; zone < KS_ZONE_MAX && config->addressed >> zone; zone++) {
		for (size_t i = 0; !err && i < KS_ARRAY_SIZE(families); i++)
			err = add_own(space, &config->address[zone][i], families[i]);
	}
	return err;
}

/* --- ports and types --- */

/* Ports that no packet has (core/header/): TCP and SCTP have none at either end, UDP and UDP-Lite none to send to. */
static int add_ports(struct ks_space *space, __u8 family)
{
	static const struct {
		__u8 proto, dim;
	} without[] = {
		{ KS_PROTO_TCP, KS_DIM_SPORT },	 { KS_PROTO_TCP, KS_DIM_DPORT }, { KS_PROTO_SCTP, KS_DIM_SPORT },
		{ KS_PROTO_SCTP, KS_DIM_DPORT }, { KS_PROTO_UDP, KS_DIM_DPORT }, { KS_PROTO_UDPLITE, KS_DIM_DPORT },
	};
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(without); i++) {
		struct ks_region region;

		fill(space, family, &region);
		protocol_set(&region, without[i].proto);
		region.dim[without[i].dim] = SPANS(port_zero);
		err = ks_space_claim(space, &region, KS_CLAIM_NOBODY, false);
	}
	return err;
}

/* ICMP of the other family, types that are unknown, and routers' messages that do not come from the link. */
static int add_messages(struct ks_space *space, __u8 family)
{
	const bool ipv6 = family == KS_IPV6;
	struct ks_region region;
	int err;

	fill(space, family, &region);
	protocol_set(&region, ipv6 ? KS_PROTO_ICMP : KS_PROTO_ICMPV6);
	err = ks_space_claim(space, &region, KS_CLAIM_NOBODY, false);
	protocol_set(&region, ipv6 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP);
	region.dim[KS_DIM_ICMP] = ipv6 ? SPANS(ipv6_unknown) : SPANS(ipv4_unknown);
	if (!err)
		err = ks_space_claim(space, &region, KS_CLAIM_NOBODY, false);
	if (err || !ipv6)
		return err;
	region.dim[KS_DIM_ICMP] = SPANS(ipv6_ruled);
	region.dim[KS_DIM_SRC] = SPANS(ipv6_off_link);
	return ks_space_claim(space, &region, KS_CLAIM_NOBODY, false);
}

/* --- what passes --- */

static int add_passing(struct ks_space *space)
{
	struct ks_region region;
	int err;

	fill(space, KS_IPV6, &region);
	protocol_set(&region, KS_PROTO_ICMPV6);
	region.dim[KS_DIM_ICMP] = SPANS(ipv6_neighbours);
	err = ks_space_claim(space, &region, KS_CLAIM_PASSING, false);
	fill(space, KS_IPV4, &region);
	protocol_set(&region, KS_PROTO_IGMP);
	return err ? err : ks_space_claim(space, &region, KS_CLAIM_PASSING, false);
}

int ks_unasked_add_last(struct ks_space *space)
{
	struct ks_region region;
	int err;

	if (!space->is_whole || space->list != KS_LIST_FILTER)
		return 0;
	fill(space, KS_IPV6, &region);
	protocol_set(&region, KS_PROTO_ICMPV6);
	region.dim[KS_DIM_SRC] = SPANS(ipv6_on_link);
	region.dim[KS_DIM_ICMP] = SPANS(ipv6_advertisement);
	err = ks_space_claim(space, &region, KS_CLAIM_PASSING, false);
	region.from = SELF;
	region.dim[KS_DIM_ICMP] = SPANS(ipv6_redirect);
	return err ? err : ks_space_claim(space, &region, KS_CLAIM_PASSING, false);
}

/* --- all --- */

/* The box's own talk with itself, which passes by no guarded interface, and sources that are groups. */
static int add_family(struct ks_space *space, __u8 family)
{
	struct ks_region region;
	int err;

	fill(space, family, &region);
	region.from = region.to = SELF;
	err = ks_space_claim(space, &region, KS_CLAIM_NOBODY, false);
	fill(space, family, &region);
	region.dim[KS_DIM_SRC] = family == KS_IPV4 ? SPANS(ipv4_groups) : SPANS(ipv6_groups);
	if (!err)
		err = ks_space_claim(space, &region, KS_CLAIM_NOBODY, false);
	if (!err)
		err = add_ports(space, family);
	return err;
}

int ks_unasked_add(struct ks_space *space)
{
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(families); i++)
		err = add_family(space, families[i]);
	if (!space->is_whole)
		return err;
	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(families); i++)
		err = add_messages(space, families[i]);
	if (!err)
		err = add_nowhere(space);
	if (!err)
		err = add_owns(space);
	return err ? err : add_passing(space);
}

static bool is_only(const struct ks_region *region, unsigned proto)
{
	struct ks_region other = *region;

	protocol_set(&other, proto);
	return !memcmp(other.proto, region->proto, sizeof(other.proto));
}

bool ks_region_names_passing(const struct ks_region *region)
{
	return is_only(region, KS_PROTO_IGMP) ||
	       (is_only(region, KS_PROTO_ICMPV6) && !ks_spans_equal(&region->dim[KS_DIM_ICMP], &ks_spans_ports));
}

bool ks_region_is_of_routers(const struct ks_region *region)
{
	const struct ks_spans *types = &region->dim[KS_DIM_ICMP];
	bool is_ruled = is_only(region, KS_PROTO_ICMPV6);

	for (__u32 i = 0; i < types->count; i++) {
		const __u64 type = types->list[i].lo[1] >> KS_ICMP_TYPE_SHIFT;

		is_ruled &= ks_neighbour_is_ruled((__u8)type) && types->list[i].hi[1] >> KS_ICMP_TYPE_SHIFT == type;
	}
	return is_ruled;
}
