/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces of the namespace, and their guards.
 *
 * Overview. All interfaces are guarded but those that the policy ignores, the
 * loopback, and those that are guarded through another one; roles.h decides it.
 * A guarded interface has an entry in the map of guards (struct ks_guard), which
 * tells the programs its zone, role and addresses, and has the programs on its
 * two hooks.
 *
 * Life cycle. An interface that appears gets its guard and its programs before
 * anything else is done with it. A rename, a bridge that it joins, another address:
 * each changes its guard by one store. When it goes, its guard goes too, and the
 * flows that were translated to its addresses end.
 *
 * Writers. Only the daemon's one thread writes; the programs read
 * the maps all the time, so the maps are complete before programs see packets.
 * All ingress hooks come before any egress hook (kernel/kernel.h says why).
 *
 * Races. Somebody else may take our programs off or put theirs before ours:
 * the news of filters and a look every second find that, and it is mended. An
 * interface may go between its news and our answer: -ENODEV is no error. What
 * fails for want of memory is done again every second (`incomplete`).
 *
 *   interfaces.c   the list, what the daemon calls      links.c      what the kernel tells of interfaces
 *   settle.c       guards and programs follow roles     roles.c      how each is to be guarded
 *   programs.c     hooks: attach, mend, watch           routes.c     what the kernel tells of routes
 *   addresses.c    the addresses to masquerade with     routing.c    what the programs must know of them
 *   stacked.c      macvlan and the like                 zone_facts.c facts about all zones
 *   own_addresses.c  the sets `address of ZONE`           front.c      XDP before the hooks
 *   short_way.c    past the kernel's forwarding          express.c    past all of the kernel but the drivers
 *   switches.c     the kernel's switches of forwarding
 */
#ifndef KS_DAEMON_INTERFACES_H
#define KS_DAEMON_INTERFACES_H

#include <stddef.h>

#include "daemon/interfaces/express.h"
#include "daemon/interfaces/front.h"
#include "daemon/interfaces/links.h"
#include "daemon/interfaces/roles.h"
#include "daemon/interfaces/routes.h"
#include "daemon/interfaces/short_way.h"
#include "daemon/ledger.h"
#include "kernel/kernel.h"
#include "kernel/netlink.h"

/* When something was last noticed, and when it was said; ns, 0: never. */
struct ks_told {
	__u64 noticed, said;
};

/* An interface with an entry in the map of guards. */
struct ks_guarded {
	unsigned ifindex;
	char name[16];
	char kind[16]; /* the driver's, as in struct ks_interface */
	enum ks_role_kind role; /* all but MEMBER */
	unsigned bearer; /* ifindex of the one that has its addresses, as in struct ks_role */
	struct ks_guard guard; /* as the map has it */
	bool up;
	bool programs; /* ours were put there */
	bool checked; /* and were found there, so that only news or the watch look again */
	bool lost; /* somebody took ours off, and they were not seen there since */
	bool overtaken; /* somebody else's program sees packets before ours */
	bool filters_changed; /* since ks_interfaces_end_news() looked */
	enum ks_front_state front;
	enum ks_express_state express[KS_EXPRESS_DIRECTIONS];
	struct ks_told told_lost, told_overtaken;
	int error; /* 0, or why it has no programs: tried again every second */
	int store_error; /* 0, or why the map does not have `guard`: the same */
};

struct ks_interfaces {
	struct ks_kernel *kernel;
	struct ks_ledger *ledger; /* notes whose qdiscs are ours */
	struct ks_links links; /* every interface */
	struct ks_role *roles; /* of each link, at the same index; room for `room` of them */
	size_t room;
	struct ks_guarded *list;
	size_t count;
	struct ks_routes routes;
	void (*ready)(void *arg); /* called once, with complete maps, before the first programs are attached */
	void *ready_arg;
	enum ks_xdp_mode xdp; /* of the policy */
	bool express; /* the policy wants it */
	struct ks_short_way short_way;
	bool incomplete; /* something failed for want of memory: ks_interfaces_apply() is to be called again */
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

/*
 * Takes one piece of news. After all that one reading brought,
 * ks_interfaces_end_news() looks at hooks that may have changed.
 */
void ks_interfaces_take_news(struct ks_interfaces *interfaces, const struct ks_policy *policy,
			     const struct ks_interface *news);
void ks_interfaces_end_news(struct ks_interfaces *interfaces);

/* Reads the news on a socket of ks_netlink_open_routes(). */
void ks_interfaces_take_routes(struct ks_interfaces *interfaces, int fd);

/*
 * To be called once a second: tries again where attaching failed, mends hooks that are
 * not ours or not the first, reads routes that
 * may have changed without news.
 */
void ks_interfaces_watch(struct ks_interfaces *interfaces);

/* The number of interfaces with our programs. */
size_t ks_interfaces_guarded(const struct ks_interfaces *interfaces);

/* Returns true if the programs of this build are on every interface that should have some. */
bool ks_interfaces_are_attached(const struct ks_interfaces *interfaces);

void ks_interfaces_fini(struct ks_interfaces *interfaces);

#endif
