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

#include "core/inspection.h"
#include "core/rules.h"

struct ks_env;

#define KS_LINK_CROSSING 0x4000U /* the link is between two zones */
#define KS_LINK_OWN \
	0x2000U /* no link: a flow of the box under a key that another flow's alias has (core/nat/clash.h) */
#define KS_LINK_HIGH_SHIFT 6
_Static_assert(KS_ZONE_MAX <= 1U << KS_LINK_HIGH_SHIFT, "two zones fit below KS_LINK_CROSSING");

static inline bool ks_key_is_on_link(const struct ks_flow_key *key)
{
	__u32 at = key->family == KS_IPV4 ? IPV4_FIRST_BYTE : 0;

	if (ks_likely(!ks_byte_may_be_on_link(key->addr[0].b[at], key->family) &&
		      !ks_byte_may_be_on_link(key->addr[1].b[at], key->family)))
		return false;
	return ks_addr_is_on_link(&key->addr[0], key->family) || ks_addr_is_on_link(&key->addr[1], key->family);
}

/* The link between two ends: the zone that is not the box's, or both zones. A `to` that is not known yet does not count. */
static inline __u16 ks_link_between(__u32 from, __u32 to)
{
	if (from == KS_ZONE_SELF)
		return (__u16)to;
	if (to == KS_ZONE_SELF || to >= KS_ZONE_MAX)
		return (__u16)from;
	return (__u16)(KS_LINK_CROSSING | KS_MIN(from, to) | KS_MAX(from, to) << KS_LINK_HIGH_SHIFT);
}

/* The link of a packet whose tuple has such an address. Asks the home where it goes if that is unknown. */
__u16 ks_link_find(struct ks_env *env, const struct ks_inspection *insp, const struct ks_tuple *tuple);

/* As ks_flow_key_make(), with the link. */
static ks_inline __u8 ks_packet_key(struct ks_env *env, const struct ks_inspection *insp, const struct ks_tuple *tuple,
				    struct ks_flow_key *key)
{
	__u8 high = (__u8)ks_flow_key_make(tuple, key);

	if (ks_unlikely(ks_key_is_on_link(key)))
		key->link = ks_link_find(env, insp, tuple);
	return high;
}

/* The same for the packet in hand, whose tuple the parser has looked at. */
static inline __u8 ks_packet_key_own(struct ks_env *env, const struct ks_inspection *insp, struct ks_flow_key *key)
{
	__u8 high = (__u8)ks_flow_key_make(&insp->pkt.tuple, key);

	if (ks_unlikely(insp->pkt.special) && ks_key_is_on_link(key))
		key->link = ks_link_find(env, insp, &insp->pkt.tuple);
	return high;
}

#endif
