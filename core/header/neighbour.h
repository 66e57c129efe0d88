/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPv6 neighbour discovery and router messages (RFC 4861). They never leave their link and are never a flow: a sane message
 * passes untracked as "neighbour", anything else is dropped. A sane message proves by a hop limit of 255 that no router
 * forwarded it.
 *
 * Rules are asked about two of them, because they change where a host sends its packets. A router advertisement passes unless
 * a rule denies it, as hosts need it; a redirect passes only if a rule allows it or the box sends it (RFC 4890 4.3.3, 4.4.4).
 */
#ifndef KS_CORE_HEADER_NEIGHBOUR_H
#define KS_CORE_HEADER_NEIGHBOUR_H

#include "core/header/packet.h"
#include "core/types.h"

/* Router and neighbour solicitations and advertisements, and redirects; the shortest such message is in the head. */
bool ks_neighbour_is_sane(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

#define KS_ND_ROUTER_ADVERTISEMENT 134
#define KS_ND_REDIRECT 137

/* Returns true for the messages that rules are asked about. */
static inline bool ks_neighbour_is_ruled(__u32 icmp_type)
{
	return icmp_type == KS_ND_ROUTER_ADVERTISEMENT || icmp_type == KS_ND_REDIRECT;
}

#endif
