// SPDX-License-Identifier: BSD-2-Clause
/* The state table; see table.h for how it lives and what guards it. */
#include "table.h"

#include "env.h"
#include "hash.h"
#include "home.h"
#include "verdict.h"

#define CLAIM_TRIES 16
#define KILL_TRIES 16

/* The two buckets of a hash, and the tag that a slot carries. */
struct places {
	__u32 bucket[2];
	__u16 tag;
};

static inline struct places places_of(__u64 hash, const struct ks_table_shape *shape)
{
	struct places p = {
		.bucket = { ks_table_place(shape, hash, 0), ks_table_place(shape, hash, 1) },
		.tag = ks_table_tag(hash),
	};

	return p;
}

static inline bool key_equal(const struct ks_flow_key *a, const struct ks_flow_key *b)
{
	return a->addr[0].d[0] == b->addr[0].d[0] && a->addr[0].d[1] == b->addr[0].d[1] &&
	       a->addr[1].d[0] == b->addr[1].d[0] && a->addr[1].d[1] == b->addr[1].d[1] &&
	       ks_load64(a->port) == ks_load64(b->port);
}

_Static_assert(sizeof(struct ks_flow_key) == 40 && __builtin_offsetof(struct ks_flow_key, port) == 32,
	       "ports, protocol and family are one word");

/*
 * Copies the flow of a slot if it is that of e->key. The version is read
 * before the key and again after the copy, so that key and flow belong
 * together. e->busy is set if somebody wrote meanwhile.
 */
static inline bool slot_read(const struct ks_slot *slot, struct ks_entry *e)
{
	__u32 version = ks_load_acquire(&slot->flow.version);

	if (!key_equal(&slot->key, &e->key))
		return false;
	e->before = slot->flow;
	ks_barrier();
	e->busy = version & 1 || version != ks_load_acquire(&slot->flow.version);
	e->before.version = version;
	return e->busy || e->before.state != KS_STATE_NONE;
}

/* Looks through one bucket. Returns true when the search is over. */
static inline bool bucket_search(struct ks_bucket *bucket, __u16 tag, struct ks_entry *e)
{
	for (__u32 i = 0; i < KS_BUCKET_SLOTS; i++) {
		struct ks_slot *slot = &bucket->slot[i];

		if (bucket->tag[i] != tag || !slot_read(slot, e))
			continue;
		e->ref.slot = i;
		e->found = !e->busy;
		return true;
	}
	return false;
}

void ks_table_hash(struct ks_env *env, struct ks_entry *e)
{
	const struct ks_table_shape *shape = env_table_shape(env);

	if (shape)
		e->hash = ks_flow_key_hash(&e->key, shape->key);
}

/*
 * An alias lives as long as its flow points back at it; a new one, whose flow
 * is not in the table yet, for a moment of grace.
 */
static bool alias_is_orphan(struct ks_env *env, const struct ks_flow *alias, __u32 place)
{
	struct ks_flow_ref ref = ks_place_ref(alias->alias[0]);
	struct ks_bucket *bucket;
	struct ks_slot *slot;

	if (!alias->alias[0])
		return true;
	bucket = env_bucket(env, ref.bucket);
	if (!bucket)
		return true;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	return slot->flow.state == KS_STATE_NONE || slot->flow.state == KS_STATE_ALIAS ||
	       (slot->flow.alias[0] != place && slot->flow.alias[1] != place);
}

static inline bool entry_is_dead(struct ks_env *env, const struct ks_flow *flow, __u32 place, __u32 clock)
{
	if (!ks_flow_is_dead(flow, clock))
		return false;
	return flow->state != KS_STATE_ALIAS || alias_is_orphan(env, flow, place);
}

void ks_table_read(struct ks_env *env, struct ks_entry *e)
{
	struct ks_bucket *bucket = env_bucket(env, e->ref.bucket);
	struct ks_slot *slot;
	__u32 version;

	e->found = 0;
	e->busy = 0;
	if (!bucket)
		return;
	slot = &bucket->slot[e->ref.slot & KS_BUCKET_SLOT_MASK];
	version = ks_load_acquire(&slot->flow.version);
	e->key = slot->key;
	e->before = slot->flow;
	ks_barrier();
	e->busy = version & 1 || version != ks_load_acquire(&slot->flow.version);
	e->before.version = version;
	e->found = !e->busy && e->before.state != KS_STATE_NONE && !ks_flow_is_dead(&e->before, e->clock);
}

