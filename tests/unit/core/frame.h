/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames for tests of the core, built byte by byte. */
#ifndef KS_TESTS_UNIT_CORE_FRAME_H
#define KS_TESTS_UNIT_CORE_FRAME_H

#include "core/types.h"

/* A frame under construction. */
struct frame {
	__u8 data[512];
	__u32 len;
	__u8 link;
};

void frame_put(struct frame *f, const void *data, __u32 len);
void frame_put8(struct frame *f, __u8 v);
void frame_put16(struct frame *f, __u16 v);
void frame_put32(struct frame *f, __u32 v);
void frame_zeros(struct frame *f, __u32 len);

/* Link headers: plain, or with this many VLAN tags. */
void frame_ethernet(struct frame *f, __u16 type, unsigned tags);

/* Network headers with addresses 10.0.0.<src> or fd00::<src>; lengths and checksum are of `payload` bytes to come. */
void frame_ipv4(struct frame *f, __u8 proto, __u8 src, __u8 dst, __u32 options, __u32 payload);
void frame_ipv6(struct frame *f, __u8 proto, __u8 src, __u8 dst, __u32 payload);

/* Upper headers; checksums are left 0, nobody below asks for them. */
void frame_tcp(struct frame *f, __u16 sport, __u16 dport, __u32 seq, __u32 ack, __u8 flags, __u16 window);
void frame_udp(struct frame *f, __u16 sport, __u16 dport, __u32 payload);

/* Writes the IPv4 header checksum at `off` again. */
void frame_ipv4_checksum(struct frame *f, __u32 off);

/* One's complement sum of bytes as RFC 1071 has it, byte by byte: 0xffff for data with a right checksum. */
__u32 checksum_add(__u32 sum, const __u8 *data, __u32 len);

#endif
