// SPDX-License-Identifier: BSD-2-Clause
/* A walk over the entries of a table; see entries.h. */
#include "engine/entries.h"

static const struct ks_slot *entry_slot(const struct ks_bucket *table, __u32 place)
{
	struct ks_flow_ref ref = ks_slot_at(place);

	return &table[ref.bucket].slot[ref.slot];
}

static bool is_live(const struct ks_bucket *table, __u32 buckets, __u32 place, __u64 now)
{
	const struct ks_flow *flow = &entry_slot(table, place)->flow, *owner;
	__u32 flow_place;

	if (flow->state != KS_STATE_ALIAS)
		return flow->state != KS_STATE_NONE && !ks_flow_is_expired(flow, now);
	flow_place = ks_record_of(flow)->alias.flow[0];
	if (!flow_place || flow_place > buckets * KS_BUCKET_SLOTS)
		return false;
	owner = &entry_slot(table, flow_place)->flow;
	return owner->state != KS_STATE_NONE && owner->state != KS_STATE_ALIAS && !ks_flow_is_expired(owner, now) &&
	       (owner->alias[0] == place || owner->alias[1] == place);
}

int ks_entries_each(const struct ks_bucket *table, __u32 buckets, __u64 now,
		    int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg)
{
	for (__u32 place = 1; place <= buckets * KS_BUCKET_SLOTS; place++) {
		const struct ks_slot *slot = entry_slot(table, place);
		int err = is_live(table, buckets, place, now) ? fn(&slot->key, &slot->flow, arg) : 0;

		if (err)
			return err;
	}
	return 0;
}
