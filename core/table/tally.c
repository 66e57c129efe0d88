// SPDX-License-Identifier: BSD-2-Clause
/* Tallies, the counts of limits; see tally.h. */
#include "core/table/tally.h"

#include "core/env.h"
#include "core/home.h"
#include "core/rate.h"
#include "core/table/hash.h"
#include "core/table/internal.h"

#define PER_SHIFT 8

/* --- keys --- */

/* Makes the key of a tally of connections or flows, for one of the ends of a flow. */
static ks_inline void end_key_make(const struct ks_tally_shape *shape, __u32 unit, __u32 rule,
				   const struct ks_flow_key *flow, __u32 high, struct ks_flow_key *key)
{
	__u32 bits = flow->family == KS_IPV4 ? shape->bits[0] : shape->bits[1];
	__u32 class = ks_proto_has_handshake(flow->proto) ? 0 : KS_TALLY_FORGEABLE;

	*key = (struct ks_flow_key){
		.port = { (__be16)rule, (__be16)(shape->per << PER_SHIFT | shape->at) },
		.proto = (__u8)unit,
		.family = KS_IPV4,
		.kind = KS_KIND_TALLY,
	};
	if (shape->per == KS_LIMIT_RULE)
		return;
	key->port[1] = (__be16)(shape->per << PER_SHIFT | shape->at | class);
	key->family = flow->family & KS_FAMILY_MASK;
	key->link = (__u16)bits;
	if ((shape->per == KS_LIMIT_SOURCE) == !high)
		key->addr[0] = flow->addr[0];
	else
		key->addr[0] = flow->addr[1];
	ks_addr_mask(&key->addr[0], flow->family, bits);
}

void ks_tally_key(const struct ks_limit *limit, const struct ks_flow_key *flow, __u32 high, struct ks_flow_key *key)
{
	const struct ks_tally_shape shape = { .per = limit->per,
					      .bits = { limit->bits[0], limit->bits[1] },
					      .at = limit->at };

	if (limit->per == KS_LIMIT_FLOW) {
		*key = *flow;
		key->kind = KS_KIND_PACE;
		return;
	}
	end_key_make(&shape, limit->unit, limit->rule, flow, high, key);
}

void ks_tally_shape_key(const struct ks_tally_shape *shape, __u32 rule, const struct ks_flow_key *flow, __u32 high,
			struct ks_flow_key *key)
{
	end_key_make(shape, KS_LIMIT_CONNECTIONS, rule, flow, high, key);
}

void ks_tally_rule_key(__u32 rule, struct ks_flow_key *key)
{
	*key = (struct ks_flow_key){
		.port = { (__be16)rule },
		.proto = KS_TALLY_OF_RULE,
		.family = KS_IPV4,
		.kind = KS_KIND_TALLY,
	};
}

/* --- finding one that stays --- */

#define SEARCH_SLOTS (2U * KS_BUCKET_SLOTS) /* where a tally can be */
#define SEARCH_ROUNDS 4U /* through them: somebody may be writing it */
#define CLAIM_ROUNDS 64U /* a claim takes far less than one */
#define RETURN_STEPS (KS_LIMITS_PER_RULE * (SEARCH_SLOTS * CLAIM_ROUNDS + 2)) /* each search begins and ends with one */

/*
 * A search for a tally that counts a flow, and so stays where it is. One step looks at one slot (V1). While somebody writes a
 * slot, its key may look like another, so it is looked at again; but a tally that is written all the time is found, too: the
 * last round takes what has the key.
 */
struct search_ctx {
	struct ks_env *env;
	struct ks_flow_key key;
	__u64 hash;
	__u32 bucket[2];
	__u32 found_bucket, found_slot;
	__u32 found; /* 0 or 1 (V8) */
	__u32 busy; /* 1: in this round somebody else had claimed it */
};

/* Returns true if the tag of a slot is that of the tally. */
static ks_inline bool has_tag(const struct search_ctx *ctx, __u32 index, __u32 i)
{
	const struct ks_tags *tags = tags_get(ctx->env, index);

	return tags && ks_load_hint(&tags->tag[i & KS_BUCKET_SLOT_MASK]) == ks_table_tag(ctx->hash);
}

