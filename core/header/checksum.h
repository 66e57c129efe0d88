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

#define KS_CHECKSUM_ONES 0xffffULL
#define KS_CHECKSUM_INVERSE 0xfffefffefffeffffULL /* of that, modulo 2^64 */
#define KS_CHECKSUM_MULTIPLES (~0ULL / KS_CHECKSUM_ONES) /* of it in 64 bits, but for 0 */
#define KS_CHECKSUM_WORD_BITS 32

_Static_assert(1 == KS_CHECKSUM_ONES * KS_CHECKSUM_INVERSE, "a multiple of it, times this, is how many times it is");

/* The two halves of a word: what eight bytes add to a sum of words of 32 bits, which folds to the same as one of words of 16. */
static inline __u64 ks_checksum_halves(__u64 word)
{
	return (__u32)word + (word >> KS_CHECKSUM_WORD_BITS);
}

/*
 * Returns true if the sum, which is not 0, would fold to all ones, as that over bytes and their right checksum does: it is a multiple
 * of that then, because folding changes it by such multiples only. For the test without a division see Warren, Hacker's Delight, 10-17.
 */
static inline bool ks_checksum_is_ones(__u64 sum)
{
	return sum * KS_CHECKSUM_INVERSE <= KS_CHECKSUM_MULTIPLES;
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
