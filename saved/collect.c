/* SPDX-License-Identifier: BSD-2-Clause */
/* See collect.h. Entries are copied under their version (engine/entries.h): the table may be in use. */
#include "saved/collect.h"

#include <errno.h>
#include <time.h>

#include "core/home.h"
#include "engine/entries.h"
#include "saved/names.h"

#define CLOCK_BUCKETS 1024U /* after so many the clock is looked at */

struct collect_ctx {
	const struct ks_saved_table *table;
	__u32 clock; /* the present on a flow's clock */
	__u32 seconds; /* the same, s */
	int (*fn)(const struct ks_saved_entry *entry, void *arg);
	void *arg;
};

/* Copies the entry of a slot id. Returns false if nothing is there. */
static bool copy_at(const struct ks_saved_table *table, __u32 id, struct ks_slot *copy)
{
	struct ks_flow_ref ref;

	if (!id || id > table->count * KS_BUCKET_SLOTS)
		return false;
	ref = ks_slot_at(id);
	return ks_slot_copy(&table->buckets[ref.bucket].slot[ref.slot], copy) && copy->flow.state != KS_STATE_NONE;
}

static void make_age(const struct collect_ctx *ctx, struct ks_flow *entry)
{
	__s32 age = (__s32)(ctx->clock - entry->seen);

	entry->seen = age > 0 ? (__u32)age : 0;
	entry->version = 0;
}

/* Adds the alias of a side. Returns false if it is not there, or not the flow's. */
static bool take_alias(const struct collect_ctx *ctx, __u32 owner, unsigned side, struct ks_transplant *of)
{
	struct ks_record *record;
	struct ks_slot alias;

	if (!of->flow.alias[side])
		return true;
	if (!copy_at(ctx->table, of->flow.alias[side], &alias) || alias.flow.state != KS_STATE_ALIAS)
		return false;
	record = ks_record_edit(&alias.flow);
	if (record->alias.flow[0] != owner || (record->alias.side & 1) != side)
		return false;
	make_age(ctx, &alias.flow);
	record->alias.flow[0] = record->alias.flow[1] = 0;
	of->has_alias[side] = true;
	of->alias_key[side] = alias.key;
	of->alias[side] = alias.flow;
	return true;
}

static bool take_flow(const struct collect_ctx *ctx, __u32 id, struct ks_saved_entry *entry)
{
	struct ks_flow *flow = &entry->of.flow;

	for (unsigned side = 0; side < 2; side++) {
		if (!take_alias(ctx, id, side, &entry->of))
			return false;
	}
	flow->alias[0] = flow->alias[1] = 0;
	flow->created = ctx->seconds - flow->created;
	return true;
}

/* An expectation names the slot of its control connection, which must still be the same. */
static bool take_expectation(const struct collect_ctx *ctx, struct ks_saved_entry *entry)
{
	struct ks_expectation *expectation = &ks_record_edit(&entry->of.flow)->expectation;
	struct ks_slot control;

	if (!copy_at(ctx->table, expectation->control, &control) || !ks_flow_is_shown(&control.key, &control.flow) ||
	    control.flow.created != expectation->control_created)
		return false;
	entry->control = control.key;
	expectation->control = expectation->control_created = 0;
	expectation->control_hash = 0;
	return true;
}

static void take_memory(struct ks_saved_entry *entry)
{
	struct ks_memory *memory = &ks_record_edit(&entry->of.flow)->memory;

	for (unsigned i = 0; i < KS_HELPER_EXPECTED; i++)
		memory->expected[i] = 0;
	memory->scanner = (struct ks_scanner){ 0 };
}

/* Makes the entry of a copy. Returns false if it is not saved. */
static bool take(const struct collect_ctx *ctx, const struct ks_slot *copy, __u32 id, struct ks_saved_entry *entry)
{
	*entry = (struct ks_saved_entry){ .of = { .key = copy->key, .flow = copy->flow } };
	if (copy->flow.state == KS_STATE_NONE || copy->flow.state == KS_STATE_ALIAS ||
	    ks_saved_kind_of(copy->key.kind) == KS_SAVED_END || ks_flow_is_dead(&copy->flow, ctx->clock))
		return false;
	make_age(ctx, &entry->of.flow);
	switch (copy->key.kind) {
	case KS_KIND_FLOW:
		return take_flow(ctx, id, entry);
	case KS_KIND_EXPECT:
		return take_expectation(ctx, entry);
	case KS_KIND_HELPER_ORIGINAL:
	case KS_KIND_HELPER_REPLY:
		take_memory(entry);
	}
	return true;
}

static int take_bucket(const struct collect_ctx *ctx, __u32 index, bool flows)
{
	const struct ks_bucket *bucket = &ctx->table->buckets[index];
	const struct ks_tags *tags = ks_tags_of(ctx->table->buckets, ctx->table->count, index);
	struct ks_saved_entry entry;
	struct ks_slot copy;
	int result = 0;

	for (__u32 i = 0; !result && i < KS_BUCKET_SLOTS; i++) {
		const struct ks_flow_ref ref = { .bucket = index, .slot = i };

		if (!ks_load_relaxed(&tags->tag[i]) || !ks_slot_copy(&bucket->slot[i], &copy) ||
		    (copy.key.kind == KS_KIND_FLOW) != flows || !take(ctx, &copy, ks_slot_id(&ref), &entry))
			continue;
		result = ctx->fn(&entry, ctx->arg);
	}
	return result;
}

static bool is_too_late(const struct ks_saved_table *table)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return table->deadline && (__u64)now.tv_sec * KS_NSEC_PER_SEC + (__u64)now.tv_nsec > table->deadline;
}

static int take_all(const struct collect_ctx *ctx, bool flows)
{
	int result = 0;

	for (__u32 i = 0; !result && i < ctx->table->count; i++) {
		if (i % CLOCK_BUCKETS == 0 && is_too_late(ctx->table))
			return -ETIME;
		result = take_bucket(ctx, i, flows);
	}
	return result;
}

int ks_saved_collect(const struct ks_saved_table *table, int (*fn)(const struct ks_saved_entry *entry, void *arg),
		     void *arg)
{
	const struct collect_ctx ctx = { .table = table,
					 .clock = ks_flow_clock(table->now),
					 .seconds = (__u32)(table->now / KS_NSEC_PER_SEC),
					 .fn = fn,
					 .arg = arg };

	return take_all(&ctx, true) ?: take_all(&ctx, false);
}
