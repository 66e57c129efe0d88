/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements `zone`, `ignore` and `set`; see statement.c. */
#ifndef KS_POLICY_STATEMENT_H
#define KS_POLICY_STATEMENT_H

#include "policy/parse.h"

/* Each is called with its keyword consumed. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_parse_zone(struct ks_parser *p);
int ks_parse_ignore(struct ks_parser *p);
int ks_parse_set(struct ks_parser *p);

#endif
