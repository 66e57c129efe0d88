// SPDX-License-Identifier: BSD-2-Clause
/*
 * Makes decision trees (HyperSplit): each node asks for one field whether its value is above a bound, and the boxes of the
 * rules go to the sides on which they lie.
 *
 * Parts. A box that is wide in a field lies on both sides of most cuts there. So boxes are parted first by which of their
 * fields are narrow, and each part has a tree of its own, in which what is cut is narrow in all boxes.
 *
 * Bounds. A tree may name each box a few times only (`budget`), and is KS_TREE_DEPTH_MAX deep at most: what cannot be parted
 * further stays together in a leaf, and is compared rule by rule. So memory grows with the number of rules, whatever they are.
 */
#include "policy/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/tree_internal.h"

#define BUDGET_FACTOR 4U /* times that boxes may lie on both sides of cuts, on average */
#define BUDGET_LEAST 256U
#define SLICE_MIN 16U /* of so many boxes, one at least must be left on each side alone */
#define NARROW_ADDRESS (1U << 28) /* values of the first word */
#define NARROW_NUMBER 4096U

/* A node with two sides, before two levels become a branch. */
struct fork {
	struct ks_split split;
	__u32 to[2]; /* KS_TREE_RULE and KS_TREE_LEAF as in a branch; else the number of a fork */
};

/* The tree of a part while it is made. */
struct grower {
	struct ks_policy *policy;
	const struct ks_boxes *boxes;
	struct ks_region region;
	struct fork *forks;
	size_t fork_count, fork_room;
	__u32 *refs; /* boxes of the nodes that are being made, one node's behind the other's */
	size_t ref_count, ref_room;
	size_t node_room; /* of policy->tree */
	__u32 largest; /* rules of a leaf */
};

static void grower_fini(struct grower *g)
{
	free(g->forks);
	free(g->refs);
}

KS_SCOPED_STRUCT(auto_grower, struct grower, grower_fini)
#define auto_grower ks_scoped(auto_grower)

/* --- nodes --- */

/* Adds zeroed nodes. Returns 0 or -ENOMEM. */
static int add_nodes(struct grower *g, __u32 count, __u32 *first)
{
	struct ks_config *config = &g->policy->config;

	if (ks_compile_reserve(&g->policy->tree, &g->node_room, config->tree_nodes, count, sizeof(*g->policy->tree)))
		return -ENOMEM;
	memset(g->policy->tree + config->tree_nodes, 0, count * sizeof(*g->policy->tree));
	*first = config->tree_nodes;
	config->tree_nodes += count;
	return 0;
}

/* Leaves each rule once: boxes are in the order of their rules. Returns how many there are. */
static __u32 unite_rules(const struct grower *g, const __u32 *refs, __u32 count, __u32 *rules)
{
	__u32 found = 0;

	for (__u32 i = 0; i < count; i++) {
		__u32 rule = g->boxes->rule[refs[i]];

		if (!found || rules[found - 1] != rule)
			rules[found++] = rule;
	}
	return found;
}

/* Makes a leaf of the last `count` boxes, which are used up. */
static int make_leaf(struct grower *g, __u32 count, __u32 *to)
{
	__u32 *refs = g->refs + g->ref_count - count, first;
	__u32 rules = unite_rules(g, refs, count, refs);

	g->largest = KS_MAX(g->largest, rules);
	g->ref_count -= count;
	if (rules == 1) {
		*to = KS_TREE_RULE | refs[0];
		return 0;
	}
	if (add_nodes(g, rules / KS_TREE_ENTRIES + 1, &first)) /* with room for the end */
		return -ENOMEM;
	for (__u32 i = 0; i <= rules; i++)
		g->policy->tree[first + i / KS_TREE_ENTRIES].entry[i % KS_TREE_ENTRIES] =
			i < rules ? refs[i] : KS_TREE_END;
	*to = KS_TREE_LEAF | first;
	return 0;
}

/* --- growing --- */

static bool lies_on(const struct grower *g, __u32 box, const struct ks_split *split, unsigned side)
{
	return side ? g->boxes->hi[split->field][box] > split->value : g->boxes->lo[split->field][box] <= split->value;
}

static __u32 count_side(const struct grower *g, const __u32 *refs, __u32 count, const struct ks_split *split,
			unsigned side)
{
	__u32 on = 0;

	for (__u32 i = 0; i < count; i++)
		on += lies_on(g, refs[i], split, side);
	return on;
}

