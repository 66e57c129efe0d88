/* SPDX-License-Identifier: BSD-2-Clause */
/* Run-time sets in the text; see dynamic.c. */
#ifndef KS_POLICY_DYNAMIC_H
#define KS_POLICY_DYNAMIC_H

#include "policy/ast.h"
#include "policy/parse.h"

/* Reads `dynamic` behind the entries of a set and what follows it, if it is there, and looks at the entries of a run-time set. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_parse_dynamic(struct ks_parser *p, struct ks_ast_set *set);

#endif
