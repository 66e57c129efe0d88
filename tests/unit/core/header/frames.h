/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames for the tests of the parsers: IPv4, IPv6, with VLAN tags and without a link header. */
#ifndef KS_TESTS_UNIT_CORE_HEADER_FRAMES_H
#define KS_TESTS_UNIT_CORE_HEADER_FRAMES_H

#include "tests/unit/core/test_home.h"

#include "core/verdict.h"

enum shape { IP4, IP4_VLAN, IP4_QINQ, IP4_BARE, IP4_OPTIONS, IP6, IP6_VLAN, IP6_BARE, SHAPES };

static inline __u32 l3_off(enum shape shape)
{
	static const __u32 offs[SHAPES] = { 14, 18, 22, 0, 14, 14, 18, 0 };

	return offs[shape];
}

static inline bool is_v6(enum shape shape)
{
	return shape >= IP6;
}

static inline __u32 l4_off(enum shape shape)
{
	return l3_off(shape) + (is_v6(shape) ? 40 : shape == IP4_OPTIONS ? 60 : 20);
}

/* Headers up to the upper one, of `payload` bytes of protocol `proto`. */
static inline void begin(struct frame *f, enum shape shape, __u8 proto, __u32 payload)
{
	unsigned tags = shape == IP4_QINQ ? 2 : shape == IP4_VLAN || shape == IP6_VLAN;

	*f = (struct frame){ .link = KS_LINK_IP };
	if (l3_off(shape))
		frame_ethernet(f, is_v6(shape) ? 0x86dd : 0x0800, tags);
	if (is_v6(shape))
		frame_ipv6(f, proto, 1, 2, payload);
	else
		frame_ipv4(f, proto, 1, 2, shape == IP4_OPTIONS ? 40 : 0, payload);
}

static inline void tcp_frame(struct frame *f, enum shape shape, __u8 flags)
{
	begin(f, shape, KS_PROTO_TCP, 20 + 10);
	frame_tcp(f, 1234, 80, 0x11223344, 0x55667788, flags, 4321);
	frame_zeros(f, 10);
}

static inline void udp_frame(struct frame *f, enum shape shape, __u32 data)
{
	begin(f, shape, KS_PROTO_UDP, 8 + data);
	frame_udp(f, 1234, 53, data);
	frame_zeros(f, data);
}

static inline __u32 parse(const struct frame *f)
{
	struct ks_packet pkt;

	return test_parse(f, f->len, &pkt);
}

#define assert_parses(f) assert_int_equal(parse(f), KS_REASON_OK_NEW)
#define assert_refused(f, name) assert_int_equal(parse(f), KS_REASON_##name)
#define FOR_SHAPES(shape) for (enum shape shape = 0; shape < SHAPES; shape++)

/* After a change of an IPv4 header its checksum is made right, so that only the change is judged. */
static inline void set_ip8(struct frame *f, enum shape shape, __u32 off, __u8 v)
{
	f->data[l3_off(shape) + off] = v;
	if (!is_v6(shape) && (f->data[l3_off(shape)] & 15) >= 5)
		frame_ipv4_checksum(f, l3_off(shape));
}

/* An IPv4 packet of `len` bytes of a protocol behind the IP header. */
static inline void frame_packet(struct frame *f, __u8 proto, __u8 src, __u8 dst, const void *data, __u32 len)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x0800, 0);
	frame_ipv4(f, proto, src, dst, 0, len);
	frame_put(f, data, len);
}

#endif
