/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules in the text; see rule.c. The words of translations and helpers are in nat.h and helper.h. */
#ifndef KS_POLICY_RULE_H
#define KS_POLICY_RULE_H

#include "policy/ast.h"
#include "policy/parse.h"

/* Reads a rule behind its first word, which told statement and action. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_parse_rule(struct ks_parser *p, enum ks_statement statement, unsigned action);

/* Reads clauses up to the end of the line. Returns as ks_parse_rule(). */
int ks_parse_clauses(struct ks_parser *p, struct ks_ast_rule *rule);

/* The same of a rule behind `staged`. */
int ks_parse_staged(struct ks_parser *p);

/* Keeps a rule that has been read. */
int ks_ast_add_rule(struct ks_parser *p, const struct ks_ast_rule *rule);

/* Reads a list of zones, or `not` and a list, behind `clause`; *has tells whether the rule has one already. */
int ks_parse_zones(struct ks_parser *p, const char *clause, bool *has, struct ks_names *zones);

int ks_add_proto(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token);

/* Complains about a clause that stands twice. Returns -EINVAL. */
int ks_clause_twice(struct ks_parser *p, const char *clause);

/* The word that begins a statement. */
const char *ks_statement_name(enum ks_statement statement);

#endif
