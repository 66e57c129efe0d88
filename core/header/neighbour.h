/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What neighbours on a link say to each other and nobody forwards: IPv6
 * neighbour discovery and router messages (RFC 4861; neighbour.c), multicast
 * listener discovery and IGMP (RFC 2710, 3810, 2236, 3376; multicast.c). It is
 * never a flow: a sane message passes untracked as "neighbour", anything else
 * is dropped. Rules are asked about two of them: a router advertisement passes
 * unless a rule denies it, as hosts need it; a redirect only if a rule allows
 * it or the box sends it (RFC 4890 4.3.3, 4.4.4). What makes it harmless is that it
 * proves to come from the link itself: a hop limit of 255, or of 1 with the
 * router alert that makes it worth a router's look.
 */
#ifndef KS_CORE_HEADER_NEIGHBOUR_H
#define KS_CORE_HEADER_NEIGHBOUR_H

#include "core/header/packet.h"
#include "core/types.h"

/* Router and neighbour solicitations and advertisements, and redirects; the shortest such message is in the head. */
bool ks_neighbour_is_sane(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

/* The same for multicast listener queries, reports and dones. */
bool ks_multicast_is_sane(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

/* Checks an IGMP message of `l4_len` bytes. Returns 0 or a reason. */
__u32 ks_igmp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

#define KS_ND_ROUTER_ADVERTISEMENT 134
#define KS_ND_REDIRECT 137

/* Messages that rules are asked about: who believes them sends its packets elsewhere. */
static inline bool ks_neighbour_is_ruled(__u32 icmp_type)
{
	return icmp_type == KS_ND_ROUTER_ADVERTISEMENT || icmp_type == KS_ND_REDIRECT;
}

#endif
