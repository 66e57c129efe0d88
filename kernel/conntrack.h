/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections that netfilter tracks in this network namespace, with their
 * translations: read, and ended one by one, by ctnetlink. Nothing here makes the
 * kernel load conntrack.
 */
#ifndef KS_KERNEL_CONNTRACK_H
#define KS_KERNEL_CONNTRACK_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"

/* A connection as netfilter has it. */
struct ks_conntrack {
	struct ks_tuple original; /* as the originator's packets come */
	struct ks_tuple reply; /* as the answers to them come, in their direction */
	__u32 id;
	__u32 status; /* IPS_* of linux/netfilter/nf_conntrack_common.h */
	__u32 timeout; /* s that are left */
	__u8 tcp_state; /* enum tcp_conntrack, 0 (NONE) if it is not TCP or not told */
	__u8 tcp_flags[2]; /* IP_CT_TCP_FLAG_* of each direction */
	__u8 sctp_state; /* enum sctp_conntrack, 0 (NONE) likewise */
	__u32 sctp_tag[2]; /* in the packets of a direction; 0: not known */
	bool shifted; /* a helper has changed the length of its data: sequence numbers differ on both sides */
	bool elsewhere; /* in a conntrack zone other than 0 */
};

/* Returns true if netfilter tracks connections here and has some now. */
bool ks_conntrack_is_used(void);

/* Calls fn for every connection until it returns nonzero. Returns 0 or -errno. */
int ks_conntrack_each(int (*fn)(const struct ks_conntrack *connection, void *arg), void *arg);

/* Makes netfilter forget connections. Some may be gone already. Returns 0 or -errno. */
int ks_conntrack_forget(const struct ks_conntrack *connections, size_t count);

#endif
