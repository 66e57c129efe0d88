/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes the decision trees of a compiled policy (core/tree.h; docs/design/rules.md). They are made of the rules as they are
 * now, and do not depend on what changes afterwards: ids of rules, entries of run-time sets, the box's own addresses.
 * They are to be made again when zones get other ids.
 */
#ifndef KS_POLICY_TREE_H
#define KS_POLICY_TREE_H

#include "policy/policy.h"

/* Makes them, in place of those that there are. Returns 0, or -ENOMEM: then these stay. */
int ks_tree_make(struct ks_policy *policy);

/* Rules that overlap so much that a packet may have to be compared with more than these get a warning. */
#define KS_TREE_COMPARED_MAX 256U

#endif
