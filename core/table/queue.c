// SPDX-License-Identifier: BSD-2-Clause
/* The queues of budgets; see queue.h. */
#include "core/table/queue.h"

#include "core/env.h"
#include "core/home.h"
#include "core/table/hash.h"
#include "core/table/internal.h"
#include "core/table/share.h"

#define CLEAR_TRIES 16 /* to claim an entry that is being written */
#define OWN_TRIES 8U /* of KS_SEAT_TRIES: the first, of a source that sends too many */

/* A new entry looks for a seat. */
struct join_ctx {
	struct ks_env *env;
	const struct ks_entry *e;
	__u64 owner; /* as it will be written into the seat */
	__u32 queue, length;
	__u32 full; /* 1: everybody in the budget sits in this queue */
	__u32 large; /* 1: its source has too many here, and takes the seats of its own */
	__u32 zero;
	__u64 loser; /* the owner before */
};

/* The n-th seat of a queue. */
static ks_inline __u64 *seat_at(struct ks_env *env, __u32 queue, __u32 n)
{
	struct ks_bucket *bucket = env_bucket(env, ks_seat_bucket(queue, n));

	return bucket ? ks_seat_in(bucket, queue, n) : NULL;
}

/* Returns true if a slot seems to have an entry that waits in this queue. Nothing holds it still. */
static ks_inline bool slot_may_wait(const struct ks_slot *slot, __u32 queue)
{
	struct ks_flow_key key;

	key.tail = ks_load_relaxed(&slot->key.tail);
	return ks_queue_of(key.kind, ks_load_relaxed(&slot->flow.state)) == queue;
}

enum seen { SEEN_GONE, SEEN_STRANGER, SEEN_OWN };

/* Looks who sits in a seat: nobody who waits any more, somebody of the new entry's source, or somebody else. */
static ks_inline enum seen owner_look(struct ks_env *env, const struct ks_table_shape *shape, __u64 owner,
				      const struct join_ctx *ctx)
{
	struct ks_share_source mine, his;
	struct ks_flow_ref ref = ks_slot_at((__u32)owner);
	struct ks_bucket *bucket = env_bucket(env, ref.bucket);
	const struct ks_slot *slot;
	struct ks_flow_key key;
	struct ks_flow head;

	if (!bucket || !(__u32)owner)
		return SEEN_GONE;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	if (!slot_may_wait(slot, ctx->queue))
		return SEEN_GONE;
	head.created = ks_load_relaxed(&slot->flow.created);
	head.flags = ks_load_relaxed(&slot->flow.flags);
	ks_words_load(&key, &slot->key, sizeof(key));
	if (ks_seat_owner((__u32)owner, ks_flow_key_hash(&key, shape->key), key.kind, &head) != owner)
		return SEEN_GONE;
	mine = ks_share_source(&ctx->e->key, ks_share_side(ctx->e->key.kind, &ctx->e->after));
	his = ks_share_source(&key, ks_share_side(key.kind, &head));
	return ks_share_source_equal(&mine, &his) ? SEEN_OWN : SEEN_STRANGER;
}

/* Returns true if the owner of a seat is passed over in the n-th try. */
static ks_inline bool is_passed_over(const struct join_ctx *ctx, const struct ks_table_shape *shape, __u64 owner,
				     __u32 n)
{
	if (ctx->large && n < OWN_TRIES)
		return owner_look(ctx->env, shape, owner, ctx) == SEEN_STRANGER;
	return !ctx->full && n < KS_SEAT_TRIES - 1 && owner_look(ctx->env, shape, owner, ctx) != SEEN_GONE;
}

static long join_try(__u32 n, void *arg)
{
	struct join_ctx *ctx = arg;
	const struct ks_table_shape *shape = env_table_shape(ctx->env);
	struct ks_bucket *head = env_bucket(ctx->env, ctx->queue);
	__u64 *seat, before;

	if (!shape || !head || !ctx->length)
		return 1;
	seat = seat_at(ctx->env, ctx->queue, ks_fetch_add(&head->joined, 1) % ctx->length);
	if (!seat)
		return 1;
	before = ks_load_relaxed(seat);
	if (is_passed_over(ctx, shape, before, n))
		return 0;
	if (ks_cmpxchg(seat, before, ctx->owner) != before)
		return 0;
	ctx->loser = before;
	return 1;
}

