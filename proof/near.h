/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds which claims of a space may overlap a region, without looking at each: a claim is a bit in strings of bits, one for each
 * zone, protocol and family, and one for each part of the ranges of addresses, ports and ICMP types. Strings of equal places
 * are joined; what is left are those that agree in every field, as far as hulls of sets tell.
 */
#ifndef KS_PROOF_NEAR_H
#define KS_PROOF_NEAR_H

#include "proof/space.h"

#define KS_NEAR_PARTS 64 /* of a range of numbers, with equally many claims each */

struct ks_near {
	const struct ks_space *space;
	size_t words; /* of a string */
	__u64 *strings; /* all of them, in the order of enum string (near.c) */
	__u64 *join; /* the result, and one more for alternatives */
	__u32 *found; /* claims before they are sorted ... */
	__u8 *narrow; /* ... and in how many fields each leaves something */
	__u32 parts[KS_DIMS];
	__u64 bound[KS_DIMS][KS_NEAR_PARTS][2]; /* the first number of each part */
};

/* Makes it for the claims that a space has now, vague ones left out. Returns 0 or -ENOMEM. */
int ks_near_init(struct ks_near *near, const struct ks_space *space);
void ks_near_fini(struct ks_near *near);

KS_SCOPED_STRUCT(ks_auto_near, struct ks_near, ks_near_fini)
#define ks_auto_near ks_scoped(ks_auto_near)

/* Gets the claims before `end` that overlap a region, those that take most of it first, in a list for `end`. Returns how many. */
size_t ks_near_find(struct ks_near *near, const struct ks_region *region, size_t end, __u64 *steps, __u32 *list);

#endif
