/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One's complement sums (RFC 1071) of 16-bit words in wire order, and what a
 * change of bytes does to a checksum (RFC 1624). Sums of up to 65,536 words
 * fit; they are folded at the end.
 */
#ifndef KS_CORE_HEADER_CHECKSUM_H
#define KS_CORE_HEADER_CHECKSUM_H

#include "core/types.h"

#define KS_CHECKSUM_MASK 0xffffU
#define KS_CHECKSUM_BITS 16

static inline __u32 ks_checksum_fold(__u32 sum)
{
	sum = (sum & KS_CHECKSUM_MASK) + (sum >> KS_CHECKSUM_BITS);
	return (sum & KS_CHECKSUM_MASK) + (sum >> KS_CHECKSUM_BITS);
}

/* The difference that replacing one word by another makes to a sum. */
static inline __u32 ks_checksum_diff16(__be16 was, __be16 is)
{
	return (__u32)is + (KS_CHECKSUM_MASK & ~(__u32)was);
}

/* The same for an address. */
static inline __u32 ks_checksum_diff32(__be32 was, __be32 is)
{
	return ks_checksum_diff16((__be16)was, (__be16)is) +
	       ks_checksum_diff16((__be16)(was >> KS_CHECKSUM_BITS), (__be16)(is >> KS_CHECKSUM_BITS));
}

/* The checksum after its sum has grown by `diff`. */
static inline __u16 ks_checksum_apply(__u16 checksum, __u32 diff)
{
	return (__u16)~ks_checksum_fold((__u16)~checksum + ks_checksum_fold(diff));
}

#endif
