/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions on addresses that follow the interfaces of a zone, in the text; see own.c. */
#ifndef KS_POLICY_OWN_H
#define KS_POLICY_OWN_H

#include <stdio.h>

#include "policy/ast.h"
#include "policy/parse.h"

/* Reads such a condition. Returns 0, -EINVAL after a complaint, -ENOMEM, or 1 if something else stands there. */
int ks_parse_own(struct ks_parser *p, struct ks_match *match);

/* Finds the zone of such a condition. `side` are the zones of the rule that it is about, for a suffix that names none. */
void ks_check_own(struct ks_parser *p, struct ks_match *match, const struct ks_names *side);

/* Prints it, without the word before it. */
void ks_print_own(const struct ks_match *match, FILE *out);

#endif
