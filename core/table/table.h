/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state table: every flow, and every other thing that is remembered between packets.
 *
 * Overview
 *
 * The table is an array of buckets of eight slots. A key has two candidate buckets, placed by a keyed hash, and lies in one of
 * them. The memory is the home's: an array map in the kernel, an anonymous mapping natively. An entry is never moved, so its
 * slot id (ks_slot_id()) is good as a name for as long as it lives. Of each slot there is a tag, 16 bits of the key's hash. The
 * tags of all buckets lie together behind the last bucket, 16 bytes a bucket, so that they stay in the cache: a lookup reads
 * those of one or two buckets and then, only if there is such an entry, nearly always one slot.
 *
 * Life cycle
 *
 *   free     tag 0, state KS_STATE_NONE
 *   insert   an entry is written into a free slot, or over one that may be recycled (insert.c has the rules)
 *   commit   a packet was judged on a copy (struct ks_entry), which replaces the entry if nobody has written it since
 *   dead     `timeout` ms after `seen`: from then on a lookup takes the entry for absent. It still takes room
 *   free     by the sweeper, by an insert that recycles it, or by somebody who ends it (ks_table_free(), ks_table_kill())
 *
 * An alias (core/nat/alias.h) has no lifetime of its own: it lives as long as its flow, and is freed with it.
 *
 * Writers
 *
 *   flow.version   odd while a CPU writes the slot. A CPU claims a slot by compare-and-swap from the even version that it read
 *                  to the odd one behind it, and gives it back by a release store of the next even one. So every change gives
 *                  a slot another version, and a claim succeeds only if nothing has changed since that version was read.
 *   key, flow      by the CPU that holds the slot's claim, and by no other
 *   tag            by the CPU that holds the claim of the tag's slot
 *   bucket.claim   1 while a CPU inserts a key whose first candidate this bucket is. It keeps two CPUs from inserting one key
 *                  at once, in either bucket: a key is never twice in the table
 *   counts         by anybody, by atomic additions
 *   joined, seat   see queue.h
 *   budgets        with the claim of the entry that begins or ends, by atomic additions
 *   shape          once, before the table is used
 *
 * Races, and why they are harmless
 *
 * Nobody waits for a reader, so all that a reader sees may be changing. It copies an entry between two reads of the version
 * and uses the copy only if they are the same and even; else the entry is `busy`. Reads without that check (tags, the fields
 * by which an insert ranks slots, counts) are hints: what is done about them is checked again under the claim. Counts are
 * compared with limits without a claim, so each CPU may overshoot a limit by one. By core/home.h all of these have names, and
 * the thread sanitizer is run on them (tests/unit/core/table/threads.c, tests/unit/engine/threads.c).
 *
 * Lock order
 *
 * A bucket's claim is taken first, then slots, one at a time; the one exception is an alias, claimed while its flow is. (An
 * alias holds no claim of its flow, so there is no cycle.) No claim is ever waited for: after a bounded number of tries the
 * packet is given up as "contended", which is counted. Nothing that could sleep or fail is called with a claim held.
 *
 * Source
 *
 * Two choices: Azar, Broder, Karlin, Upfal, "Balanced Allocations" (1999). SipHash: Aumasson and Bernstein (2012). Versions:
 * Linux' seqlock; Boehm, "Can seqlocks get along with programming language memory models?" (2012).
 */
#ifndef KS_CORE_TABLE_TABLE_H
#define KS_CORE_TABLE_TABLE_H

#include "core/home.h"
#include "core/table/entry.h"
#include "core/table/flow.h"
#include "core/table/place.h"
#include "core/table/queue.h"
#include "core/rules.h"
#include "core/types.h"

#define KS_BUCKET_SLOTS 8
#define KS_BUCKET_SLOT_MASK (KS_BUCKET_SLOTS - 1)
#define KS_BUCKET_SEATS 5

struct ks_slot {
	struct ks_flow_key key;
	struct ks_flow flow;
};

struct ks_bucket {
	__u32 claim; /* 1 while a CPU inserts a key whose first candidate this is */
	__u32 joined; /* of the first buckets: entries that have joined the queue of this number (queue.h) */
	__u64 seat[KS_BUCKET_SEATS]; /* of queues (queue.h) */
	__u64 zero[2]; /* with them the header is a cache line */
	struct ks_slot slot[KS_BUCKET_SLOTS];
};

