/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions: sets of packets, as the rules of a policy tell packets apart. A region is a product: packets whose zones, protocol,
 * addresses, ports and ICMP type are each in a set of their own. A rule is a few regions; what is left of a region after another
 * one is taken away is a few regions again (ks_region_subtract()). Everything that is proved about a policy stands on that.
 *
 * Sets whose members are not known before packets come (run-time sets, the firewall's own addresses) are variables: a region says
 * for each of them if its packets may be in it, and if they may be outside.
 *
 * Ranges are in the policy's tables or in a pool; a region owns nothing.
 */
#ifndef KS_PROOF_REGION_H
#define KS_PROOF_REGION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/rules.h"
#include "text/scoped.h"

/* Memory that is given back all at once, and taken again. */
struct ks_pool_chunk;

struct ks_pool {
	struct ks_pool_chunk *chunks, *current;
	size_t used; /* of the current chunk */
};

void *ks_pool_alloc(struct ks_pool *pool, size_t size); /* NULL without memory */
void ks_pool_reset(struct ks_pool *pool);
void ks_pool_fini(struct ks_pool *pool);

KS_SCOPED_STRUCT(ks_auto_pool, struct ks_pool, ks_pool_fini)
#define ks_auto_pool ks_scoped(ks_auto_pool)

/* Sorted, disjoint ranges of numbers of 128 bits. */
struct ks_spans {
	const struct ks_range *list;
	__u32 count;
};

enum ks_dim { KS_DIM_SRC, KS_DIM_DST, KS_DIM_SPORT, KS_DIM_DPORT, KS_DIM_ICMP, KS_DIMS };

#define KS_PROTO_WORDS 4 /* of 64 protocols each */
#define KS_VARIABLES_MAX 64

struct ks_region {
	__u64 from, to; /* a bit per zone */
	__u64 in, out; /* a bit per variable: packets may be in its set, or outside; of each at least one */
	__u64 proto[KS_PROTO_WORDS]; /* a bit per protocol */
	struct ks_spans dim[KS_DIMS];
	__u8 family; /* KS_IPV4 or KS_IPV6 */
};

#define KS_REGION_PIECES_MAX (KS_VARIABLES_MAX + KS_DIMS + 3)

extern const struct ks_spans ks_spans_ports, ks_spans_ipv4, ks_spans_ipv6; /* all there are of each */

static inline const struct ks_spans *ks_spans_all(enum ks_dim dim, __u8 family)
{
	if (dim >= KS_DIM_SPORT)
		return &ks_spans_ports;
	return family == KS_IPV4 ? &ks_spans_ipv4 : &ks_spans_ipv6;
}

static inline bool ks_region_has_proto(const struct ks_region *region, unsigned proto)
{
	return region->proto[proto / 64] >> proto % 64 & 1;
}

/* The numbers that are in both, and those in `a` only. *steps grows by the ranges that were looked at. Return 0 or -ENOMEM. */
int ks_spans_intersect(struct ks_pool *pool, const struct ks_spans *a, const struct ks_spans *b, __u64 *steps,
		       struct ks_spans *both);
int ks_spans_subtract(struct ks_pool *pool, const struct ks_spans *a, const struct ks_spans *b, __u64 *steps,
		      struct ks_spans *left);

bool ks_spans_hold(const struct ks_spans *spans, const __u64 value[2]);
bool ks_spans_overlap(const struct ks_spans *a, const struct ks_spans *b, __u64 *steps);
bool ks_spans_equal(const struct ks_spans *a, const struct ks_spans *b);

/* All packets of a family, between zones of these. */
void ks_region_fill(struct ks_region *region, __u8 family, __u64 zones);

bool ks_region_is_empty(const struct ks_region *region);
bool ks_regions_overlap(const struct ks_region *a, const struct ks_region *b, __u64 *steps);

/* The packets that are in both, which must overlap. Returns 0 or -ENOMEM. */
int ks_region_intersect(struct ks_pool *pool, const struct ks_region *a, const struct ks_region *b, __u64 *steps,
			struct ks_region *both);

/* The packets of `a` that are not in `b`, which must overlap, as disjoint regions. Returns how many, or -ENOMEM. */
int ks_region_subtract(struct ks_pool *pool, const struct ks_region *a, const struct ks_region *b, __u64 *steps,
		       struct ks_region pieces[KS_REGION_PIECES_MAX]);

#endif
