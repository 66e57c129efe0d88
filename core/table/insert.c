// SPDX-License-Identifier: BSD-2-Clause
/*
 * Inserting into the state table: which slot a new entry gets, and what is recycled for it.
 *
 * The rules
 *
 * In the two buckets of its key a new entry takes, in this order:
 *   1. the slot of the same key, if that entry is dead, closed, or an alias whose flow is gone;
 *   2. a free slot: of the first bucket if at most three of its slots are in use, else of the emptier one;
 *   3. a dead entry, of any kind but an alias, which goes with its flow;
 *   4. a closed flow (TIME_WAIT, CLOSE and their like);
 *   5. only for a flow, its alias or a datagram: a half-open flow on which no packet came for a second;
 *   6. the same: an unproven flow of UDP, ICMP or another protocol without a handshake (ks_flow_is_unproven());
 *   7. the same: a proven one of these that nobody has spoken on for ten seconds.
 * Within 3 to 7 the one unseen for longest goes first. With the limit of flows reached, 2 is left out for a flow; if neither
 * bucket has anything to recycle, other buckets are looked through (ks_table_near()), at least NEAR_LEAST of them and then until
 * one makes room by the same rules, and the new flow gets a free slot. Else the new entry is refused: "table full". An
 * established connection of TCP, SCTP or DCCP is never forgotten for a new one, and an alias never goes without its flow.
 *
 * 34 buckets have some 190 flows in a table at its limit, half as many in one that is made for translation. Of 30,000 newcomers
 * one was refused where one flow in ten could be recycled, one where it was one in twenty and 30 where it was one in thirty; in the
 * table for translation none, 166 and 983. That is as often as none of so many flows would be one of these by chance
 * (tests/unit/core/table/insert.c counts). In a flood what is taken is the stalest of ten or more.
 *
 * Tallies have a budget of their own; tally.h says whose place a new one takes.
 *
 * Left to an attacker
 *
 * He fills the table with flows that the rules allow him. Half-open ones count against `limit half-open`, where the one that
 * came first makes room (queue.h), and each may be recycled a second after its last packet. UDP, ICMP and other flows that need
 * no answer fill it up to the limit; then each newcomer takes the place of the stalest that he meets, so that everybody's
 * unproven flows live limit / rate: 6 seconds in a table of 262,144 with 40,000 a second. A flow of that kind is proven by
 * packets of both sides some seconds apart; what he proves by invented sources he must keep alive every ten seconds.
 * Connections that a machine of his answers stay; from one address he gets his share of them (share.h). Then new flows are
 * refused until some end or time out; adaptive timeouts (timeout.h) make that soon. He can have the closed connections of others recycled early, which forgets
 * only what would tell an old duplicate from a new connection. He cannot end a live flow, nor choose whose buckets he fills, as
 * the hash is keyed.
 *
 * Races: see table.h. A slot is chosen by what its entry says without a claim; slot_is_still() asks again under the claim,
 * and if the answer has changed the packet is judged again ("contended").
 */
#include "core/table/table.h"

#include "core/env.h"
#include "core/home.h"
#include "core/table/internal.h"
#include "core/table/share.h"
#include "core/verdict.h"

#define CLAIM_TRIES 256 /* longer than another CPU takes for an insertion */
#define NEAR_BUCKETS 32
#define NEAR_LEAST 4
#define NEAR_TALLIES 16
#define NEAR_TALLIES_MOST 128

/* A handshake takes no longer: a half-open flow that was seen within it is taken for live, ms. */
#define HANDSHAKE_MS 1000

/* A proven flow of UDP and its like is not taken as long as somebody speaks on it within this time, ms. */
#define SILENT_MS 10000

__u32 ks_table_replace(struct ks_env *env, struct ks_entry *e)
{
	struct ks_table_counts *counts = env_table_counts(env);

	if (!counts)
		return KS_REASON_INTERNAL;
	if (!ks_table_commit(env, e))
		return KS_REASON_CONTENDED;
	ks_tally_return(env, &e->key, &e->before);
	env_count_flow(env, &e->before);
	ks_fetch_add(&counts->created, 1);
	ks_fetch_add(&counts->recycled, 1);
	ks_queue_join(env, e);
	return KS_REASON_OK_NEW;
}

