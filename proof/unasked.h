/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets about which no rule decides: those that are refused, or do not come by, whatever the rules say; and IPv6 neighbours and
 * multicast listeners, who pass. A proof about rules is about the others.
 *
 * Only what is certain is said here. A packet that is refused in some cases (a fragment, an ICMP error without its flow) is left to
 * the rules.
 */
#ifndef KS_PROOF_UNASKED_H
#define KS_PROOF_UNASKED_H

#include "proof/space.h"

/*
 * Adds the claims that stand before those of the rules. If not space->is_whole, only of ports, groups and the box's talk with
 * itself, which take few words away from what is told. Returns 0 or -ENOMEM.
 */
int ks_unasked_add(struct ks_space *space);

/* Adds those behind the filter's rules, if space->is_whole: what passes unless a rule denies it. Returns 0 or -ENOMEM. */
int ks_unasked_add_last(struct ks_space *space);

/* Returns true if a region names what passes without a rule: types of ICMPv6, or IGMP. Else it is told, and meant, without that. */
bool ks_region_names_passing(const struct ks_region *region);

/* Returns true if all packets of a region are advertisements and redirects of IPv6 routers. */
bool ks_region_is_of_routers(const struct ks_region *region);

#endif
