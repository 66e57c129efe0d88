/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes flows of connections that are known to be under way, if the policy
 * allows them. The inside of daemon/settle/.
 */
#ifndef KS_DAEMON_SETTLE_TAKEUP_H
#define KS_DAEMON_SETTLE_TAKEUP_H

#include "daemon/daemon.h"
#include "kernel/conntrack.h"
#include "kernel/seed.h"

/* A connection under way, every tuple in the direction of its originator. */
struct ks_under_way {
	struct ks_tuple sent; /* as the originator sends */
	struct ks_tuple seen; /* as the responder sees it: where nothing is translated the same as `sent` */
	__u8 state; /* enum ks_state */
	__u8 flags; /* KS_FLOW_REPLIED, KS_FLOW_ASSURED */
	__u8 tcp_flags[2]; /* of TCP, beside KS_TCP_LIBERAL */
	__u32 sctp_tag[2];
	__u32 left; /* ms until it would be forgotten where it is known from; 0: not known */
	unsigned ifindex; /* by which the peer of the box is reached, if an address is of one link alone; else 0 */
	bool may_turn; /* its originator was guessed: the rules may say otherwise */
};

#define KS_ZONE_MEMOS 1024 /* a power of two */

/* Where routes lead, as they were asked about: many connections share an address. */
struct ks_zone_memo {
	struct ks_addr addr;
	__u8 family; /* 0: empty */
	__u8 zone;
};

struct ks_takeup {
	struct ks_daemon *daemon;
	struct ks_seed *seed;
	struct ks_world world;
	struct ks_zone_memo memos[KS_ZONE_MEMOS];
	unsigned taken, denied, full; /* since it was made */
};

void ks_conntrack_list_fini(struct ks_conntrack_list *list);

/* Puts it into the table. Returns 0, -EEXIST if it is there, -EACCES if the rules do not allow it, -ENOSPC. */
int ks_takeup_flow(struct ks_takeup *takeup, const struct ks_under_way *connection);

/* Takes up what netfilter tracks. Adds to the list those that are translated and in the table then. 0 or -errno. */
int ks_takeup_conntrack(struct ks_takeup *takeup, struct ks_conntrack_list *translated);

/* Takes up what the box's sockets speak with. 0 or -errno. */
int ks_takeup_sockets(struct ks_takeup *takeup);

#endif
