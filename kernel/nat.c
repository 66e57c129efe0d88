/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translated flows as user space sees them: the names by which the two sides
 * know a flow (core/nat/alias.h), and the end of flows whose outside address is
 * lost, with a reset for the inside of connections. Entries are copied under their version, like flows (read.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/home.h"
#include "core/table/share.h"
#include "engine/budgets.h"
#include "engine/entries.h"
#include "kernel/internal.h"

#define KS_LOST_TRIES 16 /* to close a connection while its packets pass */
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
		const struct ks_tags *tags = ks_tags_of(kernel->table, kernel->shape->buckets, i);

		for (unsigned j = 0; j < KS_BUCKET_SLOTS; j++) {
			const struct ks_flow_ref ref = { .bucket = i, .slot = j };

			if (!ks_load_relaxed(&tags->tag[j]) || memcmp(&bucket->slot[j].key, key, sizeof(*key)) ||
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

	if (!find_by_key(kernel, key, &slot, &id) ||
	    (ks_flow_is_expired(&slot.flow, ks_kernel_now(kernel)) && !ks_tally_is_held(&slot.flow)))
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
	struct ks_bucket *table; /* the kernel's, to be written */
	struct ks_table_counts *counts;
	struct ks_budget *budgets;
	const struct ks_addr *addr;
	unsigned family;
	ks_reset_fn *reset;
	void *arg;
	struct ks_flow_key keys[KS_TRANSLATED_BATCH];
	size_t count;
	long ended;
};

static int end_collected(struct kill_translated_ctx *ctx)
{
	long result = ks_kernel_kill(ctx->kernel, ctx->keys, ctx->count, KS_END_ADDRESS_LOST);

	ctx->count = 0;
	if (result < 0)
		return (int)result;
	ctx->ended += result;
	return 0;
}

/* A flow that knows the address, and the side that does not: the inside. */
struct losing_flow {
	struct ks_slot owner;
	struct ks_flow_ref ref;
	__u32 inside; /* enum ks_dir */
};

/* Returns true if the entry is an alias by which a side knows the other end as the address. */
static bool names_address(const struct kill_translated_ctx *ctx, const struct ks_slot *slot, struct losing_flow *flow)
{
	struct ks_slot alias;
	__u32 true_end, side, id;

	if (ks_load_relaxed(&slot->flow.state) != KS_STATE_ALIAS || !ks_slot_copy(slot, &alias) ||
	    alias.key.kind != KS_KIND_FLOW || alias.flow.state != KS_STATE_ALIAS || alias.key.family != ctx->family)
		return false;
	side = ks_record_of(&alias.flow)->alias.side & 1;
	id = ks_record_of(&alias.flow)->alias.flow[0];
	true_end = ks_flow_orig_side(&alias.flow) ^ side;
	if (memcmp(&alias.key.addr[!true_end], ctx->addr, sizeof(*ctx->addr)) ||
	    !read_slot(ctx->kernel, id, &flow->owner) || !ks_flow_is_shown(&flow->owner.key, &flow->owner.flow))
		return false;
	flow->ref = ks_slot_at(id);
	flow->inside = !side;
	return true;
}

#define KS_LOST_MS 30000 /* that a connection is remembered whose address was lost */

/* A connection that is closed counts for its source no longer, nor for its zone. Under the claim of its slot. */
static void give_back_share(struct kill_translated_ctx *ctx, const struct ks_slot *owner)
{
	enum ks_share share = ks_share_of(owner->key.kind, &owner->flow);
	struct ks_share_source source = ks_share_source(&owner->key, ks_share_side(owner->key.kind, &owner->flow));
	__u64 hash = ks_share_hash(ctx->kernel->shape, &source, share);

	if (share == KS_SHARE_NONE)
		return;
	for (__u32 row = 0; row < KS_SHARE_ROWS; row++)
		ks_fetch_add(&ctx->budgets[ks_share_cell(hash, row)].entries, -1);
	if (share == KS_SHARE_HELD)
		ks_fetch_add(&ctx->budgets[KS_SHARE_SUM].entries, -1);
	else if (share == KS_SHARE_HALF_OPEN)
		ks_fetch_add(&ctx->budgets[ks_share_zone_cell(&owner->flow)].entries, -1);
}

/* Closes the connection, if it is as it was read. It answers its inside with a reset from then on (core/known.c). */
static bool mark_lost(struct kill_translated_ctx *ctx, const struct losing_flow *flow)
{
	struct ks_flow *shared = &ctx->table[flow->ref.bucket].slot[flow->ref.slot].flow;
	__u32 version = flow->owner.flow.version;
	bool was_half_open = ks_state_is_half_open(flow->owner.flow.state);

	if (ks_cmpxchg(&shared->version, version, version + 1) != version)
		return false;
	ks_store_relaxed(&shared->state, KS_STATE_TCP_CLOSE);
	ks_store_relaxed(&shared->seen, ks_flow_clock(ks_kernel_now(ctx->kernel)));
	ks_store_relaxed(&shared->timeout, KS_LOST_MS);
	ks_store_relaxed(&shared->tcp_flags[flow->inside], flow->owner.flow.tcp_flags[flow->inside] | KS_TCP_LOST);
	give_back_share(ctx, &flow->owner);
	ks_store_release(&shared->version, version + 2);
	if (was_half_open)
		ks_fetch_add(&ctx->counts->half_open, -1);
	return true;
}

/* Tells that a connection has ended, which no program sees. */
static void tell_lost(const struct kill_translated_ctx *ctx, const struct losing_flow *flow)
{
	const struct ks_kernel *kernel = ctx->kernel;
	struct ks_flow_event event = {
		.time = ks_kernel_now(kernel),
		.key = flow->owner.key,
		.flow = flow->owner.flow,
		.kind = KS_EVENT_END,
		.why = KS_END_ADDRESS_LOST,
	};

	if (!kernel->tell)
		return;
	event.flow.state = KS_STATE_TCP_CLOSE;
	ks_flow_event_note(kernel->table, kernel->shape->buckets, &event);
	kernel->tell(&event, kernel->tell_arg);
}

void ks_kernel_tell_flows(struct ks_kernel *kernel, ks_engine_tell_fn *tell, void *arg)
{
	kernel->tell = tell;
	kernel->tell_arg = arg;
}

/* Tells the inside of a connection, in the name by which it knows the other end. */
static void reset_inside(struct kill_translated_ctx *ctx, const struct losing_flow *flow)
{
	const struct ks_flow_key *key = &flow->owner.key;
	__u32 end = ks_flow_orig_side(&flow->owner.flow) ^ flow->inside;
	struct ks_translation translation;
	struct ks_reset reset = {
		.tuple = { .src = key->addr[!end],
			   .dst = key->addr[end],
			   .sport = key->port[!end],
			   .dport = key->port[end],
			   .proto = key->proto,
			   .family = key->family },
		.seq = flow->owner.flow.end[!flow->inside],
		.ack = flow->owner.flow.end[flow->inside],
	};

	ks_kernel_translation(ctx->kernel, key, &flow->owner.flow, &translation);
	if (translation.present[flow->inside]) {
		reset.tuple.src = translation.addr[flow->inside];
		reset.tuple.sport = translation.port[flow->inside];
	}
	ctx->reset(&reset, ctx->arg);
}

static bool is_open_tcp(const struct ks_slot *slot)
{
	return slot->key.proto == KS_PROTO_TCP && !ks_state_is_closed(slot->flow.state);
}

/* Ends what one entry of the table stands for, or collects it to be ended. */
static int end_translated(struct kill_translated_ctx *ctx, const struct ks_slot *slot)
{
	struct losing_flow flow;

	if (!names_address(ctx, slot, &flow))
		return 0;
	/* Packets that come meanwhile change it. */
	for (unsigned n = 0; is_open_tcp(&flow.owner) && n < KS_LOST_TRIES; n++) {
		if (mark_lost(ctx, &flow)) {
			tell_lost(ctx, &flow);
			reset_inside(ctx, &flow);
			ctx->ended++;
			return 0;
		}
		if (!names_address(ctx, slot, &flow))
			return 0;
	}
	ctx->keys[ctx->count++] = flow.owner.key;
	return ctx->count == KS_TRANSLATED_BATCH ? end_collected(ctx) : 0;
}

static int look_through(struct kill_translated_ctx *ctx)
{
	const struct ks_kernel *kernel = ctx->kernel;
	int err = 0;

	for (__u32 i = 0; !err && i < kernel->shape->buckets; i++) {
		const struct ks_bucket *bucket = &kernel->table[i];
		const struct ks_tags *tags = ks_tags_of(kernel->table, kernel->shape->buckets, i);

		for (unsigned j = 0; !err && j < KS_BUCKET_SLOTS; j++) {
			if (ks_load_relaxed(&tags->tag[j]))
				err = end_translated(ctx, &bucket->slot[j]);
		}
	}
	return err ?: end_collected(ctx);
}

long ks_kernel_kill_translated(struct ks_kernel *kernel, const struct ks_addr *addr, unsigned family,
			       ks_reset_fn *reset, void *arg)
{
	const int table = kernel->maps[KS_MAP_TABLE], counts = kernel->maps[KS_MAP_COUNTS],
		  budgets = kernel->maps[KS_MAP_BUDGETS];
	ks_auto_free struct kill_translated_ctx *ctx = calloc(1, sizeof(*ctx));
	int err;

	if (!ctx)
		return -ENOMEM;
	*ctx = (struct kill_translated_ctx){
		.kernel = kernel, .addr = addr, .family = family, .reset = reset, .arg = arg
	};
	err = ks_kernel_map_one(table, PROT_READ | PROT_WRITE, &ctx->table)
		      ?: ks_kernel_map_one(counts, PROT_READ | PROT_WRITE, &ctx->counts)
		      ?: ks_kernel_map_one(budgets, PROT_READ | PROT_WRITE, &ctx->budgets);
	if (!err)
		err = look_through(ctx);
	ks_kernel_unmap_one(ctx->budgets, budgets);
	ks_kernel_unmap_one(ctx->counts, counts);
	ks_kernel_unmap_one(ctx->table, table);
	return err ?: ctx->ended;
}

void ks_kernel_recount(const struct ks_kernel *kernel)
{
	int fd = kernel->maps[KS_MAP_BUDGETS];
	struct ks_budget *budgets;

	if (ks_kernel_map_one(fd, PROT_READ | PROT_WRITE, &budgets))
		return;
	ks_budgets_recount(kernel->table, kernel->shape, budgets);
	ks_kernel_unmap_one(budgets, fd);
}
