// SPDX-License-Identifier: BSD-2-Clause
/* Frames for the benchmarks; see frames.h. */
#include "bench/frames.h"

#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "core/types.h"

#define IP_LEN (BENCH_FRAME - BENCH_IP_OFF)
#define SEQ_CLIENT 1000U
#define SEQ_SERVER 5000U
#define WINDOW 65000U

static void store16(__u8 *at, __u32 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

static void store32(__u8 *at, __u32 value)
{
	store16(at, value >> 16);
	store16(at + 2, value & 0xffff);
}

/* RFC 1071 over the IPv4 header. */
static __u32 header_checksum(const __u8 *header)
{
	__u32 sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (__u32)(header[i] << 8 | header[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* Numbers and flags of a segment; the numbers count from the side's first. */
static const struct {
	__u8 seq, ack, flags;
} segments[] = {
	[BENCH_TCP_SYN] = { 0, 0, KS_TCP_SYN },
	[BENCH_TCP_SYN_ACK] = { 0, 1, KS_TCP_SYN | KS_TCP_ACK },
	[BENCH_TCP_ACK] = { 1, 1, KS_TCP_ACK },
	[BENCH_TCP_FIN] = { 1, 1, KS_TCP_FIN | KS_TCP_ACK },
	[BENCH_TCP_FIN_ACK] = { 1, 2, KS_TCP_FIN | KS_TCP_ACK },
	[BENCH_TCP_LAST_ACK] = { 2, 2, KS_TCP_ACK },
};

/* The checksum of a segment without options and data, with which alone it opens a flow. */
static __u32 tcp_checksum(const __u8 *ip)
{
	const __u8 *l4 = ip + 20;
	__u32 sum = KS_PROTO_TCP + 20;

	for (unsigned i = 12; i < 20; i += 2)
		sum += (__u32)(ip[i] << 8 | ip[i + 1]);
	for (unsigned i = 0; i < 20; i += 2)
		sum += (__u32)(l4[i] << 8 | l4[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void tcp_make(enum bench_step step, __u8 *l4)
{
	bool server = step == BENCH_TCP_SYN_ACK || step == BENCH_TCP_FIN_ACK;

	store32(l4 + 4, (server ? SEQ_SERVER : SEQ_CLIENT) + segments[step].seq);
	if (segments[step].flags & KS_TCP_ACK)
		store32(l4 + 8, (server ? SEQ_CLIENT : SEQ_SERVER) + segments[step].ack);
	l4[12] = 5 << 4;
	l4[13] = segments[step].flags;
	store16(l4 + 14, WINDOW);
}

void bench_frame_make(enum bench_step step, __u32 index, bool reply, __u8 *frame)
{
	__u8 *ip = frame + BENCH_IP_OFF, *l4 = frame + BENCH_L4_OFF;
	bool tcp = step != BENCH_UDP;
	/* A TCP segment without data ends before the frame does; the rest is padding. */
	__u32 total = tcp ? 40 : IP_LEN;
	struct bench_flow flow;

	memset(frame, 0, BENCH_FRAME);
	bench_flow_make(index, reply, &flow);
	memcpy(frame, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08", 13);
	ip[0] = 0x45;
	store16(ip + 2, total);
	ip[8] = 64;
	ip[9] = tcp ? KS_PROTO_TCP : KS_PROTO_UDP;
	memcpy(ip + 12, &flow.src, 4);
	memcpy(ip + 16, &flow.dst, 4);
	store16(ip + 10, header_checksum(ip));
	memcpy(l4, &flow.sport, 2);
	memcpy(l4 + 2, &flow.dport, 2);
	if (tcp) {
		tcp_make(step, l4);
		store16(l4 + 16, tcp_checksum(ip));
	} else {
		store16(l4 + 4, IP_LEN - 20);
	}
}

void bench_datagram_sum(__u8 *frame)
{
	__u8 *ip = frame + BENCH_IP_OFF, *l4 = frame + BENCH_L4_OFF;
	__u32 sum = KS_PROTO_UDP + IP_LEN - 20;

	for (unsigned i = 12; i < IP_LEN; i += 2) /* from the addresses on */
		sum += (__u32)(ip[i] << 8 | ip[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	store16(l4 + 6, ~sum & 0xffff);
}

void bench_syn_aim(__u8 *frame, __be32 address, __u16 port)
{
	__u8 *ip = frame + BENCH_IP_OFF, *l4 = frame + BENCH_L4_OFF;

	store32(ip + 12, BENCH_SOURCE_NET);
	memcpy(ip + 16, &address, sizeof(address));
	store16(ip + 10, 0);
	store16(ip + 10, header_checksum(ip));
	store16(l4 + 2, port);
	store16(l4 + 16, 0);
	store16(l4 + 16, tcp_checksum(ip));
}

int bench_opening_each(bool tcp, int (*fn)(enum bench_step step, bool reply, void *arg), void *arg)
{
	static const struct {
		enum bench_step step;
		bool reply;
	} udp_steps[] = { { BENCH_UDP, false }, { BENCH_UDP, true } },
	  tcp_steps[] = { { BENCH_TCP_SYN, false }, { BENCH_TCP_SYN_ACK, true }, { BENCH_TCP_ACK, false } };
	size_t count = tcp ? KS_ARRAY_SIZE(tcp_steps) : KS_ARRAY_SIZE(udp_steps);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = tcp ? fn(tcp_steps[i].step, tcp_steps[i].reply, arg)
			  : fn(udp_steps[i].step, udp_steps[i].reply, arg);
	return err;
}

enum bench_step bench_step_steady(bool tcp)
{
	return tcp ? BENCH_TCP_ACK : BENCH_UDP;
}

__u32 *bench_order_make(__u32 n)
{
	__u32 *order = malloc((size_t)n * sizeof(*order));
	__u64 state = n;

	if (!order)
		return NULL;
	for (__u32 i = 0; i < n; i++)
		order[i] = i;
	for (__u32 i = n; i > 1; i--) {
		__u32 other = bench_random(&state, i), held = order[i - 1];

		order[i - 1] = order[other];
		order[other] = held;
	}
	return order;
}
