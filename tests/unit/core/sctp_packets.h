/* SPDX-License-Identifier: BSD-2-Clause */
/* SCTP packets and their chunks, for the tests of the header and of the machine. */
#ifndef KS_TESTS_UNIT_CORE_SCTP_PACKETS_H
#define KS_TESTS_UNIT_CORE_SCTP_PACKETS_H

#include "tests/unit/core/test_home.h"

#include "core/header/sctp.h"
#include "core/verdict.h"

#define A 0x11111111U /* the tag that the client asks for */
#define B 0x22222222U /* the server */
#define A2 0x33333333U
#define B2 0x44444444U
#define WRONG 0x99999999U

enum {
	DATA = 0,
	INIT = 1,
	INIT_ACK = 2,
	SACK = 3,
	HEARTBEAT = 4,
	HEARTBEAT_ACK = 5,
	ABORT = 6,
	SHUTDOWN = 7,
	SHUTDOWN_ACK = 8,
	ERROR = 9,
	COOKIE_ECHO = 10,
	COOKIE_ACK = 11,
	SHUTDOWN_COMPLETE = 14,
	AUTH = 15,
	I_DATA = 64,
	PAD = 132,
	T_BIT = 0x100, /* with a type: the T bit is set */
};

/* Bytes behind a chunk's header as its sender makes them. */
static inline __u32 body_of(unsigned type)
{
	switch (type) {
	case DATA:
		return 12 + 4;
	case I_DATA:
		return 16 + 4;
	case INIT:
	case INIT_ACK:
		return 16;
	case SACK:
		return 12;
	case HEARTBEAT:
	case HEARTBEAT_ACK:
	case COOKIE_ECHO:
	case AUTH:
		return 8;
	case SHUTDOWN:
	case ERROR:
		return 4;
	default:
		return 0;
	}
}

/* A packet of `payload` bytes behind the common header; 1 is the client, 2 the server. */
static inline void packet(struct frame *f, bool v6, bool back, __u32 tag, __u32 payload)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, v6 ? 0x86dd : 0x0800, 0);
	if (v6)
		frame_ipv6(f, KS_PROTO_SCTP, back ? 2 : 1, back ? 1 : 2, 12 + payload);
	else
		frame_ipv4(f, KS_PROTO_SCTP, back ? 2 : 1, back ? 1 : 2, 0, 12 + payload);
	frame_put16(f, back ? 5060 : 40000);
	frame_put16(f, back ? 40000 : 5060);
	frame_put32(f, tag);
	frame_put32(f, 0);
}

static inline void chunk(struct frame *f, unsigned type, __u32 first, __u32 body)
{
	frame_put8(f, type & 0xff);
	frame_put8(f, type & T_BIT ? 1 : 0);
	frame_put16(f, (__u16)(4 + body));
	if (body >= 4)
		frame_put32(f, first);
	frame_zeros(f, body >= 4 ? body - 4 : body);
}

#endif
