/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Masqueraded flows that were taken back from a file bear an address that an interface had then. At a boot interfaces get
 * theirs after the firewall has started, and perhaps other ones. So the addresses are remembered, and the flows of one end when
 * the interfaces of its zone have had others for a while, as they do when an interface loses an address.
 */
#ifndef KS_DAEMON_OUTER_H
#define KS_DAEMON_OUTER_H

#include "daemon/interfaces/interfaces.h"

#define KS_OUTER_MAX 32 /* addresses; of more, the flows stay until their time is over */
#define KS_OUTER_SECONDS 30U /* one zone may have several interfaces, which do not get their addresses at once */

struct ks_outer {
	struct ks_addr addr;
	__u8 family, zone;
	unsigned seconds; /* for so long its zone has had an address, but not this one */
};

struct ks_outers {
	struct ks_outer list[KS_OUTER_MAX];
	size_t count;
};

/* Collects the addresses of all masqueraded flows. */
void ks_outers_note(struct ks_outers *outers, const struct ks_kernel *kernel);

/* To be called once a second. Forgets addresses that the box has, and ends the flows of those that it will not get. */
void ks_outers_follow(struct ks_outers *outers, struct ks_interfaces *interfaces);

#endif
