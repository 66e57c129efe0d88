/* SPDX-License-Identifier: BSD-2-Clause */
/* See match.h. */
#include "import/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/value.h"

#define PROTO_BITS 64U
#define ZONES_ALL (~0ULL)

static const __u8 families[2] = { KS_IPV4, KS_IPV6 };

/* --- ranges --- */

void ks_ranges_fini(struct ks_ranges *ranges)
{
	free(ranges->list[0]);
	free(ranges->list[1]);
}

int ks_ranges_add(struct ks_ranges *ranges, unsigned at, const struct ks_range *range)
{
	if (ranges->count[at] == KS_RANGES_MAX)
		return -E2BIG;
	if (ranges->count[at] == ranges->room[at]) {
		const size_t room = ranges->room[at] ? 2 * ranges->room[at] : 16;
		struct ks_range *list = realloc(ranges->list[at], room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		ranges->list[at] = list;
		ranges->room[at] = room;
	}
	ranges->list[at][ranges->count[at]++] = *range;
	return 0;
}

int ks_ranges_number(struct ks_ranges *ranges, __u32 low, __u32 high)
{
	return ks_ranges_add(ranges, 0, &(struct ks_range){ .lo = { 0, low }, .hi = { 0, high } });
}

int ks_ranges_spans(struct ks_ranges *ranges, unsigned at, const struct ks_spans *spans)
{
	int err = 0;

	for (__u32 i = 0; !err && i < spans->count; i++)
		err = ks_ranges_add(ranges, at, &spans->list[i]);
	return err;
}

/* "255.255.255.0" as a length; -1 if it is no mask of a prefix. */
static int mask_length(const char *mask)
{
	struct ks_addr addr;
	__u64 value[2];
	__u8 family;

	if (ks_value_addr(mask, &addr, &family) || family != KS_IPV4)
		return -1;
	ks_addr_to_value(&addr, family, value);
	for (int length = 0; length <= 32; length++) {
		if (value[1] == (0xffffffffULL << (32 - length) & 0xffffffffULL))
			return length;
	}
	return -1;
}

static int prefix_add(struct ks_ranges *ranges, const char *text)
{
	const char *slash = strchr(text, '/');
	struct ks_prefix prefix;
	struct ks_range range;
	char buf[64];

	if (slash && strchr(slash, '.')) {
		const int length = mask_length(slash + 1);

		if (length < 0 || slash - text > 32)
			return -EINVAL;
		snprintf(buf, sizeof(buf), "%.*s/%d", (int)(slash - text), text, length);
		text = buf;
	}
	if (ks_value_prefix(text, &prefix))
		return -EINVAL;
	ks_prefix_mask(&prefix);
	ks_prefix_range(&prefix, &range);
	return ks_ranges_add(ranges, prefix.family == KS_IPV6, &range);
}

int ks_ranges_address(struct ks_ranges *ranges, const char *text)
{
	struct ks_range range;
	__u8 family;

	if (!strchr(text, '-'))
		return prefix_add(ranges, text);
	if (ks_value_range(text, &range, &family))
		return -EINVAL;
	return ks_ranges_add(ranges, family == KS_IPV6, &range);
}

static int range_compare(const void *a, const void *b)
{
	return ks_value_compare(((const struct ks_range *)a)->lo, ((const struct ks_range *)b)->lo);
}

/* Returns true if the second begins in the first, or right behind it. */
static bool ranges_touch(const struct ks_range *first, const struct ks_range *second)
{
	__u64 next[2] = { first->hi[0] + (first->hi[1] == ~0ULL), first->hi[1] + 1 };

	return ks_value_compare(second->lo, first->hi) <= 0 || ks_value_compare(second->lo, next) == 0;
}

static size_t ranges_merge(struct ks_range *list, size_t count)
{
	size_t kept = 0;

	qsort(list, count, sizeof(*list), range_compare);
	for (size_t i = 1; i < count; i++) {
		if (!ranges_touch(&list[kept], &list[i])) {
			list[++kept] = list[i];
		} else if (ks_value_compare(list[i].hi, list[kept].hi) > 0) {
			list[kept].hi[0] = list[i].hi[0];
			list[kept].hi[1] = list[i].hi[1];
		}
	}
	return count ? kept + 1 : 0;
}

int ks_ranges_take(struct ks_import *import, struct ks_ranges *ranges, struct ks_spans spans[2])
{
	struct ks_spans made[2];

	for (unsigned at = 0; at < 2; at++) {
		const size_t count = ranges->count[at] ? ranges_merge(ranges->list[at], ranges->count[at]) : 0;
		struct ks_range *list = ks_pool_alloc(&import->pool, (count + 1) * sizeof(*list));

		if (!list)
			return -ENOMEM;
		if (count)
			memcpy(list, ranges->list[at], count * sizeof(*list));
		made[at] = (struct ks_spans){ list, (__u32)count };
	}
	spans[0] = made[0];
	spans[1] = made[1];
	return 0;
}

/* --- matches --- */

void ks_import_match_fill(struct ks_import_match *match)
{
	for (unsigned i = 0; i < 2; i++) {
		ks_region_fill(&match->of[i], families[i], ZONES_ALL);
		match->has[i] = true;
	}
}

void ks_import_match_family(struct ks_import_match *match, __u8 family)
{
	match->has[family == KS_IPV4] = false;
}

bool ks_import_match_is_empty(const struct ks_import_match *match)
{
	for (unsigned i = 0; i < 2; i++) {
		if (match->has[i] && !ks_region_is_empty(&match->of[i]))
			return false;
	}
	return true;
}

void ks_import_match_from(struct ks_import_match *match, __u64 zones)
{
	match->of[0].from &= zones;
	match->of[1].from &= zones;
}

void ks_import_match_to(struct ks_import_match *match, __u64 zones)
{
	match->of[0].to &= zones;
	match->of[1].to &= zones;
}

void ks_import_match_variable(struct ks_import_match *match, unsigned variable, bool in)
{
	for (unsigned i = 0; i < 2; i++) {
		if (in)
			match->of[i].out &= ~(1ULL << variable);
		else
			match->of[i].in &= ~(1ULL << variable);
	}
}

void ks_import_match_protos(struct ks_import_match *match, const __u64 protos[KS_PROTO_WORDS])
{
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned word = 0; word < KS_PROTO_WORDS; word++)
			match->of[i].proto[word] &= protos[word];
	}
}