/* How good a slot is for a new entry: the lower the better. */
enum slot_rank {
	SLOT_SAME_KEY,
	SLOT_FREE,
	SLOT_DEAD,
	SLOT_CLOSED,
	SLOT_HALF_OPEN,
	SLOT_UNPROVEN,
	SLOT_SILENT,
	SLOT_TALLY, /* for another tally: of a protocol without a handshake, counts no connections */
	SLOT_TALLY_COUNTS, /* the same, counts some */
	SLOT_TALLY_PROVEN, /* of a protocol with a handshake, or a rule, counts none */
	SLOT_TAKEN
};

#define NO_SLOT KS_BUCKET_SLOTS

/* The slot that a new entry gets. */
struct choice {
	__u32 rank;
	__u32 bucket;
	__u32 slot;
	__s32 age; /* since it was seen, ms: tells slots of one rank apart */
};

/* A look through both buckets of a key. */
struct insert_ctx {
	struct ks_env *env;
	const struct ks_entry *e;
	const struct candidates *candidates;
	__u32 buckets; /* of the table */
	__u8 used[2]; /* slots in use */
	__u8 free[2]; /* the first free slot, or NO_SLOT */
	__u8 is_bound; /* 1: its source has its share, and gets only slots of its own */
	struct ks_flow_ref same; /* where the key is already, with NO_SLOT: nowhere */
	struct choice best;
};

static inline void choose(struct insert_ctx *c, __u32 rank, __u32 bucket, __u32 slot)
{
	if (rank > c->best.rank)
		return;
	c->best.rank = rank;
	c->best.bucket = bucket;
	c->best.slot = slot;
}

static inline bool half_open_is_stale(const struct ks_flow *flow, __u32 clock)
{
	return ks_state_is_half_open(flow->state) && (__s32)(clock - flow->seen) > HANDSHAKE_MS;
}

/* A dead entry may be taken over; of live ones flows that are closed, half-open, or of protocols without a handshake recycled. */
static inline __u32 flow_rank(const struct ks_flow *flow, __u32 clock)
{
	if (flow->state == KS_STATE_NONE) /* a free slot comes by the tags */
		return SLOT_TAKEN;
	if (flow->state == KS_STATE_ALIAS)
		return SLOT_TAKEN; /* goes with its flow */
	if (ks_flow_is_dead(flow, clock))
		return SLOT_DEAD;
	if (ks_state_is_closed(flow->state))
		return SLOT_CLOSED;
	if (ks_state_is_half_open(flow->state))
		return half_open_is_stale(flow, clock) ? SLOT_HALF_OPEN : SLOT_TAKEN;
	if (!ks_state_is_plain(flow->state))
		return SLOT_TAKEN;
	if (ks_flow_is_unproven(flow))
		return SLOT_UNPROVEN;
	return (__s32)(clock - flow->seen) > SILENT_MS ? SLOT_SILENT : SLOT_TAKEN;
}

static inline __u32 slot_rank(const struct ks_flow *shared, __u32 clock)
{
	struct ks_flow flow;

	ks_flow_peek(shared, &flow);
	if (flow.version & 1) /* another CPU writes it */
		return SLOT_TAKEN;
	if (ks_unlikely(flow.state == KS_STATE_TALLY) && ks_tally_is_held(shared))
		return SLOT_TAKEN; /* goes with the connections that it counts */
	return flow_rank(&flow, clock);
}

/* Returns true for an alias that nobody is writing and whose flow is gone or dead. */
static inline bool alias_is_dead(struct ks_env *env, const struct ks_flow *shared, __u32 id, __u32 clock)
{
	struct ks_flow alias;

	ks_flow_peek(shared, &alias);
	return alias.state == KS_STATE_ALIAS && !(alias.version & 1) && ks_flow_is_dead(&alias, clock) &&
	       ks_table_is_orphan(env, ks_load_relaxed(&ks_record_of(shared)->alias.flow[0]), id, clock);
}