void ks_table_find(struct ks_env *env, struct ks_entry *e)
{
	const struct ks_table_shape *shape = env_table_shape(env);
	struct places p;

	e->found = 0;
	e->busy = 0;
	if (!shape)
		return;
	p = places_of(e->hash, shape);
	for (__u32 n = 0; n < 2; n++) {
		struct ks_bucket *bucket = env_bucket(env, p.bucket[n]);

		if (bucket && bucket_search(bucket, p.tag, e)) {
			e->ref.bucket = p.bucket[n];
			break;
		}
	}
	/* A dead flow is no flow; its slot is taken over by an insert of the same key. Of an alias its flow decides. */
	if (e->found && e->before.state != KS_STATE_ALIAS && ks_flow_is_dead(&e->before, e->clock))
		e->found = 0;
}

/* Takes the right to write a slot. The version is even again when it is given back. */
static inline bool slot_claim(struct ks_slot *slot, __u32 version)
{
	return ks_cmpxchg(&slot->flow.version, version, version + 1) == version;
}

/* The claim is ours alone, so a store gives it back. */
static inline void slot_release(struct ks_slot *slot)
{
	ks_store_release(&slot->flow.version, slot->flow.version + 1);
}

static inline void slot_write(struct ks_slot *slot, struct ks_entry *e, __u32 version)
{
	e->after.version = version + 1;
	slot->flow = e->after;
	slot_release(slot);
	e->after.version = version + 2;
}

static inline void half_open_account(struct ks_table_counts *counts, __u32 before, __u32 after)
{
	bool was = ks_state_is_half_open(before), is = ks_state_is_half_open(after);

	if (was && !is)
		ks_fetch_add(&counts->half_open, -1);
	else if (!was && is)
		ks_fetch_add(&counts->half_open, 1);
}

bool ks_table_commit(struct ks_env *env, struct ks_entry *e)
{
	struct ks_bucket *bucket = env_bucket(env, e->ref.bucket);
	__u32 version = e->before.version;
	struct ks_table_counts *counts;
	struct ks_slot *slot;

	if (!bucket)
		return false;
	slot = &bucket->slot[e->ref.slot & KS_BUCKET_SLOT_MASK];
	if (!slot_claim(slot, version))
		return false;
	slot_write(slot, e, version);
	if (e->before.state != e->after.state) {
		counts = env_table_counts(env);
		if (counts)
			half_open_account(counts, e->before.state, e->after.state);
	}
	return true;
}

/* Frees the alias at a place if it is that of the flow at `owner`. One that is busy is left to the sweeper. */
static void alias_free(struct ks_env *env, struct ks_table_counts *counts, __u32 place, __u32 owner)
{
	struct ks_flow_ref ref = ks_place_ref(place);
	struct ks_bucket *bucket;
	struct ks_slot *slot;
	__u32 version;

	if (!place)
		return;
	bucket = env_bucket(env, ref.bucket);
	if (!bucket)
		return;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	version = ks_load_acquire(&slot->flow.version);
	if (version & 1 || !slot_claim(slot, version))
		return;
	if (slot->flow.state == KS_STATE_ALIAS && slot->flow.alias[0] == owner) {
		bucket->tag[ref.slot & KS_BUCKET_SLOT_MASK] = 0;
		slot->flow.state = KS_STATE_NONE;
		ks_fetch_add(&counts->records[KS_KIND_FLOW], -1);
	}
	slot_release(slot);
}

/* What an entry is counted as: a flow, or a record of its kind. */
static inline bool entry_is_flow(const struct ks_flow_key *key, __u32 state)
{
	return key->kind == KS_KIND_FLOW && state != KS_STATE_ALIAS;
}

static inline __u32 *entry_counter(struct ks_table_counts *counts, const struct ks_flow_key *key, __u32 state)
{
	return entry_is_flow(key, state) ? &counts->flows : &counts->records[key->kind & (KS_KIND_MAX - 1)];
}

_Static_assert((KS_KIND_MAX & (KS_KIND_MAX - 1)) == 0, "kinds are masked");

/* Whether the budget of half-open connections admits the new flow. */
static inline bool half_open_admits(const struct ks_config *config, const struct ks_table_counts *counts,
				    const struct ks_entry *e)
{
	return !ks_state_is_half_open(e->after.state) || counts->half_open < config->limit_half_open;
}

__u32 ks_table_replace(struct ks_env *env, struct ks_entry *e)
{
	struct ks_table_counts *counts = env_table_counts(env);
	const struct ks_config *config = env_config(env);

	if (!counts || !config)
		return KS_REASON_INTERNAL;
	if (!half_open_admits(config, counts, e))
		return KS_REASON_HALF_OPEN_FULL;
	if (!ks_table_commit(env, e))
		return KS_REASON_CONTENDED;
	env_count_flow(env, &e->before);
	ks_fetch_add(&counts->created, 1);
	ks_fetch_add(&counts->recycled, 1);
	return KS_REASON_OK_NEW;
}