static ks_inline bool slot_is_it(const struct search_ctx *ctx, const struct ks_bucket *bucket, __u32 i, bool is_last)
{
	const struct ks_slot *slot = &bucket->slot[i & KS_BUCKET_SLOT_MASK];
	__u32 version;

	version = ks_load_acquire(&slot->flow.version);
	if (!shared_key_equal(&slot->key, &ctx->key))
		return false;
	ks_fence_acquire();
	return is_last || (!(version & 1) && version == ks_load_relaxed(&slot->flow.version));
}

static long search_step(__u32 n, void *arg)
{
	struct search_ctx *ctx = arg;
	__u32 index = n & KS_BUCKET_SLOTS ? ctx->bucket[1] : ctx->bucket[0], i = ks_table_slot(ctx->hash, n);
	struct ks_bucket *bucket;

	if (!has_tag(ctx, index, i))
		return 0;
	bucket = env_bucket(ctx->env, index);
	if (!bucket)
		return 1;
	if (!slot_is_it(ctx, bucket, i, n >= SEARCH_SLOTS * (SEARCH_ROUNDS - 1)))
		return 0;
	ctx->found_bucket = index;
	ctx->found_slot = i;
	ctx->found = 1;
	return 1;
}

static ks_inline void search_begin(struct search_ctx *ctx, const struct ks_table_shape *shape)
{
	ctx->hash = ks_flow_key_hash(&ctx->key, shape->key);
	ctx->bucket[0] = ks_table_bucket(shape, ctx->hash, 0);
	ctx->bucket[1] = ks_table_bucket(shape, ctx->hash, 1);
	ctx->found = 0;
	ctx->busy = 0;
}

/* Finds the tally of ctx->key. Returns NULL if there is none. */
static ks_inline struct ks_tally *held_find(struct search_ctx *ctx, const struct ks_table_shape *shape)
{
	struct ks_bucket *bucket;

	search_begin(ctx, shape);
	ks_loop(SEARCH_SLOTS * SEARCH_ROUNDS, search_step, ctx);
	bucket = ctx->found ? env_bucket(ctx->env, ctx->found_bucket) : NULL;
	return bucket ? &ks_record_edit(&bucket->slot[ctx->found_slot & KS_BUCKET_SLOT_MASK].flow)->tally : NULL;
}

static inline void count_sink(struct ks_tally *tally)
{
	if (tally && ks_load_relaxed(&tally->count))
		ks_fetch_add(&tally->count, -1);
}

/*
 * Gives back to a tally that need not stay where it is, under its claim. Returns false if somebody else was first.
 */
static ks_inline bool claimed_sink(struct search_ctx *ctx, struct ks_slot *slot)
{
	struct ks_tally *tally = &ks_record_edit(&slot->flow)->tally;
	__u32 version = ks_load_acquire(&slot->flow.version);

	if (version & 1 || !slot_claim(slot, version))
		return false;
	if (slot->flow.state == KS_STATE_TALLY && key_equal(&slot->key, &ctx->key)) {
		ctx->found = 1;
		if (ks_load_relaxed(&tally->count))
			ks_store_relaxed(&tally->count, tally->count - 1);
	}
	slot_release(slot, version);
	return true;
}

/* Looks at the k-th slot, and gives back if it is the tally. */
static ks_inline void slot_sink(struct search_ctx *ctx, __u32 index, __u32 k)
{
	__u32 i = ks_table_slot(ctx->hash, k) & KS_BUCKET_SLOT_MASK;
	struct ks_bucket *bucket = has_tag(ctx, index, i) ? env_bucket(ctx->env, index) : NULL;

	if (!bucket)
		return;
	if (ks_tally_is_forgeable(&ctx->key)) {
		ctx->busy |= !claimed_sink(ctx, &bucket->slot[i]);
	} else if (slot_is_it(ctx, bucket, i, k >= SEARCH_SLOTS * (SEARCH_ROUNDS - 1))) {
		count_sink(&ks_record_edit(&bucket->slot[i].flow)->tally);
		ctx->found = 1;
	} else if (k < SEARCH_SLOTS * (SEARCH_ROUNDS - 1)) {
		ctx->busy = 1;
	}
}

