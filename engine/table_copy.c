/* SPDX-License-Identifier: BSD-2-Clause */
/* See table_copy.h. */
#include "engine/table_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/table/hash.h"
#include "core/table/internal.h"
#include "core/table/tally.h"
#include "engine/entries.h"

#define COPY_CLAIM_TRIES 1000
#define INSERT_TRIES 8
#define SLOT_VERSIONS 2 /* a claim and its release */
#define SLOT_IDS_MAX KS_HELPER_EXPECTED

int ks_table_copy_init(struct ks_table_copy *copy)
{
	copy->copied = calloc((size_t)copy->from_buckets * KS_BUCKET_SLOTS, sizeof(*copy->copied));
	return copy->copied ? 0 : -ENOMEM;
}

void ks_table_copy_fini(struct ks_table_copy *copy)
{
	free(copy->copied);
	copy->copied = NULL;
}

/* Collects the fields of an entry that are slot ids. Returns how many there are. */
static unsigned ids_in(struct ks_slot *slot, __u32 *fields[SLOT_IDS_MAX])
{
	unsigned count = 0;

	switch (slot->key.kind) {
	case KS_KIND_FLOW:
		fields[count++] = &slot->flow.alias[0];
		fields[count++] = &slot->flow.alias[1];
		break;
	case KS_KIND_EXPECT:
		fields[count++] = &ks_record_edit(&slot->flow)->expectation.control;
		break;
	case KS_KIND_FRAGMENT:
	case KS_KIND_QUOTED:
		fields[count++] = &ks_record_edit(&slot->flow)->datagram.flow;
		break;
	case KS_KIND_HELPER_ORIGINAL:
	case KS_KIND_HELPER_REPLY:
		while (count < KS_HELPER_EXPECTED) {
			fields[count] = &ks_record_edit(&slot->flow)->memory.expected[count];
			count++;
		}
	}
	return count;
}

static __u32 new_place(const struct ks_table_copy *copy, __u32 old)
{
	return old && old <= copy->from_buckets * KS_BUCKET_SLOTS ? copy->copied[old - 1].id : 0;
}

static void translate_places(const struct ks_table_copy *copy, struct ks_slot *slot)
{
	__u32 *fields[SLOT_IDS_MAX];
	unsigned count = ids_in(slot, fields);

	for (unsigned i = 0; i < count; i++)
		*fields[i] = new_place(copy, *fields[i]);
}

static const struct ks_tags *tags_to(const struct ks_table_copy *copy, __u32 index)
{
	return ks_tags_of(copy->to, copy->to_shape.buckets, index);
}

static void tag_write(const struct ks_table_copy *copy, const struct ks_flow_ref *ref, __u16 tag)
{
	ks_store_relaxed(&ks_tags_edit(copy->to, copy->to_shape.buckets, ref->bucket)->tag[ref->slot], tag);
}

/* Returns true if an old slot is in use. All layouts so far have their slots in the same place; before 4 not their tags. */
static bool is_used(const struct ks_table_copy *copy, __u32 bucket, __u32 slot)
{
	if (copy->convert)
		return ks_load_relaxed(&copy->from[bucket].slot[slot].flow.state) != KS_STATE_NONE;
	return ks_load_relaxed(&ks_tags_of(copy->from, copy->from_buckets, bucket)->tag[slot]);
}

static struct ks_slot *slot_at(const struct ks_table_copy *copy, __u32 id)
{
	struct ks_flow_ref ref = ks_slot_at(id);

	return &copy->to[ref.bucket].slot[ref.slot];
}

/* Fills a slot that was claimed at `version`, and releases it. */
static void slot_store(struct ks_slot *to, const struct ks_slot *entry, __u32 version)
{
	struct ks_flow flow = entry->flow;

	flow.version = version + 1;
	ks_words_store(&to->key, &entry->key, sizeof(to->key));
	ks_words_store(&to->flow, &flow, sizeof(to->flow));
	slot_release(to, version);
}

/* The state by which an entry counts among the half-open flows; NONE for an entry that is no flow. */
static __u32 flow_state(const struct ks_slot *slot)
{
	return entry_is_flow(slot->key.kind, slot->flow.state) ? slot->flow.state : KS_STATE_NONE;
}

/* The tally of this key in the new table, or NULL. */
static struct ks_tally *tally_at(const struct ks_table_copy *copy, const struct ks_flow_key *key)
{
	__u64 hash = ks_flow_key_hash(key, copy->to_shape.key);

