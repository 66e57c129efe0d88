/* SPDX-License-Identifier: BSD-2-Clause */
/* See budgets.h. */
#include "engine/budgets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/table/share.h"
#include "engine/entries.h"
#include "text/scoped.h"

#define RECOUNTS 3

static void count_entry(const struct ks_table_shape *shape, const struct ks_slot *slot, struct ks_budget *counted)
{
	enum ks_share share = ks_share_of(slot->key.kind, &slot->flow);
	struct ks_share_source source;
	__u64 hash;

	if (slot->flow.state == KS_STATE_MAPPING && slot->key.kind == KS_KIND_MAPPING_IN)
		counted[ks_budget_index(shape, &ks_record_of(&slot->flow)->mapping.addr)].mappings++;
	if (share == KS_SHARE_NONE)
		return;
	source = ks_share_source(&slot->key, ks_share_side(slot->key.kind, &slot->flow));
	hash = ks_share_hash(shape, &source, share);
	for (__u32 row = 0; row < KS_SHARE_ROWS; row++)
		counted[ks_share_cell(hash, row)].entries++;
	if (share == KS_SHARE_HELD)
		counted[KS_SHARE_SUM].entries++;
	else if (share == KS_SHARE_HALF_OPEN)
		counted[ks_share_zone_cell(&slot->flow)].entries++;
}

void ks_budgets_count(const struct ks_bucket *table, const struct ks_table_shape *shape, struct ks_budget *counted)
{
	struct ks_slot slot;

	memset(counted, 0, KS_BUDGETS * sizeof(*counted));
	for (__u32 i = 0; i < shape->buckets; i++) {
		const struct ks_tags *tags = ks_tags_of(table, shape->buckets, i);

		for (unsigned j = 0; j < KS_BUCKET_SLOTS; j++) {
			if (ks_load_relaxed(&tags->tag[j]) && ks_slot_copy(&table[i].slot[j], &slot))
				count_entry(shape, &slot, counted);
		}
	}
}

/*
 * Corrects a number that has not changed while it was counted. Returns 1 if it has. The last time (`now`) it is corrected by what
 * it was wrong: then it is wrong by what came and went meanwhile, at most.
 */
static __u32 correct(__u32 *number, __u32 before, __u32 counted, bool now)
{
	if (before == counted || ks_cmpxchg(number, before, counted) == before)
		return 0;
	if (now)
		ks_fetch_add(number, counted - before);
	return 1;
}

/* Returns how many numbers have changed meanwhile. `numbers` has room for twice KS_BUDGETS. */
static __u32 correct_all(const struct ks_bucket *table, const struct ks_table_shape *shape, struct ks_budget *budgets,
			 struct ks_budget *numbers, bool now)
{
	struct ks_budget *before = numbers, *counted = numbers + KS_BUDGETS;
	__u32 moved = 0;

	for (__u32 i = 0; i < KS_BUDGETS; i++) {
		before[i].mappings = ks_load_relaxed(&budgets[i].mappings);
		before[i].entries = ks_load_relaxed(&budgets[i].entries);
	}
	ks_budgets_count(table, shape, counted);
	for (__u32 i = 0; i < KS_BUDGETS; i++) {
		moved += correct(&budgets[i].mappings, before[i].mappings, counted[i].mappings, now);
		moved += correct(&budgets[i].entries, before[i].entries, counted[i].entries, now);
	}
	return moved;
}

int ks_budgets_recount(const struct ks_bucket *table, const struct ks_table_shape *shape, struct ks_budget *budgets)
{
	ks_auto_free struct ks_budget *numbers = calloc((size_t)2 * KS_BUDGETS, sizeof(*numbers));

	if (!numbers)
		return -ENOMEM;
	for (unsigned n = 0; n < RECOUNTS && correct_all(table, shape, budgets, numbers, n == RECOUNTS - 1); n++)
		;
	return 0;
}
