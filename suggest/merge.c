/* SPDX-License-Identifier: BSD-2-Clause */
/* See merge.h. */
#include "suggest/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/value.h"
#include "proof/cover.h"

/* The fields in which two rules may differ: those of enum ks_dim, and these. */
enum { FIELD_PROTO = KS_DIMS, FIELD_FROM, FIELD_TO, FIELDS };

#define ORDERS 2U
static const int orders[ORDERS][FIELDS] = {
	{ KS_DIM_SRC, KS_DIM_DPORT, KS_DIM_DST, KS_DIM_ICMP, FIELD_PROTO, FIELD_TO, FIELD_FROM, KS_DIM_SPORT },
	{ KS_DIM_SRC, KS_DIM_DST, KS_DIM_DPORT, KS_DIM_ICMP, FIELD_PROTO, FIELD_TO, FIELD_FROM, KS_DIM_SPORT },
};

/* --- atoms --- */

static int spans_one(struct ks_pool *pool, const struct ks_range *range, struct ks_spans *spans)
{
	struct ks_range *copy = ks_pool_alloc(pool, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *range;
	*spans = (struct ks_spans){ copy, 1 };
	return 0;
}

static int end_bound(struct ks_pool *pool, const struct ks_prefix *end, struct ks_spans *spans)
{
	struct ks_range range;

	if (!end->family)
		return 0;
	ks_prefix_range(end, &range);
	return spans_one(pool, &range, spans);
}

static int atom_region(struct ks_pool *pool, const struct ks_atom_key *key, struct ks_region *region)
{
	const struct ks_range numbers = { .lo = { 0, key->low }, .hi = { 0, key->high } };
	int err;

	ks_region_fill(region, key->family, 0);
	region->from = 1ULL << key->from;
	region->to = 1ULL << key->to;
	memset(region->proto, 0, sizeof(region->proto));
	region->proto[key->proto / 64] = 1ULL << key->proto % 64;
	err = end_bound(pool, &key->src, &region->dim[KS_DIM_SRC]);
	if (!err)
		err = end_bound(pool, &key->dst, &region->dim[KS_DIM_DST]);
	if (!err && ks_proto_has_ports(key->proto))
		err = spans_one(pool, &numbers, &region->dim[KS_DIM_DPORT]);
	if (!err && ks_proto_is_icmp(key->proto))
		err = spans_one(pool, &numbers, &region->dim[KS_DIM_ICMP]);
	return err;
}

static int list_fill(const struct ks_atoms *atoms, struct ks_suggested_list *made)
{
	int err = 0;

	made->list = calloc(atoms->count + 1, sizeof(*made->list));
	if (!made->list)
		return -ENOMEM;
	for (size_t i = 0; i < atoms->count && !err; i++) {
		struct ks_suggested *rule = &made->list[made->count++];

		err = atom_region(&made->pool, &atoms->list[i].key, &rule->region);
		rule->count = atoms->list[i].count;
		rule->samples = atoms->list[i].samples;
		memcpy(rule->sample, atoms->list[i].sample, sizeof(rule->sample));
	}
	return err;
}

/* --- merging --- */

static int words_order(const __u64 *a, const __u64 *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	}
	return 0;
}

static int spans_order(const struct ks_spans *a, const struct ks_spans *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	return a->list == b->list ? 0 : memcmp(a->list, b->list, a->count * sizeof(*a->list));
}

/* Orders rules by all fields but one. */
static int rules_order(const void *one, const void *other, void *arg)
{
	const struct ks_region *a = &((const struct ks_suggested *)one)->region;
	const struct ks_region *b = &((const struct ks_suggested *)other)->region;
	const int but = *(const int *)arg;
	int order = (int)a->family - (int)b->family;

	if (!order && but != FIELD_FROM)
		order = words_order(&a->from, &b->from, 1);
	if (!order && but != FIELD_TO)
		order = words_order(&a->to, &b->to, 1);
	if (!order && but != FIELD_PROTO)
		order = words_order(a->proto, b->proto, KS_PROTO_WORDS);
	for (int dim = 0; dim < KS_DIMS && !order; dim++) {
		if (dim != but)
			order = spans_order(&a->dim[dim], &b->dim[dim]);
	}
	return order;
}

static int range_order(const void *one, const void *other)
{
	return ks_value_compare(((const struct ks_range *)one)->lo, ((const struct ks_range *)other)->lo);
}

/* Returns true if no number lies between the end of one range and the beginning of another one behind it. */
static bool is_adjacent(const struct ks_range *range, const struct ks_range *behind)
{
	__u64 next[2] = { range->hi[0] + (range->hi[1] == ~0ULL), range->hi[1] + 1 };

	return ks_value_compare(behind->lo, range->hi) <= 0 || ks_value_compare(behind->lo, next) == 0;
}

