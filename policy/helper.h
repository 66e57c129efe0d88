/* SPDX-License-Identifier: BSD-2-Clause */
/* Helpers in the text; see helper.c. ks_helper_name() is in policy.h. */
#ifndef KS_POLICY_HELPER_H
#define KS_POLICY_HELPER_H

#include "policy/ast.h"
#include "policy/parse.h"

/* The names behind `helper`. */
int ks_parse_helpers(struct ks_parser *p, struct ks_ast_rule *rule);
void ks_helper_check(struct ks_parser *p, struct ks_ast_rule *rule);

/* The usual port of a helper; returns true if it works over a protocol. */
__u16 ks_helper_port(unsigned helper);
bool ks_helper_has_proto(unsigned helper, unsigned proto);

#endif
