/* SPDX-License-Identifier: BSD-2-Clause */
/* See joint.h. */
#include "proof/joint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/index.h"
#include "proof/unasked.h"

/* --- zones --- */

static int pair_add(struct ks_policy *const policies[KS_DIFF_SIDES], struct ks_zone_pairs *pairs, unsigned before,
		    unsigned after)
{
	for (unsigned i = 0; i < pairs->count; i++) {
		if (pairs->zone[i][KS_DIFF_BEFORE] == before && pairs->zone[i][KS_DIFF_AFTER] == after)
			return 0;
	}
	if (pairs->count == KS_ZONE_MAX)
		return -E2BIG;
	pairs->zone[pairs->count][KS_DIFF_BEFORE] = (__u8)before;
	pairs->zone[pairs->count][KS_DIFF_AFTER] = (__u8)after;
	pairs->name[pairs->count++] = after >= KS_ZONE_FIRST ? ks_policy_zone_name(policies[KS_DIFF_AFTER], after)
							     : ks_policy_zone_name(policies[KS_DIFF_BEFORE], before);
	return 0;
}

/* The pairs of a zone's interfaces. A zone without any is paired by its name. */
static int zone_pair(struct ks_policy *const policies[KS_DIFF_SIDES], struct ks_zone_pairs *pairs,
		     const struct ks_zone *zone, int side)
{
	int err = 0;

	for (size_t i = 0; !err && i < zone->interface_count; i++) {
		unsigned zones[KS_DIFF_SIDES];

		for (int j = 0; j < KS_DIFF_SIDES; j++)
			zones[j] = ks_policy_interface_zone(policies[j], zone->interfaces[i], NULL);
		err = pair_add(policies, pairs, zones[KS_DIFF_BEFORE], zones[KS_DIFF_AFTER]);
	}
	if (!zone->interface_count) {
		int other = ks_policy_zone_id(policies[!side], zone->name);
		unsigned there = other < 0 ? KS_ZONE_NONE : (unsigned)other;

		err = side == KS_DIFF_BEFORE ? pair_add(policies, pairs, zone->id, there)
					     : pair_add(policies, pairs, there, zone->id);
	}
	return err;
}

int ks_zone_pairs_find(struct ks_policy *const policies[KS_DIFF_SIDES], struct ks_zone_pairs *pairs)
{
	int err;

	*pairs = (struct ks_zone_pairs){ 0 };
	err = pair_add(policies, pairs, KS_ZONE_NONE, KS_ZONE_NONE);
	if (!err)
		err = pair_add(policies, pairs, KS_ZONE_SELF, KS_ZONE_SELF);
	for (int side = 0; side < KS_DIFF_SIDES; side++) {
		for (size_t i = 0; !err && i < policies[side]->zone_count; i++)
			err = zone_pair(policies, pairs, &policies[side]->zones[i], side);
	}
	return err;
}

/* A policy's bits of zones as bits of pairs. */
static __u64 bits_pair(const struct ks_zone_pairs *pairs, __u64 bits, int side)
{
	__u64 paired = 0;

	for (unsigned i = 0; i < pairs->count; i++)
		paired |= (bits >> pairs->zone[i][side] & 1) << i;
	return paired;
}

/* --- rules --- */

static __u64 spans_hash(const struct ks_spans *spans, __u64 hash)
{
	/* Long lists are told apart by their ends; equal hashes are compared in full. */
	const size_t count = KS_MIN(spans->count, 8U);

	hash = ks_hash_bytes(hash + spans->count, spans->list, count * sizeof(*spans->list));
	return ks_hash_bytes(hash, spans->list + spans->count - count, count * sizeof(*spans->list));
}

static __u64 region_hash(const struct ks_region *region, __u64 hash)
{
	const __u64 fields[] = { region->from,	   region->to,	     region->in,       region->out,   region->proto[0],
				 region->proto[1], region->proto[2], region->proto[3], region->family };

	hash = ks_hash_bytes(hash, fields, sizeof(fields));
	for (int dim = 0; dim < KS_DIMS; dim++)
		hash = spans_hash(&region->dim[dim], hash);
	return hash;
}

