// SPDX-License-Identifier: BSD-2-Clause
/* Thresholds per destination; see flood.h. */
#include "core/flood.h"

#include "core/env.h"
#include "core/inspection.h"
#include "core/rate.h"
#include "core/table/hash.h"
#include "core/table/table.h"

#define FLOOD_KIND (KS_KIND_MAX - 1) /* no entry of the table has it */
#define WAY_MASK (KS_FLOOD_WAYS - 1)

static ks_inline __u64 destination_hash(const struct ks_flood_ask *ask, const __u64 *secret)
{
	struct ks_flow_key key = { .addr = { ask->addr },
				   .proto = ask->item,
				   .family = ask->family & KS_FAMILY_MASK,
				   .kind = FLOOD_KIND,
				   .link = ask->zone };
	__u64 hash = ks_flow_key_hash(&key, secret);

	return hash ? hash : 1;
}

/* The way of a set that a destination has, else the one that has used the least of its rate. */
static ks_inline __u32 way_find(const struct ks_flood_set *set, __u64 hash)
{
	__u64 least = ~0ULL;
	__u32 way = 0;

	for (__u32 i = 0; i < KS_FLOOD_WAYS; i++) {
		__u64 until = ks_load_relaxed(&set->place[i].until);

		if (ks_load_relaxed(&set->place[i].whose) == hash)
			until = 0;
		way = until < least ? i : way;
		least = until < least ? until : least;
	}
	return way;
}

/* Makes a place a destination's own: its rate begins anew. */
static ks_inline void place_claim(struct ks_flood_place *place, __u64 hash)
{
	__u64 owner = ks_load_relaxed(&place->whose);

	if (owner == hash || ks_cmpxchg(&place->whose, owner, hash) != owner)
		return;
	ks_store_relaxed(&place->until, 0);
}

ks_isolated __u32 ks_flood_spent_isolated(struct ks_env *env, const struct ks_flood_ask *ask)
{
	const struct ks_table_shape *shape;
	struct ks_flood_place *place;
	struct ks_flood_set *set;
	__u64 hash, share;

	if (!env || !ask)
		return 0;
	ks_hide_bound(env);
	ks_hide_bound(ask);
	shape = env_table_shape(env);
	if (!shape)
		return 0;
	hash = destination_hash(ask, shape->key);
	set = env_flood_set(env, (__u32)hash & (KS_FLOOD_SETS - 1));
	if (!set)
		return 0;
	place = &set->place[way_find(set, hash) & WAY_MASK];
	share = KS_NSEC_PER_SEC / (ask->rate ? ask->rate : 1);
	if (ask->dry)
		return ks_load_relaxed(&place->whose) == hash &&
		       !ks_rate_admits(ks_load_relaxed(&place->until), ask->now, share, KS_NSEC_PER_SEC);
	place_claim(place, hash);
	return !ks_rate_take(&place->until, ask->now, share, KS_NSEC_PER_SEC);
}

bool ks_flood_is_over(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp,
		      enum ks_protect_item item, const struct ks_addr *to)
{
	const struct ks_protection *protection = &config->protection[insp->home.from & (KS_ZONE_MAX - 1)];
	struct ks_flood_ask ask;

	if (!ks_protect_has(protection, item))
		return false;
	ask = (struct ks_flood_ask){
		.now = insp->home.now,
		.addr = *to,
		.rate = protection->rate[item & (KS_FLOOD_SLOTS - 1)],
		.family = insp->pkt.tuple.family,
		.zone = insp->home.from,
		.item = (__u8)item,
		.dry = insp->home.dry | insp->opening.foreseen,
	};
	return ks_flood_spent_isolated(env_isolated(env), &ask) != 0;
}
