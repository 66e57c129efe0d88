// SPDX-License-Identifier: BSD-2-Clause
/*
 * Chooses where a node of a tree parts its boxes: of all ends of boxes in all fields, the one that leaves the fewest on both
 * sides together, by the sum of squares, so that halves are better than slices, and boxes that lie on both sides count
 * twice. Of many boxes a sample speaks for all.
 */
#include <stdlib.h>

#include "policy/tree_internal.h"

#define SAMPLE 64U

/* The ends of the boxes of a sample in one field, each sorted. */
struct ends {
	__u32 count;
	__u32 lo[SAMPLE], hi[SAMPLE];
};

static void insert_sorted(__u32 *list, __u32 count, __u32 value)
{
	while (count > 0 && list[count - 1] > value) {
		list[count] = list[count - 1];
		count--;
	}
	list[count] = value;
}

static void take_ends(const struct ks_boxes *boxes, const __u32 *refs, __u32 count, const struct ks_region *region,
		      unsigned field, struct ends *ends)
{
	ends->count = KS_MIN(count, SAMPLE);
	for (__u32 i = 0; i < ends->count; i++) {
		__u32 box = refs[(__u64)i * count / ends->count];

		insert_sorted(ends->lo, i, KS_MAX(boxes->lo[field][box], region->lo[field]));
		insert_sorted(ends->hi, i, KS_MIN(boxes->hi[field][box], region->hi[field]));
	}
}

static __u64 cost_of(__u64 left, __u64 right)
{
	return left * left + right * right;
}

/* Tries a cut behind each end. *best is the least cost so far. */
static bool try_ends(const struct ends *ends, __u32 *value, __u64 *best)
{
	__u32 left = 0, right = ends->count;
	bool found = false;

	/* Behind hi[i] begin those with lo <= hi[i] on the left, and go on those with hi > hi[i] on the right. */
	for (__u32 i = 0, j = 0; i < ends->count || j < ends->count;) {
		bool at_lo = j < ends->count && (i == ends->count || (ends->lo[j] && ends->lo[j] - 1 < ends->hi[i]));
		__u32 cut = at_lo ? ends->lo[j] - 1 : ends->hi[i < ends->count ? i : i - 1];

		if (j < ends->count && !ends->lo[j]) { /* before all cuts */
			j++;
			continue;
		}
		while (left < ends->count && ends->lo[left] <= cut)
			left++;
		while (right > 0 && ends->hi[ends->count - right] <= cut)
			right--;
		if (left < ends->count && right < ends->count && cost_of(left, right) < *best) {
			*best = cost_of(left, right);
			*value = cut;
			found = true;
		}
		if (at_lo)
			j++;
		else
			i++;
	}
	return found;
}

bool ks_split_choose(const struct ks_boxes *boxes, const __u32 *refs, __u32 count, const struct ks_region *region,
		     struct ks_split *split)
{
	__u64 best = ~0ULL;
	struct ends ends;

	if (!count)
		return false;
	for (unsigned field = 0; field < boxes->fields; field++) {
		take_ends(boxes, refs, count, region, field, &ends);
		if (ends.lo[0] == ends.lo[ends.count - 1] && ends.hi[0] == ends.hi[ends.count - 1])
			continue;
		if (try_ends(&ends, &split->value, &best))
			split->field = field;
	}
	return best != ~0ULL;
}