static bool regions_equal(const struct ks_region *a, const struct ks_region *b)
{
	for (int dim = 0; dim < KS_DIMS; dim++) {
		if (!ks_spans_equal(&a->dim[dim], &b->dim[dim]))
			return false;
	}
	return a->from == b->from && a->to == b->to && a->in == b->in && a->out == b->out && a->family == b->family &&
	       !memcmp(a->proto, b->proto, sizeof(a->proto));
}

struct ks_deed ks_joint_deed(const struct ks_joint *joint, size_t claim, int side)
{
	struct ks_deed deed = { joint->policies[side], joint->space.list, KS_DECISION_DEFAULT, false };

	if (claim == KS_NO_CLAIM)
		return deed;
	deed.passes = joint->space.claims[claim].entry == KS_CLAIM_PASSING;
	if (!deed.passes)
		deed.entry = joint->space.claims[claim].entry;
	return deed;
}

/* Returns true if the region's packets depend on sets that follow interfaces and are not the firewall's own addresses. */
static bool follows_interfaces(const struct ks_joint *joint, const struct ks_region *region)
{
	for (__u64 some = ~(region->in & region->out); some; some &= some - 1) {
		const struct ks_variable_set *set = &joint->space.variables.set[__builtin_ctzll(some)];

		if (!set->is_dynamic && !set->is_own && !set->is_condition)
			return true;
	}
	return false;
}

bool ks_joint_is_vague(const struct ks_joint *joint, size_t claim)
{
	const struct ks_claim *one = &joint->space.claims[claim];

	return one->vague || follows_interfaces(joint, &one->region);
}

/* Returns true if two rules claim the same and do the same. */
static bool groups_equal(const struct ks_joint *joint, const struct ks_group *a, const struct ks_group *b)
{
	const struct ks_claim *claims = joint->space.claims;
	const char *text_a, *text_b;

	if (a->hash != b->hash || a->end - a->first != b->end - b->first)
		return false;
	if (a->info == KS_NO_INFO || b->info == KS_NO_INFO)
		return a->info == b->info;
	text_a = joint->policies[KS_DIFF_BEFORE]->infos[a->info].text;
	text_b = joint->policies[KS_DIFF_AFTER]->infos[b->info].text;
	for (size_t i = 0; i < a->end - a->first; i++) {
		const struct ks_deed x = ks_joint_deed(joint, a->first + i, KS_DIFF_BEFORE);
		const struct ks_deed y = ks_joint_deed(joint, b->first + i, KS_DIFF_AFTER);

		if (!regions_equal(&claims[a->first + i].region, &claims[b->first + i].region) ||
		    ks_deeds_differ(&x, &y) || claims[a->first + i].vague != claims[b->first + i].vague ||
		    (claims[a->first + i].vague && strcmp(text_a, text_b) != 0) ||
		    (follows_interfaces(joint, &claims[a->first + i].region) && strcmp(text_a, text_b) != 0))
			return false;
	}
	return true;
}

static int groups_make(struct ks_joint *joint, int side)
{
	const size_t begin = side ? joint->second : 0, end = side ? joint->space.count : joint->second;
	struct ks_groups *groups = &joint->groups[side];

	groups->list = calloc(KS_MAX(end - begin, (size_t)1), sizeof(*groups->list));
	if (!groups->list)
		return -ENOMEM;
	for (size_t i = begin; i < end; i++) {
		const struct ks_claim *claim = &joint->space.claims[i];
		struct ks_group *group = groups->count ? &groups->list[groups->count - 1] : NULL;
		__u32 info;

		if (claim->entry == KS_CLAIM_NOBODY)
			continue;
		info = ks_claim_is_rule(claim) ? joint->policies[side]->rule_info[claim->entry] : KS_NO_INFO;
		if (!group || group->info != info) {
			group = &groups->list[groups->count++];
			*group = (struct ks_group){ .first = i, .info = info, .changed = true };
		}
		group->end = i + 1;
		group->hash = region_hash(&claim->region, group->hash);
	}
	return 0;
}

/* --- which rules both have in the same order --- */

struct match {
	size_t before, after; /* indexes of groups */
	long previous; /* match, -1 for none */
};

