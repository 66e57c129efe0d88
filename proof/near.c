/* SPDX-License-Identifier: BSD-2-Clause */
/* See near.h. */
#include "proof/near.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/value.h"

#define WORD_BITS 64U
#define PROTOS 256U

/* Which string is where. */
enum string {
	STRING_SOLID, /* claims that are not vague */
	STRING_FAMILY, /* IPv4, IPv6 */
	STRING_FROM = STRING_FAMILY + 2,
	STRING_TO = STRING_FROM + KS_ZONE_MAX,
	STRING_PROTO = STRING_TO + KS_ZONE_MAX,
	STRING_BEGINS = STRING_PROTO + PROTOS, /* [dim][part]: those that begin in this part or before it */
	STRING_ENDS = STRING_BEGINS + KS_DIMS * KS_NEAR_PARTS, /* those that end in this part or behind it */
	STRINGS = STRING_ENDS + KS_DIMS * KS_NEAR_PARTS
};

static __u64 *string_at(const struct ks_near *near, unsigned string)
{
	return near->strings + string * near->words;
}

static void string_set(struct ks_near *near, unsigned string, size_t claim)
{
	string_at(near, string)[claim / WORD_BITS] |= 1ULL << claim % WORD_BITS;
}

static const __u64 *hull_lo(const struct ks_region *region, int dim)
{
	return region->dim[dim].list[0].lo;
}

static const __u64 *hull_hi(const struct ks_region *region, int dim)
{
	return region->dim[dim].list[region->dim[dim].count - 1].hi;
}

static int number_order(const void *a, const void *b)
{
	return ks_value_compare(a, b);
}

/* Cuts the numbers of a dimension where claims begin, so that each part has as many beginnings. */
static void parts_cut(struct ks_near *near, int dim, __u64 (*begins)[2])
{
	const struct ks_space *space = near->space;
	__u64(*bound)[2] = near->bound[dim];

	for (size_t i = 0; i < space->count; i++)
		memcpy(begins[i], hull_lo(&space->claims[i].region, dim), sizeof(begins[i]));
	if (space->count)
		qsort(begins, space->count, sizeof(begins[0]), number_order);
	near->parts[dim] = 1; /* the first part begins at 0 */
	for (size_t i = 1; i < KS_NEAR_PARTS; i++) {
		const __u64 *begin = begins[space->count * i / KS_NEAR_PARTS];

		if (space->count && ks_value_compare(begin, bound[near->parts[dim] - 1]) > 0)
			memcpy(bound[near->parts[dim]++], begin, sizeof(bound[0]));
	}
}

/* The part that a number is in. */
static unsigned part_of(const struct ks_near *near, int dim, const __u64 value[2])
{
	unsigned begin = 0, end = near->parts[dim];

	while (end - begin > 1) {
		unsigned middle = begin + (end - begin) / 2;

		if (ks_value_compare(near->bound[dim][middle], value) <= 0)
			begin = middle;
		else
			end = middle;
	}
	return begin;
}

static void claim_note(struct ks_near *near, size_t at)
{
	const struct ks_region *region = &near->space->claims[at].region;

	if (!near->space->claims[at].vague)
		string_set(near, STRING_SOLID, at);
	string_set(near, STRING_FAMILY + (region->family == KS_IPV6), at);
	for (__u64 bits = region->from; bits; bits &= bits - 1)
		string_set(near, STRING_FROM + (unsigned)__builtin_ctzll(bits), at);
	for (__u64 bits = region->to; bits; bits &= bits - 1)
		string_set(near, STRING_TO + (unsigned)__builtin_ctzll(bits), at);
	for (unsigned proto = 0; proto < PROTOS; proto++) {
		if (ks_region_has_proto(region, proto))
			string_set(near, STRING_PROTO + proto, at);
	}
	for (int dim = 0; dim < KS_DIMS; dim++) {
		unsigned first = part_of(near, dim, hull_lo(region, dim));
		unsigned last = part_of(near, dim, hull_hi(region, dim));

		for (unsigned part = first; part < near->parts[dim]; part++)
			string_set(near, STRING_BEGINS + (unsigned)dim * KS_NEAR_PARTS + part, at);
		for (unsigned part = 0; part <= last; part++)
			string_set(near, STRING_ENDS + (unsigned)dim * KS_NEAR_PARTS + part, at);
	}
}

int ks_near_init(struct ks_near *near, const struct ks_space *space)
{
	ks_auto_free __u64(*begins)[2] = calloc(space->count + 1, sizeof(*begins));

	*near = (struct ks_near){ .space = space, .words = space->count / WORD_BITS + 1 };
	near->strings = calloc((STRINGS + 2) * near->words, sizeof(*near->strings));
	near->found = calloc(space->count + 1, sizeof(*near->found));
	near->narrow = calloc(space->count + 1, sizeof(*near->narrow));
	if (!near->strings || !near->found || !near->narrow || !begins)
		return -ENOMEM;
	near->join = string_at(near, STRINGS);
	for (int dim = 0; dim < KS_DIMS; dim++)
		parts_cut(near, dim, begins);
	for (size_t i = 0; i < space->count; i++)
		claim_note(near, i);
	return 0;
}

