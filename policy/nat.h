/* SPDX-License-Identifier: BSD-2-Clause */
/* Address translation in the text; see nat.c. */
#ifndef KS_POLICY_NAT_H
#define KS_POLICY_NAT_H

#include "policy/ast.h"
#include "policy/parse.h"

/*
 * Goes on behind a word of a forward, redirect or nat rule. Returns 1 if the word is not one that only they have, 0,
 * -ENOMEM, or -EINVAL after a complaint.
 */
int ks_parse_translation(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *word);

/* Reads `binat` and `nptv6` behind the keyword. */
int ks_parse_binat(struct ks_parser *p, enum ks_statement statement);

#endif
