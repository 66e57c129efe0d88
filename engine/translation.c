/* SPDX-License-Identifier: BSD-2-Clause */
/* See translation.h. Entries are copied under their version, because other CPUs may write them. */
#include "engine/translation.h"

#include <string.h>

#include "core/home.h"
#include "engine/entries.h"

bool ks_slot_read(const struct ks_bucket *table, __u32 buckets, __u32 id, struct ks_slot *copy)
{
	struct ks_flow_ref ref;

	if (!id)
		return false;
	ref = ks_slot_at(id);
	return ref.bucket < buckets && ks_slot_copy(&table[ref.bucket].slot[ref.slot], copy) &&
	       copy->flow.state != KS_STATE_NONE;
}

bool ks_slot_is_alias(const struct ks_slot *slot, enum ks_dir side)
{
	return slot->key.kind == KS_KIND_FLOW && slot->flow.state == KS_STATE_ALIAS &&
	       (ks_record_of(&slot->flow)->alias.side & 1) == (__u8)side;
}

/*
 * The alias of a side has the true endpoint of that side, and the address by
 * which this side knows the other one. The alias of another flow, which got the
 * slot meanwhile, has another true endpoint.
 */
static bool alias_read(const struct ks_slot *alias, const struct ks_flow_key *key, const struct ks_flow *flow,
		       enum ks_dir side, struct ks_translation *translation)
{
	__u32 true_end = ks_flow_orig_side(flow) ^ side, alias_end = ks_flow_orig_side(&alias->flow) ^ side;

	if (!ks_slot_is_alias(alias, side) || !ks_addr_equal(&alias->key.addr[alias_end], &key->addr[true_end]) ||
	    alias->key.proto != key->proto)
		return false;
	translation->present[side] = true;
	translation->addr[side] = alias->key.addr[!alias_end];
	translation->port[side] = alias->key.port[!alias_end];
	if (side == KS_ORIGINAL) {
		translation->own_port = alias->key.port[alias_end];
		translation->moved = translation->own_port != key->port[true_end];
	}
	return true;
}

/* The responder knows the originator by the key's port, unless its source is translated besides. */
static void show_moved(const struct ks_flow_key *key, const struct ks_flow *flow, struct ks_translation *translation)
{
	__u32 end = ks_flow_orig_side(flow);

	if (!translation->moved || translation->present[KS_REPLY])
		return;
	translation->present[KS_REPLY] = true;
	translation->addr[KS_REPLY] = key->addr[end];
	translation->port[KS_REPLY] = key->port[end];
}

bool ks_translation_read(const struct ks_bucket *table, __u32 buckets, const struct ks_flow_key *key,
			 const struct ks_flow *flow, struct ks_translation *translation)
{
	bool is_translated = false;

	*translation = (struct ks_translation){ 0 };
	for (unsigned side = KS_ORIGINAL; side <= KS_REPLY; side++) {
		struct ks_slot alias;

		if (ks_slot_read(table, buckets, flow->alias[side], &alias))
			is_translated |= alias_read(&alias, key, flow, side, translation);
	}
	show_moved(key, flow, translation);
	return is_translated;
}

bool ks_flow_event_translation(const struct ks_flow_event *event, struct ks_translation *translation)
{
	bool is_translated = false;

	*translation = (struct ks_translation){ 0 };
	for (unsigned side = KS_ORIGINAL; side <= KS_REPLY; side++) {
		struct ks_slot alias = { .key = event->alias[side], .flow = { .state = KS_STATE_ALIAS } };

		ks_record_edit(&alias.flow)->alias.side = (__u8)side;
		alias.flow.flags = event->aliases & KS_ALIAS_ORIG_IS_HIGH << side ? KS_FLOW_ORIG_IS_HIGH : 0;
		if (event->aliases & KS_ALIAS_PRESENT << side)
			is_translated |= alias_read(&alias, &event->key, &event->flow, side, translation);
	}
	show_moved(&event->key, &event->flow, translation);
	return is_translated;
}

void ks_flow_event_note(const struct ks_bucket *table, __u32 buckets, struct ks_flow_event *event)
{
	for (unsigned side = KS_ORIGINAL; side <= KS_REPLY; side++) {
		struct ks_slot alias;

		if (!ks_slot_read(table, buckets, event->flow.alias[side], &alias) || !ks_slot_is_alias(&alias, side))
			continue;
		event->alias[side] = alias.key;
		event->aliases |= (__u8)(KS_ALIAS_PRESENT << side);
		if (ks_flow_orig_side(&alias.flow))
			event->aliases |= (__u8)(KS_ALIAS_ORIG_IS_HIGH << side);
	}
}
