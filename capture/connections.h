/* SPDX-License-Identifier: BSD-2-Clause */
/* The connections that a replay remembers: shared by replay.c and connections.c only. */
#ifndef KS_CAPTURE_REPLAY_INTERNAL_H
#define KS_CAPTURE_REPLAY_INTERNAL_H

#include "capture/replay.h"

struct ks_replay_conns {
	struct ks_replay_connection *list;
	size_t count, room;
	__u32 limit;
	/*
	 * By slot of the state table, where a flow stays while it lives: 1 + index
	 * of its connection, 0 for none. So no hash is needed.
	 */
	__u32 *by_slot;
	size_t slots;
	struct ks_flow_key *midstream; /* open-addressed set of connections whose beginning was missed */
	__u32 midstream_count;
};

int ks_replay_conns_init(struct ks_replay_conns *conns, __u32 buckets, __u32 limit);
void ks_replay_conns_fini(struct ks_replay_conns *conns);

/* Takes in what became of a frame; `first` is the time of the replay's first. Returns 1 for a connection that there was no room for. */
unsigned ks_replay_conns_track(struct ks_replay_conns *conns, const struct ks_frame *frame,
			       const struct ks_inspection *insp, __u64 first);

/* Returns 1 if no packet of this connection was counted yet, else 0. */
unsigned ks_replay_conns_midstream(struct ks_replay_conns *conns, const struct ks_tuple *tuple);

#endif
