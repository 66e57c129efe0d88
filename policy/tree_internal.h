/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of tree.c: tree_boxes.c makes boxes of rules, tree_split.c chooses where a node parts them. */
#ifndef KS_POLICY_TREE_INTERNAL_H
#define KS_POLICY_TREE_INTERNAL_H

#include "core/tree.h"
#include "policy/policy.h"

/*
 * The packets that a rule may match, as ranges of the fields of core/tree.h: one box, or several that hold all of them between
 * them. A box may hold more. Those of a list are ordered by rule.
 */
struct ks_boxes {
	__u32 count, room;
	__u32 fields; /* that the family has */
	__u32 *rule; /* entry of each box */
	__u64 *head; /* as of struct ks_tree_box, of one that is not the last */
	__u32 *lo[KS_WORDS], *hi[KS_WORDS];
};

/* The values that a node of a tree is about. */
struct ks_region {
	__u32 lo[KS_WORDS], hi[KS_WORDS];
};

/* Values of `field` above `value` go to the right. */
struct ks_split {
	__u32 field, value;
};

/* The boxes of the entries first to end - 1. Returns 0 or -ENOMEM. */
int ks_boxes_make(const struct ks_policy *policy, __u32 first, __u32 end, __u8 family, struct ks_boxes *boxes);
void ks_boxes_fini(struct ks_boxes *boxes);

KS_SCOPED_STRUCT(ks_auto_boxes, struct ks_boxes, ks_boxes_fini)
#define ks_auto_boxes ks_scoped(ks_auto_boxes)

/* The highest value of a field. */
__u32 ks_field_max(unsigned field);

/* Chooses where to part the boxes `refs`. Returns false if they are all the same in the region. */
bool ks_split_choose(const struct ks_boxes *boxes, const __u32 *refs, __u32 count, const struct ks_region *region,
		     struct ks_split *split);

#endif
