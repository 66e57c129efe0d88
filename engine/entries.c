// SPDX-License-Identifier: BSD-2-Clause
/* Copies of the entries of a table; see entries.h. */
#include "engine/entries.h"

#include "core/home.h"

#define COPY_TRIES 16 /* a writer holds a slot for well under a microsecond */

bool ks_slot_copy(const struct ks_slot *slot, struct ks_slot *copy)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		__u32 version = ks_load_acquire(&slot->flow.version);

		if (version & 1)
			continue;
		ks_words_load(copy, slot, sizeof(*copy));
		ks_fence_acquire();
		if (ks_load_relaxed(&slot->flow.version) == version)
			return true;
	}
	return false;
}

static bool copy_at(const struct ks_bucket *table, __u32 buckets, __u32 id, struct ks_slot *copy)
{
	struct ks_flow_ref ref;

	if (!id || id > buckets * KS_BUCKET_SLOTS)
		return false;
	ref = ks_slot_at(id);
	return ks_slot_copy(&table[ref.bucket].slot[ref.slot], copy) && copy->flow.state != KS_STATE_NONE;
}

static bool copy_live(const struct ks_bucket *table, __u32 buckets, __u32 id, __u64 now, struct ks_slot *copy)
{
	struct ks_slot owner;

	if (!copy_at(table, buckets, id, copy))
		return false;
	if (copy->flow.state != KS_STATE_ALIAS)
		return !ks_flow_is_expired(&copy->flow, now) || ks_tally_is_held(&copy->flow);
	return copy_at(table, buckets, ks_record_of(&copy->flow)->alias.flow[0], &owner) &&
	       owner.flow.state != KS_STATE_ALIAS && !ks_flow_is_expired(&owner.flow, now) &&
	       (owner.flow.alias[0] == id || owner.flow.alias[1] == id);
}

int ks_entries_each(const struct ks_bucket *table, __u32 buckets, __u64 now,
		    int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg)
{
	for (__u32 id = 1; id <= buckets * KS_BUCKET_SLOTS; id++) {
		struct ks_slot slot;
		int err = copy_live(table, buckets, id, now, &slot) ? fn(&slot.key, &slot.flow, arg) : 0;

		if (err)
			return err;
	}
	return 0;
}
