/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which addresses and ports a flow of the benchmarks has: the same arithmetic
 * in the frames that user space prepares and in the programs that rewrite a
 * frame inside the kernel.
 *
 * Flow i goes from 198.18.x to 198.19.~x, x being the low 16 bits of i, from a
 * port that counts the rest (RFC 2544's networks). The two addresses add up to
 * the same for every flow, so a template's header checksum holds for all.
 */
#ifndef KS_BENCH_FLOWS_H
#define KS_BENCH_FLOWS_H

#include "core/types.h"

#define BENCH_SOURCE_NET 0xc6120000U /* 198.18.0.0/16 */
#define BENCH_DESTINATION_NET 0xc6130000U /* 198.19.0.0/16 */
#define BENCH_SOURCE_PORT 1024U
#define BENCH_DESTINATION_PORT 53U
#define BENCH_FRAME 60U /* bytes: the smallest Ethernet frame without its checksum */
#define BENCH_IP_OFF 14U
#define BENCH_L4_OFF 34U

struct bench_flow {
	__be32 src, dst;
	__be16 sport, dport;
};

/* Flow `index` as its packets show it, in the direction of the opener or in the other. */
static inline void bench_flow_make(__u32 index, bool reply, struct bench_flow *flow)
{
	__be32 source = ks_be32(BENCH_SOURCE_NET | (index & 0xffff));
	__be32 destination = ks_be32(BENCH_DESTINATION_NET | (~index & 0xffff));
	__be16 sport = ks_be16((__u16)(BENCH_SOURCE_PORT + (index >> 16)));
	__be16 dport = ks_be16(BENCH_DESTINATION_PORT);

	flow->src = reply ? destination : source;
	flow->dst = reply ? source : destination;
	flow->sport = reply ? dport : sport;
	flow->dport = reply ? sport : dport;
}

/* The next of a sequence of numbers that jumps about (Knuth's linear congruential one), reduced to 0..n-1. */
static inline __u32 bench_random(__u64 *state, __u32 n)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)(((*state >> 32) * n) >> 32);
}

#endif