bool ks_table_is_replaceable(struct ks_env *env, const struct ks_entry *e)
{
	if (e->before.state != KS_STATE_ALIAS)
		return ks_state_is_closed(e->before.state);
	return ks_flow_is_dead(&e->before, e->clock) &&
	       ks_table_is_orphan(env, ks_record_before(e)->alias.flow[0], ks_slot_id(&e->ref), e->clock);
}

/* Scans the tags of one of the two buckets: how many slots are in use, which one is free, where the key itself is. */
static long bucket_scan_tags(__u32 n, void *arg)
{
	struct insert_ctx *c = arg;
	__u32 index = n ? c->candidates->bucket[1] : c->candidates->bucket[0];
	const struct ks_tags *tags = tags_get(c->env, index);
	struct ks_bucket *bucket = env_bucket(c->env, index);
	__u32 used = (__u32)ks_hide_value(0, c->e->hash), free = (__u32)ks_hide_value(NO_SLOT, c->e->hash);

	if (!tags || !bucket)
		return 1;
	for (__u32 k = 0; k < KS_BUCKET_SLOTS; k++) {
		__u32 i = ks_table_slot(c->e->hash, k);
		__u16 tag = ks_load_hint(&tags->tag[i]);

		if (tag == 0) {
			free = free == NO_SLOT ? i : free;
			continue;
		}
		used++;
		if (tag == c->candidates->tag && shared_key_equal(&bucket->slot[i].key, &c->e->key)) {
			c->same.bucket = index;
			c->same.slot = i;
		}
	}
	if (n) {
		c->used[1] = (__u8)used;
		c->free[1] = (__u8)free;
	} else {
		c->used[0] = (__u8)used;
		c->free[0] = (__u8)free;
	}
	return 0;
}

/*
 * The key is in the table: its entry may be taken over if it is dead, or an alias whose flow is gone, or a closed flow,
 * which the packet has not found because it looked for another translation. Returns false if it is alive.
 */
static ks_inline bool same_key_is_replaceable(struct insert_ctx *c)
{
	struct ks_bucket *bucket = env_bucket(c->env, c->same.bucket);
	const struct ks_flow *flow;

	if (!bucket)
		return false;
	flow = &bucket->slot[c->same.slot & KS_BUCKET_SLOT_MASK].flow;
	if (slot_rank(flow, c->e->clock) > SLOT_CLOSED &&
	    !alias_is_dead(c->env, flow, ks_slot_id(&c->same), c->e->clock))
		return false;
	choose(c, SLOT_SAME_KEY, c->same.bucket, c->same.slot);
	return true;
}

/* The rank of a slot for a tally that has to take another one's place. */
static inline __u32 tally_rank(const struct ks_slot *slot, __u32 kind)
{
	struct ks_flow_key key = { .tail = ks_load_hint(&slot->key.tail) };
	struct ks_flow flow;

	ks_flow_peek(&slot->flow, &flow);
	if (flow.version & 1 || flow.state != KS_STATE_TALLY || key.kind != kind)
		return SLOT_TAKEN;
	key.port[1] = ks_load_hint(&slot->key.port[1]);
	if (ks_tally_is_forgeable(&key))
		return ks_tally_is_held(&slot->flow) ? SLOT_TALLY_COUNTS : SLOT_TALLY;
	return ks_tally_is_held(&slot->flow) ? SLOT_TAKEN : SLOT_TALLY_PROVEN;
}

/* Returns true if the entry in a slot seems to be of the new one's source. */
static ks_inline bool slot_is_own(const struct insert_ctx *c, const struct ks_slot *slot)
{
	struct ks_share_source own = ks_share_source(&c->e->key, ks_share_side(c->e->key.kind, &c->e->after)), other;
	struct ks_flow_key key;
	struct ks_flow head;

	key.tail = ks_load_relaxed(&slot->key.tail);
	if (key.kind != KS_KIND_FLOW)
		return false;
	head.flags = ks_load_hint(&slot->flow.flags);
	other = ks_share_source(&slot->key, ks_flow_orig_side(&head));
	return key.family == c->e->key.family && ks_share_source_equal(&own, &other);
}

