/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of rules; see limit.c. */
#ifndef KS_POLICY_LIMIT_H
#define KS_POLICY_LIMIT_H

#include <stdio.h>

#include "policy/ast.h"
#include "policy/compile.h"
#include "policy/parse.h"

/* Reads a limit behind its word. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_parse_limit(struct ks_parser *p, struct ks_ast_rule *rule);

/* Complains about what the limits of a rule that was read name, and cannot mean. */
void ks_check_limits(struct ks_parser *p, const struct ks_ast_rule *rule);

/* Appends the limits of a rule to the table. Returns 0, -EINVAL after a complaint, or -ENOMEM. */
int ks_compile_limits(struct ks_compiler *c, const struct ks_ast_rule *rule, __u32 id);

/* Prints the clauses of a rule's limits; without `amounts` only what they count, by which a rule keeps its id (adopt.h). */
void ks_limits_print(const struct ks_ast_rule *rule, bool amounts, FILE *out);

/* Prints one limit as it is compiled: "20 connections per source". */
void ks_limit_print(const struct ks_limit *limit, FILE *out);

/* Sets that packets fill: reads behind `for` how long an entry stays, in ms; checks the set; its number and 1, 0 without one. */
int ks_parse_hold(struct ks_parser *p, __u64 *hold);
void ks_check_filled(struct ks_parser *p, const struct ks_name *name);
__u8 ks_filled_number(const struct ks_ast *ast, const struct ks_name *name);

#endif
