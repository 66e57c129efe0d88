/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Few rules out of many atoms, without becoming wider: two rules that differ in one field only are one with both values there,
 * again and again, in two orders of fields of which the better one is kept. Then rules are left out whose packets the others
 * allow between them, which is proved (proof/cover.h). So no rule can be left out, and no two can be one.
 */
#ifndef KS_SUGGEST_MERGE_H
#define KS_SUGGEST_MERGE_H

#include "proof/region.h"
#include "suggest/atoms.h"

/* A rule: its packets, and connections that it is made of. */
struct ks_suggested {
	struct ks_region region;
	__u64 count;
	struct ks_request sample[KS_SAMPLES];
	unsigned samples;
	bool is_printed; /* with another one, which is the same of the other family */
	bool is_untested; /* its samples are no test: see suggest.c */
};

struct ks_suggested_list {
	struct ks_suggested *list;
	size_t count;
	struct ks_pool pool; /* their ranges */
};

/* Makes them, sorted by zones, the most frequent ones first. Returns 0, or -ENOMEM. */
int ks_suggested_make(const struct ks_atoms *atoms, const struct ks_suggest_wish *wish, struct ks_suggested_list *made);
void ks_suggested_fini(struct ks_suggested_list *list);

KS_SCOPED_STRUCT(ks_auto_suggested, struct ks_suggested_list, ks_suggested_fini)
#define ks_auto_suggested ks_scoped(ks_auto_suggested)

#endif
