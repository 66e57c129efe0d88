/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Overload: the source of what exceeds a limit comes into a run-time set, by which rules deny it (`overload @set for 1h`).
 *
 * Overview. The stage LIMIT adds the source, or the network of the limit's prefix length, when it refuses a flow whose
 * handshake is complete, or a packet of one. The entry expires by itself, as all of a run-time set.
 *
 * Ending flows (`end flows`). A packet has no time to look for the flows of its source. It marks the entry (KS_MEMBER_END) and
 * counts that in the head of the set. Whoever sweeps the table finds the count changed, and in his next round
 * ends all flows that have a marked entry as one of their ends: within a second of the kernel's timer, if the
 * daemon lives or not. Sources that come meanwhile make another round follow.
 */
#ifndef KS_CORE_OVERLOAD_H
#define KS_CORE_OVERLOAD_H

#include "core/rules.h"
#include "core/table/entry.h"

struct ks_env;

/* Puts the originator of a flow into the set of a limit that it exceeds. It is the second address of the key if `high`. */
void ks_overload(struct ks_env *env, const struct ks_limit *limit, const struct ks_flow_key *flow, __u32 high);

/* A round over the table that ends flows: where those are noted who wait for it. */
struct ks_overload_round {
	__u64 sets; /* those with entries whose flows end, a bit each */
	__u32 ending; /* sum of the counts of all sets */
	__u32 zero;
};

/* Notes the count of a run-time set, for a round that is to begin if the sum has changed. */
void ks_overload_note(struct ks_overload_round *round, __u32 set, __u32 ending);

/* Ends the flows in a bucket that have to. `e` is the caller's memory, with the clock. */
void ks_overload_end(struct ks_env *env, struct ks_entry *e, __u32 bucket, __u64 sets);

#endif