/* How welcome a slot is to a new flow: the lower the better. */
enum slot_rank { SLOT_SAME_KEY, SLOT_FREE, SLOT_DEAD, SLOT_CLOSED, SLOT_TAKEN };

#define NO_SLOT KS_BUCKET_SLOTS

/*
 * A bucket with so few flows takes a new one without comparing it with the
 * other: lookups then mostly end in the first bucket. Above it the emptier of
 * the two is taken; filled to 5/7 so, some four in a million find both full.
 */
#define BUCKET_LOW 3

/* The slot that a new flow gets. */
struct choice {
	__u32 rank;
	__u32 bucket;
	__u32 slot;
};

/* A look through both buckets of a key. */
struct choosing {
	struct ks_env *env;
	const struct ks_entry *e;
	const struct places *places;
	__u32 used[2]; /* slots in use */
	__u32 free[2]; /* a free slot, or NO_SLOT */
	bool live; /* the key is in the table already, and alive */
	struct choice best;
};

static inline void choose(struct choosing *c, __u32 rank, __u32 bucket, __u32 slot)
{
	if (rank >= c->best.rank)
		return;
	c->best.rank = rank;
	c->best.bucket = bucket;
	c->best.slot = slot;
}

/* A dead flow may be taken over, a closed one recycled; a live one never. */
static inline __u32 slot_rank(const struct ks_flow *flow, __u32 clock)
{
	if (flow->version & 1 || flow->state == KS_STATE_NONE)
		return SLOT_TAKEN; /* in the hands of somebody else */
	if (flow->state == KS_STATE_ALIAS)
		return SLOT_TAKEN; /* goes with its flow */
	if (ks_flow_is_dead(flow, clock))
		return SLOT_DEAD;
	return ks_state_is_closed(flow->state) ? SLOT_CLOSED : SLOT_TAKEN;
}

/* An alias whose flow is gone may be taken over by the same key. */
static inline bool alias_is_left(struct choosing *c, const struct ks_slot *slot, __u32 bucket, __u32 i)
{
	struct ks_flow_ref ref = { .bucket = bucket, .slot = i };

	return slot->flow.state == KS_STATE_ALIAS && !(slot->flow.version & 1) &&
	       entry_is_dead(c->env, &slot->flow, ks_place_of(&ref), c->e->clock);
}

/* Looks at a slot's tag only, unless it may be the same key. */
static long slot_glance(__u32 n, void *arg)
{
	struct choosing *c = arg;
	__u32 second = n >= KS_BUCKET_SLOTS, i = n & KS_BUCKET_SLOT_MASK;
	__u32 index = second ? c->places->bucket[1] : c->places->bucket[0];
	struct ks_bucket *bucket = env_bucket(c->env, index);
	struct ks_slot *slot;

	if (!bucket)
		return 1;
	if (bucket->tag[i] == 0) {
		if (second)
			c->free[1] = i;
		else
			c->free[0] = i;
		return 0;
	}
	if (second)
		c->used[1]++;
	else
		c->used[0]++;
	slot = &bucket->slot[i];
	if (bucket->tag[i] != c->places->tag || !key_equal(&slot->key, &c->e->key))
		return 0;
	if (slot_rank(&slot->flow, c->e->clock) == SLOT_DEAD || alias_is_left(c, slot, index, i))
		choose(c, SLOT_SAME_KEY, index, i);
	else
		c->live = true;
	return 0;
}

/* Looks at the flow itself: whether it may make room. */
static long slot_consider(__u32 n, void *arg)
{
	struct choosing *c = arg;
	__u32 i = n & KS_BUCKET_SLOT_MASK;
	__u32 index = n >= KS_BUCKET_SLOTS ? c->places->bucket[1] : c->places->bucket[0];
	struct ks_bucket *bucket = env_bucket(c->env, index);

	if (!bucket)
		return 1;
	choose(c, slot_rank(&bucket->slot[i].flow, c->e->clock), index, i);
	return 0;
}

static void choose_free(struct choosing *c)
{
	bool first = c->free[0] != NO_SLOT, second = c->free[1] != NO_SLOT;

	if (first && second && c->used[0] > BUCKET_LOW && c->used[0] > c->used[1])
		first = false;
	if (first)
		choose(c, SLOT_FREE, c->places->bucket[0], c->free[0]);
	else if (second)
		choose(c, SLOT_FREE, c->places->bucket[1], c->free[1]);
}

