/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's part of the short way (bpf/short.bpf.c): if it is safe, and since when what the programs remember is old.
 *
 * The daemon says once a second that it is safe, and until when; nobody says so when the daemon is gone. `auto` leaves it to
 * rules of others in netfilter; with `on` they do not see the packets. Interfaces that it cannot have are marked
 * (KS_GUARD_LONG).
 */
#ifndef KS_DAEMON_SHORT_WAY_H
#define KS_DAEMON_SHORT_WAY_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/kernel.h"
#include "kernel/others.h"

struct ks_interfaces;
struct ks_guarded;

#define KS_SHORT_WAY_TEXT (KS_OTHERS_TEXT + 64)

struct ks_short_way {
	__u8 mode; /* enum ks_short_mode of the policy */
	bool is_taken;
	char why[KS_SHORT_WAY_TEXT]; /* not, "" if it is */
};

/* Finds out if it is safe now, and tells the programs: once a second, and with a new policy. */
void ks_short_way_follow(struct ks_interfaces *interfaces);

/* Marks the interfaces whose packets go the long way, whatever else holds (KS_GUARD_LONG). */
void ks_short_way_mark(struct ks_interfaces *interfaces);

/* Says why packets from and to an interface go the long way, whatever else holds; NULL if they need not. */
const char *ks_short_way_obstacle(const struct ks_interfaces *interfaces, const struct ks_guarded *guarded);

#endif
