/* SPDX-License-Identifier: BSD-2-Clause */
/* See seats.h. */
#include "engine/seats.h"

#include <errno.h>
#include <stdlib.h>

#include "core/table/hash.h"
#include "core/table/internal.h"
#include "engine/entries.h"
#include "engine/internal.h"
#include "text/scoped.h"

#define BITS 8

/* An entry without a seat. */
struct waiting {
	__u32 id;
	__u32 age; /* since it was seen, ms */
};

struct seat_ctx {
	struct ks_engine *engine;
	__u8 *seated; /* a bit each slot id */
	struct waiting *waiting;
	size_t count, room;
};

static void seat_ctx_end(struct seat_ctx *ctx)
{
	free(ctx->seated);
	free(ctx->waiting);
}

static __u32 slots_of(const struct ks_engine *engine)
{
	return engine->shape.buckets * KS_BUCKET_SLOTS;
}

/* Copies the entry in a slot. Returns false if it waits in no queue. */
static bool waiting_read(const struct ks_engine *engine, __u32 id, struct ks_slot *copy)
{
	struct ks_flow_ref ref = ks_slot_at(id);

	return ks_slot_copy(&engine->buckets[ref.bucket].slot[ref.slot], copy) && copy->flow.state != KS_STATE_NONE &&
	       ks_queue_of(copy->key.kind, copy->flow.state) != KS_QUEUE_NONE;
}

/* Notes who sits in the seats of a queue. */
static void mark_seated(struct seat_ctx *ctx, enum ks_queue queue)
{
	const struct ks_engine *engine = ctx->engine;
	__u32 length = ks_queue_length(engine->tables.config, engine->shape.buckets, queue);
	struct ks_slot slot;

	for (__u32 n = 0; n < length; n++) {
		__u64 owner = ks_load_relaxed(ks_seat_in(&engine->buckets[ks_seat_bucket(queue, n)], queue, n));
		__u32 id = (__u32)owner;

		if (!id || id > slots_of(engine) || !waiting_read(engine, id, &slot) ||
		    ks_queue_of(slot.key.kind, slot.flow.state) != queue ||
		    ks_seat_owner(id, ks_flow_key_hash(&slot.key, engine->shape.key), slot.key.kind, &slot.flow) !=
			    owner)
			continue;
		ctx->seated[id / BITS] |= (__u8)(1U << id % BITS);
	}
}

static int waiting_add(struct seat_ctx *ctx, __u32 id, const struct ks_flow *flow)
{
	struct waiting *more;

	if (ctx->count == ctx->room) {
		ctx->room = ctx->room ? 2 * ctx->room : 1024;
		more = realloc(ctx->waiting, ctx->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		ctx->waiting = more;
	}
	ctx->waiting[ctx->count++] = (struct waiting){ .id = id, .age = ks_flow_clock(ctx->engine->now) - flow->seen };
	return 0;
}

static const struct ks_tags *tags_of(const struct ks_engine *engine, __u32 index)
{
	return ks_tags_of(engine->buckets, engine->shape.buckets, index);
}

/* Collects those who wait and have no seat. */
static int collect(struct seat_ctx *ctx)
{
	struct ks_slot slot;
	int err = 0;

	for (__u32 id = 1; !err && id <= slots_of(ctx->engine); id++) {
		struct ks_flow_ref ref = ks_slot_at(id);

		if (ks_load_relaxed(&tags_of(ctx->engine, ref.bucket)->tag[ref.slot]) &&
		    !(ctx->seated[id / BITS] >> id % BITS & 1) && waiting_read(ctx->engine, id, &slot))
			err = waiting_add(ctx, id, &slot.flow);
	}
	return err;
}

static int longest_first(const void *a, const void *b)
{
	__s32 x = (__s32)((const struct waiting *)a)->age, y = (__s32)((const struct waiting *)b)->age;

	return (x < y) - (x > y);
}

/* It may have changed or gone since it was collected; then its seat is an empty one. */
static void seat_one(struct ks_engine *engine, __u32 id)
{
	struct ks_entry entry = { .ref = ks_slot_at(id), .clock = ks_flow_clock(engine->now) };
	struct ks_slot slot;

	if (!waiting_read(engine, id, &slot))
		return;
	entry.key = slot.key;
	entry.after = slot.flow;
	ks_table_hash(ks_engine_env(engine), &entry);
	ks_queue_join(ks_engine_env(engine), &entry);
}

int ks_engine_seat_all(struct ks_engine *engine)
{
	ks_scoped(seat_ctx) struct seat_ctx ctx = { .engine = engine };
	int err;

	ctx.seated = calloc(slots_of(engine) / BITS + 1, 1);
	if (!ctx.seated)
		return -ENOMEM;
	for (unsigned queue = 0; queue < KS_QUEUES; queue++)
		mark_seated(&ctx, queue);
	err = collect(&ctx);
	if (err)
		return err;
	if (ctx.count)
		qsort(ctx.waiting, ctx.count, sizeof(*ctx.waiting), longest_first);
	for (size_t i = 0; i < ctx.count; i++)
		seat_one(engine, ctx.waiting[i].id);
	return 0;
}

bool ks_seats_differ(const struct ks_config *a, const struct ks_config *b)
{
	return a->limit_half_open != b->limit_half_open ||
	       a->limit_kind[KS_KIND_FRAGMENT] != b->limit_kind[KS_KIND_FRAGMENT];
}