/* The numbers of one field of all rules of a run. */
static int run_unite(struct ks_pool *pool, const struct ks_suggested *run, size_t length, int dim,
		     struct ks_spans *both)
{
	struct ks_range *list;
	size_t count = 0;
	__u32 end = 0;

	for (size_t i = 0; i < length; i++)
		count += run[i].region.dim[dim].count;
	list = ks_pool_alloc(pool, count * sizeof(*list));
	if (!list)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < length; i++) {
		const struct ks_spans *spans = &run[i].region.dim[dim];

		memcpy(list + count, spans->list, spans->count * sizeof(*list));
		count += spans->count;
	}
	qsort(list, count, sizeof(*list), range_order);
	for (size_t i = 1; i < count; i++) {
		if (!is_adjacent(&list[end], &list[i]))
			list[++end] = list[i];
		else if (ks_value_compare(list[i].hi, list[end].hi) > 0)
			memcpy(list[end].hi, list[i].hi, sizeof(list[end].hi));
	}
	*both = (struct ks_spans){ list, end + 1 };
	return 0;
}

static void samples_take(struct ks_suggested *to, const struct ks_suggested *from)
{
	for (unsigned i = 0; i < from->samples && to->samples < KS_SAMPLES; i++)
		to->sample[to->samples++] = from->sample[i];
}

/* Makes one rule of those of a run, which differ in one field. */
static int run_merge(struct ks_pool *pool, const struct ks_suggested *run, size_t length, int field,
		     struct ks_suggested *made)
{
	*made = run[0];
	for (size_t i = 1; i < length; i++) {
		const struct ks_region *region = &run[i].region;

		made->region.from |= region->from;
		made->region.to |= region->to;
		for (int j = 0; j < KS_PROTO_WORDS; j++)
			made->region.proto[j] |= region->proto[j];
		made->count += run[i].count;
		samples_take(made, &run[i]);
	}
	return field < KS_DIMS && length > 1 ? run_unite(pool, run, length, field, &made->region.dim[field]) : 0;
}

static int field_merge(struct ks_suggested_list *rules, int field)
{
	size_t kept = 0;
	int err = 0;

	qsort_r(rules->list, rules->count, sizeof(*rules->list), rules_order, &field);
	for (size_t i = 0, end; i < rules->count && !err; i = end) {
		struct ks_suggested made;

		for (end = i + 1; end < rules->count; end++) {
			if (rules_order(&rules->list[i], &rules->list[end], &field) != 0)
				break;
		}
		err = run_merge(&rules->pool, &rules->list[i], end - i, field, &made);
		rules->list[kept++] = made;
	}
	rules->count = kept;
	return err;
}

static int rules_merge(struct ks_suggested_list *rules, const int order[FIELDS])
{
	size_t before;
	int err = 0;

	do {
		before = rules->count;
		for (int i = 0; i < FIELDS && !err; i++)
			err = field_merge(rules, order[i]);
	} while (!err && rules->count < before);
	return err;
}

/* --- all networks of a zone --- */

/* The networks of a zone of a family, as one set. Returns 0 or -ENOMEM. */
static int networks_unite(struct ks_pool *pool, const struct ks_zone *zone, __u8 family, struct ks_spans *all)
{
	struct ks_suggested *each = calloc(zone->network_count + 1, sizeof(*each));
	size_t count = 0;
	int err = each ? 0 : -ENOMEM;

	*all = (struct ks_spans){ NULL, 0 };
	for (size_t i = 0; i < zone->network_count && !err; i++) {
		struct ks_prefix network = zone->networks[i];

		if (network.family != family)
			continue;
		ks_prefix_mask(&network);
		err = end_bound(pool, &network, &each[count++].region.dim[KS_DIM_SRC]);
	}
	if (!err && count)
		err = run_unite(pool, each, count, KS_DIM_SRC, all);
	free(each);
	return err;
}

/* Returns 1 if the sources of a rule are all networks of its zone, perhaps with others; 0 if not, or -ENOMEM. */
static int has_whole_zone(struct ks_pool *pool, const struct ks_zone *zone, const struct ks_region *region)
{
	struct ks_spans all, left;
	__u64 steps = 0;
	int err = networks_unite(pool, zone, region->family, &all);

	if (!err && all.count)
		err = ks_spans_subtract(pool, &all, &region->dim[KS_DIM_SRC], &steps, &left);
	return err ? err : all.count && !left.count;
}

/*
 * Sources in all networks of a zone are the zone: others are not believed to come from there. Rules are of one zone still, and
 * one for all sources with the same rest.
 */