static int match_order(const void *a, const void *b)
{
	const struct ks_group *const *x = a, *const *y = b;

	if ((*x)->hash != (*y)->hash)
		return (*x)->hash < (*y)->hash ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

static void unchange(struct ks_joint *joint, size_t before, size_t after)
{
	struct ks_group *of_before = &joint->groups[KS_DIFF_BEFORE].list[before];
	struct ks_group *of_after = &joint->groups[KS_DIFF_AFTER].list[after];

	of_before->changed = of_after->changed = false;
	of_before->partner = after;
	of_after->partner = before;
}

/* Finds a partner for each rule of `begin` to `end` before: the first equal one that has none yet. Returns how many matches. */
static size_t matches_find(const struct ks_joint *joint, const struct ks_group **sorted, size_t count, bool *taken,
			   size_t begin, size_t end, struct match *matches)
{
	const struct ks_group *after = joint->groups[KS_DIFF_AFTER].list;
	size_t found = 0;

	for (size_t i = begin; i < end; i++) {
		const struct ks_group *group = &joint->groups[KS_DIFF_BEFORE].list[i];
		size_t low = 0, high = count;

		while (low < high) {
			size_t middle = low + (high - low) / 2;

			if (sorted[middle]->hash < group->hash)
				low = middle + 1;
			else
				high = middle;
		}
		while (low < count && sorted[low]->hash == group->hash &&
		       (taken[low] || !groups_equal(joint, group, sorted[low])))
			low++;
		if (low == count || sorted[low]->hash != group->hash)
			continue;
		taken[low] = true;
		matches[found++] =
			(struct match){ .before = i, .after = (size_t)(sorted[low] - after), .previous = -1 };
	}
	return found;
}

/* Marks the longest run of matches in the order of both: the patience of Fredman. */
static void matches_mark(struct ks_joint *joint, struct match *matches, size_t count, size_t *piles)
{
	size_t height = 0;

	for (size_t i = 0; i < count; i++) {
		size_t low = 0, high = height;

		while (low < high) {
			size_t middle = low + (high - low) / 2;

			if (matches[piles[middle]].after < matches[i].after)
				low = middle + 1;
			else
				high = middle;
		}
		matches[i].previous = low ? (long)piles[low - 1] : -1;
		piles[low] = i;
		height = KS_MAX(height, low + 1);
	}
	for (long at = height ? (long)piles[height - 1] : -1; at >= 0; at = matches[at].previous)
		unchange(joint, matches[at].before, matches[at].after);
}

static int middle_align(struct ks_joint *joint, size_t begin, size_t end_before, size_t end_after)
{
	const size_t count = end_after - begin, many = end_before - begin;
	ks_auto_free const struct ks_group **sorted = calloc(count + 1, sizeof(*sorted));
	ks_auto_free struct match *matches = calloc(many + 1, sizeof(*matches));
	ks_auto_free size_t *piles = calloc(many + 1, sizeof(*piles));
	ks_auto_free bool *taken = calloc(count + 1, sizeof(*taken));
	size_t found;

	if (!sorted || !matches || !piles || !taken)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &joint->groups[KS_DIFF_AFTER].list[begin + i];
	qsort(sorted, count, sizeof(*sorted), match_order);
	found = matches_find(joint, sorted, count, taken, begin, end_before, matches);
	matches_mark(joint, matches, found, piles);
	return 0;
}

static int groups_align(struct ks_joint *joint)
{
	const struct ks_group *before = joint->groups[KS_DIFF_BEFORE].list;
	const struct ks_group *after = joint->groups[KS_DIFF_AFTER].list;
	size_t begin = 0, end_before = joint->groups[KS_DIFF_BEFORE].count,
	       end_after = joint->groups[KS_DIFF_AFTER].count;

	for (; begin < KS_MIN(end_before, end_after) && groups_equal(joint, &before[begin], &after[begin]); begin++)
		unchange(joint, begin, begin);
	while (end_before > begin && end_after > begin &&
	       groups_equal(joint, &before[end_before - 1], &after[end_after - 1]))
		unchange(joint, --end_before, --end_after);
	return middle_align(joint, begin, end_before, end_after);
}

/* --- both --- */

static void zones_pair(struct ks_joint *joint, const struct ks_zone_pairs *pairs)
{
	for (size_t i = 0; i < joint->space.count; i++) {
		struct ks_claim *claim = &joint->space.claims[i];

		claim->region.from = bits_pair(pairs, claim->region.from, claim->side);
		claim->region.to = bits_pair(pairs, claim->region.to, claim->side);
	}
	joint->space.zones = pairs->count == KS_ZONE_MAX ? ~0ULL : (1ULL << pairs->count) - 1;
	joint->space.zone_names = pairs->name;
}

int ks_joint_init(struct ks_joint *joint, struct ks_policy *const policies[KS_DIFF_SIDES],
		  const struct ks_zone_pairs *pairs, enum ks_list list, const struct ks_variables *variables)
{
	int err;

	*joint = (struct ks_joint){ .policies = policies };
	err = ks_space_init_with(&joint->space, policies[KS_DIFF_BEFORE], list, variables);
	joint->second = joint->space.count;
	if (!err)
		err = ks_space_join(&joint->space, policies[KS_DIFF_AFTER], list, KS_DIFF_AFTER);
	if (err)
		return err;
	zones_pair(joint, pairs);
	err = ks_near_init(&joint->near, &joint->space);
	if (!err)
		err = ks_cover_init(&joint->cover, &joint->space);
	for (int side = 0; !err && side < KS_DIFF_SIDES; side++)
		err = groups_make(joint, side);
	return err ? err : groups_align(joint);
}

void ks_joint_fini(struct ks_joint *joint)
{
	for (int side = 0; side < KS_DIFF_SIDES; side++)
		free(joint->groups[side].list);
	ks_cover_fini(&joint->cover);
	ks_near_fini(&joint->near);
	ks_space_fini(&joint->space);
}

/* Leaves those of cover.near that are asked before the claims of both policies, with entries up to one. */
static void near_filter(struct ks_joint *joint, size_t before, size_t after, __u32 until)
{
	struct ks_cover *cover = &joint->cover;
	size_t count = 0;

	for (size_t i = 0; i < cover->near_count; i++) {
		size_t at = cover->near[i];

		if (joint->space.claims[at].entry <= until && (at < joint->second ? at < before : at < after))
			cover->near[count++] = (__u32)at;
	}
	cover->near_count = count;
}

/* Bounds a region by the claims of both policies. Returns 1, 0 if nothing is in all of them, or -ENOMEM. */
static int region_bound(struct ks_joint *joint, const struct ks_region *bound, const size_t claims[KS_DIFF_SIDES],
			struct ks_region *region)
{
	struct ks_cover *cover = &joint->cover;
	int err = 0;

	ks_region_fill(region, bound ? bound->family : KS_IPV4, joint->space.zones);
	if (bound)
		*region = *bound;
	for (int side = 0; !err && side < KS_DIFF_SIDES; side++) {
		const struct ks_region *other;

		if (claims[side] == KS_NO_CLAIM)
			continue;
		other = &joint->space.claims[claims[side]].region;
		if (!bound && side == (claims[KS_DIFF_BEFORE] == KS_NO_CLAIM)) {
			*region = *other;
			continue;
		}
		if (!ks_regions_overlap(region, other, &cover->steps))
			return 0;
		err = ks_region_intersect(&cover->pool, region, other, &cover->steps, region);
	}
	return err ? err : 1;
}

static int regions_find(struct ks_joint *joint, const struct ks_region *bound, const size_t claims[KS_DIFF_SIDES],
			bool with_nobody, ks_left_fn *fn, void *arg)
{
	struct ks_cover *cover = &joint->cover;
	__u32 until = KS_CLAIM_PASSING - 1; /* rules */
	struct ks_region region;
	int err = region_bound(joint, bound, claims, &region);

	if (err <= 0)
		return err;
	cover->near_count = ks_near_find(&joint->near, &region, joint->space.count, &cover->steps, cover->near);
	if (with_nobody)
		until = KS_CLAIM_NOBODY;
	else if (ks_region_names_passing(&region))
		until = KS_CLAIM_PASSING;
	near_filter(joint, claims[KS_DIFF_BEFORE], claims[KS_DIFF_AFTER], until);
	return ks_cover_left(cover, &region, fn, arg);
}

int ks_joint_left(struct ks_joint *joint, const struct ks_region *bound, size_t before, size_t after, ks_left_fn *fn,
		  void *arg)
{
	return regions_find(joint, bound, (const size_t[]){ before, after }, false, fn, arg);
}

int ks_joint_come(struct ks_joint *joint, const struct ks_region *bound, size_t before, size_t after, ks_left_fn *fn,
		  void *arg)
{
	return regions_find(joint, bound, (const size_t[]){ before, after }, true, fn, arg);
}