void ks_import_match_proto(struct ks_import_match *match, unsigned proto)
{
	__u64 protos[KS_PROTO_WORDS] = { 0 };

	protos[proto / PROTO_BITS] = 1ULL << proto % PROTO_BITS;
	ks_import_match_protos(match, protos);
}

void ks_import_match_not_proto(struct ks_import_match *match, unsigned proto)
{
	__u64 protos[KS_PROTO_WORDS] = { ~0ULL, ~0ULL, ~0ULL, ~0ULL };

	protos[proto / PROTO_BITS] &= ~(1ULL << proto % PROTO_BITS);
	ks_import_match_protos(match, protos);
}

void ks_import_match_ported(struct ks_import_match *match)
{
	static const unsigned ported[] = { KS_PROTO_TCP, KS_PROTO_UDP, KS_PROTO_SCTP, KS_PROTO_DCCP, KS_PROTO_UDPLITE };
	__u64 protos[KS_PROTO_WORDS] = { 0 };

	for (size_t i = 0; i < KS_ARRAY_SIZE(ported); i++)
		protos[ported[i] / PROTO_BITS] |= 1ULL << ported[i] % PROTO_BITS;
	ks_import_match_protos(match, protos);
}

/* Restricts a dimension of one family. */
static int region_restrict(struct ks_import *import, struct ks_region *region, enum ks_dim dim,
			   const struct ks_spans *spans, bool negated)
{
	const struct ks_spans had = region->dim[dim];

	if (!had.count || (negated && !spans->count))
		return 0;
	if (!spans->count) {
		region->dim[dim] = (struct ks_spans){ NULL, 0 };
		return 0;
	}
	if (negated)
		return ks_spans_subtract(&import->pool, &had, spans, &import->steps, &region->dim[dim]);
	return ks_spans_intersect(&import->pool, &had, spans, &import->steps, &region->dim[dim]);
}

int ks_import_match_addresses(struct ks_import *import, struct ks_import_match *match, enum ks_dim dim,
			      const struct ks_spans spans[2], bool negated)
{
	int err = region_restrict(import, &match->of[0], dim, &spans[0], negated);

	return err ? err : region_restrict(import, &match->of[1], dim, &spans[1], negated);
}

int ks_import_match_numbers(struct ks_import *import, struct ks_import_match *match, enum ks_dim dim,
			    const struct ks_spans *spans, bool negated)
{
	const struct ks_spans both[2] = { *spans, *spans };

	return ks_import_match_addresses(import, match, dim, both, negated);
}

int ks_import_match_condition(struct ks_import *import, struct ks_import_match *match, enum ks_import_word word,
			      const char *text, bool negated)
{
	const int variable = ks_import_condition(import, word, text);

	if (variable < 0)
		return variable;
	ks_import_match_variable(match, (unsigned)variable, !negated);
	return 0;
}

int ks_import_match_join(struct ks_import *import, struct ks_import_match *match, const struct ks_import_match *with)
{
	int err = 0;

	for (unsigned i = 0; !err && i < 2; i++) {
		match->has[i] = match->has[i] && with->has[i] &&
				ks_regions_overlap(&match->of[i], &with->of[i], &import->steps);
		if (match->has[i])
			err = ks_region_intersect(&import->pool, &match->of[i], &with->of[i], &import->steps,
						  &match->of[i]);
	}
	return err;
}
