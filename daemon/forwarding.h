/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds out if the kernel forwards what the rules allow to be forwarded. Used by the daemon's thread. */
#ifndef KS_DAEMON_FORWARDING_H
#define KS_DAEMON_FORWARDING_H

#include "daemon/interfaces/interfaces.h"

#define KS_FORWARDING_IPV4 1U
#define KS_FORWARDING_IPV6 2U

/* The families (KS_FORWARDING_*) for which some rule allows packets from one zone to another, neither of them self. */
unsigned ks_forwarding_wanted(const struct ks_policy *policy);

/*
 * Those of them that the kernel does not forward by any interface, though the box has at least two interfaces to forward
 * between. Packets within a bridge need no forwarding. For IPv6 only interfaces with an IPv6 address count.
 */
unsigned ks_forwarding_missing(const struct ks_interfaces *interfaces, const struct ks_policy *policy);

#endif
