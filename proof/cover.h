/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes regions away from one another: is anything of a region left when the claims before it have theirs? The answer is exact.
 * It costs steps, and a hostile policy many; a search that has no more of them says so.
 */
#ifndef KS_PROOF_COVER_H
#define KS_PROOF_COVER_H

#include "proof/near.h"

struct ks_cover {
	const struct ks_space *space;
	struct ks_pool pool; /* ranges of the regions in hand; reset by who begins with another question */
	__u32 *near; /* claims that overlap the region; room for all */
	size_t near_count;
	bool *used; /* by claim: it took something, since ks_cover_forget() */
	__u64 steps, steps_max; /* spent, and allowed */
};

int ks_cover_init(struct ks_cover *cover, const struct ks_space *space);
void ks_cover_fini(struct ks_cover *cover);
void ks_cover_forget(struct ks_cover *cover);

KS_SCOPED_STRUCT(ks_auto_cover, struct ks_cover, ks_cover_fini)
#define ks_auto_cover ks_scoped(ks_auto_cover)

/* Called with a region that is left, good until the pool is reset. Ends the search by another value than 0. */
typedef int ks_left_fn(const struct ks_region *left, void *arg);

/*
 * Calls fn with every region that the claims of cover->near leave of a region, disjoint ones, until it returns nonzero; returns
 * that, 0 if all were found, -E2BIG without more steps, or -ENOMEM.
 */
int ks_cover_left(struct ks_cover *cover, const struct ks_region *region, ks_left_fn *fn, void *arg);

#endif
