/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyed hash of flows; see sip.h. */
#ifndef KS_CORE_TABLE_HASH_H
#define KS_CORE_TABLE_HASH_H

#include "core/table/flow.h"
#include "core/types.h"

__u64 ks_flow_key_hash_isolated(const struct ks_flow_key *key, __u64 secret_first, __u64 secret_second);

/* 64 bits that nobody can predict without the two words of `secret`. */
static inline __u64 ks_flow_key_hash(const struct ks_flow_key *key, const __u64 *secret)
{
	return ks_flow_key_hash_isolated(key, secret[0], secret[1]);
}

/*
 * 32 bits of a sequence that is evenly distributed, but not secret: xorshift64* (Vigna 2016). *x is its state, never 0.
 */
static inline __u32 ks_random_step(__u64 *x)
{
	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return (__u32)(*x * 0x2545f4914f6cdd1dULL >> 32);
}

#endif
