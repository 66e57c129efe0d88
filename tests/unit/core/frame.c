// SPDX-License-Identifier: BSD-2-Clause
/* See frame.h. */
#include "tests/unit/core/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/header/checksum.h"
#include "core/header/packet.h"

void frame_put(struct frame *f, const void *data, __u32 len)
{
	assert_true(f->len + len <= sizeof(f->data));
	memcpy(f->data + f->len, data, len);
	f->len += len;
}

void frame_put8(struct frame *f, __u8 v)
{
	frame_put(f, &v, 1);
}

void frame_put16(struct frame *f, __u16 v)
{
	frame_put8(f, (__u8)(v >> 8));
	frame_put8(f, (__u8)v);
}

void frame_put32(struct frame *f, __u32 v)
{
	frame_put16(f, (__u16)(v >> 16));
	frame_put16(f, v & 0xffff);
}

void frame_zeros(struct frame *f, __u32 len)
{
	for (__u32 i = 0; i < len; i++)
		frame_put8(f, 0);
}

void frame_ethernet(struct frame *f, __u16 type, unsigned tags)
{
	static const __u8 macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

	f->link = KS_LINK_ETHERNET;
	frame_put(f, macs, sizeof(macs));
	for (unsigned i = 0; i < tags; i++) {
		frame_put16(f, i + 1 < tags ? 0x88a8 : 0x8100);
		frame_put16(f, (__u16)(100 + i));
	}
	frame_put16(f, type);
}

__u32 checksum_add(__u32 sum, const __u8 *data, __u32 len)
{
	for (__u32 i = 0; i < len; i++) {
		sum += i & 1 ? data[i] : data[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

void frame_ipv4_checksum(struct frame *f, __u32 off)
{
	__u32 sum;

	f->data[off + 10] = 0;
	f->data[off + 11] = 0;
	sum = 0xffff - checksum_add(0, f->data + off, (f->data[off] & 15) * 4U);
	f->data[off + 10] = (__u8)(sum >> 8);
	f->data[off + 11] = sum & 0xff;
}

void frame_ipv4(struct frame *f, __u8 proto, __u8 src, __u8 dst, __u32 options, __u32 payload)
{
	__u32 off = f->len;

	frame_put8(f, (__u8)(0x40 | (5 + options / 4)));
	frame_put8(f, 0);
	frame_put16(f, (__u16)(20 + options + payload));
	frame_put32(f, 0); /* identification, fragment */
	frame_put8(f, 64);
	frame_put8(f, proto);
	frame_put16(f, 0);
	frame_put32(f, 0x0a000000U | src);
	frame_put32(f, 0x0a000000U | dst);
	for (__u32 i = 0; i < options; i++)
		frame_put8(f, 1); /* no operation */
	frame_ipv4_checksum(f, off);
}

static void put_ipv6_address(struct frame *f, __u8 last)
{
	frame_put32(f, 0xfd000000U);
	frame_zeros(f, 11);
	frame_put8(f, last);
}

void frame_ipv6(struct frame *f, __u8 proto, __u8 src, __u8 dst, __u32 payload)
{
	frame_put32(f, 0x60000000U);
	frame_put16(f, (__u16)payload);
	frame_put8(f, proto);
	frame_put8(f, 64);
	put_ipv6_address(f, src);
	put_ipv6_address(f, dst);
}

void frame_tcp(struct frame *f, __u16 sport, __u16 dport, __u32 seq, __u32 ack, __u8 flags, __u16 window)
{
	frame_put16(f, sport);
	frame_put16(f, dport);
	frame_put32(f, seq);
	frame_put32(f, ack);
	frame_put8(f, 5 << 4);
	frame_put8(f, flags);
	frame_put16(f, window);
	frame_put32(f, 0); /* checksum, urgent pointer */
}

void frame_udp(struct frame *f, __u16 sport, __u16 dport, __u32 payload)
{
	frame_put16(f, sport);
	frame_put16(f, dport);
	frame_put16(f, (__u16)(8 + payload));
	frame_put16(f, 0);
}