/* The tags of a bucket's slots: 16 bits of the hash, 0: free. */
struct ks_tags {
	union {
		__u16 tag[KS_BUCKET_SLOTS];
		__u64 word[KS_BUCKET_SLOTS * sizeof(__u16) / sizeof(__u64)]; /* the same, four in one */
	};
};

/* Tags lie in what would be further buckets of the array, a power of two in each. */
#define KS_TAGS_SHIFT 6
#define KS_TAGS_IN_PAGE (1U << KS_TAGS_SHIFT)

_Static_assert(sizeof(struct ks_slot) == 128, "a slot is two cache lines");
_Static_assert(sizeof(struct ks_bucket) == 64 + 128 * KS_BUCKET_SLOTS, "a bucket is 17 cache lines");
_Static_assert(sizeof(struct ks_tags) * KS_TAGS_IN_PAGE <= sizeof(struct ks_bucket),
	       "a page of tags is a bucket at most");

/* Shared by all CPUs; changed only with atomic additions. */
struct ks_table_counts {
	__u32 flows; /* in the table, dead ones included until swept */
	__u32 half_open;
	__u64 created;
	__u64 expired; /* died of their timeout */
	__u64 recycled; /* closed or dead flows whose slot a new flow took */
	__u64 killed; /* by the administrator */
	__u64 swept; /* buckets visited by the sweeper */
	__u64 uncounted; /* valid packets passed without a commit, because others were always first */
	__u32 records[KS_KIND_MAX]; /* entries that are no flows, by kind; [KS_KIND_FLOW]: aliases */
};

/*
 * Mappings that inner addresses have, a number for each hash of an address, and entries that sources have (share.h). Two
 * addresses may share one; the hash is keyed, so that nobody chooses with whom. Changed only with atomic additions, when
 * such an entry begins and ends.
 */
struct ks_budget {
	__u32 mappings;
	__u32 entries;
};

#define KS_BUDGET_BITS 14
#define KS_BUDGETS (1U << KS_BUDGET_BITS)

/* Fixed when the table is made. */
struct ks_table_shape {
	__u64 key[2]; /* random secret of the hash */
	__u32 buckets;
	__u32 layout; /* KS_TABLE_LAYOUT of the build that made it (core/table/layout.h) */
};

/* Buckets for a number of flows: filled to at most 5/7, so that a refusal before the limit is improbable (table.c). */
static inline __u32 ks_table_buckets(__u32 flows)
{
	__u64 slots = (__u64)flows * 7 / 5 + 2 * KS_BUCKET_SLOTS;

	return (__u32)((slots + KS_BUCKET_SLOTS - 1) / KS_BUCKET_SLOTS);
}

/* The number of buckets that the array has for so many, those with tags included. */
static inline __u32 ks_table_length(__u32 buckets)
{
	return buckets + (buckets + KS_TAGS_IN_PAGE - 1) / KS_TAGS_IN_PAGE;
}

/* The tags of a bucket, in the memory of the whole table. */
static inline struct ks_tags *ks_tags_edit(struct ks_bucket *table, __u32 buckets, __u32 index)
{
	return (struct ks_tags *)&table[buckets + index / KS_TAGS_IN_PAGE] + index % KS_TAGS_IN_PAGE;
}

static inline const struct ks_tags *ks_tags_of(const struct ks_bucket *table, __u32 buckets, __u32 index)
{
	return (const struct ks_tags *)&table[buckets + index / KS_TAGS_IN_PAGE] + index % KS_TAGS_IN_PAGE;
}

/*
 * Entries that a policy's table must have room for: a translated flow is two. A `limit states` of the largest value
 * gets no more.
 */
static inline __u32 ks_table_entries(const struct ks_config *config)
{
	__u32 states = config->limit_states;

	return config->options & KS_OPT_NAT && states <= KS_LIMIT_STATES_MAX / 2 ? 2 * states : states;
}

#define KS_BUDGET_MULTIPLIER 0x9e3779b97f4a7c15ULL /* 2^64 divided by the golden ratio: Knuth, TAOCP 6.4 */
#define KS_BUDGET_SHIFT 32

/* The number of an inner address among KS_BUDGETS. */
static inline __u32 ks_budget_index(const struct ks_table_shape *shape, const struct ks_addr *addr)
{
	__u64 x = ((addr->d[0] ^ shape->key[0]) * KS_BUDGET_MULTIPLIER) ^ addr->d[1] ^ shape->key[1];

	x = (x ^ x >> KS_BUDGET_SHIFT) * KS_BUDGET_MULTIPLIER;
	x = (x ^ x >> KS_BUDGET_SHIFT) * KS_BUDGET_MULTIPLIER;
	return (__u32)(x >> KS_BUDGET_SHIFT) & (KS_BUDGETS - 1);
}

