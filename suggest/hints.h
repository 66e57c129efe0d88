/* SPDX-License-Identifier: BSD-2-Clause */
/* Comments about what traffic shows and no rule of a suggestion says: helpers, and translation of sources; see hints.c. */
#ifndef KS_SUGGEST_HINTS_H
#define KS_SUGGEST_HINTS_H

#include <stdio.h>

#include "suggest/merge.h"

/* `settings` has the statements that the suggestion keeps. */
void ks_hints_write(const struct ks_suggested_list *rules, const struct ks_policy *zones,
		    const struct ks_policy *settings, FILE *out);

#endif
