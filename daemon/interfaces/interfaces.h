/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces of the namespace, and what is done at each (roles.h). All are
 * guarded but those that the policy ignores, the loopback, and those that are
 * guarded through another one. An interface that appears is put into the map of
 * ports and gets its programs before anything else is done with it; a rename, or a
 * bridge that it joins, changes its entry by one store; programs that somebody took
 * off are put back. Used by the daemon's one thread.
 *
 * An entry of the map has, beside its zone, the address of each family that the interface's
 * packets are masqueraded with: the best that it has at the moment (kernel/netlink.h).
 * When it loses one, the flows translated to or from it are ended: nothing comes to it any more.
 *
 * The maps are complete before programs see packets; all ingress hooks come
 * before any egress hook (kernel/kernel.h says why).
 */
#ifndef KS_DAEMON_INTERFACES_H
#define KS_DAEMON_INTERFACES_H

#include <stddef.h>

#include "kernel/kernel.h"
#include "daemon/interfaces/links.h"
#include "kernel/netlink.h"
#include "daemon/ledger.h"
#include "daemon/interfaces/roles.h"
#include "daemon/interfaces/routes.h"

/* When something was last noticed, and said; ns, 0: never. */
struct ks_told {
	__u64 noticed, said;
};

/* An interface with an entry in the map of guards. */
struct ks_guarded {
	unsigned ifindex;
	char name[16];
	char kind[16]; /* the driver's, as in struct ks_interface */
	enum ks_role_kind role; /* all but MEMBER */
	unsigned bearer; /* who has its addresses, as in struct ks_role */
	struct ks_guard guard; /* as the map has it */
	bool up;
	bool programs; /* ours were put there */
	bool checked; /* and were found there, so that only news or the watch look again */
	bool lost; /* somebody took ours off, and they were not seen there since */
	bool overtaken; /* somebody else's program sees packets before ours */
	bool filters_changed; /* news of the present reading say so */
	struct ks_told told_lost, told_overtaken;
	int error; /* 0, or why it has no programs: tried again every second */
	int store_error; /* 0, or why the map does not have `guard`: the same */
};

struct ks_interfaces {
	struct ks_kernel *kernel;
	struct ks_ledger *ledger; /* notes whose qdiscs are ours */
	struct ks_links links; /* every interface */
	struct ks_role *roles; /* of each link */
	struct ks_guarded *list;
	size_t count;
	struct ks_routes routes;
};

/*
 * Before a switch to `policy`: puts the interfaces whose zone will be another
 * in no zone, so that none is judged by the new rules as a member of its old
 * zone. Until ks_interfaces_apply() only rules about zone none apply to them.
 */
int ks_interfaces_prepare(struct ks_interfaces *interfaces, const struct ks_policy *policy);

/*
 * After the switch: looks at all interfaces and routes and brings the maps and the programs in line. Returns the first
 * error of an interface that is in a zone; one in no zone that cannot be guarded is reported only.
 */
int ks_interfaces_apply(struct ks_interfaces *interfaces, const struct ks_policy *policy);

/* One piece of news. After all that one reading brought, ks_interfaces_end_news() looks at hooks that may have changed. */
void ks_interfaces_take_news(struct ks_interfaces *interfaces, const struct ks_policy *policy,
			     const struct ks_interface *news);
void ks_interfaces_end_news(struct ks_interfaces *interfaces);

/* Reads the news on a socket of ks_netlink_open_routes(). */
void ks_interfaces_take_routes(struct ks_interfaces *interfaces, int fd);

/*
 * Once a second: tries again where attaching failed, mends hooks that are not ours or not the first, reads routes that
 * may have changed without news.
 */
void ks_interfaces_watch(struct ks_interfaces *interfaces);

/* How many interfaces have our programs. */
size_t ks_interfaces_guarded(const struct ks_interfaces *interfaces);

/* Returns true if the programs of this build are on every interface that should have some. */
bool ks_interfaces_are_attached(const struct ks_interfaces *interfaces);

void ks_interfaces_fini(struct ks_interfaces *interfaces);

#endif
