/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of budgets: when a budget is full, the entry that came first makes room.
 *
 * Overview
 *
 * Half-open flows and datagrams in fragments have budgets, because anybody can make them by sending packets, and because
 * they are of use for a moment only. Each budget is a queue, a ring of as many seats as its limit. A new entry takes the next
 * seat. The entry that sat there came before all others, and is freed if it still waits. So newcomers are never refused. An
 * entry has a whole round of the ring to be answered, and repetitions gain it nothing: its seat stays where it is.
 *
 *   half-open flow       waits until it is established or ends
 *   datagram             waits until it is complete, or its time is over
 *
 * As long as the budget is not full, a seat whose owner still waits is passed over, KS_SEAT_TRIES of them at most.
 *
 * A seat names the slot of its owner, and a stamp of him: the upper half of the hash of his key and, of a flow, when it was
 * created. Nobody leaves a seat; that its owner has gone shows when its turn comes.
 *
 * Memory
 *
 * The seats lie in the heads of the buckets, which have room for them: KS_BUCKET_SEATS each. A queue has some of every
 * bucket, so a small table has short queues, and its budgets are what these can hold. The counter of queue n is that of
 * bucket n. Tables of layouts before 3 have zeros there: empty seats.
 *
 * Writers: any CPU, by an atomic addition to the counter, and by a compare-and-swap of the seat: whoever replaces an
 * owner ends him, so each is ended once. He is claimed like any entry; one that keeps being written is left alone, and lives until
 * his time is over.
 */
#ifndef KS_CORE_TABLE_QUEUE_H
#define KS_CORE_TABLE_QUEUE_H

#include "core/home.h"
#include "core/rules.h"
#include "core/table/entry.h"
#include "core/types.h"

struct ks_env;

enum ks_queue { KS_QUEUE_HALF_OPEN, KS_QUEUE_DATAGRAMS, KS_QUEUES, KS_QUEUE_NONE = KS_QUEUES };

/* Seats that a queue has in each bucket, in this order. */
#define KS_HALF_OPEN_SEATS 4U
#define KS_DATAGRAM_SEATS 1U

#define KS_SEAT_TRIES 16U

/* The queue that an entry joins when it is made. */
static inline enum ks_queue ks_queue_of(__u32 kind, __u32 state)
{
	if (kind == KS_KIND_FLOW && ks_state_is_half_open(state))
		return KS_QUEUE_HALF_OPEN;
	return kind == KS_KIND_FRAGMENT && state == KS_STATE_FRAGMENTS ? KS_QUEUE_DATAGRAMS : KS_QUEUE_NONE;
}

/* Seats of a queue: those that its limit asks for, if a table of this size has so many. */
static inline __u32 ks_queue_length(const struct ks_config *config, __u32 buckets, __u32 queue)
{
	if (queue == KS_QUEUE_HALF_OPEN)
		return KS_MIN(config->limit_half_open, buckets * KS_HALF_OPEN_SEATS);
	return KS_MIN(config->limit_kind[KS_KIND_FRAGMENT], buckets * KS_DATAGRAM_SEATS);
}

/*
 * Gives the entry at e->ref, with the key e->key and its hash, a seat. Who loses it for that is freed, if he still waits.
 * Returns his slot id, 0 if the seat was nobody's.
 */
__u32 ks_queue_join_isolated(struct ks_env *env, const struct ks_entry *e);

static ks_inline void ks_queue_join(struct ks_env *env, const struct ks_entry *e)
{
	if (ks_queue_of(e->key.kind, e->after.state) != KS_QUEUE_NONE)
		ks_queue_join_isolated(env_isolated(env), e);
}

#endif
