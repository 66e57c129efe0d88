/* SPDX-License-Identifier: BSD-2-Clause */
/* Host names in sets; see host.c. */
#ifndef KS_POLICY_HOST_H
#define KS_POLICY_HOST_H

#include "policy/ast.h"
#include "policy/parse.h"

/* Reads what stands behind the word `host` of a list; `set` is whose entry it is, NULL if it is none of a set. Returns 0 or -errno. */
int ks_parse_host(struct ks_parser *p, struct ks_ast_set *set, bool negated);

#endif
