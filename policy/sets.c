/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets become sorted, disjoint, merged ranges. A set may name other sets; each
 * is merged once, in depth-first order, so the cost is that of sorting.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/sets.h"
#include "policy/value.h"
#include "text/plural.h"

static int compare_ranges(const void *a, const void *b)
{
	return ks_value_compare(((const struct ks_range *)a)->lo, ((const struct ks_range *)b)->lo);
}

/* Returns true if b, which does not begin below a, begins inside of a or right behind it. */
static bool touches(const struct ks_range *a, const struct ks_range *b)
{
	__u64 next[2] = { a->hi[0], a->hi[1] + 1 };

	if (!next[1] && ++next[0] == 0)
		return true;
	return ks_value_compare(b->lo, next) <= 0;
}

static void value_before(const __u64 value[2], __u64 before[2])
{
	before[1] = value[1] - 1;
	before[0] = value[0] - !value[1];
}

static void value_behind(const __u64 value[2], __u64 behind[2])
{
	behind[1] = value[1] + 1;
	behind[0] = value[0] + !behind[1];
}

static bool is_sorted(const struct ks_range *ranges, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (compare_ranges(&ranges[i - 1], &ranges[i]) > 0)
			return false;
	}
	return true;
}

/* Sorts and merges in place; returns how many are left. */
static size_t merge_ranges(struct ks_range *ranges, size_t count)
{
	size_t last = 0;

	if (!count)
		return 0;
	if (!is_sorted(ranges, count))
		qsort(ranges, count, sizeof(*ranges), compare_ranges);
	for (size_t i = 1; i < count; i++) {
		if (!touches(&ranges[last], &ranges[i]))
			ranges[++last] = ranges[i];
		else if (ks_value_compare(ranges[i].hi, ranges[last].hi) > 0)
			memcpy(ranges[last].hi, ranges[i].hi, sizeof(ranges[i].hi));
	}
	return last + 1;
}

static bool same_set(const void *owner, __u32 value, const void *key)
{
	const struct ks_ast *ast = owner;

	return strcmp(ast->sets[value].name.text, key) == 0;
}

struct ks_ast_set *ks_ast_find_set(const struct ks_ast *ast, const char *name)
{
	long at = ks_index_find(&ast->set_index, ks_hash_text(name), same_set, ast, name);

	return at < 0 ? NULL : &ast->sets[at];
}

struct ks_ast_set *ks_ast_take_set(struct ks_ast *ast, const struct ks_item *item)
{
	struct ks_ast_set *set = item->set ? ks_ast_find_set(ast, item->set) : NULL;

	if (!set || set->stamp == ast->stamp)
		return NULL;
	set->stamp = ast->stamp;
	return set;
}

/* The entries of a list that are meant, or those behind `not`; with those of the sets that they name if `sets`. */
struct part {
	const struct ks_items *items;
	bool sets, negated;
};

static void count_items(struct ks_ast *ast, const struct part *part, size_t count[2])
{
	count[0] = count[1] = 0;
	ast->stamp++;
	for (size_t i = 0; i < part->items->count; i++) {
		const struct ks_item *item = &part->items->list[i];
		const struct ks_ast_set *set;

		if (item->negated != part->negated)
			continue;
		set = part->sets ? ks_ast_take_set(ast, item) : NULL;
		if (!item->set) {
			count[item->family == KS_IPV6]++;
		} else if (set) {
			count[0] += set->merged.count4;
			count[1] += set->merged.count6;
		}
	}
}

static void copy_set(const struct ks_merged *from, struct ks_range *to[2])
{
	for (size_t j = 0; j < from->count4; j++)
		*to[0]++ = from->ranges[j];
	for (size_t j = 0; j < from->count6; j++)
		*to[1]++ = from->ranges[from->count4 + j];
}

static void copy_items(struct ks_ast *ast, const struct part *part, struct ks_range *to[2])
{
	ast->stamp++;
	for (size_t i = 0; i < part->items->count; i++) {
		const struct ks_item *item = &part->items->list[i];
		const struct ks_ast_set *set;

		if (item->negated != part->negated)
			continue;
		set = part->sets ? ks_ast_take_set(ast, item) : NULL;
		if (!item->set)
			*to[item->family == KS_IPV6]++ = item->range;
		else if (set)
			copy_set(&set->merged, to);
	}
}