/* One step of a search that gives back. Returns 1 at its end. */
static ks_inline long sink_step(struct search_ctx *ctx, __u32 k)
{
	if (k % SEARCH_SLOTS == 0) {
		if (k && !ctx->busy)
			return 1;
		ctx->busy = 0;
	}
	slot_sink(ctx, k & KS_BUCKET_SLOTS ? ctx->bucket[1] : ctx->bucket[0], k);
	return ctx->found != 0;
}

static long sink_try(__u32 n, void *arg)
{
	return sink_step(arg, n);
}

/* --- asking --- */

/* Returns true for a limit in a time, false for one of connections, or the tally of a rule's limits. */
static inline bool is_rate(const struct ks_tally_ask *ask)
{
	return ask->unit != KS_TALLY_OF_RULE && ask->unit != KS_LIMIT_CONNECTIONS;
}

/* The word of a rate. */
static ks_inline __u64 *rate_word(const struct ks_tally_ask *ask, struct ks_tally *tally)
{
	__u32 at = ask->at;

	ks_hide_bound(at);
	return &tally->due[at & (KS_TALLY_RATES - 1)];
}

/*
 * The time until which a rate's traffic lasts. One far ahead was counted by another limit, before a reload: it is what this
 * one's burst takes.
 */
static inline __u64 due_of(const struct ks_tally_ask *ask, __u64 due)
{
	if (due <= ask->now)
		return ask->now;
	return due - ask->now > 2 * ask->burst + ask->time ? ask->now + ask->burst : due;
}

/* A packet that is larger than the whole burst passes when the burst is whole, and is paid for afterwards. */
static inline bool rate_admits(const struct ks_tally_ask *ask, __u64 due)
{
	return ks_rate_admits(due, ask->now, KS_MIN(ask->time, ask->burst), ask->burst);
}

static ks_inline bool admits(const struct ks_tally_ask *ask, struct ks_tally *tally)
{
	if (ask->unit == KS_TALLY_OF_RULE)
		return true;
	if (is_rate(ask))
		return rate_admits(ask, due_of(ask, ks_load_relaxed(rate_word(ask, tally))));
	return ks_load_relaxed(&tally->count) < ask->amount;
}

/* Counts it. The slot is claimed, or nobody else's yet. */
static ks_inline void take(const struct ks_tally_ask *ask, struct ks_record *record, __u32 clock)
{
	__u64 *word = rate_word(ask, &record->tally), due, left;
	__u32 timeout = KS_TALLY_IDLE_MS;

	if (is_rate(ask)) {
		due = due_of(ask, ks_load_relaxed(word)) + ask->time;
		left = (due - ask->now) / KS_NSEC_PER_MSEC + 1;
		timeout = KS_MAX(timeout, (__u32)KS_MIN(left, (__u64)KS_TIMEOUT_MAX_MS));
		ks_store_relaxed(word, due);
		/* A flow may have several rates: the tally lasts as long as the slowest. */
		if (record->timeout > clock - record->seen)
			timeout = KS_MAX(timeout, record->timeout - (clock - record->seen));
	} else {
		ks_fetch_add(&record->tally.count, 1);
	}
	ks_store_relaxed(&record->timeout, timeout);
	ks_store_relaxed(&record->seen, clock);
}

/* Gives back what a rate has let through. */
static ks_inline void undo(const struct ks_tally_ask *ask, struct ks_record *record)
{
	__u64 *word = rate_word(ask, &record->tally), due = ks_load_relaxed(word);

	ks_store_relaxed(word, due > ask->time ? due - ask->time : 0);
}

ks_isolated __u32 ks_tally_sink_isolated(struct ks_env *env, const struct ks_flow_key *key)
{
	const struct ks_table_shape *shape;
	struct search_ctx ctx = {};

	ks_hide_bound(env);
	if (ks_missing(key))
		return 0;
	ks_hide_bound(key);
	shape = env_table_shape(env);
	if (!shape)
		return 0;
	ctx.env = env;
	ctx.key = *key;
	search_begin(&ctx, shape);
	ks_loop(SEARCH_SLOTS * CLAIM_ROUNDS, sink_try, &ctx);
	return ctx.found & 1;
}

static inline void refuse(struct ks_tally_ask *ask, struct ks_tally *tally)
{
	ask->outcome = KS_TALLY_REFUSED;
	ks_store_relaxed(&tally->exceeded, tally->exceeded + 1);
}

static inline bool takes(const struct ks_tally_ask *ask)
{
	return ask->mode == KS_TALLY_TAKE || ask->mode == KS_TALLY_FORCE;
}

