// SPDX-License-Identifier: BSD-2-Clause
/* Room for records; see place.h. */
#include "core/table/place.h"

#include "core/env.h"
#include "core/home.h"
#include "core/table/internal.h"

#define PLACE_BUCKETS 256
#define PLACE_LEAST 4
#define PLACE_LEAST_HELPERS 64 /* of the default limits and table, a dozen memories */

#define PLACE_MAPPING_PARTS 4U /* of its time: silent for one of them, a mapping is not in use (core/nat/mapping.c) */
#define PLACE_WAIT_MS 1000U /* an announcement or a question is answered within that */

/* A search for the stalest record of a kind. */
struct place_ctx {
	struct ks_env *env;
	__u32 kind, clock;
	__u32 first, buckets;
	__u64 hash;
	struct ks_share_source source; /* of a helper's connection */
	__u32 id; /* of its slot; 0: none so far */
	__u32 age;
	__u32 version;
	__u32 own; /* 1: it is of the same source */
};

static inline bool is_helper(__u32 kind)
{
	return kind == KS_KIND_HELPER_ORIGINAL || kind == KS_KIND_HELPER_REPLY;
}

static inline bool is_shifted(const struct ks_flow *record)
{
	return ks_load_relaxed(&ks_record_of(record)->memory.form) != 0;
}

/* Returns true if a record of a kind, which nobody writes, may make room. `shifted`: of a helper's. */
static inline bool may_go(__u32 kind, const struct ks_flow *record, bool shifted, __u32 clock)
{
	__s32 age = (__s32)(clock - record->seen);

	if (record->state == KS_STATE_NONE || age <= 0)
		return false;
	switch (kind) {
	case KS_KIND_MAPPING_OUT:
	case KS_KIND_MAPPING_IN:
	case KS_KIND_PERMIT:
		return (__u32)age > record->timeout / PLACE_MAPPING_PARTS;
	case KS_KIND_EXPECT:
	case KS_KIND_QUESTION:
	case KS_KIND_QUOTED:
		return (__u32)age > PLACE_WAIT_MS;
	case KS_KIND_HELPER_ORIGINAL:
	case KS_KIND_HELPER_REPLY:
		return (!shifted && (__u32)age > PLACE_WAIT_MS) || ks_flow_is_dead(record, clock);
	default:
		return ks_flow_is_dead(record, clock);
	}
}

/* Returns true if the helper's connection in a slot seems to be of the new one's source. */
static ks_inline bool is_own(const struct place_ctx *ctx, const struct ks_slot *slot, struct ks_flow_key *key,
			     __u32 flags)
{
	const struct ks_addr *addr = flags & KS_MEMORY_HIGH ? &slot->key.addr[1] : &slot->key.addr[0];
	struct ks_share_source source;

	if (!is_helper(ctx->kind))
		return false;
	key->addr[0].d[0] = ks_load_hint(&addr->d[0]);
	key->addr[0].d[1] = ks_load_hint(&addr->d[1]);
	source = ks_share_source(key, 0);
	return ks_share_source_equal(&source, &ctx->source);
}

static ks_inline void place_rank(struct place_ctx *ctx, const struct ks_bucket *bucket, __u32 index, __u32 i)
{
	const struct ks_slot *slot = &bucket->slot[i];
	struct ks_flow_ref ref = { .bucket = index, .slot = i };
	struct ks_flow_key key;
	struct ks_flow head;
	__u32 own;

	key.tail = ks_load_hint(&slot->key.tail);
	if (key.kind != ctx->kind)
		return;
	ks_flow_peek(&slot->flow, &head);
	if (head.version & 1 || !may_go(ctx->kind, &head, is_helper(ctx->kind) && is_shifted(&slot->flow), ctx->clock))
		return;
	own = is_own(ctx, slot, &key, head.flags);
	if (own < ctx->own || (own == ctx->own && ctx->clock - head.seen <= ctx->age))
		return;
	ctx->own = own;
	ctx->id = ks_slot_id(&ref);
	ctx->age = ctx->clock - head.seen;
	ctx->version = head.version;
}

/* Looks at the n-th slot: one at a time, because the verifier follows each of a loop's rounds (V1). */
static long place_look(__u32 n, void *arg)
{
	struct place_ctx *ctx = arg;
	__u32 index, i = n & KS_BUCKET_SLOT_MASK;
	const struct ks_tags *tags;
	struct ks_bucket *bucket;

	if (!ctx->buckets ||
	    (ctx->id && n >= (is_helper(ctx->kind) ? PLACE_LEAST_HELPERS : PLACE_LEAST) * KS_BUCKET_SLOTS))
		return 1;
	index = ks_table_near(ctx->hash, ctx->first, ctx->buckets, n / KS_BUCKET_SLOTS);
	tags = tags_get(ctx->env, index);
	if (!tags || !ks_load_hint(&tags->tag[i]))
		return 0;
	bucket = env_bucket(ctx->env, index);
	if (bucket)
		place_rank(ctx, bucket, index, i);
	return 0;
}

/* Frees what was found, if it has not changed. Returns false if it has. */
static ks_inline bool place_free(struct place_ctx *ctx)
{
	struct ks_flow_ref ref = ks_slot_at(ctx->id);
	struct ks_bucket *bucket = env_bucket(ctx->env, ref.bucket);
	struct ks_slot *slot;

	if (!bucket)
		return false;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	if (!slot_claim(slot, ctx->version))
		return false;
	if (slot->key.kind != ctx->kind ||
	    !may_go(ctx->kind, &slot->flow, is_helper(ctx->kind) && is_shifted(&slot->flow), ctx->clock)) {
		slot_release(slot, ctx->version);
		return false;
	}
	slot_free(ctx->env, bucket, &ref, ctx->version, KS_END_UNTOLD);
	return true;
}

ks_isolated __u32 ks_record_place_isolated(struct ks_env *env, const struct ks_entry *e)
{
	const struct ks_table_shape *shape;
	struct ks_table_counts *counts;
	const struct ks_config *config;
	struct place_ctx ctx = {};

	if (!env || !e)
		return 0;
	ks_hide_bound(env);
	ks_hide_bound(e);
	shape = env_table_shape(env);
	counts = env_table_counts(env);
	config = env_config(env);
	ctx.kind = e->key.kind;
	if (!shape || !counts || !config || !shape->buckets ||
	    ks_load_relaxed(&counts->records[ctx.kind & (KS_KIND_MAX - 1)]) <
		    config->limit_kind[ctx.kind & (KS_KIND_MAX - 1)])
		return 0;
	ctx.env = env;
	ctx.clock = e->clock;
	ctx.buckets = shape->buckets;
	ctx.first = ks_table_bucket(shape, e->hash, 0);
	ctx.hash = e->hash;
	ctx.source = ks_share_source(&e->key, !!(e->after.flags & KS_MEMORY_HIGH));
	ctx.own = (__u32)ks_hide_value(0, e->hash);
	ctx.id = (__u32)ks_hide_value(0, e->hash);
	ctx.age = (__u32)ks_hide_value(0, e->hash);
	ks_loop(PLACE_BUCKETS * KS_BUCKET_SLOTS, place_look, &ctx);
	return ctx.id && place_free(&ctx) ? ctx.id : 0;
}
