/* SPDX-License-Identifier: BSD-2-Clause */
/* The connections that a replay remembers. Part of replay.c; nobody else includes this. */
#ifndef KS_CAPTURE_CONNECTIONS_H
#define KS_CAPTURE_CONNECTIONS_H

#include "capture/replay.h"

struct ks_replay_conns {
	struct ks_replay_connection *list;
	size_t count, room;
	__u32 limit;
	/*
	 * By slot of the state table: 1 + index of the connection of the flow there,
	 * 0 for none. A flow stays in its slot while it lives, so no hash is needed.
	 */
	__u32 *by_slot;
	size_t slots;
	struct ks_flow_key *midstream; /* an open-addressed set: the connections whose beginning the captures missed */
	__u32 midstream_count;
};

int ks_replay_conns_init(struct ks_replay_conns *conns, __u32 buckets, __u32 limit);
void ks_replay_conns_fini(struct ks_replay_conns *conns);

/*
 * Counts a frame that was judged for its connection. `first` is the time of the replay's first frame. Returns 1 if it
 * opens a connection for which there is no room, else 0.
 */
unsigned ks_replay_conns_track(struct ks_replay_conns *conns, const struct ks_frame *frame,
			       const struct ks_inspection *insp, __u64 first);

/* Counts a packet of a connection whose beginning was missed. Returns 1 for the first one of that connection, else 0. */
unsigned ks_replay_conns_midstream(struct ks_replay_conns *conns, const struct ks_tuple *tuple);

#endif
