/* SPDX-License-Identifier: BSD-2-Clause */
/* Suggested rules in the words of the policy language. */
#ifndef KS_SUGGEST_WORDS_H
#define KS_SUGGEST_WORDS_H

#include <stdio.h>

#include "suggest/merge.h"

/*
 * Writes the clauses of a rule, "from lan to wan tcp port https", of the rule at `at` and of its twin of the other family,
 * if there is one (*twin; else NULL).
 */
void ks_suggested_print(const struct ks_policy *zones, struct ks_suggested_list *rules, size_t at,
			struct ks_suggested **twin, FILE *out);

#endif
