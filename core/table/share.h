/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shares: how much of the table one source holds, so that it cannot take the room of all others.
 *
 * Overview
 *
 * A source is the IPv4 address or the IPv6 network of 64 bits (within which a host has any address) of who began. An entry counts
 * for its source as one of these:
 *
 *   half-open   a flow that waits in the queue of half-open ones (queue.h)
 *   held        a flow that is never taken for another one while it lives: established, or proven
 *   loose       a flow of UDP and its like that nobody has proven
 *   datagram    one that comes in fragments
 *
 * The rules
 *
 *   held        Below `limit states-per-source` held flows of all sources together nobody is bound. Above it a source may
 *               hold a quarter of the places that held flows leave (ks_share_is_spent()). So one source alone gets as far as
 *               that limit, each further one takes a fifth of what is left, and there is always something left. A source
 *               beyond its share gets no free slot and nobody else's: only those of its own that can be recycled (insert.c).
 *   loose       In a full table a source that has more than an eighth of the states so takes the place of its own.
 *   half-open,  In a queue of whose seats less than an eighth is left, a source that has more than an eighth takes its own
 *   datagram    (queue.c).
 *
 * With less than KS_SHARE_LEAST entries nobody is bound. Nor is the box itself, for held flows: what it opens is its
 * administrator's.
 *
 * Counting
 *
 * The counts are a sketch of fixed size (count-min, two rows that share their cells) in the array of budgets: an entry adds to
 * the two cells that the keyed hash of its source and share says, and the smaller of the two is never less than what
 * the source has. Strangers add to it what a cell has in the middle, a 4,096th of the flows. So sources cost no
 * entry and no memory, and nobody chooses with whom he shares a cell. One cell is the sum of held flows, and one for each
 * zone its half-open ones, by which a challenge knows from where they come (core/challenge.h).
 *
 * Writers. Whoever puts an entry in, frees it, or changes its state accounts for it while he holds the claim of its slot, by
 * atomic additions: once, whoever he is. A table that was taken over or copied is counted again by the daemon (kernel/nat.c).
 *
 * Source
 *
 * The sketch: Cormode and Muthukrishnan, "An improved data stream summary: the count-min sketch" (2005). The bound: Choudhury
 * and Hahne, "Dynamic queue length thresholds for shared-memory packet switches" (1998).
 */
#ifndef KS_CORE_TABLE_SHARE_H
#define KS_CORE_TABLE_SHARE_H

#include "core/env.h"
#include "core/home.h"
#include "core/table/table.h"

enum ks_share {
	KS_SHARE_HELD,
	KS_SHARE_HALF_OPEN,
	KS_SHARE_LOOSE,
	KS_SHARE_DATAGRAMS,
	KS_SHARES,
	KS_SHARE_NONE = KS_SHARES
};

#define KS_SHARE_LEAST 32U
#define KS_SHARE_OF_LEFT 4U /* of the places left above the limit: what one source may have */
#define KS_SHARE_PART 8U /* of the loose flows, and of the seats of a queue: what one source has before it is bound */
#define KS_SHARE_ROWS 2U

/* Cells of their own, below those of sources. */
#define KS_SHARE_SUM 0U /* the held flows of all sources */
#define KS_SHARE_ZONE 1U /* the half-open flows whose originator is in the zone with id 0, and so on */
#define KS_SHARE_SOURCES (KS_SHARE_ZONE + KS_ZONE_MAX) /* the first that is a source's */

/* As what an entry counts for its source. */
static inline enum ks_share ks_share_of(__u32 kind, const struct ks_flow *flow)
{
	if (kind == KS_KIND_FRAGMENT)
		return flow->state == KS_STATE_FRAGMENTS ? KS_SHARE_DATAGRAMS : KS_SHARE_NONE;
	if (kind != KS_KIND_FLOW || flow->state == KS_STATE_NONE || flow->state == KS_STATE_ALIAS ||
	    ks_state_is_closed(flow->state))
		return KS_SHARE_NONE;
	if (ks_state_is_half_open(flow->state))
		return KS_SHARE_HALF_OPEN;
	return ks_flow_is_unproven(flow) ? KS_SHARE_LOOSE : KS_SHARE_HELD;
}

