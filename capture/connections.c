/* SPDX-License-Identifier: BSD-2-Clause */
/* See connections.h. */
#include "capture/connections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/table/table.h"

#define MIDSTREAM_SLOTS (2 * KS_REPLAY_MIDSTREAM_MAX) /* a power of two, at most half full */
#define MIDSTREAM_TRIES 64
#define CONNECTIONS_FIRST 256

int ks_replay_conns_init(struct ks_replay_conns *conns, __u32 buckets, __u32 limit)
{
	conns->limit = limit;
	conns->midstream = calloc(MIDSTREAM_SLOTS, sizeof(*conns->midstream));
	if (!conns->midstream)
		return -ENOMEM;
	if (!limit)
		return 0;
	conns->slots = (size_t)buckets * KS_BUCKET_SLOTS;
	conns->by_slot = calloc(conns->slots, sizeof(*conns->by_slot));
	return conns->by_slot ? 0 : -ENOMEM;
}

void ks_replay_conns_fini(struct ks_replay_conns *conns)
{
	free(conns->list);
	free(conns->by_slot);
	free(conns->midstream);
}

static struct ks_replay_connection *connection_add(struct ks_replay_conns *conns)
{
	size_t room = conns->room ? conns->room * 2 : CONNECTIONS_FIRST;
	struct ks_replay_connection *list;

	if (conns->count >= conns->limit)
		return NULL;
	if (conns->count == conns->room) {
		list = realloc(conns->list, room * sizeof(*list));
		if (!list)
			return NULL;
		conns->list = list;
		conns->room = room;
	}
	return memset(&conns->list[conns->count++], 0, sizeof(*conns->list));
}

/* Returns true for a flow of one packet: it has just begun, perhaps in place of a closed one with its key. */
static bool flow_has_begun(const struct ks_inspection *insp)
{
	return ks_flow_packets(&insp->flow.after, KS_ORIGINAL) + ks_flow_packets(&insp->flow.after, KS_REPLY) == 1;
}

static void connection_update(struct ks_replay_connection *conn, const struct ks_inspection *insp, __u64 first)
{
	conn->last = insp->home.now > first ? insp->home.now - first : 0;
	conn->state = insp->flow.after.state;
	for (__u32 dir = KS_ORIGINAL; dir <= KS_REPLY; dir++) {
		conn->packets[dir] = ks_flow_packets(&insp->flow.after, dir);
		conn->bytes[dir] = ks_flow_bytes(&insp->flow.after, dir);
	}
}

static void ends_find(const struct ks_inspection *insp, struct ks_tuple *ends)
{
	const struct ks_flow_key *key = &insp->flow.key;
	const __u32 side = ks_flow_orig_side(&insp->flow.after);

	*ends = (struct ks_tuple){ .src = key->addr[side],
				   .dst = key->addr[!side],
				   .sport = key->port[side],
				   .dport = key->port[!side],
				   .proto = key->proto,
				   .family = key->family };
}

static struct ks_replay_connection *connection_open(struct ks_replay_conns *conns, __u32 *slot,
						    const struct ks_frame *frame, const struct ks_inspection *insp,
						    __u64 first)
{
	struct ks_replay_connection *conn = connection_add(conns);

	*slot = conn ? (__u32)conns->count : 0;
	if (!conn)
		return NULL;
	conn->tuple = insp->pkt.tuple;
	ends_find(insp, &conn->ends);
	conn->first = insp->home.now > first ? insp->home.now - first : 0;
	conn->rule = insp->verdict.rule;
	conn->from = frame->from;
	conn->to = frame->to;
	return conn;
}

unsigned ks_replay_conns_track(struct ks_replay_conns *conns, const struct ks_frame *frame,
			       const struct ks_inspection *insp, __u64 first)
{
	size_t slot = (size_t)insp->flow.ref.bucket * KS_BUCKET_SLOTS + insp->flow.ref.slot;
	struct ks_replay_connection *conn;

	if (!conns->limit || slot >= conns->slots)
		return 0;
	if (insp->verdict.class == KS_CLASS_NEW || insp->verdict.class == KS_CLASS_ESTABLISHED) {
		if (insp->verdict.action != KS_ALLOW)
			return 0;
		if (flow_has_begun(insp)) {
			conn = connection_open(conns, &conns->by_slot[slot], frame, insp, first);
			if (!conn)
				return 1;
		} else if (conns->by_slot[slot]) {
			conn = &conns->list[conns->by_slot[slot] - 1];
		} else {
			return 0;
		}
		connection_update(conn, insp, first);
	} else if (insp->verdict.class == KS_CLASS_INVALID && insp->flow.found && conns->by_slot[slot]) {
		conns->list[conns->by_slot[slot] - 1].dropped++;
	}
	return 0;
}

/* The search is bounded, so a stranger who makes keys collide only makes the count slower and too low. */
static __u32 key_hash(const struct ks_flow_key *key)
{
	const __u8 *p = (const __u8 *)key;
	__u64 h = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (size_t i = 0; i < sizeof(*key); i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return (__u32)(h >> 32 ^ h);
}

unsigned ks_replay_conns_midstream(struct ks_replay_conns *conns, const struct ks_tuple *tuple)
{
	struct ks_flow_key key;
	__u32 at;

	if (conns->midstream_count == KS_REPLAY_MIDSTREAM_MAX)
		return 0;
	ks_flow_key_make(tuple, &key);
	at = key_hash(&key) & (MIDSTREAM_SLOTS - 1);
	for (unsigned tries = 0; tries < MIDSTREAM_TRIES; tries++, at = (at + 1) & (MIDSTREAM_SLOTS - 1)) {
		if (!conns->midstream[at].family) {
			conns->midstream[at] = key;
			conns->midstream_count++;
			return 1;
		}
		if (memcmp(&conns->midstream[at], &key, sizeof(key)) == 0)
			return 0;
	}
	return 0;
}
