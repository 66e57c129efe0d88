// SPDX-License-Identifier: BSD-2-Clause
/* Finding, committing, freeing and sweeping entries; see table.h for the life cycle and the claims, insert.c for inserting. */
#include "core/table/table.h"

#include "core/env.h"
#include "core/table/ended.h"
#include "core/home.h"
#include "core/table/internal.h"

#define KILL_TRIES 16

/*
 * Copies the flow of a slot if it is that of e->key. The version is read
 * before the key and again after the copy, so that key and flow belong
 * together. e->busy is set if another CPU wrote meanwhile: the copy may then be
 * a mixture.
 */
static inline bool slot_read(const struct ks_slot *slot, struct ks_entry *e)
{
	__u32 version = ks_load_acquire(&slot->flow.version);

	if (!shared_key_equal(&slot->key, &e->key))
		return false;
	ks_words_load(&e->before, &slot->flow, sizeof(e->before));
	ks_fence_acquire();
	e->busy = version & 1 || version != ks_load_relaxed(&slot->flow.version);
	if (ks_unlikely(e->busy)) /* else it was copied: nothing that is loaded soon is stored in two sizes */
		e->before.version = version;
	return e->busy || e->before.state != KS_STATE_NONE;
}

/* A dead flow is absent; an insert of the same key takes its slot over. An alias lives as long as its flow. */
static inline void dead_forget(struct ks_entry *e)
{
	if (e->found && ks_flow_is_dead(&e->before, e->clock) && e->before.state != KS_STATE_ALIAS &&
	    !ks_tally_is_held(&e->before))
		e->found = 0;
}

/* Looks through one bucket. Returns true when the search is over. */
static inline bool bucket_search(const struct ks_bucket *bucket, const struct ks_tags *tags, __u16 tag,
				 struct ks_entry *e)
{
	for (__u32 n = 0; n < KS_BUCKET_SLOTS; n++) {
		__u32 i = ks_table_slot(e->hash, n);

		if (ks_load_hint(&tags->tag[i]) != tag || !slot_read(&bucket->slot[i], e))
			continue;
		e->ref.slot = i;
		e->found = !e->busy;
		return true;
	}
	return false;
}

/* Returns true if a flow is dead. One that is written meanwhile is alive. */
static bool slot_is_dead(struct ks_slot *slot, __u32 clock)
{
	__u32 version = ks_load_acquire(&slot->flow.version);
	struct ks_flow head;

	ks_flow_peek(&slot->flow, &head);
	ks_fence_acquire();
	return !(version & 1) && ks_flow_is_dead(&head, clock) && ks_load_relaxed(&slot->flow.version) == version;
}

/*
 * The flow that the alias in slot `id` names as its own, `owner`, or NULL if that is gone. An alias without an owner yet is new:
 * its own timeout is the time that its flow has to come. The owner's state and aliases are read without a claim. They change only
 * when its slot is given to another entry, and then the alias is an orphan whatever mixture was read.
 */
static ks_inline struct ks_slot *alias_owner(struct ks_env *env, __u32 owner, __u32 id)
{
	struct ks_flow_ref ref = ks_slot_at(owner);
	struct ks_bucket *bucket;
	struct ks_slot *slot;
	__u8 state;

	if (!owner)
		return NULL;
	bucket = env_bucket(env, ref.bucket);
	if (!bucket)
		return NULL;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	state = ks_load_relaxed(&slot->flow.state);
	if (state == KS_STATE_NONE || state == KS_STATE_ALIAS)
		return NULL;
	if (ks_load_relaxed(&slot->flow.alias[0]) != id && ks_load_relaxed(&slot->flow.alias[1]) != id)
		return NULL;
	return slot;
}

bool ks_table_is_orphan(struct ks_env *env, __u32 owner, __u32 id, __u32 clock)
{
	struct ks_slot *slot = alias_owner(env, owner, id);

	return !slot || slot_is_dead(slot, clock);
}

ks_isolated __u32 ks_table_read_isolated(struct ks_env *env, struct ks_entry *e)
{
	struct ks_bucket *bucket;
	struct ks_slot *slot;
	__u32 version;

	ks_hide_bound(env); /* else the compiler sees that the tables need none, and passes none */
	if (ks_missing(e))
		return 0;
	ks_hide_bound(e);
	e->found = 0;
	e->busy = 0;
	bucket = env_bucket(env, e->ref.bucket);
	if (!bucket)
		return 0;
	slot = &bucket->slot[e->ref.slot & KS_BUCKET_SLOT_MASK];
	version = ks_load_acquire(&slot->flow.version);
	ks_words_load(&e->key, &slot->key, sizeof(e->key));
	ks_words_load(&e->before, &slot->flow, sizeof(e->before));
	ks_fence_acquire();
	e->busy = version & 1 || version != ks_load_relaxed(&slot->flow.version);
	e->before.version = version;
	e->found = !e->busy && e->before.state != KS_STATE_NONE && !ks_flow_is_dead(&e->before, e->clock);
	return e->found;
}

