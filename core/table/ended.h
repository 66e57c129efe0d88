/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections that somebody has ended: they are not taken up again in their middle.
 *
 * Overview. Packets from the middle of a connection may open a flow, for a while after a start (core/settle.h) and by `option
 * pickup`. A connection that was ended by the administrator, a reload or a limit would come back with its next packet. So the key of
 * each flow that ks_table_kill() ends is remembered, and a packet from the middle opens none under it. One that begins a connection
 * does, as always.
 *
 * Life cycle. A word for each lies in a set of eight, which the hash of the key chooses; in a full set the one ended longest ago
 * makes room. It counts for KS_ENDED_MS, the longest time of `option settle`. There is nothing to sweep; but its clock goes round in 49 days,
 * and one that nobody has replaced by then counts for an hour more. It is not forgotten when a connection begins anew under the key: if that
 * is lost within the hour (recycled, or silent for longer than its timeout), it is not taken up in its middle either.
 *
 * Writers. Whoever ends a flow, before it is freed: so a packet that does not find the flow finds the word.
 *
 * Left to an attacker. Nothing is written by packets, but a limit that ends flows writes as many as a source has opened. The hash
 * is keyed, so that he chooses nobody whose word makes room.
 */
#ifndef KS_CORE_TABLE_ENDED_H
#define KS_CORE_TABLE_ENDED_H

#include "core/home.h"
#include "core/table/entry.h"
#include "core/types.h"

struct ks_env;

#define KS_ENDED_WAYS 8U
#define KS_ENDED_SETS 16384U /* of 131,072 connections; a power of two */
#define KS_ENDED_MS 3600000U /* that one is remembered */

/* A cache line; 0: free. */
struct ks_ended_set {
	__u64 word[KS_ENDED_WAYS];
};

/* Remembers that the flow of e->key, which is hashed, is being ended. Returns 0 if another CPU was first: to be tried again. */
__u32 ks_ended_note_isolated(struct ks_env *env, const struct ks_entry *e);

static inline bool ks_ended_note(struct ks_env *env, const struct ks_entry *e)
{
	return ks_ended_note_isolated(env_isolated(env), e) != 0;
}

/* Returns 1 if the flow of a key was ended, at the time `clock` not long ago. */
__u32 ks_ended_knows_isolated(struct ks_env *env, const struct ks_flow_key *key, __u32 clock);

static inline bool ks_ended_knows(struct ks_env *env, const struct ks_flow_key *key, __u32 clock)
{
	return ks_ended_knows_isolated(env_isolated(env), key, clock) != 0;
}

#endif
