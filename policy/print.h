/* SPDX-License-Identifier: BSD-2-Clause */
/* The normal form of what is kept as text in the policy; ks_policy_print() (policy/policy.h) prints it. See print.c. */
#ifndef KS_POLICY_PRINT_H
#define KS_POLICY_PRINT_H

#include "policy/ast.h"
#include "policy/parse.h"

/* The normal form of a rule without log and label, in the policy's arena; NULL without memory. */
char *ks_rule_text(struct ks_parser *p, const struct ks_ast_rule *rule, bool amounts);

/* A text as a string of the language. */
void ks_print_quoted(const char *text, FILE *out);

/* Keeps the normal form of the test block whose tokens were recorded. Returns 0 or -ENOMEM. */
int ks_test_text_keep(struct ks_parser *p);

#endif