	for (__u32 n = 0; n < 2 * KS_BUCKET_SLOTS; n++) {
		__u32 index = ks_table_bucket(&copy->to_shape, hash, n / KS_BUCKET_SLOTS), i = ks_table_slot(hash, n);
		struct ks_bucket *bucket = &copy->to[index];

		if (ks_load_relaxed(&tags_to(copy, index)->tag[i]) == ks_table_tag(hash) &&
		    shared_key_equal(&bucket->slot[i].key, key))
			return &ks_record_edit(&bucket->slot[i].flow)->tally;
	}
	return NULL;
}

/*
 * The copy of a flow that limits count begins (1) or ends (-1). The tallies were copied before, without their counts, so that
 * these are those of the flows in the new table.
 */
static void tallies_change(const struct ks_table_copy *copy, const struct ks_slot *slot, __s32 change)
{
	struct ks_tally *of_rule, *tally;
	struct ks_flow_key key;

	if (!ks_tally_counts(&slot->key, &slot->flow))
		return;
	ks_tally_rule_key(slot->flow.rule, &key);
	of_rule = tally_at(copy, &key);
	if (!of_rule)
		return;
	for (unsigned i = 0; i < of_rule->shapes && i < KS_LIMITS_PER_RULE; i++) {
		ks_tally_shape_key(&of_rule->shape[i], slot->flow.rule, &slot->key, ks_flow_orig_side(&slot->flow),
				   &key);
		tally = tally_at(copy, &key);
		if (tally)
			ks_fetch_add(&tally->count, change);
	}
	ks_fetch_add(&of_rule->count, change);
}

/* Writes a copy again that has `version`. Returns false if somebody else has written to it. */
static bool slot_update(const struct ks_table_copy *copy, struct ks_slot *to, const struct ks_slot *entry,
			__u32 version)
{
	struct ks_table_counts *counts = copy->counts;

	if (!slot_claim(to, version))
		return false;
	tallies_change(copy, to, -1);
	tallies_change(copy, entry, 1);
	ks_fetch_add(entry_counter(counts, to->key.kind, to->flow.state), -1);
	ks_fetch_add(entry_counter(counts, entry->key.kind, entry->flow.state), 1);
	half_open_account(counts, flow_state(to), flow_state(entry));
	slot_store(to, entry, version);
	return true;
}

/* Fills a slot that was free a moment ago, and sets *version. Returns false if it is not free any more. */
static bool slot_fill(const struct ks_table_copy *copy, const struct ks_flow_ref *ref, const struct ks_slot *entry,
		      __u16 tag, __u32 *version)
{
	struct ks_slot *slot = &copy->to[ref->bucket].slot[ref->slot];
	struct ks_table_counts *counts = copy->counts;

	*version = ks_load_acquire(&slot->flow.version);
	if (*version & 1 || !slot_claim(slot, *version))
		return false;
	if (slot->flow.state != KS_STATE_NONE) {
		slot_release(slot, *version);
		return false;
	}
	tag_write(copy, ref, tag);
	slot_store(slot, entry, *version);
	*version += SLOT_VERSIONS;
	ks_fetch_add(entry_counter(counts, entry->key.kind, entry->flow.state), 1);
	half_open_account(counts, KS_STATE_NONE, flow_state(entry));
	return true;
}

/* Sets *free to the first free slot for this hash, or -1, and *there if the bucket has the key. Returns the slots in use. */
static unsigned look(const struct ks_table_copy *copy, __u32 index, __u64 hash, const struct ks_flow_key *key,
		     int *free, bool *there)
{
	const struct ks_bucket *bucket = &copy->to[index];
	unsigned used = 0;

	*free = -1;
	for (__u32 n = 0; n < KS_BUCKET_SLOTS; n++) {
		__u32 i = ks_table_slot(hash, n);
		__u16 tag = ks_load_relaxed(&tags_to(copy, index)->tag[i]);

		if (!tag && *free < 0)
			*free = (int)i;
		used += tag != 0;
		*there |= tag == ks_table_tag(hash) && shared_key_equal(&bucket->slot[i].key, key);
	}
	return used;
}

/* The primary bucket is claimed, so nobody else can insert this key; others may still take a free slot. Sets copied->id. */
static void insert_claimed(struct ks_table_copy *copy, const struct ks_slot *entry, __u64 hash,
			   struct ks_copied *copied)
{
	struct candidates p = candidates_of(hash, &copy->to_shape);

