/* SPDX-License-Identifier: BSD-2-Clause */
/* Warnings of clauses that no packet meets, that each one meets, or that do nothing with the packets of their rule; see idle.c. */
#ifndef KS_POLICY_IDLE_H
#define KS_POLICY_IDLE_H

#include "policy/ast.h"
#include "policy/parse.h"

/* To be called when the zones of the rule are known. */
void ks_idle_check(struct ks_parser *p, const struct ks_ast_rule *rule);

#endif
