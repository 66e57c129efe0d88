/* SPDX-License-Identifier: BSD-2-Clause */
/* The frames of the benchmarks: smallest Ethernet, IPv4, UDP or TCP; see flows.h for their addresses. */
#ifndef KS_BENCH_FRAMES_H
#define KS_BENCH_FRAMES_H

#include "bench/flows.h"

/* The frames of a flow, from its first to its last. */
enum bench_step {
	BENCH_UDP,
	BENCH_TCP_SYN,
	BENCH_TCP_SYN_ACK,
	BENCH_TCP_ACK, /* of the opener, with nothing new: valid again and again */
	BENCH_TCP_FIN, /* of the opener */
	BENCH_TCP_FIN_ACK, /* the answer: both are done */
	BENCH_TCP_LAST_ACK,
};

/* Writes a whole frame of BENCH_FRAME bytes, of flow `index`. A reply has the addresses the other way round. */
void bench_frame_make(enum bench_step step, __u32 index, bool reply, __u8 *frame);

/*
 * Calls fn for every frame that takes a flow from nothing to established:
 * one UDP datagram each way, or TCP's handshake. Returns the first nonzero
 * value that fn returned, or 0.
 */
int bench_opening_each(bool tcp, int (*fn)(enum bench_step step, bool reply, void *arg), void *arg);

/* The frame that an established flow goes on with. */
enum bench_step bench_step_steady(bool tcp);

/* Random order in which n flows are visited: a permutation, the same at every call. NULL without memory. */
__u32 *bench_order_make(__u32 n);

/* Gives a datagram the checksum that it has with the ends of any of the first 65,536 flows (flows.h): their sum is the same. */
void bench_datagram_sum(__u8 *frame);

/* Makes the SYN one from 198.18.0.0 to an IPv4 address and port. */
void bench_syn_aim(__u8 *frame, __be32 address, __u16 port);

#endif
