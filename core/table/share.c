// SPDX-License-Identifier: BSD-2-Clause
/* The shares of sources; see share.h. */
#include "core/table/share.h"

#include "core/env.h"
#include "core/home.h"
#include "core/types.h"

static ks_inline void cell_add(struct ks_env *env, __u32 cell, __s32 change)
{
	struct ks_budget *budget = env_budget(env, cell);

	if (budget)
		ks_fetch_add(&budget->entries, change);
}

/* A cell that a table of another build has left behind may be below zero until it is counted again. */
static ks_inline __u32 cell_read(struct ks_env *env, __u32 cell)
{
	const struct ks_budget *budget = env_budget(env, cell);
	__u32 entries = budget ? ks_load_relaxed(&budget->entries) : 0;

	return (__s32)entries < 0 ? 0 : entries;
}

ks_isolated __u32 ks_share_count_isolated(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *flow,
					  __s32 change)
{
	const struct ks_table_shape *shape;
	struct ks_share_source source;
	enum ks_share share;
	__u64 hash;

	ks_hide_bound(env); /* else the compiler sees that the tables need none, and passes none */
	if (ks_missing(key) || ks_missing(flow))
		return 0;
	ks_hide_bound(key);
	ks_hide_bound(flow);
	shape = env_table_shape(env);
	share = ks_share_of(key->kind, flow);
	if (!shape || share == KS_SHARE_NONE)
		return 0;
	source = ks_share_source(key, ks_share_side(key->kind, flow));
	hash = ks_share_hash(shape, &source, share);
	cell_add(env, ks_share_cell(hash, 0), change);
	cell_add(env, ks_share_cell(hash, 1), change);
	if (share == KS_SHARE_HELD)
		cell_add(env, KS_SHARE_SUM, change);
	else if (share == KS_SHARE_HALF_OPEN)
		cell_add(env, ks_share_zone_cell(flow), change);
	return 1;
}

__u32 ks_share_half_open(struct ks_env *env, __u32 zone)
{
	return cell_read(env, KS_SHARE_ZONE + (zone & (KS_ZONE_MAX - 1)));
}

/* How many entries of a share an entry's source has, or a few more. Inlined, because frames are few (V2). */
static ks_inline __u32 entries_of(struct ks_env *env, const struct ks_entry *e, enum ks_share share)
{
	struct ks_share_source source = ks_share_source(&e->key, ks_share_side(e->key.kind, &e->after));
	const struct ks_table_shape *shape = env_table_shape(env);
	__u64 hash = shape ? ks_share_hash(shape, &source, share) : 0;

	return KS_MIN(cell_read(env, ks_share_cell(hash, 0)), cell_read(env, ks_share_cell(hash, 1)));
}

/* A flow that is put in as held comes from a table that had room for it. */
bool ks_share_is_spent(struct ks_env *env, const struct ks_config *config, const struct ks_entry *e)
{
	__u32 states = config->limit_states, held, own;

	if (!config->limit_source_states || config->limit_source_states >= states ||
	    e->after.zone[KS_ORIGINAL] == KS_ZONE_SELF || ks_share_of(e->key.kind, &e->after) == KS_SHARE_HELD)
		return false;
	held = cell_read(env, KS_SHARE_SUM);
	if (held < config->limit_source_states)
		return false;
	own = entries_of(env, e, KS_SHARE_HELD);
	return own >= KS_SHARE_LEAST && (held >= states || own >= (states - held) / KS_SHARE_OF_LEFT);
}

bool ks_share_is_large(struct ks_env *env, const struct ks_entry *e, enum ks_share share, __u32 all)
{
	return entries_of(env, e, share) > KS_MAX(KS_SHARE_LEAST, all / KS_SHARE_PART);
}