/* Returns true if a cut was found that is worth it; `on` are the boxes on its sides. */
static bool find_split(struct grower *g, __u32 count, __u32 budget, struct ks_split *split, __u32 on[2])
{
	const __u32 *refs = g->refs + g->ref_count - count;

	if (!ks_split_choose(g->boxes, refs, count, &g->region, split))
		return false;
	on[0] = count_side(g, refs, count, split, 0);
	on[1] = count_side(g, refs, count, split, 1);
	return KS_MAX(on[0], on[1]) < count - count / SLICE_MIN && on[0] + on[1] <= budget;
}

static int copy_side(struct grower *g, size_t first, __u32 count, const struct ks_split *split, unsigned side)
{
	if (ks_compile_reserve(&g->refs, &g->ref_room, g->ref_count, count, sizeof(*g->refs)))
		return -ENOMEM;
	for (size_t i = first; i < first + count; i++) {
		if (lies_on(g, g->refs[i], split, side))
			g->refs[g->ref_count++] = g->refs[i];
	}
	return 0;
}

static int grow(struct grower *g, __u32 count, __u32 budget, unsigned depth, __u32 *to);

static int grow_side(struct grower *g, size_t first, __u32 count, const struct fork *fork, unsigned side, __u32 budget,
		     unsigned depth, __u32 *to)
{
	__u32 *bound = side ? &g->region.lo[fork->split.field] : &g->region.hi[fork->split.field], kept = *bound;
	size_t before = g->ref_count;
	int err = copy_side(g, first, count, &fork->split, side);

	*bound = fork->split.value + side;
	if (!err)
		err = grow(g, (__u32)(g->ref_count - before), budget, depth + 1, to);
	*bound = kept;
	return err;
}

/* Makes the subtree of the last `count` boxes, which are used up; it may name `budget` boxes. */
static int grow(struct grower *g, __u32 count, __u32 budget, unsigned depth, __u32 *to)
{
	size_t first = g->ref_count - count, at = g->fork_count;
	struct fork fork = { 0 };
	__u32 on[2] = { 0 };
	__u64 both;
	int err = 0;

	if (depth == KS_TREE_DEPTH_MAX || !find_split(g, count, budget, &fork.split, on))
		return make_leaf(g, count, to);
	if (ks_compile_reserve(&g->forks, &g->fork_room, at, 1, sizeof(fork)))
		return -ENOMEM;
	g->fork_count++;
	both = KS_MAX((__u64)on[0] + on[1], 1ULL);
	for (unsigned side = 0; !err && side < 2; side++)
		err = grow_side(g, first, count, &fork, side, (__u32)((__u64)budget * on[side] / both), depth,
				&fork.to[side]);
	g->forks[at] = fork;
	g->ref_count = first;
	*to = (__u32)at;
	return err;
}

/* --- packing: two levels of forks are a branch --- */

static bool is_fork(__u32 to)
{
	return !(to & ~KS_TREE_NUMBER);
}

static int pack(struct grower *g, __u32 from, __u32 *to)
{
	const struct fork *top = is_fork(from) ? &g->forks[from] : NULL;
	struct ks_tree_branch branch = { 0 };
	__u32 at = 0;
	int err = 0;

	*to = from;
	if (!top)
		return 0;
	if (add_nodes(g, 1, &at))
		return -ENOMEM;
	branch.split[0] = top->split.value;
	branch.field[0] = (__u8)top->split.field;
	for (unsigned side = 0; side < 2; side++) {
		const struct fork *below = is_fork(top->to[side]) ? &g->forks[top->to[side]] : NULL;

		branch.split[1 + side] = below ? below->split.value : ~0U; /* nothing is above that */
		branch.field[1 + side] = below ? (__u8)below->split.field : 0;
		for (unsigned i = 0; !err && i < 2; i++)
			err = pack(g, below ? below->to[i] : top->to[side], &branch.next[2 * side + i]);
	}
	g->policy->tree[at].branch = branch;
	*to = at;
	return err;
}

/* --- parts --- */

/* A part: its boxes are narrow in the same fields. */
enum part { PART_NONE, PART_SRC, PART_DST, PART_BOTH, PART_NUMBER, PARTS };

_Static_assert(PARTS <= KS_TREE_PARTS, "a head has room for all parts");

static bool is_narrow(const struct ks_boxes *boxes, __u32 box, unsigned field, __u32 width)
{
	return boxes->hi[field][box] - boxes->lo[field][box] < width;
}

static enum part part_of(const struct ks_boxes *boxes, __u32 box)
{
	bool src = is_narrow(boxes, box, KS_WORD_SRC, NARROW_ADDRESS);
	bool dst = is_narrow(boxes, box, KS_WORD_DST, NARROW_ADDRESS);

