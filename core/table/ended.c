// SPDX-License-Identifier: BSD-2-Clause
/* Connections that somebody has ended; see ended.h. */
#include "core/table/ended.h"

#include "core/env.h"
#include "core/protocol.h"
#include "core/table/hash.h"
#include "core/table/table.h"

#define WAY_MASK (KS_ENDED_WAYS - 1)

/* A word: 42 bits of the hash, and above them the time, in 1,024 ms, of 22 bits as the clock has. */
#define WORD_TIME_SHIFT 42
#define WORD_TAG_MASK ((1ULL << WORD_TIME_SHIFT) - 1)
#define WORD_TIME_MASK 0x3fffffU
#define CLOCK_SHIFT 10
#define SET_SHIFT 42 /* the bits of the hash that choose the set, behind those of the tag */

/* Ages by which a way is chosen: the oldest makes room. */
#define AGE_FREE (WORD_TIME_MASK + 1)
#define AGE_SAME (WORD_TIME_MASK + 2) /* the key's own */

static inline __u64 word_make(__u64 hash, __u32 clock)
{
	return (__u64)(clock >> CLOCK_SHIFT) << WORD_TIME_SHIFT | (hash & WORD_TAG_MASK) | 1;
}

static inline bool word_is_of(__u64 word, __u64 hash)
{
	return (word & WORD_TAG_MASK) == ((hash & WORD_TAG_MASK) | 1);
}

/* Time since the word was written, in its own units. */
static inline __u32 word_age(__u64 word, __u32 clock)
{
	return ((clock >> CLOCK_SHIFT) - (__u32)(word >> WORD_TIME_SHIFT)) & WORD_TIME_MASK;
}

static ks_inline struct ks_ended_set *set_of(struct ks_env *env, __u64 hash)
{
	return env_ended_set(env, (__u32)(hash >> SET_SHIFT) & (KS_ENDED_SETS - 1));
}

/* The way that a key gets: its own, else a free one, else the oldest. */
static ks_inline __u32 way_for(const struct ks_ended_set *set, __u64 hash, __u32 clock)
{
	__u32 way = 0, oldest = 0;

	for (__u32 i = 0; i < KS_ENDED_WAYS; i++) {
		__u64 word = ks_load_relaxed(&set->word[i]);
		__u32 age = !word ? AGE_FREE : word_is_of(word, hash) ? AGE_SAME : word_age(word, clock);

		way = age > oldest ? i : way;
		oldest = KS_MAX(oldest, age);
	}
	return way;
}

ks_isolated __u32 ks_ended_note_isolated(struct ks_env *env, const struct ks_entry *e)
{
	struct ks_ended_set *set;
	__u64 *word, before;

	if (!env || !e)
		return 1;
	ks_hide_bound(env);
	ks_hide_bound(e);
	if (!ks_proto_has_handshake(e->key.proto))
		return 1;
	set = set_of(env, e->hash);
	if (!set)
		return 1;
	word = &set->word[way_for(set, e->hash, e->clock) & WAY_MASK];
	before = ks_load_relaxed(word);
	return ks_cmpxchg(word, before, word_make(e->hash, e->clock)) == before;
}

ks_isolated __u32 ks_ended_knows_isolated(struct ks_env *env, const struct ks_flow_key *key, __u32 clock)
{
	const struct ks_table_shape *shape;
	const struct ks_ended_set *set;
	__u32 known = 0;
	__u64 hash;

	if (!env || !key)
		return 0;
	ks_hide_bound(env);
	ks_hide_bound(key);
	shape = env_table_shape(env);
	if (!shape)
		return 0;
	hash = ks_flow_key_hash(key, shape->key);
	set = set_of(env, hash);
	if (!set)
		return 0;
	for (__u32 i = 0; i < KS_ENDED_WAYS; i++) {
		__u64 word = ks_load_relaxed(&set->word[i]);

		known |= word_is_of(word, hash) && word_age(word, clock) <= KS_ENDED_MS >> CLOCK_SHIFT;
	}
	return known;
}
