/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hosts telling routers which multicast groups they listen to: MLD over IPv6 (RFC 2710, 3810), IGMP over IPv4 (RFC 2236,
 * 3376). As with neighbour discovery a sane message passes untracked as "neighbour", anything else is dropped. A sane message
 * proves by a hop limit of 1 that it comes from the link, and carries the router alert that makes routers look at it.
 */
#ifndef KS_CORE_HEADER_MULTICAST_H
#define KS_CORE_HEADER_MULTICAST_H

#include "core/header/packet.h"
#include "core/types.h"

/* Returns true for a well-formed multicast listener query, report or done. */
bool ks_mld_is_sane(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

/* Checks an IGMP message of `l4_len` bytes. Returns 0 or a reason. */
__u32 ks_igmp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

#endif
