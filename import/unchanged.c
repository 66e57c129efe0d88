/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that are for the new destination before it is given to them. netfilter changes nothing of these, and does not call them
 * translated (`ct status dnat`): so rules that let translated packets pass do not let them, and the hooks are asked about them as
 * they come. pf calls them translated.
 */
#include <errno.h>
#include <string.h>

#include "import/plan.h"

#define OWN_TEXT "address of "

/* Returns true if a region is of packets to an address that the firewall has at an interface. */
static bool is_for_own(const struct ks_import *import, const struct ks_region *region)
{
	for (unsigned i = KS_VAR_FIRST; i < import->conditions; i++) {
		if (import->condition[i].word == KS_WORD_DESTINATION && !(region->out >> i & 1) &&
		    !strncmp(import->condition[i].text, OWN_TEXT, strlen(OWN_TEXT)))
			return true;
	}
	return false;
}

/* The packets of a region that have the destination already, which are for others than the firewall. Returns 1 if there are some, 0 or -errno. */
static int region_find(struct ks_import *import, const struct ks_region *came, const struct ks_import_target *target,
		       struct ks_region *same)
{
	struct ks_range *ranges = ks_pool_alloc(&import->pool, 2 * sizeof(*ranges));
	struct ks_region wanted = *came;

	if (!ranges)
		return -ENOMEM;
	ranges[0] = target->range;
	ranges[1] = (struct ks_range){ .lo = { 0, target->port }, .hi = { 0, target->port } };
	wanted.dim[KS_DIM_DST] = (struct ks_spans){ &ranges[0], 1 };
	if (target->port && !target->each)
		wanted.dim[KS_DIM_DPORT] = (struct ks_spans){ &ranges[1], 1 };
	ks_region_free(&wanted, KS_VAR_OPENS);
	ks_region_free(&wanted, KS_VAR_TRACKED);
	ks_region_fix(&wanted, KS_VAR_OWN, false);
	ks_region_fix(&wanted, KS_VAR_FORWARDED, false);
	wanted.from &= ks_import_zones(import);
	wanted.to &= ks_import_zones(import);
	if (!wanted.from || !wanted.to || !(came->out >> KS_VAR_OWN & 1) ||
	    !ks_regions_overlap(&wanted, came, &import->steps))
		return 0;
	return ks_region_intersect(&import->pool, &wanted, came, &import->steps, same) ? -ENOMEM : 1;
}

int ks_plan_unchanged(struct ks_import *import, const struct ks_region *came, const struct ks_import_target *target,
		      struct ks_flat *flat)
{
	struct ks_piece piece = { 0 };
	struct ks_flat answers = { 0 };
	int is, err;

	if (!import->asks_forwarded || import->same_is_forwarded || !target->address ||
	    target->family != came->family || is_for_own(import, came))
		return 0;
	is = region_find(import, came, target, &piece.region);
	if (is <= 0)
		return is;
	ks_piece_begin(&piece);
	ks_region_free(&piece.region, KS_VAR_OPENS);
	ks_region_free(&piece.region, KS_VAR_TRACKED);
	err = ks_plan_hook(import, &(struct ks_plan_question){ .hook = KS_HOOK_FORWARD }, &piece, &answers);
	if (!err)
		ks_flat_prune(import, &answers);
	for (size_t i = 0; !err && i < answers.count; i++) {
		ks_region_free(&answers.list[i].piece.region, KS_VAR_FORWARDED);
		ks_region_free(&answers.list[i].piece.region, KS_VAR_OWN);
		err = ks_flat_add(import, flat, &answers.list[i]);
	}
	return err;
}
