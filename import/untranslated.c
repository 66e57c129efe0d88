/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations that no rule of ours says. Left out as other rules that allow, they would let their packets come to the rules below,
 * which let some pass as they are: to where they were sent first. The same is so of packets that are not tracked, of which the
 * original lets no answers pass but those that its rules name. So such a rule is one that denies, unless its packets come to
 * nothing else than rules that deny, or that do the same with them.
 */
#include "import/plan.h"

static bool denies(const struct ks_flat_entry *entry)
{
	return entry->verdict == KS_IMPORT_DROP || entry->verdict == KS_IMPORT_REJECT;
}

/* Returns true if all packets of an entry come to entries below that deny, or that do the same. */
static bool is_caught(struct ks_import *import, const struct ks_flat *flat, size_t at)
{
	const struct ks_flat_entry *entry = &flat->list[at];

	for (size_t i = at + 1; i < flat->count; i++) {
		const struct ks_flat_entry *below = &flat->list[i];

		if (!ks_regions_overlap(&entry->piece.region, &below->piece.region, &import->steps))
			continue;
		if (!denies(below) && (below->verdict != entry->verdict || below->translation != entry->translation))
			return false;
		if (ks_region_is_within(&entry->piece.region, &below->piece.region, &import->steps))
			return true;
	}
	return true; /* no rule allows them */
}

void ks_plan_close(struct ks_import *import, struct ks_flat *flat)
{
	for (size_t i = 0; i < flat->count; i++) {
		struct ks_flat_entry *entry = &flat->list[i];

		if (entry->verdict == KS_IMPORT_FORWARD || entry->verdict == KS_IMPORT_REDIRECT ||
		    entry->verdict == KS_IMPORT_UNTRACK)
			entry->closes = !is_caught(import, flat, i);
	}
}
