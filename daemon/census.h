/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A census of the living flows: how many there are by protocol and state, and what those of each rule have carried. It is
 * taken in slices of at most CENSUS_BUCKETS buckets, a few milliseconds each, between which the daemon does its other work: a
 * million flows are counted in some hundred milliseconds, and nobody waits for that long. It is no picture of one moment.
 */
#ifndef KS_DAEMON_CENSUS_H
#define KS_DAEMON_CENSUS_H

#include "kernel/kernel.h"

#define KS_CENSUS_PROTOCOLS 256U

struct ks_census {
	const struct ks_kernel *kernel; /* whose table is counted */
	__u32 cursor; /* the next bucket */
	__u32 flows[KS_CENSUS_PROTOCOLS][KS_STATE_SLOTS]; /* by protocol and state */
	struct ks_rule_count rules[KS_RULE_ID_MAX]; /* of living flows by rule; `matches` is their number */
};

/* NULL without memory. Free it by free(). */
struct ks_census *ks_census_begin(const struct ks_kernel *kernel);

/* Counts a slice. Returns 0; -ENODATA if all is counted; -ESTALE if a larger table has taken the place of this one. */
int ks_census_go_on(struct ks_census *census, const struct ks_kernel *kernel);

/* Slices that are still to be counted. */
__u32 ks_census_left(const struct ks_census *census);

#endif
