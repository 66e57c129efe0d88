/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of interfaces.h: what the files that share struct ks_interfaces call of each other. */
#ifndef KS_DAEMON_INTERFACES_INTERNAL_H
#define KS_DAEMON_INTERFACES_INTERNAL_H

#include "daemon/interfaces/interfaces.h"

/* The entry of an interface, NULL without one. Valid until the list changes. */
struct ks_guarded *ks_guarded_find(const struct ks_interfaces *interfaces, unsigned ifindex);

/* Puts the guard of an entry into the map. Says once if it fails; ks_interfaces_watch() tries again. */
int ks_guarded_store(struct ks_interfaces *interfaces, struct ks_guarded *guarded);

/* Decides the role of each link again. Needs no memory: there is room for a role of each link. */
void ks_interfaces_decide(struct ks_interfaces *interfaces, const struct ks_policy *policy);

/* --- settle.c --- */

/*
 * Brings guards, and then programs, in line with the links. `is_first`: everything
 * is looked at, and nothing of it is news. Returns the first error of an
 * interface in a zone.
 */
int ks_interfaces_settle(struct ks_interfaces *interfaces, const struct ks_policy *policy, bool is_first);

/* --- programs.c --- */

void ks_programs_take_off(struct ks_interfaces *interfaces, unsigned ifindex, const char *name);

/* Puts the programs on every interface that lacks some: all ingress hooks before any egress hook. */
void ks_programs_attach_missing(struct ks_interfaces *interfaces);

/* Looks at the hooks of an interface after news about its filters. */
void ks_programs_check(struct ks_interfaces *interfaces, struct ks_guarded *guarded);

/* Once a second: attaches again, or mends hooks that are not ours or not the first. */
void ks_programs_watch(struct ks_interfaces *interfaces, struct ks_guarded *guarded);

/* --- addresses.c --- */

/* Reads the addresses of the box and puts those that changed into the guards. */
void ks_addresses_refresh(struct ks_interfaces *interfaces);

/* Ends the flows that are translated to or from an address, unless another interface has it. */
void ks_addresses_end_flows(struct ks_interfaces *interfaces, const char *name, const struct ks_addr *addr,
			    unsigned family);

/* --- stacked.c --- */

/* Writes the MAC addresses of stacked devices into the map, and removes those of devices that are gone. */
void ks_stacked_note(struct ks_interfaces *interfaces);

/*
 * Writes the MAC addresses of devices of other namespaces into the map, as the kernel lists them of the interfaces that they are
 * stacked on. To be called behind ks_stacked_note(): before interfaces get programs, for those (`all` is false), and once a second.
 */
void ks_stacked_note_listed(const struct ks_interfaces *interfaces, bool all);

/* The interface below a macvlan, 0 of any other link, and where that is not guarded by itself. */
__u32 ks_stacked_lower(const struct ks_interfaces *interfaces, const struct ks_interface *link);

/* --- routing.c --- */

/* Tells the programs which zones there are, which are outside, and the router behind each interface. */
void ks_routing_store(struct ks_interfaces *interfaces);

/* Reads the routes again if it is time, and brings the map of addresses in line if something changed. */
void ks_routing_follow(struct ks_interfaces *interfaces, bool changed);

/* Tells the programs that the routes are followed. To be called once a second. */
void ks_routing_vouch(const struct ks_interfaces *interfaces);

#endif
