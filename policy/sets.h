/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of addresses and ports: looking up, merging; see sets.c. */
#ifndef KS_POLICY_SETS_H
#define KS_POLICY_SETS_H

#include "policy/ast.h"
#include "policy/parse.h"

/* Merges the entries of a list, with those of the sets that it names if `sets`, without those behind `not`. Returns 0, -ENOSPC or -ENOMEM. */
int ks_items_merge(struct ks_ast *ast, const struct ks_items *items, bool sets, struct ks_merged *merged);

/* The same for the entries of the text alone: those that are meant, or those that are taken away. */
int ks_items_merge_part(struct ks_ast *ast, const struct ks_items *items, bool negated, struct ks_merged *merged);

/* Returns true if a list takes entries away by `not`. */
bool ks_items_have_not(const struct ks_items *items);

/* Complains about `not` where nothing can be taken away; the sets must be resolved. Returns 0 or -EINVAL. */
int ks_items_check_not(struct ks_parser *p, const struct ks_items *items);

/* Complains about sets that a list names if they are unknown, or hold ports where addresses are wanted. Returns 0 or -EINVAL. */
int ks_items_check(struct ks_parser *p, const struct ks_items *items, bool ports);

/* The set of a name, or NULL. */
struct ks_ast_set *ks_ast_find_set(const struct ks_ast *ast, const char *name);

/*
 * The set that an entry of a list names, or NULL. A set that the list names
 * again counts once, so that sets of sets stay as small as their contents: the
 * caller begins a list by ast->stamp++.
 */
struct ks_ast_set *ks_ast_take_set(struct ks_ast *ast, const struct ks_item *item);

/* Looks up the sets that sets name, and merges every set. Returns 0 or -ENOMEM. */
int ks_sets_resolve(struct ks_parser *p);

#endif