/* Returns which of the key's addresses began. A datagram's key has its sender first. */
static inline __u32 ks_share_side(__u32 kind, const struct ks_flow *flow)
{
	return kind == KS_KIND_FLOW ? ks_flow_orig_side(flow) : 0;
}

/* A source, in two words. */
struct ks_share_source {
	__u64 d[2];
};

static inline struct ks_share_source ks_share_source(const struct ks_flow_key *key, __u32 side)
{
	const struct ks_addr *addr = side ? &key->addr[1] : &key->addr[0];
	struct ks_share_source source = { .d = { ks_load_hint(&addr->d[0]),
						 key->family == KS_IPV6 ? 0 : ks_load_hint(&addr->d[1]) } };

	return source;
}

static inline bool ks_share_source_equal(const struct ks_share_source *a, const struct ks_share_source *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

#define KS_SHARE_ROW_SHIFT 32

/* The hash of a source's cells: ks_share_cell() of it and the row. */
static inline __u64 ks_share_hash(const struct ks_table_shape *shape, const struct ks_share_source *source,
				  enum ks_share share)
{
	__u64 x = ((source->d[0] ^ shape->key[1]) * KS_BUDGET_MULTIPLIER) ^ source->d[1] ^ shape->key[0] ^
		  ((__u64)share + 1);

	x = (x ^ x >> KS_BUDGET_SHIFT) * KS_BUDGET_MULTIPLIER;
	return (x ^ x >> KS_BUDGET_SHIFT) * KS_BUDGET_MULTIPLIER;
}

static inline __u32 ks_share_cell(__u64 hash, __u32 row)
{
	__u32 cell =
		(__u32)(hash >> (row ? KS_SHARE_ROW_SHIFT + KS_BUDGET_BITS : KS_SHARE_ROW_SHIFT)) & (KS_BUDGETS - 1);

	return cell < KS_SHARE_SOURCES ? cell + KS_SHARE_SOURCES : cell;
}

/* The cell of a half-open flow's zone. */
static inline __u32 ks_share_zone_cell(const struct ks_flow *flow)
{
	return KS_SHARE_ZONE + (flow->zone[KS_ORIGINAL] & (KS_ZONE_MAX - 1));
}

__u32 ks_share_count_isolated(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *flow,
			      __s32 change);

/*
 * Adds an entry (1) to the counts of its source, or takes it off (-1). Under the claim of its slot, in a function that is verified
 * apart, or with the environment of one.
 */
static inline void ks_share_count(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *flow,
				  __s32 change)
{
	ks_share_count_isolated(env, key, flow, change);
}

/* Returns how many half-open flows have their originator in a zone. */
__u32 ks_share_half_open(struct ks_env *env, __u32 zone);

/* Returns true if a new flow's source holds its share of the table already. */
bool ks_share_is_spent(struct ks_env *env, const struct ks_config *config, const struct ks_entry *e);

/* Returns true if an entry's source has more of a share than the part of `all` that one may have, this entry included. */
bool ks_share_is_large(struct ks_env *env, const struct ks_entry *e, enum ks_share share, __u32 all);

/* The same entry before and after a commit: it is counted as what it has become. Under the claim. */
static inline void ks_share_move(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *before,
				 const struct ks_flow *after)
{
	if (ks_share_of(key->kind, before) == ks_share_of(key->kind, after) &&
	    ks_share_side(key->kind, before) == ks_share_side(key->kind, after) &&
	    ks_share_zone_cell(before) == ks_share_zone_cell(after))
		return;
	ks_share_count(env, key, before, -1);
	ks_share_count(env, key, after, 1);
}

#endif
