/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks that need the whole text; see check.c. */
#ifndef KS_POLICY_CHECK_H
#define KS_POLICY_CHECK_H

#include "policy/ast.h"
#include "policy/parse.h"

/* Checks the tree; fills the zones of the policy, and the tree's fields that say so. Returns 0 or -ENOMEM. */
int ks_check(struct ks_parser *p);

/*
 * The id of a zone where only one with interfaces can stand; complains and returns -EINVAL when there is none. 'any' is
 * KS_ZONE_SELF, about which the caller complains as about 'self'.
 */
int ks_zone_resolve_own(struct ks_parser *p, const struct ks_name *name);

#endif