/*
 * Makes the tally of a rule's limits say for whom the rule counts now. Returns false if it counts connections of another rule
 * that had the id before.
 */
static inline bool shape_agree(struct ks_tally *tally, const struct ks_tally *wanted)
{
	bool same = tally->shapes == wanted->shapes;

	for (__u32 i = 0; i < KS_LIMITS_PER_RULE; i++)
		same &= tally->shape_word[i] == wanted->shape_word[i];
	if (same || ks_load_relaxed(&tally->count))
		return same;
	ks_store_relaxed(&tally->shapes, wanted->shapes);
	for (__u32 i = 0; i < KS_LIMITS_PER_RULE; i++)
		ks_store_relaxed(&tally->shape_word[i], wanted->shape_word[i]);
	return true;
}

/* A question that is asked until nobody else is first. */
struct ask_ctx {
	struct ks_env *env;
	struct ks_entry *e;
	struct ks_tally_ask *ask;
};

/* There is no such tally, so whatever a limit is, it admits one. Returns 1 if the question is answered. */
static ks_inline long tally_begin(struct ask_ctx *ctx)
{
	struct ks_record *record = ks_record_after(ctx->e);
	__u32 reason;

	ctx->ask->outcome = KS_TALLY_ADMITTED;
	if (!takes(ctx->ask))
		return 1;
	record->state = KS_STATE_TALLY;
	record->flags = 0;
	record->tally.count = 0;
	record->tally.rule = (__u16)ctx->ask->rule;
	record->tally.exceeded = 0;
	record->seen = ctx->e->clock;
	record->timeout = 0;
	take(ctx->ask, record, ctx->e->clock);
	reason = ks_table_insert_isolated(ctx->env, ctx->e);
	if (reason == KS_REASON_OK_NEW)
		return 1;
	ctx->ask->outcome = reason == KS_REASON_TALLIES_FULL ? KS_TALLY_SPENT
			    : reason == KS_REASON_TABLE_FULL ? KS_TALLY_FULL
							     : KS_TALLY_CONTENDED;
	return ctx->ask->outcome != KS_TALLY_CONTENDED;
}

/* Asks the tally that was found, under its claim. Returns 1 if the question is answered. */
static ks_inline long tally_write(struct ask_ctx *ctx)
{
	struct ks_bucket *bucket = env_bucket(ctx->env, ctx->e->ref.bucket);
	__u32 version = ctx->e->before.version;
	struct ks_record *record;
	struct ks_slot *slot;

	if (!bucket)
		return 1;
	slot = &bucket->slot[ctx->e->ref.slot & KS_BUCKET_SLOT_MASK];
	if (!slot_claim(slot, version))
		return 0;
	record = ks_record_edit(&slot->flow);
	if (ctx->ask->mode == KS_TALLY_UNDO) {
		undo(ctx->ask, record);
	} else if (ctx->ask->unit == KS_TALLY_OF_RULE &&
		   !shape_agree(&record->tally, &ks_record_after(ctx->e)->tally)) {
		ctx->ask->outcome = KS_TALLY_FULL;
	} else if (ctx->ask->mode == KS_TALLY_FORCE || admits(ctx->ask, &record->tally)) {
		ctx->ask->outcome = KS_TALLY_ADMITTED;
		if (takes(ctx->ask))
			take(ctx->ask, record, ctx->e->clock);
	} else {
		refuse(ctx->ask, &record->tally);
	}
	slot_release(slot, version);
	return 1;
}

static long tally_ask_try(__u32 n, void *arg)
{
	struct ask_ctx *ctx = arg;

	ks_table_find_isolated(ctx->env, ctx->e);
	if (ctx->e->busy)
		return 0;
	return ctx->e->found ? tally_write(ctx) : tally_begin(ctx);
}

/* The same for a question that takes nothing: only who refuses has something to write. */
static long tally_look_try(__u32 n, void *arg)
{
	struct ask_ctx *ctx = arg;

	ks_table_find_isolated(ctx->env, ctx->e);
	if (ctx->e->busy)
		return 0;
	ctx->ask->outcome = KS_TALLY_ADMITTED;
	if (!ctx->e->found || admits(ctx->ask, &ks_record_edit(&ctx->e->before)->tally))
		return 1;
	ctx->ask->outcome = KS_TALLY_REFUSED;
	return ctx->ask->mode == KS_TALLY_READ || tally_write(ctx);
}