/* Returns true if an entry is better to recycle than the best so far. */
static inline bool is_better(const struct insert_ctx *c, __u32 rank, __s32 age)
{
	return rank < c->best.rank || (rank == c->best.rank && rank != SLOT_TAKEN && age > c->best.age);
}

/* Chooses a slot if its entry may be recycled and is better than the best so far. */
static ks_inline long rank_slot(struct insert_ctx *c, __u32 index, __u32 i)
{
	struct ks_bucket *bucket = env_bucket(c->env, index);
	__u32 rank;
	__s32 age;

	if (!bucket)
		return 1;
	rank = (__u32)ks_hide_value(slot_rank(&bucket->slot[i].flow, c->e->clock), c->e->hash); /* V15 */
	age = (__s32)(c->e->clock - ks_load_hint(&bucket->slot[i].flow.seen));
	if (!is_better(c, rank, age))
		return 0;
	if (c->is_bound && !slot_is_own(c, &bucket->slot[i]))
		return 0;
	/* A live flow makes room for another one, and for a datagram that may open one; not for records of other kinds. */
	if (rank >= SLOT_HALF_OPEN && c->e->key.kind != KS_KIND_FLOW && c->e->key.kind != KS_KIND_FRAGMENT)
		return 0;
	choose(c, rank, index, i);
	c->best.age = age;
	return 0;
}

static long rank_own(__u32 n, void *arg)
{
	struct insert_ctx *c = arg;
	__u32 index = n >= KS_BUCKET_SLOTS ? c->candidates->bucket[1] : c->candidates->bucket[0];

	return rank_slot(c, index, n & KS_BUCKET_SLOT_MASK);
}

/* The same for the buckets that are looked through beside those of the key. */
static long rank_near(__u32 n, void *arg)
{
	struct insert_ctx *c = arg;
	__u32 index = ks_table_near(c->e->hash, c->candidates->bucket[0], c->buckets, n / KS_BUCKET_SLOTS);

	if (!c->buckets || (n >= NEAR_LEAST * KS_BUCKET_SLOTS && c->best.rank != SLOT_TAKEN))
		return 1;
	return rank_slot(c, index, n & KS_BUCKET_SLOT_MASK);
}

/* The same for a tally, from the first bucket of the key on. */
static long rank_tallies(__u32 n, void *arg)
{
	struct insert_ctx *c = arg;
	__u32 index = c->candidates->bucket[0] + n / KS_BUCKET_SLOTS, i = n & KS_BUCKET_SLOT_MASK, rank;
	const struct ks_tags *tags;
	struct ks_bucket *bucket;
	__s32 age;

	if (!c->buckets || (n >= NEAR_TALLIES * KS_BUCKET_SLOTS && c->best.rank != SLOT_TAKEN))
		return 1;
	index %= c->buckets;
	tags = tags_get(c->env, index);
	bucket = env_bucket(c->env, index);
	if (!tags || !bucket || !ks_load_hint(&tags->tag[i]))
		return !tags || !bucket;
	rank = (__u32)ks_hide_value(tally_rank(&bucket->slot[i], c->e->key.kind), c->e->hash); /* V15 */
	age = (__s32)(c->e->clock - ks_load_hint(&bucket->slot[i].flow.seen));
	if (!is_better(c, rank, age))
		return 0;
	choose(c, rank, index, i);
	c->best.age = age;
	return 0;
}

static void choose_free(struct insert_ctx *c)
{
	bool first = c->free[0] != NO_SLOT, second = c->free[1] != NO_SLOT;

	if (first && second && c->used[0] > KS_BUCKET_LOW && c->used[0] > c->used[1])
		first = false;
	if (first)
		choose(c, SLOT_FREE, c->candidates->bucket[0], c->free[0]);
	else if (second)
		choose(c, SLOT_FREE, c->candidates->bucket[1], c->free[1]);
}

