/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translated flows as user space sees them: the names by which the two sides
 * know a flow (core/nat/alias.h), and the end of flows whose outside address is
 * lost. Entries are copied under their version, like flows (read.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/home.h"
#include "engine/entries.h"
#include "kernel/internal.h"

#define KS_TRANSLATED_BATCH 1024 /* keys that are collected before their flows are ended */

/* ks_slot_read() of the kernel's table. */
static bool read_slot(const struct ks_kernel *kernel, __u32 id, struct ks_slot *copy)
{
	return ks_slot_read(kernel->table, kernel->shape->buckets, id, copy);
}

bool ks_kernel_translation(const struct ks_kernel *kernel, const struct ks_flow_key *key, const struct ks_flow *flow,
			   struct ks_translation *translation)
{
	return ks_translation_read(kernel->table, kernel->shape->buckets, key, flow, translation);
}

/* Copies the entry of a key, in any state, by looking through the whole table. */
static bool find_by_key(const struct ks_kernel *kernel, const struct ks_flow_key *key, struct ks_slot *copy, __u32 *id)
{
	for (__u32 i = 0; i < kernel->shape->buckets; i++) {
		const struct ks_bucket *bucket = &kernel->table[i];

		for (unsigned j = 0; j < KS_BUCKET_SLOTS; j++) {
			const struct ks_flow_ref ref = { .bucket = i, .slot = j };

			if (!ks_load_relaxed(&bucket->tag[j]) || memcmp(&bucket->slot[j].key, key, sizeof(*key)) ||
			    !ks_slot_copy(&bucket->slot[j], copy) || copy->flow.state == KS_STATE_NONE ||
			    memcmp(&copy->key, key, sizeof(*key)))
				continue;
			*id = ks_slot_id(&ref);
			return true;
		}
	}
	return false;
}

bool ks_kernel_entry(const struct ks_kernel *kernel, const struct ks_flow_key *key, struct ks_flow *entry)
{
	struct ks_slot slot;
	__u32 id;

	if (!find_by_key(kernel, key, &slot, &id) || ks_flow_is_expired(&slot.flow, ks_kernel_now(kernel)))
		return false;
	*entry = slot.flow;
	return true;
}

bool ks_kernel_transplant(const struct ks_kernel *kernel, const struct ks_flow_key *key,
			  struct ks_transplant *transplant)
{
	struct ks_slot slot;
	__u32 id;

	memset(transplant, 0, sizeof(*transplant));
	if (!find_by_key(kernel, key, &slot, &id))
		return false;
	if (slot.flow.state == KS_STATE_ALIAS) {
		unsigned side = ks_record_of(&slot.flow)->alias.side & 1;

		if (!read_slot(kernel, ks_record_of(&slot.flow)->alias.flow[0], &slot) || slot.flow.alias[side] != id)
			return false;
	}
	if (!ks_flow_is_shown(&slot.key, &slot.flow) || ks_flow_is_expired(&slot.flow, ks_kernel_now(kernel)))
		return false;
	transplant->key = slot.key;
	transplant->flow = slot.flow;
	for (unsigned side = 0; side < 2; side++) {
		if (!read_slot(kernel, transplant->flow.alias[side], &slot) || !ks_slot_is_alias(&slot, side))
			continue;
		transplant->has_alias[side] = true;
		transplant->alias_key[side] = slot.key;
		transplant->alias[side] = slot.flow;
	}
	return true;
}

/* Flows that are translated to an address, collected to be ended. */
struct kill_translated_ctx {
	struct ks_kernel *kernel;
	const struct ks_addr *addr;
	unsigned family;
	struct ks_flow_key keys[KS_TRANSLATED_BATCH];
	size_t count;
	long ended;
};

static int end_collected(struct kill_translated_ctx *ctx)
{
	long result = ks_kernel_kill(ctx->kernel, ctx->keys, ctx->count);

	ctx->count = 0;
	if (result < 0)
		return (int)result;
	ctx->ended += result;
	return 0;
}

/* Returns true if the entry is an alias by which a side knows the other end as the address; *key is its flow's then. */
static bool names_address(const struct kill_translated_ctx *ctx, const struct ks_slot *slot, struct ks_flow_key *key)
{
	struct ks_slot alias, owner;
	__u32 true_end;

	if (ks_load_relaxed(&slot->flow.state) != KS_STATE_ALIAS || !ks_slot_copy(slot, &alias) ||
	    alias.key.kind != KS_KIND_FLOW || alias.flow.state != KS_STATE_ALIAS || alias.key.family != ctx->family)
		return false;
	true_end = ks_flow_orig_side(&alias.flow) ^ (ks_record_of(&alias.flow)->alias.side & 1);
	if (memcmp(&alias.key.addr[!true_end], ctx->addr, sizeof(*ctx->addr)) ||
	    !read_slot(ctx->kernel, ks_record_of(&alias.flow)->alias.flow[0], &owner) ||
	    !ks_flow_is_shown(&owner.key, &owner.flow))
		return false;
	*key = owner.key;
	return true;
}

long ks_kernel_kill_translated(struct ks_kernel *kernel, const struct ks_addr *addr, unsigned family)
{
	ks_auto_free struct kill_translated_ctx *ctx = calloc(1, sizeof(*ctx));
	int err = 0;

	if (!ctx)
		return -ENOMEM;
	ctx->kernel = kernel;
	ctx->addr = addr;
	ctx->family = family;
	for (__u32 i = 0; !err && i < kernel->shape->buckets; i++) {
		const struct ks_bucket *bucket = &kernel->table[i];

		for (unsigned j = 0; !err && j < KS_BUCKET_SLOTS; j++) {
			if (!ks_load_relaxed(&bucket->tag[j]) ||
			    !names_address(ctx, &bucket->slot[j], &ctx->keys[ctx->count]))
				continue;
			if (++ctx->count == KS_TRANSLATED_BATCH)
				err = end_collected(ctx);
		}
	}
	if (!err)
		err = end_collected(ctx);
	return err ?: ctx->ended;
}

#define KS_RECOUNTS 3 /* a number that packets change meanwhile is counted again */

/* Counts the mappings in the table by their inner addresses. */
static void count_mappings(const struct ks_kernel *kernel, __u32 *counted)
{
	struct ks_slot slot;

	memset(counted, 0, KS_BUDGETS * sizeof(*counted));
	for (__u32 i = 0; i < kernel->shape->buckets; i++) {
		const struct ks_bucket *bucket = &kernel->table[i];

		for (unsigned j = 0; j < KS_BUCKET_SLOTS; j++) {
			if (ks_load_relaxed(&bucket->tag[j]) && ks_slot_copy(&bucket->slot[j], &slot) &&
			    slot.flow.state == KS_STATE_MAPPING && slot.key.kind == KS_KIND_MAPPING_IN)
				counted[ks_budget_index(kernel->shape, &ks_record_of(&slot.flow)->mapping.addr)]++;
		}
	}
}

/* Corrects the numbers that have not changed while they were counted. Returns how many have. */
static __u32 correct_budgets(const struct ks_kernel *kernel, struct ks_budget *budgets, __u32 *before, __u32 *counted)
{
	__u32 moved = 0;

	for (__u32 i = 0; i < KS_BUDGETS; i++)
		before[i] = ks_load_relaxed(&budgets[i].mappings);
	count_mappings(kernel, counted);
	for (__u32 i = 0; i < KS_BUDGETS; i++) {
		if (before[i] != counted[i] && ks_cmpxchg(&budgets[i].mappings, before[i], counted[i]) != before[i])
			moved++;
	}
	return moved;
}

void ks_kernel_recount_mappings(const struct ks_kernel *kernel)
{
	ks_auto_free __u32 *before = calloc(KS_BUDGETS, sizeof(*before));
	ks_auto_free __u32 *counted = calloc(KS_BUDGETS, sizeof(*counted));
	int fd = kernel->maps[KS_MAP_BUDGETS];
	struct ks_budget *budgets;

	if (!before || !counted || ks_kernel_map_one(fd, PROT_READ | PROT_WRITE, &budgets))
		return;
	for (unsigned n = 0; n < KS_RECOUNTS && correct_budgets(kernel, budgets, before, counted); n++)
		;
	ks_kernel_unmap_one(budgets, fd);
}