ks_isolated __u32 ks_table_find_isolated(struct ks_env *env, struct ks_entry *e)
{
	const struct ks_table_shape *shape;
	__u16 tag;

	ks_hide_bound(env); /* else the compiler sees that the tables need none, and passes none */
	if (ks_missing(e))
		return 0;
	ks_hide_bound(e);
	e->found = 0;
	e->busy = 0;
	shape = env_table_shape(env);
	if (!shape)
		return 0;
	tag = ks_table_tag(e->hash);
	for (__u32 n = 0; n < 2; n++) {
		__u32 index = ks_table_bucket(shape, e->hash, n);
		const struct ks_tags *tags = tags_in(env, shape, index);
		const struct ks_bucket *bucket;

		if (!tags || !tags_have(tags, tag))
			continue;
		bucket = env_bucket(env, index);
		if (bucket && bucket_search(bucket, tags, tag, e)) {
			e->ref.bucket = index;
			break;
		}
	}
	dead_forget(e);
	return e->found;
}

ks_frequent bool ks_table_find_there(struct ks_env *env, struct ks_entry *e)
{
	struct ks_bucket *bucket = env_bucket(env, e->ref.bucket);

	if (!bucket || !slot_read(&bucket->slot[e->ref.slot & KS_BUCKET_SLOT_MASK], e))
		return false;
	e->found = !e->busy;
	dead_forget(e);
	return true;
}

/* Writes a slot that is claimed, whose state or flags change. */
static ks_seldom void slot_move(struct ks_env *env, struct ks_slot *slot, struct ks_entry *e, __u32 version)
{
	struct ks_table_counts *counts;

	ks_share_move(env, &slot->key, &e->before, &e->after);
	slot_write(slot, e, version);
	if (e->before.state == e->after.state)
		return;
	counts = env_table_counts(env);
	if (counts)
		half_open_account(counts, e->before.state, e->after.state);
	ks_flow_tell_moved(env, e);
}

ks_isolated ks_frequent __u32 ks_table_commit_isolated(struct ks_env *env, struct ks_entry *e)
{
	struct ks_bucket *bucket;
	struct ks_slot *slot;
	__u32 version;

	ks_hide_bound(env);
	if (ks_missing(e))
		return false;
	ks_hide_bound(e);
	version = e->before.version;
	bucket = env_bucket(env, e->ref.bucket);
	if (!bucket)
		return false;
	slot = &bucket->slot[e->ref.slot & KS_BUCKET_SLOT_MASK];
	if (!slot_claim(slot, version))
		return false;
	if (ks_unlikely(e->before.state != e->after.state || e->before.flags != e->after.flags))
		slot_move(env, slot, e, version);
	else
		slot_write(slot, e, version);
	return true;
}

/* Frees the alias in slot `id` if it is that of the flow in slot `owner`. One that is busy is left to the sweeper. */
static void alias_free(struct ks_env *env, struct ks_table_counts *counts, __u32 id, __u32 owner)
{
	struct ks_flow_ref ref = ks_slot_at(id);
	struct ks_bucket *bucket;
	struct ks_slot *slot;
	__u32 version;

	if (!id)
		return;
	bucket = env_bucket(env, ref.bucket);
	if (!bucket)
		return;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	version = ks_load_acquire(&slot->flow.version);
	if (version & 1 || !slot_claim(slot, version))
		return;
	if (slot->flow.state == KS_STATE_ALIAS && ks_record_of(&slot->flow)->alias.flow[0] == owner) {
		tag_set(env, &ref, 0);
		ks_store_relaxed(&slot->flow.state, KS_STATE_NONE);
		ks_fetch_add(&counts->records[KS_KIND_FLOW], -1);
	}
	slot_release(slot, version);
}

ks_isolated __u32 ks_table_ended_isolated(struct ks_env *env, __u32 kind, const struct ks_flow *flow, __u32 id)
{
	struct ks_table_counts *counts;

	ks_hide_bound(env); /* else the compiler sees that the tables need none, and passes none */
	if (ks_missing(flow))
		return 0;
	ks_hide_bound(flow);
	counts = env_table_counts(env);
	if (!counts)
		return 0;
	ks_fetch_add(entry_counter(counts, kind, flow->state), -1);
	mapping_account(env, kind, flow, -1);
	if (!entry_is_flow(kind, flow->state))
		return 1;
	half_open_account(counts, flow->state, KS_STATE_NONE);
	env_count_flow(env, flow);
	alias_free(env, counts, flow->alias[0], id);
	if (flow->alias[1] != flow->alias[0])
		alias_free(env, counts, flow->alias[1], id);
	return 1;
}