/* Returns how many mappings an inner address has. */
__u32 ks_table_mappings(struct ks_env *env, const struct ks_addr *addr);

/* The first (n = 0) or second (n = 1) bucket of a hash. */
static inline __u32 ks_table_bucket(const struct ks_table_shape *shape, __u64 hash, __u32 n)
{
	return (__u32)(((n ? hash >> 32 : hash & 0xffffffffU) * shape->buckets) >> 32);
}

#define KS_NEAR_SMALL 128U /* buckets; a smaller table is looked through as it lies */
#define KS_NEAR_STEP 0x9e3779b97f4a7c15ULL /* odd, so that no two steps meet */

/*
 * The n-th of the buckets that are looked through for a key beside `first`, in an order that each key has for itself. With
 * neighbours, those who make room are used up in runs that grow, as with linear probing, and a newcomer at the beginning of one
 * finds nobody (Knuth, TAOCP 6.4).
 */
static inline __u32 ks_table_near(__u64 hash, __u32 first, __u32 buckets, __u32 n)
{
	__u64 x = hash + (n + 1) * KS_NEAR_STEP;

	if (buckets < KS_NEAR_SMALL)
		return buckets ? (first + 1 + n) % buckets : 0;
	x = (x ^ x >> 32) * KS_NEAR_STEP;
	return (__u32)(((x >> 32) * buckets) >> 32);
}

/* The tag of a hash; a free slot has 0. */
static inline __u16 ks_table_tag(__u64 hash)
{
	__u16 tag = (__u16)hash;

	return tag ? tag : 1;
}

/*
 * The n-th slot where an entry is looked for in either bucket. A new one gets the first of them that is free, so most are
 * in the first or second: CPUs foresee that, and fetch the slot while they still wait for the tags.
 */
static inline __u32 ks_table_slot(__u64 hash, __u32 n)
{
	return ((__u32)hash + n) & KS_BUCKET_SLOT_MASK;
}

/* Converts bucket and slot to a slot id (from 1), and back. */
static inline __u32 ks_slot_id(const struct ks_flow_ref *ref)
{
	return ref->bucket * KS_BUCKET_SLOTS + (ref->slot & KS_BUCKET_SLOT_MASK) + 1;
}

static inline struct ks_flow_ref ks_slot_at(__u32 id)
{
	struct ks_flow_ref ref = { .bucket = (id - 1) / KS_BUCKET_SLOTS, .slot = (id - 1) & KS_BUCKET_SLOT_MASK };

	return ref;
}

/*
 * Reads the fields that tell if an entry is alive: version, state, flags, seen and timeout; no other field of `head` is filled in.
 * Nothing holds them still: a decision that rests on them is made again under the slot's claim.
 */
static inline void ks_flow_peek(const struct ks_flow *shared, struct ks_flow *head)
{
	head->version = ks_load_hint(&shared->version);
	head->state = ks_load_hint(&shared->state);
	head->flags = ks_load_hint(&shared->flags);
	head->seen = ks_load_hint(&shared->seen);
	head->timeout = ks_load_hint(&shared->timeout);
}

/*
 * Returns true for the tally of a limit that counts connections: it lives as long as they do (core/table/tally.h). Nobody
 * adds to it without its claim, so under the claim "false" is true for as long as that is held.
 */
static inline bool ks_tally_is_held(const struct ks_flow *flow)
{
	return flow->state == KS_STATE_TALLY && ks_load_relaxed(&ks_record_of(flow)->tally.count) != 0;
}

/* Fills in e->hash from e->key: before any of the following. Returns 0, because a function checked apart must return something. */
__u32 ks_table_hash_isolated(struct ks_env *env, struct ks_entry *e);

/* The same where every packet comes. */
void ks_table_hash_inlined(struct ks_env *env, struct ks_entry *e);

static inline void ks_table_hash(struct ks_env *env, struct ks_entry *e)
{
	ks_table_hash_isolated(env_isolated(env), e);
}

/* Finds the live entry of e->key: fills in e->ref, e->before and e->found, which it returns. */
__u32 ks_table_find_isolated(struct ks_env *env, struct ks_entry *e);

static inline void ks_table_find(struct ks_env *env, struct ks_entry *e)
{
	ks_table_find_isolated(env_isolated(env), e);
}