static __u64 dynamic_of(struct ks_ast *ast, const struct part *part)
{
	__u64 dynamic = 0;

	ast->stamp++;
	for (size_t i = 0; part->sets && i < part->items->count; i++) {
		const struct ks_item *item = &part->items->list[i];
		const struct ks_ast_set *set = item->negated == part->negated ? ks_ast_take_set(ast, item) : NULL;

		dynamic |= set ? set->merged.dynamic : 0;
	}
	return dynamic;
}

static int merge_part(struct ks_ast *ast, const struct part *part, struct ks_merged *merged)
{
	struct ks_range *ranges, *to[2];
	size_t count[2];

	count_items(ast, part, count);
	if (count[0] + count[1] > KS_RANGES_MAX)
		return -ENOSPC;
	ranges = malloc((count[0] + count[1] + 1) * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	to[0] = ranges;
	to[1] = ranges + count[0];
	copy_items(ast, part, to);
	merged->ranges = ranges;
	merged->dynamic = dynamic_of(ast, part);
	merged->count4 = merge_ranges(ranges, count[0]);
	merged->count6 = merge_ranges(ranges + count[0], count[1]);
	memmove(ranges + merged->count4, ranges + count[0], merged->count6 * sizeof(*ranges));
	return 0;
}

/* --- not --- */

/* Leaves in `to` what stands of sorted ranges without other sorted ones. Returns how many: at most as many as both. */
static size_t subtract(const struct ks_range *from, size_t count, const struct ks_range *without, size_t without_count,
		       struct ks_range *to)
{
	size_t made = 0, at = 0;

	for (size_t i = 0; i < count; i++) {
		struct ks_range left = from[i];
		bool any = true;

		while (at < without_count && ks_value_compare(without[at].hi, left.lo) < 0)
			at++;
		for (size_t j = at; any && j < without_count && ks_value_compare(without[j].lo, left.hi) <= 0; j++) {
			if (ks_value_compare(left.lo, without[j].lo) < 0) {
				to[made] = left;
				value_before(without[j].lo, to[made++].hi);
			}
			any = ks_value_compare(without[j].hi, left.hi) < 0;
			if (any)
				value_behind(without[j].hi, left.lo);
		}
		if (any)
			to[made++] = left;
	}
	return made;
}

/* Takes the ranges of `without` away from those of `merged`. */
static int take_away(struct ks_merged *merged, const struct ks_merged *without)
{
	size_t room = merged->count4 + merged->count6 + without->count4 + without->count6;
	struct ks_range *left = malloc((room + 1) * sizeof(*left));

	if (!left)
		return -ENOMEM;
	room = subtract(merged->ranges, merged->count4, without->ranges, without->count4, left);
	merged->count6 = subtract(merged->ranges + merged->count4, merged->count6, without->ranges + without->count4,
				  without->count6, left + room);
	merged->count4 = room;
	free(merged->ranges);
	merged->ranges = left;
	return 0;
}

bool ks_items_have_not(const struct ks_items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		if (items->list[i].negated)
			return true;
	}
	return false;
}

int ks_items_merge_part(struct ks_ast *ast, const struct ks_items *items, bool negated, struct ks_merged *merged)
{
	return merge_part(ast, &(struct part){ .items = items, .negated = negated }, merged);
}

int ks_items_merge(struct ks_ast *ast, const struct ks_items *items, bool sets, struct ks_merged *merged)
{
	ks_auto_merged struct ks_merged meant = { 0 }, without = { 0 };
	int err = merge_part(ast, &(struct part){ .items = items, .sets = sets }, &meant);

	if (!err && ks_items_have_not(items)) {
		err = merge_part(ast, &(struct part){ .items = items, .sets = sets, .negated = true }, &without);
		err = err ? err : take_away(&meant, &without);
	}
	if (!err)
		*merged = TAKE_STRUCT(meant);
	return err;
}

int ks_items_check_not(struct ks_parser *p, const struct ks_items *items)
{
	bool meant = false;

	for (size_t i = 0; i < items->count; i++) {
		const struct ks_item *item = &items->list[i];
		const struct ks_ast_set *set = item->negated && item->set ? ks_ast_find_set(p->ast, item->set) : NULL;

		meant |= !item->negated;
		if (set && set->merged.dynamic)
			return ks_parser_error_at(
				p, &item->place,
				"'@%s' comes at run time and cannot be taken away from a list: expected "
				"a rule about it before this one",
				item->set);
	}
	if (meant || !items->count)
		return 0;
	return ks_parser_error_at(p, &items->list[0].place,
				  "'not' takes away from the other entries of its list, and there are none: expected "
				  "entries, or in a rule 'not' before the list");
}