ks_isolated __u32 ks_table_free_isolated(struct ks_env *env, struct ks_entry *e)
{
	struct ks_bucket *bucket;

	ks_hide_bound(env);
	if (ks_missing(e))
		return false;
	ks_hide_bound(e);
	bucket = env_bucket(env, e->ref.bucket);
	if (!bucket || !slot_claim(&bucket->slot[e->ref.slot & KS_BUCKET_SLOT_MASK], e->before.version))
		return false;
	slot_free(env, bucket, &e->ref, e->before.version, e->why);
	return true;
}

__u32 ks_table_mappings(struct ks_env *env, const struct ks_addr *addr)
{
	const struct ks_table_shape *shape = env_table_shape(env);
	const struct ks_budget *budget = shape ? env_budget(env, ks_budget_index(shape, addr)) : NULL;

	return budget ? ks_load_relaxed(&budget->mappings) : 0;
}

/* A sweep of one bucket. */
struct sweep_ctx {
	struct ks_env *env; /* as of a function that is verified apart */
	__u32 bucket, clock, freed;
};

static long sweep_slot(__u32 n, void *arg)
{
	struct sweep_ctx *ctx = arg;
	struct ks_flow_ref ref = { .bucket = ctx->bucket, .slot = n & KS_BUCKET_SLOT_MASK };
	const struct ks_tags *tags = tags_get(ctx->env, ctx->bucket);
	struct ks_bucket *bucket;
	struct ks_flow head;
	struct ks_slot *slot;
	__u32 version;

	if (!tags)
		return 1;
	if (ks_load_hint(&tags->tag[ref.slot]) == 0)
		return 0;
	bucket = env_bucket(ctx->env, ctx->bucket);
	if (!bucket)
		return 1;
	slot = &bucket->slot[ref.slot];
	ks_flow_peek(&slot->flow, &head);
	if (!ks_flow_is_dead(&head, ctx->clock))
		return 0;
	version = ks_load_acquire(&slot->flow.version);
	if (version & 1 || !slot_claim(slot, version))
		return 0;
	if (slot->flow.state == KS_STATE_NONE || !ks_flow_is_dead(&slot->flow, ctx->clock) ||
	    ks_tally_is_held(&slot->flow) ||
	    /* An alias goes with its flow, not before: by it is told as whom a side knew the flow (flow_event.h). */
	    (slot->flow.state == KS_STATE_ALIAS &&
	     alias_owner(ctx->env, ks_record_of(&slot->flow)->alias.flow[0], ks_slot_id(&ref)))) {
		slot_release(slot, version);
		return 0;
	}
	if (ks_unlikely(ks_tally_counts(&slot->key, &slot->flow)))
		ks_tally_return_isolated(ctx->env, &slot->key, slot->flow.rule, ks_flow_orig_side(&slot->flow));
	ctx->freed += entry_is_flow(slot->key.kind, slot->flow.state);
	slot_free(ctx->env, bucket, &ref, version, KS_END_EXPIRED);
	return 0;
}

__u32 ks_table_sweep(struct ks_env *env, __u32 index, __u64 now)
{
	struct ks_table_counts *counts = env_table_counts(env);
	struct sweep_ctx ctx = { .env = env_isolated(env), .bucket = index, .clock = ks_flow_clock(now) };
	const struct ks_tags *tags = tags_get(env, index);

	if (!tags || !(ks_load_hint(&tags->word[0]) | ks_load_hint(&tags->word[1])))
		return 0;
	ks_loop(KS_BUCKET_SLOTS, sweep_slot, &ctx);
	if (ctx.freed && counts)
		ks_fetch_add(&counts->expired, ctx.freed);
	return ctx.freed;
}

/* Tries to kill the flow of a key. */
struct kill_ctx {
	struct ks_env *env;
	struct ks_entry *e;
	__u32 why;
	bool killed;
};

/* One try; returns nonzero when the flow is dead or not there. */
static long table_kill_try(__u32 n, void *arg)
{
	struct kill_ctx *ctx = arg;
	struct ks_table_counts *counts = env_table_counts(ctx->env);

	ks_table_find(ctx->env, ctx->e);
	if (ctx->e->busy)
		return 0;
	if (!ctx->e->found || !counts)
		return 1;
	if (!ks_ended_note(ctx->env, ctx->e) || !ks_table_free_flow(ctx->env, ctx->e, ctx->why))
		return 0;
	ks_fetch_add(&counts->killed, 1);
	ctx->killed = true;
	return 1;
}

bool ks_table_kill(struct ks_env *env, struct ks_entry *e, __u32 why)
{
	struct kill_ctx ctx = { .env = env, .e = e, .why = why };

	ks_table_hash(env, e);
	/* Packets may commit the flow between the look and the claim, so it is tried again. */
	ks_loop(KILL_TRIES, table_kill_try, &ctx);
	return ctx.killed;
}
