/* SPDX-License-Identifier: BSD-2-Clause */
/* The packets that come to a translation, or to a rule about what is not tracked: those that no rule before it has accepted. */
#include <errno.h>

#include "import/plan.h"

#define PIECES_MAX 1024

static int region_shred(struct ks_import *import, struct ks_shreds *shreds, const struct ks_region *without)
{
	struct ks_region *left = ks_pool_alloc(&import->pool, (PIECES_MAX + KS_REGION_PIECES_MAX) * sizeof(*left));
	int count = 0;

	if (!left)
		return -ENOMEM;
	for (int i = 0; i < shreds->count; i++) {
		const struct ks_region *region = &shreds->list[i];
		int more;

		if (count > PIECES_MAX || import->steps > KS_FLAT_STEPS)
			return -E2BIG;
		if (!ks_regions_overlap(region, without, &import->steps)) {
			left[count++] = *region;
			continue;
		}
		more = ks_region_subtract(&import->pool, region, without, &import->steps, left + count);
		if (more < 0)
			return more;
		count += more;
	}
	*shreds = (struct ks_shreds){ left, count };
	return 0;
}

/* Appends shreds to others. */
static int shreds_join(struct ks_import *import, struct ks_shreds *shreds, const struct ks_shreds *more)
{
	struct ks_region *list =
		ks_pool_alloc(&import->pool, (size_t)(shreds->count + more->count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (int i = 0; i < shreds->count + more->count; i++)
		list[i] = i < shreds->count ? shreds->list[i] : more->list[i - shreds->count];
	*shreds = (struct ks_shreds){ list, shreds->count + more->count };
	return 0;
}

/* The packets that the shreds and a region have in common. */
static int shreds_common(struct ks_import *import, const struct ks_shreds *shreds, const struct ks_region *region,
			 struct ks_shreds *common)
{
	int err = 0;

	*common = (struct ks_shreds){ ks_pool_alloc(&import->pool, (size_t)(shreds->count + 1) * sizeof(*common->list)),
				      0 };
	if (!common->list)
		return -ENOMEM;
	for (int i = 0; !err && i < shreds->count; i++) {
		if (ks_regions_overlap(&shreds->list[i], region, &import->steps))
			err = ks_region_intersect(&import->pool, &shreds->list[i], region, &import->steps,
						  &common->list[common->count++]);
	}
	return err;
}

/* Conditions come last, so that what has nothing to do with them is apart, and can be said. */
static int shred(struct ks_import *import, struct ks_shreds *shreds, const struct ks_region *without)
{
	const __u64 conditions = ~((1ULL << KS_VAR_FIRST) - 1);
	struct ks_region wide = *without;
	struct ks_shreds common;
	int err;

	wide.in |= conditions;
	wide.out |= conditions;
	if (wide.in == without->in && wide.out == without->out)
		return region_shred(import, shreds, without);
	err = shreds_common(import, shreds, &wide, &common);
	err = err ? err : region_shred(import, &common, without);
	err = err ? err : region_shred(import, shreds, &wide);
	return err ? err : shreds_join(import, shreds, &common);
}

int ks_plan_shred(struct ks_import *import, const struct ks_flat *flat, size_t at, struct ks_shreds *shreds)
{
	int err = 0;

	shreds->list = ks_pool_alloc(&import->pool, sizeof(*shreds->list));
	if (!shreds->list)
		return -ENOMEM;
	shreds->list[0] = flat->list[at].piece.region;
	shreds->count = 1;
	for (size_t i = 0; !err && i < at; i++) {
		const struct ks_flat_entry *before = &flat->list[i];

		if (before->verdict == KS_IMPORT_ACCEPT &&
		    ks_regions_overlap(&before->piece.region, &flat->list[at].piece.region, &import->steps))
			err = shred(import, shreds, &before->piece.region);
	}
	return err;
}