	if (src || dst)
		return src && dst ? PART_BOTH : src ? PART_SRC : PART_DST;
	if (is_narrow(boxes, box, KS_WORD_SPORT, NARROW_NUMBER) ||
	    is_narrow(boxes, box, KS_WORD_DPORT, NARROW_NUMBER) || is_narrow(boxes, box, KS_WORD_ICMP, NARROW_NUMBER))
		return PART_NUMBER;
	return PART_NONE;
}

/* Where a part begins, and its first rule. */
struct part_root {
	__u32 to, first;
};

static void region_init(struct ks_region *region)
{
	for (unsigned i = 0; i < KS_WORDS; i++) {
		region->lo[i] = 0;
		region->hi[i] = ks_field_max(i);
	}
}

/* Takes the boxes of a part, if there are any. Returns 0 or -ENOMEM. */
static int take_part(struct grower *g, enum part part)
{
	for (__u32 i = 0; i < g->boxes->count; i++) {
		if (part_of(g->boxes, i) != part)
			continue;
		if (ks_compile_reserve(&g->refs, &g->ref_room, g->ref_count, 1, sizeof(*g->refs)))
			return -ENOMEM;
		g->refs[g->ref_count++] = i;
	}
	return 0;
}

static int make_part(struct grower *g, enum part part, struct part_root roots[PARTS], __u32 *count)
{
	struct part_root root;
	__u32 boxes, from;
	int err = take_part(g, part);

	if (err || !g->ref_count)
		return err;
	boxes = (__u32)g->ref_count;
	root.first = g->boxes->rule[g->refs[0]];
	region_init(&g->region);
	g->fork_count = 0;
	g->largest = 0;
	err = grow(g, boxes, (__u32)KS_MIN((__u64)BUDGET_FACTOR * boxes + BUDGET_LEAST, 0xffffffffULL), 0, &from);
	if (!err)
		err = pack(g, from, &root.to);
	if (!err)
		roots[(*count)++] = root;
	return err;
}

static int compare_roots(const void *a, const void *b)
{
	const struct part_root *left = a, *right = b;

	return (left->first > right->first) - (left->first < right->first);
}

static void write_head(union ks_tree_node *head, struct part_root *roots, __u32 count)
{
	qsort(roots, count, sizeof(*roots), compare_roots);
	for (__u32 i = 0; i < KS_TREE_PARTS; i++) {
		head[0].entry[i] = i < count ? roots[i].to : 0;
		head[1].entry[i] = i < count ? roots[i].first : KS_TREE_END;
	}
}

/* Makes the trees of the entries first to end - 1 for a family. No rule of it: the head stays empty, and they are walked. */
static int make_head(struct grower *g, __u32 list, __u32 first, __u32 end, __u8 family)
{
	ks_auto_boxes struct ks_boxes boxes = { 0 };
	struct part_root roots[PARTS];
	__u32 count = 0, compared = 0;
	int err = ks_boxes_make(g->policy, first, end, family, &boxes);

	g->boxes = &boxes;
	for (int part = 0; !err && part < PARTS; part++) {
		g->largest = 0;
		err = make_part(g, part, roots, &count);
		compared += g->largest;
	}
	g->boxes = NULL;
	if (err)
		return err;
	write_head(g->policy->tree + ks_tree_head(list, family), roots, count);
	g->policy->tree_compared = KS_MAX(g->policy->tree_compared, compared);
	return 0;
}

static int make_list(struct grower *g, __u32 list)
{
	const struct ks_config *config = &g->policy->config;
	__u32 first = list == KS_LIST_FILTER ? 0 : config->list[list].first, nodes;
	__u32 count = list == KS_LIST_FILTER ? config->rules : config->list[list].count;

	if (count < KS_TREE_RULES_MIN)
		return 0;
	if (!config->tree_nodes && add_nodes(g, KS_TREE_HEADS, &nodes))
		return -ENOMEM;
	return make_head(g, list, first, first + count, KS_IPV4) ?: make_head(g, list, first, first + count, KS_IPV6);
}

int ks_tree_make(struct ks_policy *policy)
{
	auto_grower struct grower g = { .policy = policy };
	int err = 0;

	free(policy->tree);
	policy->tree = NULL;
	policy->config.tree_nodes = 0;
	policy->tree_compared = 0;
	for (__u32 list = 0; !err && list < KS_LIST_MAX; list++)
		err = make_list(&g, list);
	if (err)
		policy->config.tree_nodes = 0;
	return err;
}
