/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses that mean something else on every link: unspecified, link-local,
 * multicast, broadcast. Two zones may use the same pair of them at the same
 * time (every DHCP client speaks as 0.0.0.0:68 > 255.255.255.255:67), so the
 * key of such a flow holds the zones of its link, and no zone meets another's.
 *
 * Where a packet crosses from one zone to another (ports of a bridge, routed
 * multicast) both are in the key, in an order that both directions share.
 */
#ifndef KS_CORE_LINK_H
#define KS_CORE_LINK_H

#include "core/inspect.h"
#include "core/rules.h"

struct ks_env;

#define KS_LINK_CROSSING 0x4000U /* the link is between two zones */
#define KS_LINK_HIGH_SHIFT 6
_Static_assert(KS_ZONE_MAX <= 1U << KS_LINK_HIGH_SHIFT, "two zones fit below KS_LINK_CROSSING");

#define IPV4_FIRST_OCTET 12U /* of struct ks_addr */
#define IPV4_GROUPS 0xe0U /* 224.0.0.0/4 */
#define IPV4_GROUPS_MASK 0xf0U
#define IPV4_BROADCAST 0xffffffffU
#define IPV4_LINK_LOCAL 169U /* 169.254.0.0/16 */
#define IPV6_LINK_LOCAL 0xfeU /* fe80::/10; above it are groups */

/* 224.0.0.0/4 and 255.255.255.255 (RFC 1112 4, RFC 919 7); ff00::/8 (RFC 4291 2.7). */
static inline bool ks_addr_is_group(const struct ks_addr *addr, __u8 family)
{
	if (family == KS_IPV4)
		return (addr->b[IPV4_FIRST_OCTET] & IPV4_GROUPS_MASK) == IPV4_GROUPS || addr->w[3] == IPV4_BROADCAST;
	return addr->b[0] == 0xff;
}

/* The broadcast address of a network of 30 bits or less ends in ones (RFC 919 7; RFC 3021 for those of 31). */
#define IPV4_LAST_OCTET 15U
#define IPV4_HOST_BITS_LEAST 0x03

static inline bool ks_ipv4_may_be_broadcast(const struct ks_tuple *tuple)
{
	return tuple->family == KS_IPV4 &&
	       (tuple->dst.b[IPV4_LAST_OCTET] & IPV4_HOST_BITS_LEAST) == IPV4_HOST_BITS_LEAST;
}

/* 0.0.0.0/8 and 169.254.0.0/16 (RFC 1122 3.2.1.3, RFC 3927); :: and fe80::/10. */
static inline bool ks_addr_is_local_to_link(const struct ks_addr *addr, __u8 family)
{
	const __u8 *b = addr->b;

	if (family == KS_IPV4)
		return b[IPV4_FIRST_OCTET] == 0 ||
		       (b[IPV4_FIRST_OCTET] == IPV4_LINK_LOCAL && b[IPV4_FIRST_OCTET + 1] == 254);
	return (b[0] == IPV6_LINK_LOCAL && (b[1] & 0xc0) == 0x80) || !(addr->d[0] | addr->d[1]);
}

static inline bool ks_addr_is_on_link(const struct ks_addr *addr, __u8 family)
{
	return ks_addr_is_group(addr, family) || ks_addr_is_local_to_link(addr, family);
}

/* The first octet tells of most addresses that they are none of these. */
static inline bool ks_octet_may_be_on_link(__u8 first, __u8 family)
{
	if (family == KS_IPV4)
		return first >= IPV4_GROUPS || first == 0 || first == IPV4_LINK_LOCAL;
	return first >= IPV6_LINK_LOCAL || first == 0;
}

static inline bool ks_key_is_on_link(const struct ks_flow_key *key)
{
	__u32 at = key->family == KS_IPV4 ? IPV4_FIRST_OCTET : 0;

	if (ks_likely(!ks_octet_may_be_on_link(key->addr[0].b[at], key->family) &&
		      !ks_octet_may_be_on_link(key->addr[1].b[at], key->family)))
		return false;
	return ks_addr_is_on_link(&key->addr[0], key->family) || ks_addr_is_on_link(&key->addr[1], key->family);
}

/* The link between two ends: the zone that is not the box's, or both. A `to` that is not known yet does not count. */
static inline __u16 ks_link_between(__u32 from, __u32 to)
{
	if (from == KS_ZONE_SELF)
		return (__u16)to;
	if (to == KS_ZONE_SELF || to >= KS_ZONE_MAX)
		return (__u16)from;
	return (__u16)(KS_LINK_CROSSING | KS_MIN(from, to) | KS_MAX(from, to) << KS_LINK_HIGH_SHIFT);
}

/* The link of a packet with this tuple, which has an address of that kind. Asks the home for `to` if it is unknown. */
__u16 ks_link_find(struct ks_env *env, const struct ks_inspection *insp, const struct ks_tuple *tuple);

/* As ks_flow_key_make(), with the link. */
static inline __u32 ks_packet_key(struct ks_env *env, const struct ks_inspection *insp, const struct ks_tuple *tuple,
				  struct ks_flow_key *key)
{
	__u32 high = ks_flow_key_make(tuple, key);

	if (ks_unlikely(ks_key_is_on_link(key)))
		key->link = ks_link_find(env, insp, tuple);
	return high;
}

#endif
