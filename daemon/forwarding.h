/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds out whether the kernel forwards what the rules allow to be forwarded. */
#ifndef KS_DAEMON_FORWARDING_H
#define KS_DAEMON_FORWARDING_H

#include "daemon/interfaces/interfaces.h"

#define KS_FORWARDING_IPV4 1U
#define KS_FORWARDING_IPV6 2U

/* The families, a bit each, of which some rule allows packets from one zone to another, neither of them self. */
unsigned ks_forwarding_wanted(const struct ks_policy *policy);

/*
 * Those of them that the box forwards between no interfaces, though it has at least two to forward between. What a
 * bridge hands on needs no forwarding; IPv6 counts where the interfaces have addresses of it.
 */
unsigned ks_forwarding_missing(const struct ks_interfaces *interfaces, const struct ks_policy *policy);

#endif