/* Under the claim: since it was ranked the slot may have been filled or freed, or its flow be alive again. Then it is not taken. */
static inline bool slot_is_still(const struct ks_flow_key *key, const struct ks_flow *flow, __u32 rank, __u32 clock)
{
	if (rank == SLOT_FREE || flow->state == KS_STATE_NONE)
		return rank == SLOT_FREE && flow->state == KS_STATE_NONE;
	if (flow->state == KS_STATE_ALIAS)
		return rank == SLOT_SAME_KEY;
	if (ks_tally_is_held(flow))
		return rank == SLOT_TALLY_COUNTS && ks_tally_is_forgeable(key);
	if (rank >= SLOT_TALLY)
		return flow->state == KS_STATE_TALLY;
	return flow_rank(flow, clock) <= KS_MAX(rank, (__u32)SLOT_CLOSED);
}

/* An entry makes room: if it is a flow that limits counted, whoever inserts gives it back. */
static inline void gone_note(struct ks_entry *e, const struct ks_flow_key *key, const struct ks_flow *flow)
{
	e->gone = *key;
	if (ks_likely(!ks_tally_counts(key, flow)))
		return;
	e->gone_rule = flow->rule;
	e->gone_high = (__u8)ks_flow_orig_side(flow);
	e->gone_counted = 1;
}

/* Frees the chosen slot, which is in no bucket of the new key. Returns false if it may not be recycled any more. */
static ks_inline bool slot_vacate(struct ks_env *env, struct ks_entry *e, const struct choice *best,
				  struct ks_table_counts *counts)
{
	struct ks_flow_ref ref = { .bucket = best->bucket, .slot = best->slot & KS_BUCKET_SLOT_MASK };
	struct ks_bucket *bucket = env_bucket(env, ref.bucket);
	struct ks_slot *slot;
	__u32 version;

	if (!bucket)
		return false;
	slot = &bucket->slot[ref.slot];
	version = ks_load_acquire(&slot->flow.version);
	if (version & 1 || !slot_claim(slot, version))
		return false;
	if (!slot_is_still(&slot->key, &slot->flow, best->rank, e->clock)) {
		slot_release(slot, version);
		return false;
	}
	if (entry_is_flow(slot->key.kind, slot->flow.state))
		ks_fetch_add(&counts->recycled, 1);
	gone_note(e, &slot->key, &slot->flow);
	slot_free(env, bucket, &ref, version, ks_end_of_slot(&slot->flow, e->clock));
	return true;
}

/* The table is at its limit, and the key's own buckets have nothing to recycle. Returns 0 when it gets a free slot, or a reason. */
static ks_inline __u32 make_room(struct insert_ctx *c, struct ks_entry *e, struct ks_table_counts *counts)
{
	__u32 reason = c->is_bound ? KS_REASON_SOURCE_LIMIT : KS_REASON_TABLE_FULL;

	if (c->free[0] == NO_SLOT && c->free[1] == NO_SLOT)
		return reason;
	ks_loop(NEAR_BUCKETS * KS_BUCKET_SLOTS, rank_near, c);
	if (c->best.rank == SLOT_TAKEN)
		return reason;
	if (!slot_vacate(c->env, e, &c->best, counts))
		return KS_REASON_CONTENDED;
	c->best.rank = SLOT_TAKEN;
	choose_free(c);
	return 0;
}

/* The budget of tallies is spent: one of them makes room. Returns 0 when there is a slot, or a reason. */
static ks_inline __u32 make_room_for_tally(struct insert_ctx *c, struct ks_entry *e, struct ks_table_counts *counts)
{
	ks_loop(NEAR_TALLIES_MOST * KS_BUCKET_SLOTS, rank_tallies, c);
	if (c->best.rank == SLOT_TAKEN)
		return KS_REASON_TALLIES_FULL;
	if (c->best.bucket == c->candidates->bucket[0])
		return 0;
	if (c->free[0] == NO_SLOT && c->free[1] == NO_SLOT)
		return KS_REASON_TABLE_FULL;
	if (!slot_vacate(c->env, e, &c->best, counts))
		return KS_REASON_CONTENDED;
	c->best.rank = SLOT_TAKEN;
	choose_free(c);
	return 0;
}