	for (unsigned i = 0; i < INSERT_TRIES; i++) {
		struct ks_flow_ref ref;
		bool there = false;
		unsigned used[2], n;
		int free[2];

		for (n = 0; n < 2; n++)
			used[n] = look(copy, p.bucket[n], hash, &entry->key, &free[n], &there);
		if (there) /* a packet has opened it again */
			return;
		n = free[0] < 0 || (free[1] >= 0 && used[0] > KS_BUCKET_LOW && used[0] > used[1]);
		if (free[n] < 0)
			break;
		ref = (struct ks_flow_ref){ .bucket = p.bucket[n], .slot = (__u32)free[n] };
		if (slot_fill(copy, &ref, entry, p.tag, &copied->to_version)) {
			copied->id = ks_slot_id(&ref);
			tallies_change(copy, entry, 1);
			return;
		}
	}
	copy->lost++;
}

static void insert(struct ks_table_copy *copy, const struct ks_slot *entry, struct ks_copied *copied)
{
	__u64 hash = ks_flow_key_hash(&entry->key, copy->to_shape.key);
	struct ks_bucket *primary = &copy->to[ks_table_bucket(&copy->to_shape, hash, 0)];

	copied->id = 0;
	for (int i = 0; ks_cmpxchg(&primary->claim, 0, 1); i++) {
		if (i == COPY_CLAIM_TRIES) {
			copy->lost++;
			return;
		}
	}
	insert_claimed(copy, entry, hash, copied);
	ks_cmpxchg(&primary->claim, 1, 0);
}

/* Returns the copy that an earlier pass made of this entry, or NULL if it was written to since. */
static struct ks_slot *untouched(const struct ks_table_copy *copy, const struct ks_copied *copied,
				 const struct ks_flow_key *key)
{
	struct ks_slot *slot = copied->id ? slot_at(copy, copied->id) : NULL;

	if (!slot || ks_load_relaxed(&slot->flow.version) != copied->to_version || !shared_key_equal(&slot->key, key))
		return NULL;
	return slot;
}

/* Copies an entry that is new or has changed since the last pass. Returns true if it was copied. */
static bool copy_entry(struct ks_table_copy *copy, struct ks_slot *entry, struct ks_copied *copied)
{
	__u32 version = entry->flow.version;
	struct ks_slot *former = untouched(copy, copied, &entry->key);

	if (copied->id && !former && shared_key_equal(&slot_at(copy, copied->id)->key, &entry->key))
		return false; /* a packet has moved it on in the new table */
	translate_places(copy, entry);
	if (former) {
		if (!slot_update(copy, former, entry, copied->to_version))
			return false;
		copied->to_version += SLOT_VERSIONS;
	} else {
		insert(copy, entry, copied);
	}
	copied->from_version = version;
	return copied->id;
}

/* Returns true if the entry is worth copying: alive, and readable here. An alias lives as long as its flow. */
static bool take(struct ks_table_copy *copy, const struct ks_slot *slot, __u32 clock, struct ks_slot *entry)
{
	if (!ks_slot_copy(slot, entry) || entry->flow.state == KS_STATE_NONE ||
	    (entry->flow.state != KS_STATE_ALIAS && ks_flow_is_dead(&entry->flow, clock) &&
	     !ks_tally_is_held(&entry->flow)))
		return false;
	if (!copy->convert || copy->convert(entry))
		return true;
	copy->lost++;
	return false;
}

typedef void slot_fn(struct ks_table_copy *copy, const struct ks_slot *slot, struct ks_copied *copied, __u32 clock);

static void each_slot(struct ks_table_copy *copy, __u32 clock, slot_fn *fn)
{
	for (__u32 b = 0; b < copy->from_buckets; b++) {
		for (__u32 i = 0; i < KS_BUCKET_SLOTS; i++) {
			const struct ks_slot *slot = &copy->from[b].slot[i];

			if (is_used(copy, b, i))
				fn(copy, slot, &copy->copied[b * KS_BUCKET_SLOTS + i], clock);
		}
	}
}

/* Copies a tally, once, before the flows that it counts; it lives until they are there. */
static void copy_tally(struct ks_table_copy *copy, const struct ks_slot *slot, struct ks_copied *copied, __u32 clock)
{
	struct ks_slot entry;

	if (copied->id || ks_load_relaxed(&slot->flow.state) != KS_STATE_TALLY || !take(copy, slot, clock, &entry) ||
	    entry.flow.state != KS_STATE_TALLY)
		return;
	if (ks_tally_is_held(&entry.flow))
		entry.flow.seen = clock;
	ks_record_edit(&entry.flow)->tally.count = 0;
	copy->entries += copy_entry(copy, &entry, copied);
}

