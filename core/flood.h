/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thresholds per destination: how much of what begins something one address gets a second from a zone (`protect`, the items
 * `syn flood`, `udp flood` and `icmp flood`).
 *
 * Counted are SYNs that the rules let open a connection; UDP datagrams of flows that nobody has answered, with the first one;
 * ICMP queries, all of them. Each destination has a rate (rate.h) and as much at once as in a second.
 *
 *   syn flood     beyond it, connections to this address are challenged (challenge.h), so that who is there gets in; with
 *                 `drop`, or where the zone is never challenged, they are refused
 *   udp, icmp     beyond it, what comes is refused: whoever sends so much, from whatever sources, keeps others out of this
 *                 address, and of no other
 *
 * Destinations lie in sets of eight. A keyed hash chooses the set. One that has been quiet for as long as its rate remembers is
 * anybody's; in a set of busy ones the one that has used the least makes room, and begins with its whole rate when it comes again.
 *
 * Races. A rate is one word, so CPUs together admit as many as the threshold and none more; a packet for which others were always
 * quicker is refused. Two CPUs that take a place at the same time may both find it theirs; the one that was slower then
 * counts with the other's for that packet.
 */
#ifndef KS_CORE_FLOOD_H
#define KS_CORE_FLOOD_H

#include "core/address.h"
#include "core/protection.h"
#include "core/types.h"

struct ks_config;
struct ks_env;
struct ks_inspection;

#define KS_FLOOD_WAYS 8U
#define KS_FLOOD_SETS 1024U /* of 8,192 destinations; a power of two */

struct ks_flood_place {
	__u64 whose; /* hash; 0: nobody's */
	__u64 until; /* see rate.h */
};

struct ks_flood_set {
	struct ks_flood_place place[KS_FLOOD_WAYS];
};

/* A question, without pointers, so that it can be verified apart. */
struct ks_flood_ask {
	__u64 now; /* ns */
	struct ks_addr addr; /* the destination */
	__u32 rate; /* a second */
	__u8 family, zone;
	__u8 item; /* enum ks_protect_item */
	__u8 dry; /* 1: nothing is counted, in a dry inspection or by the front */
};

/* Returns 1 if the destination has had as much as its rate allows. */
__u32 ks_flood_spent_isolated(struct ks_env *env, const struct ks_flood_ask *ask);

/* Returns true if the packet is more than the threshold of the item allows to this address. `env`: not one for isolated functions. */
bool ks_flood_is_over(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp,
		      enum ks_protect_item item, const struct ks_addr *to);

#endif