static int unknown_set(struct ks_parser *p, const struct ks_item *item)
{
	const char **names = ks_arena_alloc(p->scratch, (p->ast->set_count + 1) * sizeof(*names));

	if (!names)
		return ks_parser_no_memory(p);
	for (size_t i = 0; i < p->ast->set_count; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there are as many as the count says */
		names[i] = p->ast->sets[i].name.text;
	return ks_parser_error_at(p, &item->place, "unknown set '@%s'%s: define it as set %s { ... }", item->set,
				  ks_did_you_mean(p, "@", item->set, names, p->ast->set_count), item->set);
}

int ks_items_check(struct ks_parser *p, const struct ks_items *items, bool ports)
{
	int err = 0;

	for (size_t i = 0; i < items->count; i++) {
		const struct ks_item *item = &items->list[i];
		struct ks_ast_set *set = item->set ? ks_ast_find_set(p->ast, item->set) : NULL;

		if (!item->set)
			continue;
		if (!set)
			err = unknown_set(p, item);
		else if (set->ports != ports && !set->broken)
			err = ks_parser_error_at(p, &item->place, "set '@%s' holds %s: expected a set of %s", item->set,
						 ports ? "addresses" : "ports", ports ? "ports" : "addresses");
		if (set)
			set->used = true;
	}
	return err;
}

static int resolve_set(struct ks_parser *p, struct ks_ast_set *set);

/* Resolves the sets within a set; notes how deep they go. */
static int resolve_inner_sets(struct ks_parser *p, struct ks_ast_set *set)
{
	for (size_t i = 0; i < set->items.count; i++) {
		const struct ks_item *item = &set->items.list[i];
		struct ks_ast_set *inner = item->set ? ks_ast_find_set(p->ast, item->set) : NULL;
		int err;

		if (!inner)
			continue;
		if (inner->visit == 1)
			return ks_parser_error_at(p, &item->place, "set '@%s' contains itself", inner->name.text);
		if (++p->set_depth > KS_NESTING_MAX) {
			p->set_depth--;
			return ks_parser_error_at(p, &item->place, "sets stand in sets more than %d deep",
						  KS_NESTING_MAX);
		}
		err = resolve_set(p, inner);
		p->set_depth--;
		if (err)
			return err;
	}
	return 0;
}

/* The entries of a run-time set are none of the policy's ranges: what the text has of them is only where it begins. */
static int resolve_dynamic(struct ks_parser *p, struct ks_ast_set *set)
{
	const struct ks_items none = { 0 };

	set->visit = 2;
	if (ks_items_merge(p->ast, &none, false, &set->merged))
		return -ENOMEM;
	set->merged.dynamic = 1ULL << set->number;
	if (set->broken || set->initial_count <= set->settings.limit)
		return 0;
	return ks_parser_error_at(
		p, &set->name.place, "set '%s' begins with %zu entr%s, and its limit is %u: expected a larger limit",
		set->name.text, set->initial_count, set->initial_count == 1 ? "y" : "ies", set->settings.limit);
}

static int resolve_set(struct ks_parser *p, struct ks_ast_set *set)
{
	int err;

	if (set->visit == 2)
		return 0;
	if (set->dynamic)
		return resolve_dynamic(p, set);
	set->visit = 1;
	err = resolve_inner_sets(p, set);
	if (!err && !set->broken)
		err = ks_items_check_not(p, &set->items);
	if (!err)
		err = ks_items_merge(p->ast, &set->items, true, &set->merged);
	set->visit = 2;
	if (err == -ENOSPC)
		return ks_parser_error_at(p, &set->name.place, "the policy's sets have more than %u ranges together",
					  KS_RANGES_MAX);
	return err;
}

int ks_sets_resolve(struct ks_parser *p)
{
	for (size_t i = 0; i < p->ast->set_count; i++)
		ks_items_check(p, &p->ast->sets[i].items, p->ast->sets[i].ports);
	for (size_t i = 0; i < p->ast->set_count; i++) {
		if (resolve_set(p, &p->ast->sets[i]) == -ENOMEM)
			return ks_parser_no_memory(p);
	}
	return 0;
}
