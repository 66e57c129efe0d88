/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces under guard: those that a zone of the policy names. An
 * interface that appears is put into the zone map and gets its filters, one
 * that vanishes or is renamed out of its zone is forgotten, and filters that
 * somebody took off are put back. Used by the daemon's one thread.
 *
 * With its zone the map has the address of each family that an interface's
 * packets are masqueraded with: the best that it has at the moment (netlink.h).
 * When it loses one, the flows translated to or from it are ended: nothing comes to it any more.
 *
 * The zone map is complete before filters see packets; all ingress hooks come
 * before any egress hook (kernel.h says why).
 */
#ifndef KS_DAEMON_INTERFACES_H
#define KS_DAEMON_INTERFACES_H

#include <stddef.h>

#include "kernel.h"
#include "netlink.h"
#include "record.h"

struct ks_guarded {
	unsigned ifindex;
	char name[16];
	struct ks_port port; /* its zone, how its frames begin, its addresses */
	bool up;
	int error; /* 0, or why it has no filters: tried again every second */
};

struct ks_interfaces {
	struct ks_kernel *kernel;
	struct ks_record *record; /* notes whose qdiscs are ours */
	struct ks_guarded *list;
	size_t count;
};

/* The zone that names an interface, KS_ZONE_NONE if none does: see ks_policy_interface_zone(). */
__u32 ks_interfaces_zone_of(const struct ks_policy *policy, const char *name);

/*
 * Before a switch to `policy`: puts the interfaces whose zone will be another
 * in no zone, so that none is judged by the new rules as a member of its old
 * zone. Until ks_interfaces_apply() they open nothing.
 */
int ks_interfaces_prepare(struct ks_interfaces *interfaces, const struct ks_policy *policy);

/* After the switch: looks at all interfaces and brings the zone map and the filters in line. Returns the first error. */
int ks_interfaces_apply(struct ks_interfaces *interfaces, const struct ks_policy *policy);

/* One piece of news. */
void ks_interfaces_take_news(struct ks_interfaces *interfaces, const struct ks_policy *policy,
			     const struct ks_interface *news);

/* Tries again where attaching failed. */
void ks_interfaces_retry(struct ks_interfaces *interfaces);

void ks_interfaces_fini(struct ks_interfaces *interfaces);

#endif