/*
 * The same by a look at e->ref alone, which need not be right. Returns false if it does not lie there, and nothing is known. For a home
 * that looks ahead (home.h).
 */
bool ks_table_find_there(struct ks_env *env, struct ks_entry *e);

/* Reads the live entry at e->ref, whatever its key: fills in e->key, e->before and e->found, which it returns; not e->hash. */
__u32 ks_table_read_isolated(struct ks_env *env, struct ks_entry *e);

static inline void ks_table_read(struct ks_env *env, struct ks_entry *e)
{
	ks_table_read_isolated(env_isolated(env), e);
}

/* Writes e->after over the entry at e->ref, a record (of a flow: ks_table_commit_flow() in tally.h), if it is still the version of e->before. Returns false if not. */
__u32 ks_table_commit_isolated(struct ks_env *env, struct ks_entry *e);

static inline bool ks_table_commit(struct ks_env *env, struct ks_entry *e)
{
	__u32 done = ks_table_commit_isolated(env_isolated(env), e);

	ks_hide_bound(done); /* a callback may return it (V8) */
	return done & 1;
}

/* The same for a flow that is over and whose key opens again: the old one is accounted for as ended. Returns as ks_table_admit(). */
__u32 ks_table_replace(struct ks_env *env, struct ks_entry *e);

/*
 * Puts e->after under e->key. Returns KS_REASON_OK_NEW, or the reason why not;
 * KS_REASON_CONTENDED also when the key is in the table already and alive:
 * another CPU may have been first, and the caller looks again.
 */
__u32 ks_table_insert_isolated(struct ks_env *env, struct ks_entry *e);

/*
 * A flow of this key and rule, which limits counted, is over (tally.h). Its originator is the key's second address if `high`.
 * Returns how many tallies have given it back.
 */
__u32 ks_tally_return_isolated(struct ks_env *env, const struct ks_flow_key *key, __u32 rule, __u32 high);

/* A flow that was recycled is given back here, because inserting has no frames to spare (V2). */
static ks_inline __u32 ks_table_insert(struct ks_env *env, struct ks_entry *e)
{
	struct ks_env *isolated = env_isolated(env);
	__u32 reason;

	if (e->key.kind != KS_KIND_FLOW && e->key.kind != KS_KIND_FRAGMENT && e->key.kind != KS_KIND_TALLY &&
	    e->key.kind != KS_KIND_PACE)
		ks_record_place_isolated(isolated, e);
	reason = ks_table_insert_isolated(isolated, e);
	if (ks_unlikely(e->gone_counted))
		ks_tally_return_isolated(isolated, &e->gone, e->gone_rule, e->gone_high);
	return reason;
}

/*
 * The same for an entry of a kind that has a queue (queue.h): flows and datagrams. If its budget was full, the one that
 * waited there longest has made room. Inlined, because frames are few (V2).
 */
static ks_inline __u32 ks_table_admit(struct ks_env *env, struct ks_entry *e)
{
	__u32 reason = ks_table_insert(env, e);

	if (reason == KS_REASON_OK_NEW)
		ks_queue_join(env, e);
	return reason;
}

/* Returns true if an insert of e->key may take the place of the live entry that ks_table_find() found. */
bool ks_table_is_replaceable(struct ks_env *env, const struct ks_entry *e);

/*
 * Frees the entry at e->ref, a record (a flow: ks_table_free_flow() in tally.h), if it is still the version of e->before. If it is
 * a flow, it ends for the reason e->why. Returns false if not.
 */
__u32 ks_table_free_isolated(struct ks_env *env, struct ks_entry *e);

static inline bool ks_table_free_for(struct ks_env *env, struct ks_entry *e, __u32 why)
{
	__u32 done;

	e->why = why;
	done = ks_table_free_isolated(env_isolated(env), e);
	ks_hide_bound(done); /* a callback may return it (V8) */
	return done & 1;
}

static inline bool ks_table_free(struct ks_env *env, struct ks_entry *e)
{
	return ks_table_free_for(env, e, 0);
}

/* Frees the dead entries of the bucket with this index. Returns how many flows were among them. */
__u32 ks_table_sweep(struct ks_env *env, __u32 index, __u64 now);

/*
 * Frees the flow of a key, whatever its state, and remembers it as ended (ended.h). `why` it ends: enum ks_end (flow_event.h).
 * Returns false if there was none.
 */
bool ks_table_kill(struct ks_env *env, struct ks_entry *e, __u32 why);

#endif