/* Since it was ranked a slot may have been filled, freed, or its flow revived: then it is not ours to take. */
static inline bool slot_is_still(const struct ks_flow *flow, __u32 rank, __u32 clock)
{
	if (rank == SLOT_FREE || flow->state == KS_STATE_NONE)
		return rank == SLOT_FREE && flow->state == KS_STATE_NONE;
	if (flow->state == KS_STATE_ALIAS)
		return rank == SLOT_SAME_KEY;
	return ks_flow_is_dead(flow, clock) || ks_state_is_closed(flow->state);
}

/* The entry that had to make room is accounted for as ended. */
static void ended(struct ks_env *env, struct ks_table_counts *counts, const struct ks_flow_key *key,
		  const struct ks_flow *flow, __u32 place)
{
	ks_fetch_add(entry_counter(counts, key, flow->state), -1);
	if (!entry_is_flow(key, flow->state))
		return;
	half_open_account(counts, flow->state, KS_STATE_NONE);
	env_count_flow(env, flow);
	alias_free(env, counts, flow->alias[0], place);
	if (flow->alias[1] != flow->alias[0])
		alias_free(env, counts, flow->alias[1], place);
}

/* Puts the flow into the chosen slot; whatever was there is accounted for. */
static __u32 slot_fill(struct ks_env *env, struct ks_entry *e, const struct choice *best, __u16 tag,
		       struct ks_table_counts *counts)
{
	struct ks_bucket *bucket = env_bucket(env, best->bucket);
	struct ks_flow_key gone;
	struct ks_slot *slot;
	__u32 version;

	if (!bucket)
		return KS_REASON_INTERNAL;
	slot = &bucket->slot[best->slot & KS_BUCKET_SLOT_MASK];
	version = ks_load_acquire(&slot->flow.version);
	if (version & 1 || !slot_claim(slot, version))
		return KS_REASON_CONTENDED;
	e->before = slot->flow;
	if (!slot_is_still(&e->before, best->rank, e->clock)) {
		slot_release(slot);
		return KS_REASON_CONTENDED;
	}
	gone = slot->key;
	slot->key = e->key;
	bucket->tag[best->slot & KS_BUCKET_SLOT_MASK] = tag;
	slot_write(slot, e, version);
	e->ref.bucket = best->bucket;
	e->ref.slot = best->slot;
	if (best->rank != SLOT_FREE) {
		if (entry_is_flow(&gone, e->before.state))
			ks_fetch_add(&counts->recycled, 1);
		ended(env, counts, &gone, &e->before, ks_place_of(&e->ref));
	}
	ks_fetch_add(entry_counter(counts, &e->key, e->after.state), 1);
	if (entry_is_flow(&e->key, e->after.state)) {
		half_open_account(counts, KS_STATE_NONE, e->after.state);
		ks_fetch_add(&counts->created, 1);
	}
	return KS_REASON_OK_NEW;
}

static bool bucket_claim(struct ks_bucket *bucket)
{
	for (__u32 n = 0; n < CLAIM_TRIES; n++) {
		if (ks_cmpxchg(&bucket->claim, 0, 1) == 0)
			return true;
	}
	return false;
}

static __u32 insert_claimed(struct ks_env *env, struct ks_entry *e, const struct places *p,
			    const struct ks_config *config, struct ks_table_counts *counts)
{
	struct choosing c = {
		.env = env,
		.e = e,
		.places = p,
		.free = { NO_SLOT, NO_SLOT },
		.best = { .rank = SLOT_TAKEN },
	};

	ks_loop(2 * KS_BUCKET_SLOTS, slot_glance, &c);
	if (c.live)
		return KS_REASON_CONTENDED;
	if (!entry_is_flow(&e->key, e->after.state) || counts->flows < config->limit_states)
		choose_free(&c);
	if (c.best.rank == SLOT_TAKEN)
		ks_loop(2 * KS_BUCKET_SLOTS, slot_consider, &c);
	if (c.best.rank == SLOT_TAKEN)
		return KS_REASON_TABLE_FULL;
	return slot_fill(env, e, &c.best, p->tag, counts);
}