/* Writes the new entry into the chosen slot, and accounts for the one that was there. */
static ks_inline __u32 slot_fill(struct ks_env *env, struct ks_entry *e, const struct choice *best, __u16 tag,
				 struct ks_table_counts *counts)
{
	struct ks_bucket *bucket = env_bucket(env, best->bucket);
	struct ks_slot *slot;
	__u32 version;

	if (!bucket)
		return KS_REASON_INTERNAL;
	slot = &bucket->slot[best->slot & KS_BUCKET_SLOT_MASK];
	version = ks_load_acquire(&slot->flow.version);
	if (version & 1 || !slot_claim(slot, version))
		return KS_REASON_CONTENDED;
	ks_words_load(&e->before, &slot->flow, sizeof(e->before));
	if (!slot_is_still(&slot->key, &e->before, best->rank, e->clock) ||
	    (best->rank == SLOT_SAME_KEY && !key_equal(&slot->key, &e->key))) {
		slot_release(slot, version);
		return KS_REASON_CONTENDED;
	}
	if (best->rank != SLOT_FREE) {
		gone_note(e, &slot->key, &e->before);
		ks_share_count(env, &slot->key, &e->before, -1);
	}
	ks_share_count(env, &e->key, &e->after, 1);
	ks_words_store(&slot->key, &e->key, sizeof(slot->key));
	e->ref.bucket = best->bucket;
	e->ref.slot = best->slot;
	tag_set(env, &e->ref, tag);
	slot_write(slot, e, version);
	if (best->rank != SLOT_FREE) {
		if (entry_is_flow(e->gone.kind, e->before.state))
			ks_fetch_add(&counts->recycled, 1);
		entry_tell_end(env, &e->gone, &e->before, ks_end_of_slot(&e->before, e->clock));
		ks_table_ended(env, e->gone.kind, &e->before, ks_slot_id(&e->ref));
	}
	ks_fetch_add(entry_counter(counts, e->key.kind, e->after.state), 1);
	mapping_account(env, e->key.kind, &e->after, 1);
	if (entry_is_flow(e->key.kind, e->after.state)) {
		half_open_account(counts, KS_STATE_NONE, e->after.state);
		ks_fetch_add(&counts->created, 1);
	}
	return KS_REASON_OK_NEW;
}

/* The claim of a bucket in which another CPU inserts. */
struct claim_ctx {
	struct ks_env *env;
	__u32 bucket;
	bool claimed;
};

static long claim_try(__u32 n, void *arg)
{
	struct claim_ctx *ctx = arg;
	struct ks_bucket *bucket = env_bucket(ctx->env, ctx->bucket);

	ctx->claimed = bucket && ks_load_relaxed(&bucket->claim) == 0 && ks_cmpxchg(&bucket->claim, 0, 1) == 0;
	return !bucket || ctx->claimed;
}

static ks_inline bool bucket_claim(struct ks_env *env, struct ks_bucket *bucket, __u32 index)
{
	struct claim_ctx ctx = { .env = env, .bucket = index };

	if (ks_likely(ks_cmpxchg(&bucket->claim, 0, 1) == 0))
		return true;
	ks_loop(CLAIM_TRIES, claim_try, &ctx);
	return ctx.claimed;
}

/*
 * Returns true if a new entry may take a free slot: it is no flow, or the table has room and its source has not had its share.
 * Else c->is_bound is set if the source has too many.
 */
static ks_inline bool may_grow(struct insert_ctx *c, const struct ks_config *config, __u32 flows)
{
	bool is_full = flows >= config->limit_states;

	if (!entry_is_flow(c->e->key.kind, c->e->after.state))
		return true;
	c->is_bound = ks_share_is_spent(c->env, config, c->e) ||
		      (is_full && ks_share_is_large(c->env, c->e, KS_SHARE_LOOSE, config->limit_states));
	return !is_full && !c->is_bound;
}