static int sources_widen(struct ks_suggested_list *rules, const struct ks_policy *zones)
{
	for (size_t i = 0; i < rules->count; i++) {
		struct ks_region *region = &rules->list[i].region;
		const struct ks_zone *zone = ks_suggest_zone(zones, (unsigned)__builtin_ctzll(region->from));
		int whole = zone ? has_whole_zone(&rules->pool, zone, region) : 0;

		if (whole < 0)
			return whole;
		if (whole)
			region->dim[KS_DIM_SRC] = *ks_spans_all(KS_DIM_SRC, region->family);
	}
	return 0;
}

/* --- what the others allow --- */

static int any_left(const struct ks_region *left, void *arg)
{
	return 1;
}

/* Returns 1 if others, that are not left out, allow all packets of a rule, 0 if not or it would take too long. */
static int is_covered(struct ks_cover *cover, const struct ks_suggested_list *rules, size_t at, const bool *is_out)
{
	int left;

	cover->near_count = 0;
	cover->steps = 0;
	ks_pool_reset(&cover->pool);
	for (size_t i = 0; i < rules->count; i++) {
		if (i != at && !is_out[i] &&
		    ks_regions_overlap(&rules->list[i].region, &rules->list[at].region, &cover->steps))
			cover->near[cover->near_count++] = (__u32)i;
	}
	left = ks_cover_left(cover, &rules->list[at].region, any_left, NULL);
	return left == -ENOMEM ? left : !left;
}

#define REDUCE_STEPS 2000000ULL /* for one rule */
#define REDUCE_MAX 4096U /* rules: each is held against each */

static int rules_reduce(struct ks_suggested_list *rules)
{
	struct ks_space space = { .count = rules->count };
	ks_auto_cover struct ks_cover cover = { 0 };
	ks_auto_free struct ks_claim *claims = calloc(rules->count + 1, sizeof(*claims));
	ks_auto_free bool *is_out = calloc(rules->count + 1, sizeof(*is_out));
	size_t kept = 0;
	int out = 0;

	if (!claims || !is_out)
		return -ENOMEM;
	for (size_t i = 0; i < rules->count; i++)
		claims[i].region = rules->list[i].region;
	space.claims = claims;
	if (ks_cover_init(&cover, &space))
		return -ENOMEM;
	cover.steps_max = REDUCE_STEPS;
	for (size_t i = 0; i < rules->count && rules->count <= REDUCE_MAX; i++) {
		out = is_covered(&cover, rules, i, is_out);
		if (out < 0)
			return out;
		is_out[i] = out;
	}
	for (size_t i = 0; i < rules->count; i++) {
		if (!is_out[i])
			rules->list[kept++] = rules->list[i];
	}
	rules->count = kept;
	return 0;
}

/* --- all of it --- */

static int shown_order(const void *one, const void *other)
{
	const struct ks_suggested *a = one, *b = other;
	const int nothing = -1;
	int order = words_order(&a->region.from, &b->region.from, 1);

	if (!order)
		order = words_order(&a->region.to, &b->region.to, 1);
	if (!order && a->count != b->count)
		order = a->count > b->count ? -1 : 1;
	return order ? order : rules_order(one, other, (void *)&nothing);
}

static int make_in_order(const struct ks_atoms *atoms, const struct ks_suggest_wish *wish, const int order[FIELDS],
			 struct ks_suggested_list *made)
{
	int err = list_fill(atoms, made);

	if (!err)
		err = field_merge(made, KS_DIM_SRC);
	if (!err && !wish->exact)
		err = sources_widen(made, wish->zones);
	if (!err)
		err = rules_merge(made, order);
	return err ? err : rules_reduce(made);
}

int ks_suggested_make(const struct ks_atoms *atoms, const struct ks_suggest_wish *wish, struct ks_suggested_list *made)
{
	ks_auto_suggested struct ks_suggested_list best = { 0 };
	int err = make_in_order(atoms, wish, orders[0], &best);

	for (unsigned i = 1; i < ORDERS && !err; i++) {
		ks_auto_suggested struct ks_suggested_list other = { 0 };

		err = make_in_order(atoms, wish, orders[i], &other);
		if (!err && other.count < best.count) {
			ks_suggested_fini(&best);
			best = TAKE_STRUCT(other);
		}
	}
	if (err)
		return err;
	qsort(best.list, best.count, sizeof(*best.list), shown_order);
	*made = TAKE_STRUCT(best);
	return 0;
}

void ks_suggested_fini(struct ks_suggested_list *list)
{
	free(list->list);
	ks_pool_fini(&list->pool);
	*list = (struct ks_suggested_list){ 0 };
}