__u32 ks_table_insert(struct ks_env *env, struct ks_entry *e)
{
	const struct ks_table_shape *shape = env_table_shape(env);
	struct ks_table_counts *counts = env_table_counts(env);
	const struct ks_config *config = env_config(env);
	struct ks_bucket *primary;
	struct places p;
	__u32 reason;

	if (!shape || !counts || !config)
		return KS_REASON_INTERNAL;
	if (!half_open_admits(config, counts, e))
		return KS_REASON_HALF_OPEN_FULL;
	if (e->key.kind != KS_KIND_FLOW && *entry_counter(counts, &e->key, e->after.state) >=
						   config->limit_kind[e->key.kind & (KS_KIND_MAX - 1)])
		return KS_REASON_TABLE_FULL;
	p = places_of(e->hash, shape);
	primary = env_bucket(env, p.bucket[0]);
	if (!primary)
		return KS_REASON_INTERNAL;
	if (!bucket_claim(primary))
		return KS_REASON_CONTENDED;
	reason = insert_claimed(env, e, &p, config, counts);
	ks_cmpxchg(&primary->claim, 1, 0);
	return reason;
}

/* Frees a claimed slot. */
static void slot_free(struct ks_env *env, struct ks_bucket *bucket, const struct ks_flow_ref *ref,
		      struct ks_table_counts *counts)
{
	struct ks_slot *slot = &bucket->slot[ref->slot & KS_BUCKET_SLOT_MASK];

	ended(env, counts, &slot->key, &slot->flow, ks_place_of(ref));
	bucket->tag[ref->slot & KS_BUCKET_SLOT_MASK] = 0;
	slot->flow.state = KS_STATE_NONE;
	slot_release(slot);
}

bool ks_table_free(struct ks_env *env, struct ks_entry *e)
{
	struct ks_bucket *bucket = env_bucket(env, e->ref.bucket);
	struct ks_table_counts *counts = env_table_counts(env);

	if (!bucket || !counts || !slot_claim(&bucket->slot[e->ref.slot & KS_BUCKET_SLOT_MASK], e->before.version))
		return false;
	slot_free(env, bucket, &e->ref, counts);
	return true;
}

/* A sweep of one bucket. */
struct sweep {
	struct ks_env *env;
	__u32 bucket, clock, freed;
};

static long sweep_slot(__u32 n, void *arg)
{
	struct sweep *sweep = arg;
	struct ks_flow_ref ref = { .bucket = sweep->bucket, .slot = n & KS_BUCKET_SLOT_MASK };
	struct ks_bucket *bucket = env_bucket(sweep->env, sweep->bucket);
	struct ks_table_counts *counts = env_table_counts(sweep->env);
	struct ks_slot *slot;
	__u32 version;

	if (!bucket || !counts)
		return 1;
	slot = &bucket->slot[ref.slot];
	if (bucket->tag[ref.slot] == 0 || !ks_flow_is_dead(&slot->flow, sweep->clock))
		return 0;
	version = ks_load_acquire(&slot->flow.version);
	if (version & 1 || !slot_claim(slot, version))
		return 0;
	if (slot->flow.state == KS_STATE_NONE ||
	    !entry_is_dead(sweep->env, &slot->flow, ks_place_of(&ref), sweep->clock)) {
		slot_release(slot);
		return 0;
	}
	sweep->freed += entry_is_flow(&slot->key, slot->flow.state);
	slot_free(sweep->env, bucket, &ref, counts);
	return 0;
}

__u32 ks_table_sweep(struct ks_env *env, __u32 index, __u64 now)
{
	struct ks_table_counts *counts = env_table_counts(env);
	struct sweep sweep = { .env = env, .bucket = index, .clock = ks_flow_clock(now) };

	ks_loop(KS_BUCKET_SLOTS, sweep_slot, &sweep);
	if (sweep.freed && counts)
		ks_fetch_add(&counts->expired, sweep.freed);
	return sweep.freed;
}

/* Tries to kill the flow of a key. */
struct killing {
	struct ks_env *env;
	struct ks_entry *e;
	bool killed;
};

/* One try; returns nonzero when the flow is dead or not there. */
static long kill_try(__u32 n, void *arg)
{
	struct killing *k = arg;
	struct ks_table_counts *counts = env_table_counts(k->env);

	ks_table_find(k->env, k->e);
	if (k->e->busy)
		return 0;
	if (!k->e->found || !counts)
		return 1;
	if (!ks_table_free(k->env, k->e))
		return 0;
	ks_fetch_add(&counts->killed, 1);
	k->killed = true;
	return 1;
}

bool ks_table_kill(struct ks_env *env, struct ks_entry *e)
{
	struct killing killing = { .env = env, .e = e };

	ks_table_hash(env, e);
	/* Packets of a busy flow may be first now and then. */
	ks_loop(KILL_TRIES, kill_try, &killing);
	return killing.killed;
}