static void copy_slot(struct ks_table_copy *copy, const struct ks_slot *slot, struct ks_copied *copied, __u32 clock)
{
	struct ks_slot entry;

	if (ks_load_relaxed(&slot->flow.state) == KS_STATE_TALLY)
		return;
	if (copied->id && copied->from_version == ks_load_relaxed(&slot->flow.version))
		return;
	if (take(copy, slot, clock, &entry))
		copy->entries += copy_entry(copy, &entry, copied);
}

/* Corrects the slot ids of entries that the pass copied after this one. */
static void fix_slot(struct ks_table_copy *copy, const struct ks_slot *slot, struct ks_copied *copied, __u32 clock)
{
	struct ks_slot entry, *former;
	struct ks_flow now;

	if (!copied->id || !take(copy, slot, clock, &entry) || entry.flow.state == KS_STATE_TALLY ||
	    entry.flow.version != copied->from_version)
		return;
	former = untouched(copy, copied, &entry.key);
	translate_places(copy, &entry);
	entry.flow.version = copied->to_version;
	if (!former)
		return;
	ks_words_load(&now, &former->flow, sizeof(now)); /* torn if a packet is first: then the update below fails */
	if (!memcmp(&now, &entry.flow, sizeof(now)))
		return;
	if (slot_update(copy, former, &entry, copied->to_version))
		copied->to_version += SLOT_VERSIONS;
}

/* --- what has ended since --- */

/* Returns true if the old slot has no longer the entry that was copied. One that somebody is writing may have. */
static bool is_gone(const struct ks_table_copy *copy, const struct ks_slot *slot, bool used,
		    const struct ks_slot *former)
{
	struct ks_slot entry;

	if (!used || copy->convert)
		return !used;
	return ks_slot_copy(slot, &entry) &&
	       (entry.flow.state == KS_STATE_NONE || !shared_key_equal(&former->key, &entry.key));
}

/* Returns true if the flow of an alias is in the new table: a packet may have moved it on there. */
static bool is_owned(const struct ks_table_copy *copy, const struct ks_slot *alias, __u32 id)
{
	const struct ks_alias *names = &ks_record_of(&alias->flow)->alias;
	const struct ks_slot *owner = names->flow[0] ? slot_at(copy, names->flow[0]) : NULL;

	return owner && ks_load_relaxed(&owner->flow.state) != KS_STATE_NONE &&
	       ks_load_relaxed(&owner->flow.alias[names->side & 1]) == id;
}

/* Frees a copy, if nobody has written to it. */
static void slot_drop(const struct ks_table_copy *copy, const struct ks_copied *copied)
{
	struct ks_flow_ref ref = ks_slot_at(copied->id);
	struct ks_slot *slot = slot_at(copy, copied->id);

	if (!slot_claim(slot, copied->to_version))
		return;
	tallies_change(copy, slot, -1);
	ks_fetch_add(entry_counter(copy->counts, slot->key.kind, slot->flow.state), -1);
	half_open_account(copy->counts, flow_state(slot), KS_STATE_NONE);
	tag_write(copy, &ref, 0);
	ks_store_relaxed(&slot->flow.state, KS_STATE_NONE);
	slot_release(slot, copied->to_version);
}

/* A copy of an entry that has ended would live on, and end once more. Tallies end by themselves, aliases behind their flows. */
static void drop_if_gone(struct ks_table_copy *copy, __u32 b, __u32 i, bool aliases)
{
	struct ks_copied *copied = &copy->copied[b * KS_BUCKET_SLOTS + i];
	const struct ks_slot *former = copied->id ? slot_at(copy, copied->id) : NULL;
	__u32 state = former ? ks_load_relaxed(&former->flow.state) : KS_STATE_TALLY;

	if (state == KS_STATE_TALLY || (state == KS_STATE_ALIAS) != aliases ||
	    !is_gone(copy, &copy->from[b].slot[i], is_used(copy, b, i), former) ||
	    (aliases && is_owned(copy, former, copied->id)))
		return;
	slot_drop(copy, copied);
	copied->id = 0;
}

static void drop_gone(struct ks_table_copy *copy, bool aliases)
{
	for (__u32 b = 0; b < copy->from_buckets; b++) {
		for (__u32 i = 0; i < KS_BUCKET_SLOTS; i++)
			drop_if_gone(copy, b, i, aliases);
	}
}

void ks_table_copy_pass(struct ks_table_copy *copy, __u32 clock)
{
	copy->entries = copy->lost = 0;
	drop_gone(copy, false);
	drop_gone(copy, true);
	each_slot(copy, clock, copy_tally);
	each_slot(copy, clock, copy_slot);
	each_slot(copy, clock, fix_slot);
}
