/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two halves of the state table share: table.c (find, commit, free,
 * expire) and insert.c (where a new entry goes and what makes room for it).
 */
#ifndef KS_CORE_TABLE_INTERNAL_H
#define KS_CORE_TABLE_INTERNAL_H

#include "core/env.h"
#include "core/home.h"
#include "core/table/table.h"

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

static inline bool key_equal(const struct ks_flow_key *a, const struct ks_flow_key *b)
{
	return a->addr[0].d[0] == b->addr[0].d[0] && a->addr[0].d[1] == b->addr[0].d[1] &&
	       a->addr[1].d[0] == b->addr[1].d[0] && a->addr[1].d[1] == b->addr[1].d[1] && a->tail == b->tail;
}

_Static_assert(sizeof(struct ks_flow_key) == 40 && __builtin_offsetof(struct ks_flow_key, port) == 32,
	       "ports, protocol and family are one word");

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

/* The entry under `key` at `place` is over: it is accounted for, and its aliases go with it. */
void ks_table_ended(struct ks_env *env, struct ks_table_counts *counts, const struct ks_flow_key *key,
		    const struct ks_flow *flow, __u32 place);

/* Frees a claimed slot. */
static ks_inline void slot_free(struct ks_env *env, struct ks_bucket *bucket, const struct ks_flow_ref *ref,
				struct ks_table_counts *counts)
{
	struct ks_slot *slot = &bucket->slot[ref->slot & KS_BUCKET_SLOT_MASK];

	ks_table_ended(env, counts, &slot->key, &slot->flow, ks_slot_id(ref));
	bucket->tag[ref->slot & KS_BUCKET_SLOT_MASK] = 0;
	slot->flow.state = KS_STATE_NONE;
	slot_release(slot);
}

/* Whether the flow of the alias at `place` is gone, or dead. */
bool ks_table_is_orphan(struct ks_env *env, const struct ks_record *alias, __u32 place, __u32 clock);

static inline bool entry_is_dead(struct ks_env *env, const struct ks_flow *flow, __u32 place, __u32 clock)
{
	if (!ks_flow_is_dead(flow, clock))
		return false;
	return flow->state != KS_STATE_ALIAS || ks_table_is_orphan(env, ks_record_of(flow), place, clock);
}

#endif
