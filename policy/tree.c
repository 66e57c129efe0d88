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

#define EMPTY_LEAF (KS_TREE_LEAF | KS_TREE_NUMBER)

/* A node with two sides, before two levels become a branch. */
struct fork {
	struct ks_split split;
	__u32 to[2]; /* KS_TREE_LEAF and a place in `leaves`; else the number of a fork */
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
	__u32 *leaves; /* for each leaf the number of its boxes, then these */
	size_t leaf_count, leaf_room;
	size_t page_room; /* of policy->tree */
	__u32 largest; /* rules of a leaf */
};

static void grower_fini(struct grower *g)
{
	free(g->forks);
	free(g->refs);
	free(g->leaves);
}

KS_SCOPED_STRUCT(auto_grower, struct grower, grower_fini)
#define auto_grower ks_scoped(auto_grower)

/* --- nodes --- */

static union ks_tree_node *node_at(const struct ks_policy *policy, __u32 number)
{
	return &policy->tree[number >> KS_TREE_PAGE_SHIFT].node[number & (KS_TREE_PAGE_NODES - 1)];
}

/* Adds zeroed nodes. Returns 0 or -ENOMEM. */
static int add_nodes(struct grower *g, __u32 count, __u32 *first)
{
	struct ks_config *config = &g->policy->config;
	__u32 pages = ks_tree_pages(config->tree_nodes), more = ks_tree_pages(config->tree_nodes + count) - pages;

	if (more) {
		if (ks_compile_reserve(&g->policy->tree, &g->page_room, pages, more, sizeof(*g->policy->tree)))
			return -ENOMEM;
		memset(g->policy->tree + pages, 0, more * sizeof(*g->policy->tree));
	}
	*first = config->tree_nodes;
	config->tree_nodes += count;
	return 0;
}

static __u32 count_rules(const struct grower *g, const __u32 *refs, __u32 count)
{
	__u32 rules = 0;

	for (__u32 i = 0; i < count; i++) /* boxes are in the order of their rules */
		rules += !i || g->boxes->rule[refs[i]] != g->boxes->rule[refs[i - 1]];
	return rules;
}

/* Makes a leaf of the last `count` boxes, which are used up. */
static int make_leaf(struct grower *g, __u32 count, __u32 *to)
{
	const __u32 *refs = g->refs + g->ref_count - count;
	__u32 rules = count_rules(g, refs, count);

	g->largest = KS_MAX(g->largest, rules);
	g->ref_count -= count;
	*to = EMPTY_LEAF;
	if (!count)
		return 0;
	if (ks_compile_reserve(&g->leaves, &g->leaf_room, g->leaf_count, count + 1, sizeof(*g->leaves)))
		return -ENOMEM;
	*to = KS_TREE_LEAF | (__u32)g->leaf_count;
	g->leaves[g->leaf_count] = count;
	memcpy(g->leaves + g->leaf_count + 1, refs, count * sizeof(*refs));
	g->leaf_count += count + 1;
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

/* --- packing: two levels of forks are a branch, and what lies below it follows, so that a way down meets few pages --- */

static void write_box(const struct ks_boxes *boxes, __u32 box, struct ks_tree_box *to)
{
	to->head = boxes->head[box];
	to->sport[0] = (__u16)boxes->lo[KS_WORD_SPORT][box];
	to->sport[1] = (__u16)boxes->hi[KS_WORD_SPORT][box];
	to->dport[0] = (__u16)boxes->lo[KS_WORD_DPORT][box];
	to->dport[1] = (__u16)boxes->hi[KS_WORD_DPORT][box];
	to->src[0] = boxes->lo[KS_WORD_SRC][box];
	to->src[1] = boxes->hi[KS_WORD_SRC][box];
	to->dst[0] = boxes->lo[KS_WORD_DST][box];
	to->dst[1] = boxes->hi[KS_WORD_DST][box];
}

static int pack_leaf(struct grower *g, __u32 from, __u32 *to)
{
	const __u32 *leaf;
	__u32 at, count;

	*to = 0;
	if (from == EMPTY_LEAF)
		return 0;
	leaf = g->leaves + (from & KS_TREE_NUMBER);
	count = leaf[0];
	if (add_nodes(g, count, &at))
		return -ENOMEM;
	for (__u32 i = 0; i < count; i++)
		write_box(g->boxes, leaf[1 + i], &node_at(g->policy, at + i)->box);
	node_at(g->policy, at + count - 1)->box.head |= KS_BOX_LAST;
	*to = KS_TREE_LEAF | at;
	return 0;
}

static bool is_fork(__u32 to)
{
	return !(to & ~KS_TREE_NUMBER);
}

static int pack(struct grower *g, __u32 from, __u32 *to);

/* Packs one side of a fork. A leaf lies on both sides of a bound that nothing is above. */
static int pack_side(struct grower *g, __u32 to, unsigned side, struct ks_tree_branch *branch)
{
	const struct fork *below = is_fork(to) ? &g->forks[to] : NULL;
	__u32 *next = &branch->next[2 * side];
	int err;

	branch->split[1 + side] = below ? below->split.value : ~0U;
	branch->field[1 + side] = below ? (__u8)below->split.field : 0;
	err = pack(g, below ? below->to[0] : to, &next[0]);
	if (!below)
		next[1] = next[0];
	else if (!err)
		err = pack(g, below->to[1], &next[1]);
	return err;
}

static int pack_branch(struct grower *g, const struct fork *top, __u32 *to)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): whoever has the number of a fork has made it */
	struct ks_tree_branch branch = { .split = { top->split.value }, .field = { (__u8)top->split.field } };
	__u32 at;
	int err;

	if (add_nodes(g, 1, &at))
		return -ENOMEM;
	err = pack_side(g, top->to[0], 0, &branch) ?: pack_side(g, top->to[1], 1, &branch);
	node_at(g->policy, at)->branch = branch;
	*to = at;
	return err;
}

static int pack(struct grower *g, __u32 from, __u32 *to)
{
	return is_fork(from) ? pack_branch(g, &g->forks[from], to) : pack_leaf(g, from, to);
}

/* --- parts --- */

/* A part: its boxes are narrow in the same fields. */
enum part { PART_NONE, PART_SRC, PART_DST, PART_BOTH, PART_NUMBER, PARTS };

_Static_assert(PARTS < KS_TREE_PARTS, "a head has room for all parts and an end");

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
	g->leaf_count = 0;
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
		head[0].part[i] = i < count ? roots[i].to : 0;
		head[1].part[i] = i < count ? roots[i].first : KS_TREE_END;
	}
}

/* Makes the trees of the entries first to end - 1 for a family. No rule of it: the head has no part. */
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
	write_head(node_at(g->policy, ks_tree_head(list, family)), roots, count);
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

/* The trees of a policy. */
struct trees {
	struct ks_tree_page *pages;
	__u32 nodes, compared;
};

static void trees_put(struct ks_policy *policy, const struct trees *trees)
{
	free(policy->tree);
	policy->tree = trees->pages;
	policy->config.tree_nodes = trees->nodes;
	policy->tree_compared = trees->compared;
}

int ks_tree_make(struct ks_policy *policy)
{
	const struct trees before = { policy->tree, policy->config.tree_nodes, policy->tree_compared };
	const struct trees none = { 0 };
	auto_grower struct grower g = { .policy = policy };
	int err = 0;

	policy->tree = NULL;
	trees_put(policy, &none);
	for (__u32 list = 0; !err && list < KS_LIST_MAX; list++)
		err = make_list(&g, list);
	if (err)
		trees_put(policy, &before);
	else
		free(before.pages);
	return err;
}