void ks_near_fini(struct ks_near *near)
{
	free(near->strings);
	free(near->found);
	free(near->narrow);
	*near = (struct ks_near){ 0 };
}

static void join_one(struct ks_near *near, unsigned string, size_t words)
{
	const __u64 *other = string_at(near, string);

	for (size_t i = 0; i < words; i++)
		near->join[i] &= other[i];
}

/* Joins those of `bits` that are in any of the strings behind `first`. */
static void join_any(struct ks_near *near, unsigned first, __u64 bits, size_t words)
{
	__u64 *any = near->join + near->words;

	memset(any, 0, words * sizeof(*any));
	for (; bits; bits &= bits - 1) {
		const __u64 *other = string_at(near, first + (unsigned)__builtin_ctzll(bits));

		for (size_t i = 0; i < words; i++)
			any[i] |= other[i];
	}
	for (size_t i = 0; i < words; i++)
		near->join[i] &= any[i];
}

/* The protocol of a region that has only one, else PROTOS. */
static unsigned only_proto(const struct ks_region *region)
{
	unsigned found = PROTOS, bits = 0;

	for (unsigned i = 0; i < KS_PROTO_WORDS; i++) {
		bits += (unsigned)__builtin_popcountll(region->proto[i]);
		if (region->proto[i])
			found = i * WORD_BITS + (unsigned)__builtin_ctzll(region->proto[i]);
	}
	return bits == 1 ? found : PROTOS;
}

static void join_all(struct ks_near *near, const struct ks_region *region, size_t words)
{
	const __u64 zones = near->space->zones;
	unsigned proto = only_proto(region);

	memcpy(near->join, string_at(near, STRING_SOLID), words * sizeof(*near->join));
	join_one(near, STRING_FAMILY + (region->family == KS_IPV6), words);
	if (region->from != zones)
		join_any(near, STRING_FROM, region->from, words);
	if (region->to != zones)
		join_any(near, STRING_TO, region->to, words);
	if (proto < PROTOS)
		join_one(near, STRING_PROTO + proto, words);
	for (int dim = 0; dim < KS_DIMS; dim++) {
		unsigned first = (unsigned)dim * KS_NEAR_PARTS;

		join_one(near, STRING_BEGINS + first + part_of(near, dim, hull_hi(region, dim)), words);
		join_one(near, STRING_ENDS + first + part_of(near, dim, hull_lo(region, dim)), words);
	}
}

/* Returns true if a claim has all of a region in one dimension, as far as that is seen at a glance. */
static bool is_wide(const struct ks_region *claim, const struct ks_region *region, int dim)
{
	const struct ks_spans *spans = &claim->dim[dim];

	if (spans->list == region->dim[dim].list)
		return true;
	return spans->count == 1 && ks_value_compare(spans->list[0].lo, hull_lo(region, dim)) <= 0 &&
	       ks_value_compare(spans->list[0].hi, hull_hi(region, dim)) >= 0;
}

/* In how many fields a claim leaves something of a region. */
static unsigned narrow_count(const struct ks_region *claim, const struct ks_region *region)
{
	unsigned count = !!(region->from & ~claim->from) + !!(region->to & ~claim->to) +
			 !!(~(claim->in & claim->out) & region->in & region->out);
	__u64 protos = 0;

	for (int i = 0; i < KS_PROTO_WORDS; i++)
		protos |= region->proto[i] & ~claim->proto[i];
	count += protos != 0;
	for (int dim = 0; dim < KS_DIMS; dim++)
		count += !is_wide(claim, region, dim);
	return count;
}

#define NARROW_MAX (KS_DIMS + 4)

/*
 * Puts those first that take most of the region, whatever their order in the policy: in what is left of it, most of the others
 * have no part any more.
 */
static void list_sort(const struct ks_near *near, __u32 *list, size_t count)
{
	size_t at = 0;

	for (unsigned fields = 0; fields <= NARROW_MAX && at < count; fields++) {
		for (size_t i = 0; i < count; i++) {
			if (near->narrow[i] == fields)
				list[at++] = near->found[i];
		}
	}
}

size_t ks_near_find(struct ks_near *near, const struct ks_region *region, size_t end, __u64 *steps, __u32 *list)
{
	const size_t words = (end + WORD_BITS - 1) / WORD_BITS;
	size_t count = 0;

	join_all(near, region, words);
	*steps += words;
	for (size_t i = 0; i < words; i++) {
		for (__u64 bits = near->join[i]; bits; bits &= bits - 1) {
			size_t claim = i * WORD_BITS + (size_t)__builtin_ctzll(bits);

			if (claim >= end || !ks_regions_overlap(&near->space->claims[claim].region, region, steps))
				continue;
			near->narrow[count] = (__u8)narrow_count(&near->space->claims[claim].region, region);
			near->found[count++] = (__u32)claim;
		}
	}
	list_sort(near, list, count);
	return count;
}