/* Ends the entry that has lost its seat. */
struct clear_ctx {
	struct ks_env *env;
	__u64 owner;
	__u32 queue;
	__u32 clock;
	__u64 held; /* the hash of a datagram some of whose fragments are held */
};

/* Under the claim: returns true if it is who sat there, and still waits. */
static ks_inline bool owner_waits(struct clear_ctx *ctx, const struct ks_slot *slot)
{
	const struct ks_table_shape *shape = env_table_shape(ctx->env);
	__u64 hash;

	if (!shape || ks_queue_of(slot->key.kind, slot->flow.state) != ctx->queue)
		return false;
	hash = ks_flow_key_hash(&slot->key, shape->key);
	if (slot->key.kind == KS_KIND_FRAGMENT && ks_record_of(&slot->flow)->held)
		ctx->held = hash;
	return ks_seat_owner((__u32)ctx->owner, hash, slot->key.kind, &slot->flow) == ctx->owner;
}

static long clear_try(__u32 n, void *arg)
{
	struct clear_ctx *ctx = arg;
	struct ks_flow_ref ref = ks_slot_at((__u32)ctx->owner);
	struct ks_bucket *bucket = env_bucket(ctx->env, ref.bucket);
	struct ks_table_counts *counts = env_table_counts(ctx->env);
	struct ks_slot *slot;
	__u32 version;

	if (!bucket || !counts)
		return 1;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	if (!slot_may_wait(slot, ctx->queue))
		return 1;
	version = ks_load_acquire(&slot->flow.version);
	if (version & 1 || !slot_claim(slot, version))
		return 0;
	if (!owner_waits(ctx, slot)) {
		ctx->held = 0;
		slot_release(slot, version);
		return 1;
	}
	if (ctx->queue == KS_QUEUE_HALF_OPEN)
		ks_fetch_add(&counts->recycled, 1);
	slot_free(ctx->env, bucket, &ref, version, ks_end_of_slot(&slot->flow, ctx->clock));
	return 1;
}

/* Those who wait in a queue, the new entry counted. */
static inline __u32 waiting(const struct ks_table_counts *counts, __u32 queue)
{
	return ks_load_relaxed(queue == KS_QUEUE_HALF_OPEN ? &counts->half_open : &counts->records[KS_KIND_FRAGMENT]);
}

/* Returns true if the queue is nearly full, and the new entry's source has too many of its seats. */
static ks_inline bool is_large(const struct join_ctx *ctx, __u32 waits)
{
	if (waits <= ctx->length - ctx->length / KS_SHARE_PART)
		return false;
	return ks_share_is_large(ctx->env, ctx->e,
				 ctx->queue == KS_QUEUE_HALF_OPEN ? KS_SHARE_HALF_OPEN : KS_SHARE_DATAGRAMS,
				 ctx->length);
}

ks_isolated __u32 ks_queue_join_isolated(struct ks_env *env, const struct ks_entry *e)
{
	const struct ks_table_shape *shape;
	const struct ks_table_counts *counts;
	const struct ks_config *config;
	struct join_ctx ctx = {};
	struct clear_ctx clear = {};

	if (!env || !e)
		return 0;
	ks_hide_bound(env);
	ks_hide_bound(e);
	shape = env_table_shape(env);
	counts = env_table_counts(env);
	config = env_config(env);
	if (!shape || !counts || !config)
		return 0;
	ctx.env = env;
	ctx.queue = ks_queue_of(e->key.kind, e->after.state);
	ctx.length = ks_queue_length(config, shape->buckets, ctx.queue);
	ctx.owner = ks_seat_owner(ks_slot_id(&e->ref), e->hash, e->key.kind, &e->after);
	ctx.e = e;
	ctx.full = waiting(counts, ctx.queue) > ctx.length;
	ctx.large = is_large(&ctx, waiting(counts, ctx.queue));
	ctx.loser = ks_hide_value(0, e->hash);
	ks_loop(KS_SEAT_TRIES, join_try, &ctx);
	if (!(__u32)ctx.loser)
		return 0;
	clear.env = env;
	clear.clock = e->clock;
	clear.owner = ctx.loser;
	clear.queue = ctx.queue;
	clear.held = ks_hide_value(0, e->hash);
	ks_loop(CLEAR_TRIES, clear_try, &clear);
	if (clear.held)
		env_fragment_forget(env, clear.held);
	return (__u32)ctx.loser;
}
