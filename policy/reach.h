/* SPDX-License-Identifier: BSD-2-Clause */
/* Warnings of rules that match nothing; see reach.c. */
#ifndef KS_POLICY_REACH_H
#define KS_POLICY_REACH_H

#include "policy/parse.h"

/* Warns of rules of the compiled policy that can never match. */
void ks_reach_check(struct ks_parser *p);

#endif