__u32 ks_tally_look(struct ks_env *env, struct ks_entry *e, struct ks_tally_ask *ask)
{
	struct ask_ctx ctx = { .env = env, .e = e, .ask = ask };

	ask->outcome = KS_TALLY_CONTENDED;
	ks_loop(KS_TALLY_TRIES, tally_look_try, &ctx);
	return ask->outcome;
}

ks_isolated __u32 ks_tally_ask_isolated(struct ks_env *env, struct ks_entry *e, struct ks_tally_ask *ask)
{
	struct ask_ctx ctx = {};

	if (!env || !e || !ask)
		return KS_TALLY_CONTENDED;
	ks_hide_bound(env);
	ks_hide_bound(e);
	ks_hide_bound(ask);
	ctx.env = env;
	ctx.e = e;
	ctx.ask = ask;
	ask->outcome = KS_TALLY_CONTENDED;
	ks_loop(KS_TALLY_TRIES, tally_ask_try, &ctx);
	return ask->outcome;
}

/* --- giving back --- */

/* A flow that is given back to those of whom the tally of its rule's limits tells, one after the other. */
struct return_ctx {
	struct search_ctx search;
	const struct ks_table_shape *table;
	const struct ks_flow_key *flow;
	const struct ks_tally *of_rule;
	__u32 rule, high;
	__u32 n; /* the next of them */
	__u32 k; /* the next slot of the search */
	__u32 is_searching; /* 0 or 1 (V8) */
};

/* Begins the search for the next one. Returns 1 if there is none. */
static ks_inline long return_begin(struct return_ctx *ctx)
{
	__u32 n = ctx->n;

	if (n >= KS_LIMITS_PER_RULE || n >= ctx->of_rule->shapes)
		return 1;
	end_key_make(&ctx->of_rule->shape[n & (KS_TALLY_SHAPES - 1)], KS_LIMIT_CONNECTIONS, ctx->rule, ctx->flow,
		     ctx->high, &ctx->search.key);
	search_begin(&ctx->search, ctx->table);
	ctx->n = (__u32)ks_hide_value(n + 1, ctx->search.hash);
	ctx->k = (__u32)ks_hide_value(0, ctx->search.hash);
	ctx->is_searching = 1;
	return 0;
}

/* All searches are one loop: two, one in the other, would be a frame more (V2), or all of this once for each shape (V1). */
static long return_step(__u32 i, void *arg)
{
	struct return_ctx *ctx = arg;
	__u32 k = ctx->k;

	if (!ctx->is_searching)
		return return_begin(ctx);
	ctx->is_searching = !sink_step(&ctx->search, k);
	ctx->k = (__u32)ks_hide_value(k + 1, ctx->search.hash);
	return 0;
}

/* First to those of whom the tally of the rule's limits tells, then to that, which holds the shapes until then. */
ks_isolated __u32 ks_tally_return_isolated(struct ks_env *env, const struct ks_flow_key *key, __u32 rule, __u32 high)
{
	struct return_ctx ctx = {};
	struct ks_tally *of_rule;

	if (!env || !key)
		return 0;
	ks_hide_bound(env);
	ks_hide_bound(key);
	ctx.table = env_table_shape(env);
	if (!ctx.table)
		return 0;
	ctx.search.env = env;
	ks_tally_rule_key(rule, &ctx.search.key);
	of_rule = held_find(&ctx.search, ctx.table);
	if (!of_rule)
		return 0;
	ctx.flow = key;
	ctx.of_rule = of_rule;
	ctx.rule = rule;
	ctx.high = high;
	ctx.n = (__u32)ks_hide_value(0, ctx.search.hash);
	ctx.k = (__u32)ks_hide_value(0, ctx.search.hash);
	ctx.is_searching = (__u32)ks_hide_value(0, ctx.search.hash); /* V7, and of what the first search has left */
	ctx.search.found = (__u32)ks_hide_value(0, ctx.search.hash);
	ctx.search.busy = (__u32)ks_hide_value(0, ctx.search.hash);
	ks_loop(RETURN_STEPS, return_step, &ctx);
	count_sink(of_rule);
	return ctx.n;
}
