/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by the two halves of the state table, table.c (find, commit, free, sweep) and insert.c, and by those that write a
 * table from outside (engine/table_copy.c). The claims are described in table.h.
 */
#ifndef KS_CORE_TABLE_INTERNAL_H
#define KS_CORE_TABLE_INTERNAL_H

#include "core/env.h"
#include "core/home.h"
#include "core/table/flow_event.h"
#include "core/table/share.h"
#include "core/table/table.h"
#include "core/table/tally.h"

/*
 * A bucket with at most this many entries takes a new one without a look at the
 * other, so that most lookups end in the first bucket. Above it the emptier of
 * the two is taken. Filled to 5/7, four new flows in a million find both full.
 */
#define KS_BUCKET_LOW 3

/* The two buckets of a hash, and the tag that a slot carries. */
struct candidates {
	__u32 bucket[2];
	__u16 tag;
};

static inline struct candidates candidates_of(__u64 hash, const struct ks_table_shape *shape)
{
	struct candidates p = {
		.bucket = { ks_table_bucket(shape, hash, 0), ks_table_bucket(shape, hash, 1) },
		.tag = ks_table_tag(hash),
	};

	return p;
}

/* The tags of a bucket. Not in ks_table_find(), where the shape is at hand. */
static ks_inline struct ks_tags *tags_in(struct ks_env *env, const struct ks_table_shape *shape, __u32 index)
{
	struct ks_bucket *page = env_bucket(env, shape->buckets + index / KS_TAGS_IN_PAGE);

	return page ? (struct ks_tags *)page + index % KS_TAGS_IN_PAGE : NULL;
}

static ks_inline struct ks_tags *tags_get(struct ks_env *env, __u32 index)
{
	const struct ks_table_shape *shape = env_table_shape(env);

	return shape ? tags_in(env, shape, index) : NULL;
}

/* Writes the tag of a slot that is claimed. */
static ks_inline void tag_set(struct ks_env *env, const struct ks_flow_ref *ref, __u16 tag)
{
	struct ks_tags *tags = tags_get(env, ref->bucket);

	if (tags)
		ks_store_relaxed(&tags->tag[ref->slot & KS_BUCKET_SLOT_MASK], tag);
}

#define KS_TAG_EACH 0x0001000100010001ULL /* times a tag: that in all four of a word */
#define KS_TAG_REST 0x7fff7fff7fff7fffULL

/* Returns which of four tags are `tag`: the highest bit of each that is. Exact, unlike the shorter test for a zero (Warren, Hacker's Delight, 6-1). */
static ks_inline __u64 tags_equal(__u64 tags, __u16 tag)
{
	__u64 differ = tags ^ tag * KS_TAG_EACH;

	return ~((((differ & KS_TAG_REST) + KS_TAG_REST) | differ) | KS_TAG_REST);
}

static ks_inline bool tags_have(const struct ks_tags *tags, __u16 tag)
{
	return tags_equal(ks_load_hint(&tags->word[0]), tag) | tags_equal(ks_load_hint(&tags->word[1]), tag);
}

static inline bool key_equal(const struct ks_flow_key *a, const struct ks_flow_key *b)
{
	return ks_addr_equal(&a->addr[0], &b->addr[0]) && ks_addr_equal(&a->addr[1], &b->addr[1]) && a->tail == b->tail;
}

_Static_assert(sizeof(struct ks_flow_key) == 40 && __builtin_offsetof(struct ks_flow_key, port) == 32,
	       "ports, protocol and family are one word");

/*
 * The same for a key in the table, which a writer may be changing. A mixture of two keys can be equal to neither or, if
 * unlucky, to `key`: the slot's version, read before and after, tells.
 */
static inline bool shared_key_equal(const struct ks_flow_key *shared, const struct ks_flow_key *key)
{
	return ks_load_hint(&shared->addr[0].d[0]) == key->addr[0].d[0] &&
	       ks_load_hint(&shared->addr[0].d[1]) == key->addr[0].d[1] &&
	       ks_load_hint(&shared->addr[1].d[0]) == key->addr[1].d[0] &&
	       ks_load_hint(&shared->addr[1].d[1]) == key->addr[1].d[1] && ks_load_hint(&shared->tail) == key->tail;
}

/* Takes the right to write a slot. The version is even again when it is given back. */
static inline bool slot_claim(struct ks_slot *slot, __u32 version)
{
	return ks_cmpxchg(&slot->flow.version, version, version + 1) == version;
}

/* Gives back a slot that was claimed at `version`. The claim is ours alone, so a store is enough. */
static inline void slot_release(struct ks_slot *slot, __u32 version)
{
	ks_store_release(&slot->flow.version, version + 2);
}

#define FLOW_HEAD_LEN __builtin_offsetof(struct ks_flow, seen) /* the word with the version, which is written last */

