/* SPDX-License-Identifier: BSD-2-Clause */
/* See census.h. */
#include "daemon/census.h"

#include <errno.h>
#include <stdlib.h>

#define CENSUS_BUCKETS 4096U /* in one slice: up to 32768 flows */

struct ks_census *ks_census_begin(const struct ks_kernel *kernel)
{
	struct ks_census *census = calloc(1, sizeof(*census));

	if (census)
		census->kernel = kernel;
	return census;
}

static int count_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct ks_census *census = arg;
	struct ks_rule_count *rule = &census->rules[flow->rule];

	census->flows[key->proto][flow->state & (KS_STATE_SLOTS - 1)]++;
	rule->matches++;
	rule->packets += ks_flow_packets(flow, 0) + ks_flow_packets(flow, 1);
	rule->bytes += ks_flow_bytes(flow, 0) + ks_flow_bytes(flow, 1);
	return 0;
}

int ks_census_go_on(struct ks_census *census, const struct ks_kernel *kernel)
{
	if (kernel != census->kernel)
		return -ESTALE;
	if (!ks_census_left(census))
		return -ENODATA;
	ks_kernel_each_flow_from(kernel, &census->cursor, CENSUS_BUCKETS, count_flow, census);
	return 0;
}

__u32 ks_census_left(const struct ks_census *census)
{
	__u32 buckets = ks_kernel_shape(census->kernel)->buckets;

	return (buckets - KS_MIN(census->cursor, buckets) + CENSUS_BUCKETS - 1) / CENSUS_BUCKETS;
}
