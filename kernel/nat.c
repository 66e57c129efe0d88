/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translated flows as user space sees them: what the two sides know a flow by
 * (core/nat/alias.h), and the end of flows whose outside address is lost. Entries are
 * copied under their version, like flows (read.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/internal.h"

#define KS_KEYS_A_RUN 1024

/* A copy of the entry at a place; false if nothing is there, or it is being written. */
static bool read_place(const struct ks_kernel *kernel, __u32 place, struct ks_slot *copy)
{
	struct ks_flow_ref ref;

	if (!place)
		return false;
	ref = ks_slot_at(place);
	return ref.bucket < kernel->shape->buckets &&
	       ks_kernel_copy_slot(&kernel->table[ref.bucket].slot[ref.slot], copy) &&
	       copy->flow.state != KS_STATE_NONE;
}

static bool is_alias(const struct ks_slot *slot, enum ks_dir side)
{
	return slot->key.kind == KS_KIND_FLOW && slot->flow.state == KS_STATE_ALIAS &&
	       (ks_record_of(&slot->flow)->alias.side & 1) == (__u8)side;
}

/*
 * The alias of a side has the true endpoint of that side, and what this side
 * takes the other one for. An alias of another flow, which took the place
 * meanwhile, has another true endpoint.
 */
static bool read_alias(const struct ks_kernel *kernel, const struct ks_flow_key *key, const struct ks_flow *flow,
		       enum ks_dir side, struct ks_translation *translation)
{
	__u32 true_end = ks_flow_orig_side(flow) ^ side, alias_end;
	struct ks_slot alias;

	if (!read_place(kernel, flow->alias[side], &alias) || !is_alias(&alias, side))
		return false;
	alias_end = ks_flow_orig_side(&alias.flow) ^ side;
	if (memcmp(&alias.key.addr[alias_end], &key->addr[true_end], sizeof(key->addr[0])) ||
	    alias.key.proto != key->proto)
		return false;
	translation->present[side] = true;
	translation->addr[side] = alias.key.addr[!alias_end];
	translation->port[side] = alias.key.port[!alias_end];
	return true;
}

bool ks_kernel_translation(const struct ks_kernel *kernel, const struct ks_flow_key *key, const struct ks_flow *flow,
			   struct ks_translation *translation)
{
	bool original, reply;

	memset(translation, 0, sizeof(*translation));
	if (!(flow->alias[KS_ORIGINAL] | flow->alias[KS_REPLY]))
		return false;
	original = read_alias(kernel, key, flow, KS_ORIGINAL, translation);
	reply = read_alias(kernel, key, flow, KS_REPLY, translation);
	return original || reply;
}

/* A copy of the entry of a key, whatever its state. */
static bool find_entry(const struct ks_kernel *kernel, const struct ks_flow_key *key, struct ks_slot *copy,
		       __u32 *place)
{
	for (__u32 i = 0; i < kernel->shape->buckets; i++) {
		const struct ks_bucket *bucket = &kernel->table[i];

		for (unsigned j = 0; j < KS_BUCKET_SLOTS; j++) {
			const struct ks_flow_ref ref = { .bucket = i, .slot = j };

			if (!bucket->tag[j] || memcmp(&bucket->slot[j].key, key, sizeof(*key)) ||
			    !ks_kernel_copy_slot(&bucket->slot[j], copy) || copy->flow.state == KS_STATE_NONE ||
			    memcmp(&copy->key, key, sizeof(*key)))
				continue;
			*place = ks_slot_id(&ref);
			return true;
		}
	}
	return false;
}

bool ks_kernel_entry(const struct ks_kernel *kernel, const struct ks_flow_key *key, struct ks_flow *entry)
{
	struct ks_slot slot;
	__u32 place;

	if (!find_entry(kernel, key, &slot, &place) || ks_flow_is_expired(&slot.flow, ks_kernel_now(kernel)))
		return false;
	*entry = slot.flow;
	return true;
}

bool ks_kernel_transplant(const struct ks_kernel *kernel, const struct ks_flow_key *key,
			  struct ks_transplant *transplant)
{
	struct ks_slot slot;
	__u32 place;

	memset(transplant, 0, sizeof(*transplant));
	if (!find_entry(kernel, key, &slot, &place))
		return false;
	if (slot.flow.state == KS_STATE_ALIAS) {
		unsigned side = ks_record_of(&slot.flow)->alias.side & 1;

		if (!read_place(kernel, ks_record_of(&slot.flow)->alias.flow[0], &slot) ||
		    slot.flow.alias[side] != place)
			return false;
	}
	if (!ks_flow_is_shown(&slot.key, &slot.flow) || ks_flow_is_expired(&slot.flow, ks_kernel_now(kernel)))
		return false;
	transplant->key = slot.key;
	transplant->flow = slot.flow;
	for (unsigned side = 0; side < 2; side++) {
		if (!read_place(kernel, transplant->flow.alias[side], &slot) || !is_alias(&slot, side))
			continue;
		transplant->has_alias[side] = true;
		transplant->alias_key[side] = slot.key;
		transplant->alias[side] = slot.flow;
	}
	return true;
}

/* What the walk for the flows of an address carries along. */
struct leaving {
	struct ks_kernel *kernel;
	const struct ks_addr *addr;
	unsigned family;
	struct ks_flow_key keys[KS_KEYS_A_RUN];
	size_t count;
	long ended;
};

static int end_collected(struct leaving *leaving)
{
	long result = ks_kernel_kill(leaving->kernel, leaving->keys, leaving->count);

	leaving->count = 0;
	if (result < 0)
		return (int)result;
	leaving->ended += result;
	return 0;
}

/* Whether the entry is a name of a flow in which a side takes the address for the other end; then that flow's key. */
static bool has_address(const struct leaving *leaving, const struct ks_slot *slot, struct ks_flow_key *key)
{
	struct ks_slot alias, owner;
	__u32 true_end;

	if (slot->flow.state != KS_STATE_ALIAS || !ks_kernel_copy_slot(slot, &alias) ||
	    alias.key.kind != KS_KIND_FLOW || alias.flow.state != KS_STATE_ALIAS || alias.key.family != leaving->family)
		return false;
	true_end = ks_flow_orig_side(&alias.flow) ^ (ks_record_of(&alias.flow)->alias.side & 1);
	if (memcmp(&alias.key.addr[!true_end], leaving->addr, sizeof(*leaving->addr)) ||
	    !read_place(leaving->kernel, ks_record_of(&alias.flow)->alias.flow[0], &owner) ||
	    !ks_flow_is_shown(&owner.key, &owner.flow))
		return false;
	*key = owner.key;
	return true;
}

long ks_kernel_kill_translated(struct ks_kernel *kernel, const struct ks_addr *addr, unsigned family)
{
	struct leaving *leaving = calloc(1, sizeof(*leaving));
	long ended;
	int err = 0;

	if (!leaving)
		return -ENOMEM;
	leaving->kernel = kernel;
	leaving->addr = addr;
	leaving->family = family;
	for (__u32 i = 0; !err && i < kernel->shape->buckets; i++) {
		const struct ks_bucket *bucket = &kernel->table[i];

		for (unsigned j = 0; !err && j < KS_BUCKET_SLOTS; j++) {
			if (!bucket->tag[j] || !has_address(leaving, &bucket->slot[j], &leaving->keys[leaving->count]))
				continue;
			if (++leaving->count == KS_KEYS_A_RUN)
				err = end_collected(leaving);
		}
	}
	if (!err)
		err = end_collected(leaving);
	ended = err ? err : leaving->ended;
	free(leaving);
	return ended;
}