/* The version is not stored into the copy first: a CPU that loads several words at once would wait for that store. */
static inline void slot_write(struct ks_slot *slot, struct ks_entry *e, __u32 version)
{
	ks_store_relaxed((__u32 *)&slot->flow.state, ks_load32(&e->after.state));
	ks_words_store((__u8 *)&slot->flow + FLOW_HEAD_LEN, (const __u8 *)&e->after + FLOW_HEAD_LEN,
		       sizeof(slot->flow) - FLOW_HEAD_LEN);
	slot_release(slot, version);
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

/* An entry is counted as a flow, or as a record of its kind. */
static inline bool entry_is_flow(__u32 kind, __u32 state)
{
	return kind == KS_KIND_FLOW && state != KS_STATE_ALIAS;
}

static inline __u32 *entry_counter(struct ks_table_counts *counts, __u32 kind, __u32 state)
{
	return entry_is_flow(kind, state) ? &counts->flows : &counts->records[kind & (KS_KIND_MAX - 1)];
}

_Static_assert((KS_KIND_MAX & (KS_KIND_MAX - 1)) == 0, "kinds are masked");

/* Counts a mapping that begins (1) or ends (-1) for its inner address. */
static inline void mapping_account(struct ks_env *env, __u32 kind, const struct ks_flow *entry, __s32 change)
{
	const struct ks_table_shape *shape;
	struct ks_budget *budget;

	if (kind != KS_KIND_MAPPING_IN)
		return;
	shape = env_table_shape(env);
	budget = shape ? env_budget(env, ks_budget_index(shape, &ks_record_of(entry)->mapping.addr)) : NULL;
	if (budget)
		ks_fetch_add(&budget->mappings, change);
}

/* The bucket that the n-th seat of a queue lies in (queue.h), and its place there. */
static inline __u32 ks_seat_bucket(__u32 queue, __u32 n)
{
	return queue == KS_QUEUE_HALF_OPEN ? n / KS_HALF_OPEN_SEATS : n;
}

static ks_inline __u64 *ks_seat_in(struct ks_bucket *bucket, __u32 queue, __u32 n)
{
	if (queue != KS_QUEUE_HALF_OPEN)
		return &bucket->seat[KS_HALF_OPEN_SEATS];
	return &bucket->seat[n & (KS_HALF_OPEN_SEATS - 1)];
}

_Static_assert((KS_HALF_OPEN_SEATS & (KS_HALF_OPEN_SEATS - 1)) == 0 && KS_DATAGRAM_SEATS == 1 &&
		       KS_HALF_OPEN_SEATS + KS_DATAGRAM_SEATS == KS_BUCKET_SEATS,
	       "the seats of the queues lie one behind the other");

#define KS_SEAT_STAMP_SHIFT 32

/* An entry as a seat names it: the id of its slot, and a stamp by which it is told from others that had that slot. */
static inline __u64 ks_seat_owner(__u32 id, __u64 hash, __u32 kind, const struct ks_flow *flow)
{
	__u32 stamp = (__u32)(hash >> KS_SEAT_STAMP_SHIFT);

	if (kind == KS_KIND_FLOW)
		stamp ^= flow->created;
	return (__u64)stamp << KS_SEAT_STAMP_SHIFT | id;
}

__u32 ks_table_ended_isolated(struct ks_env *env, __u32 kind, const struct ks_flow *flow, __u32 id);

/*
 * The entry of a kind in slot `id` is over: it is accounted for, and its aliases go with it. In a function that is verified apart,
 * or with the environment of one.
 */
static inline void ks_table_ended(struct ks_env *env, __u32 kind, const struct ks_flow *flow, __u32 id)
{
	ks_table_ended_isolated(env, kind, flow, id);
}

/* The same is told, before its aliases go, if it is a flow. Not by ks_table_ended(), because inserting has no frames to spare (V2). */
static ks_inline void entry_tell_end(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *flow,
				     __u32 why)
{
	if (entry_is_flow(key->kind, flow->state))
		ks_flow_tell_end(env, key, flow, why);
}

/*
 * Frees a slot that was claimed at `version`. If it has a flow that was counted, that has been given back (tally.h). `why` is enum
 * ks_end if it is a flow. In a function that is verified apart, or with the environment of one.
 */
static ks_inline void slot_free(struct ks_env *env, struct ks_bucket *bucket, const struct ks_flow_ref *ref,
				__u32 version, __u32 why)
{
	struct ks_slot *slot = &bucket->slot[ref->slot & KS_BUCKET_SLOT_MASK];

	entry_tell_end(env, &slot->key, &slot->flow, why);
	ks_table_ended(env, slot->key.kind, &slot->flow, ks_slot_id(ref));
	ks_share_count(env, &slot->key, &slot->flow, -1);
	tag_set(env, ref, 0);
	ks_store_relaxed(&slot->flow.state, KS_STATE_NONE);
	slot_release(slot, version);
}

/* Returns true if the flow that the alias in slot `id` names as its own, `owner`, is gone or dead. */
bool ks_table_is_orphan(struct ks_env *env, __u32 owner, __u32 id, __u32 clock);

#endif
