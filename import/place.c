/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A text seldom says in which zone an address is, but its rules do: one that lets packets pass out of eth2 to 10.1.0.80 knows it
 * there, and so does one that lets those from 10.1.0.0/24 pass that come in by eth2. The narrowest such rule counts; two zones in
 * rules as narrow say nothing.
 */
#include "import/place.h"

#include <string.h>

#include "import/plan.h"
#include "policy/value.h"

#define SELF (1ULL << KS_ZONE_SELF)

int ks_places_find(struct ks_import *import, const struct ks_piece *all, struct ks_flat *places)
{
	int err = 0;

	for (unsigned i = 0; !err && i < import->bases; i++) {
		struct ks_piece piece = *all;

		if (import->base[i].hook != KS_HOOK_FORWARD || import->base[i].translates)
			continue;
		ks_plan_restrict(import, KS_HOOK_FORWARD, &piece.region);
		ks_region_free(&piece.region, KS_VAR_FORWARDED);
		ks_region_fix(&piece.region, KS_VAR_OPENS, true);
		ks_region_fix(&piece.region, KS_VAR_TRACKED, true);
		err = ks_flatten(import, &import->base[i], &piece, KS_FLAT_OPENING, places);
	}
	return err;
}

/* How many addresses a range has, less one. */
static void width_find(const struct ks_range *range, __u64 width[2])
{
	width[0] = range->hi[0] - range->lo[0] - (range->hi[1] < range->lo[1]);
	width[1] = range->hi[1] - range->lo[1];
}

/* The range of the spans that holds another one; NULL if none does, or all addresses are meant. */
static const struct ks_range *range_around(const struct ks_spans *spans, const struct ks_range *range,
					   const struct ks_spans *whole)
{
	if (ks_spans_equal(spans, whole))
		return NULL;
	for (__u32 i = 0; i < spans->count; i++) {
		if (ks_value_compare(spans->list[i].lo, range->lo) <= 0 &&
		    ks_value_compare(spans->list[i].hi, range->hi) >= 0)
			return &spans->list[i];
	}
	return NULL;
}

struct place {
	__u64 zone, width[2];
};

/* One side of what passes: the zone that it names, and the addresses there. */
static void side_take(struct place *place, __u64 zones, const struct ks_range *around)
{
	__u64 width[2];
	int order;

	if (!around || !zones || zones & (zones - 1))
		return;
	width_find(around, width);
	order = place->zone ? ks_value_compare(width, place->width) : -1;
	if (order > 0 || (!order && zones == place->zone))
		return;
	place->zone = order ? zones : SELF; /* nobody's, for those as narrow */
	memcpy(place->width, width, sizeof(width));
}

__u64 ks_place_of_range(const struct ks_import *import, const struct ks_flat *places, const struct ks_range *range,
			__u8 family)
{
	const __u64 known = ks_import_zones(import) & ~(1ULL << KS_ZONE_NONE);
	struct place place = { 0 };

	for (size_t i = 0; i < places->count; i++) {
		const struct ks_region *region = &places->list[i].piece.region;

		if (places->list[i].verdict != KS_IMPORT_ACCEPT)
			continue;
		side_take(&place, region->to,
			  range_around(&region->dim[KS_DIM_DST], range, ks_spans_all(KS_DIM_DST, family)));
		side_take(&place, region->from,
			  range_around(&region->dim[KS_DIM_SRC], range, ks_spans_all(KS_DIM_SRC, family)));
	}
	return place.zone & known;
}
