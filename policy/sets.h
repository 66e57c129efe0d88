/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of addresses and ports: looking up, merging; see sets.c. */
#ifndef KS_POLICY_SETS_H
#define KS_POLICY_SETS_H

#include "policy/ast.h"
#include "policy/parse.h"

/* Merges the entries of a list, with those of the sets that it names if `sets`. Returns 0, -ENOSPC or -ENOMEM. */
int ks_items_merge(struct ks_ast *ast, const struct ks_items *items, bool sets, struct ks_merged *merged);

/* Complains about the sets that a list names and that are not there, or hold ports for addresses. Returns 0 or -EINVAL. */
int ks_items_check(struct ks_parser *p, const struct ks_items *items, bool ports);

/* The set of a name, or NULL. */
struct ks_ast_set *ks_ast_find_set(const struct ks_ast *ast, const char *name);

/* The set an entry names, the first time it stands in the list begun by ast->stamp++; else NULL. */
struct ks_ast_set *ks_ast_take_set(struct ks_ast *ast, const struct ks_item *item);

/* Looks up the sets that sets name, and merges every set. Returns 0 or -ENOMEM. */
int ks_sets_resolve(struct ks_parser *p);

#endif