/* Chooses a slot: a free one, else one whose entry makes room. Returns 0 or a reason. */
static ks_inline __u32 slot_find(struct insert_ctx *c, struct ks_entry *e, const struct ks_config *config,
				 struct ks_table_counts *counts)
{
	if (may_grow(c, config, ks_load_relaxed(&counts->flows)))
		choose_free(c);
	if (c->best.rank == SLOT_TAKEN)
		ks_loop(2 * KS_BUCKET_SLOTS, rank_own, c);
	return c->best.rank == SLOT_TAKEN ? make_room(c, e, counts) : 0;
}

static ks_inline __u32 insert_claimed(struct ks_env *env, struct ks_entry *e, const struct candidates *p, __u32 buckets,
				      struct ks_table_counts *counts, bool is_spent)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;
	struct insert_ctx c = {
		.env = env,
		.e = e,
		.candidates = p,
		.buckets = buckets,
		.used = { (__u8)ks_hide_value(0, e->hash), (__u8)ks_hide_value(0, e->hash) },
		.free = { (__u8)ks_hide_value(NO_SLOT, e->hash), (__u8)ks_hide_value(NO_SLOT, e->hash) },
		.same = { .slot = (__u32)ks_hide_value(NO_SLOT, e->hash) },
		.best = { .rank = (__u32)ks_hide_value(SLOT_TAKEN, e->hash), .age = (__s32)ks_hide_value(0, e->hash) },
	};

	if (!config)
		return KS_REASON_INTERNAL;
	ks_loop(2, bucket_scan_tags, &c);
	if (c.same.slot != NO_SLOT && !same_key_is_replaceable(&c))
		return KS_REASON_CONTENDED;
	if (is_spent && c.best.rank == SLOT_TAKEN)
		reason = make_room_for_tally(&c, e, counts);
	else
		reason = slot_find(&c, e, config, counts);
	return reason ?: slot_fill(env, e, &c.best, p->tag, counts);
}

/* Returns true if there are as many records of the entry's kind as there may be. Flows and datagrams are bounded elsewhere. */
static ks_inline bool budget_is_spent(const struct ks_config *config, struct ks_table_counts *counts,
				      const struct ks_entry *e)
{
	return e->key.kind != KS_KIND_FLOW && e->key.kind != KS_KIND_FRAGMENT &&
	       ks_load_relaxed(entry_counter(counts, e->key.kind, e->after.state)) >=
		       config->limit_kind[e->key.kind & (KS_KIND_MAX - 1)];
}

ks_isolated __u32 ks_table_insert_isolated(struct ks_env *env, struct ks_entry *e)
{
	const struct ks_table_shape *shape;
	struct ks_table_counts *counts;
	const struct ks_config *config;
	struct ks_bucket *primary;
	struct candidates p;
	bool is_spent;
	__u32 reason;

	if (ks_missing(env) || ks_missing(e))
		return KS_REASON_INTERNAL;
	ks_hide_bound(env);
	ks_hide_bound(e);
	e->gone_counted = 0;
	shape = env_table_shape(env);
	counts = env_table_counts(env);
	config = env_config(env);
	if (!shape || !counts || !config)
		return KS_REASON_INTERNAL;
	is_spent = budget_is_spent(config, counts, e);
	if (is_spent && e->after.state != KS_STATE_TALLY)
		return KS_REASON_TABLE_FULL;
	p = candidates_of(e->hash, shape);
	primary = env_bucket(env, p.bucket[0]);
	if (!primary)
		return KS_REASON_INTERNAL;
	if (!bucket_claim(env, primary, p.bucket[0]))
		return KS_REASON_CONTENDED;
	reason = insert_claimed(env, e, &p, shape->buckets, counts, is_spent);
	ks_cmpxchg(&primary->claim, 1, 0);
	return reason;
}
