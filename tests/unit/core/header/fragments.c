// SPDX-License-Identifier: BSD-2-Clause
/* Fragments in the parser: their fields, their bounds, and headers that may not be cut. */
#include "tests/unit/core/header/frames.h"

static void test_ipv4_fragments(void **state)
{
	for (enum shape shape = IP4; shape <= IP4_OPTIONS; shape++) {
		for (unsigned bit = 0; bit < 16; bit++) {
			struct ks_packet pkt;
			struct frame f;

			udp_frame(&f, shape, 0);
			set_ip8(&f, shape, 4, 0x12);
			set_ip8(&f, shape, 5, 0x34);
			set_ip8(&f, shape, 6 + (bit < 8), (__u8)(1 << bit % 8));
			assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
			assert_int_equal(!!(pkt.flags & KS_PKT_FRAGMENT), bit < 14); /* don't fragment; reserved */
			assert_int_equal(pkt.frag_off, bit < 13 ? 8 << bit : 0);
			assert_int_equal(pkt.frag_more, bit == 13);
			if (bit >= 14)
				continue;
			assert_int_equal(pkt.frag_id, ks_be16(0x1234));
			assert_int_equal(pkt.frag_len, 8);
			assert_int_equal(pkt.frag_at, l4_off(shape));
			/* Only the first has ports. */
			assert_int_equal(ks_be16(pkt.tuple.dport), bit == 13 ? 53 : 0);
		}
	}
}

/* A fragment at an offset in bytes, of an upper protocol and `len` bytes which begin like its header. */
static void fragment_frame(struct frame *f, enum shape shape, __u8 proto, __u32 off, bool more, __u32 len)
{
	__u32 start;

	begin(f, shape, is_v6(shape) ? KS_PROTO_FRAGMENT : proto, len + (is_v6(shape) ? 8 : 0));
	if (is_v6(shape)) {
		frame_put8(f, proto);
		frame_put8(f, 0);
		frame_put16(f, (__u16)(off | more));
		frame_put32(f, 0xabcd1234);
	} else {
		set_ip8(f, shape, 6, (__u8)(off >> 11 | (more ? 0x20 : 0)));
		set_ip8(f, shape, 7, off >> 3 & 0xff);
	}
	start = f->len;
	if (proto == KS_PROTO_TCP)
		frame_tcp(f, 1234, 80, 1, 2, KS_TCP_ACK, 100);
	else if (proto == KS_PROTO_UDP)
		frame_udp(f, 1234, 53, 4000);
	else
		frame_put8(f, proto == KS_PROTO_ICMP ? 8 : 128);
	if (f->len < start + len)
		frame_zeros(f, start + len - f->len);
	f->len = start + len;
}

static __u32 parse_fragment(enum shape shape, __u8 proto, __u32 off, bool more, __u32 len)
{
	struct frame f;

	fragment_frame(&f, shape, proto, off, more, len);
	return parse(&f);
}

/* RFC 7112: the whole upper header is in the first fragment; of the others nothing is read. */
static void test_tiny_fragments(void **state)
{
	FOR_SHAPES(shape)
	{
		__u8 icmp = is_v6(shape) ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP;
		struct frame f;

		assert_int_equal(parse_fragment(shape, KS_PROTO_TCP, 0, true, 8), KS_REASON_FRAGMENT_TINY);
		assert_int_equal(parse_fragment(shape, KS_PROTO_TCP, 0, true, 16), KS_REASON_FRAGMENT_TINY);
		assert_int_equal(parse_fragment(shape, KS_PROTO_TCP, 0, true, 24), KS_REASON_OK_NEW);
		assert_int_equal(parse_fragment(shape, KS_PROTO_UDP, 0, true, 8), KS_REASON_OK_NEW);
		assert_int_equal(parse_fragment(shape, icmp, 0, true, 8), KS_REASON_OK_NEW);
		assert_int_equal(parse_fragment(shape, KS_PROTO_TCP, 8, true, 8), KS_REASON_OK_NEW);
		/* Options count in. */
		fragment_frame(&f, shape, KS_PROTO_TCP, 0, true, 40);
		f.data[f.len - 40 + 12] = 10 << 4;
		assert_parses(&f);
		f.data[f.len - 40 + 12] = 11 << 4;
		assert_refused(&f, FRAGMENT_TINY);
	}
}

static void test_fragment_bounds(void **state)
{
	FOR_SHAPES(shape)
	{
		/* IPv4 counts its header in, IPv6 what stands before the fragment header, which is nothing here. */
		__u32 room = 65535 - (is_v6(shape) ? 0 : l4_off(shape) - l3_off(shape));
		__u32 off = room / 8 * 8 - 8;

		assert_int_equal(parse_fragment(shape, KS_PROTO_UDP, 8, true, 16), KS_REASON_OK_NEW);
		for (__u32 len = 17; len < 24; len++) {
			assert_int_equal(parse_fragment(shape, KS_PROTO_UDP, 8, true, len), KS_REASON_FRAGMENT);
			assert_int_equal(parse_fragment(shape, KS_PROTO_UDP, 8, false, len), KS_REASON_OK_NEW);
		}
		assert_int_equal(parse_fragment(shape, KS_PROTO_UDP, 8, false, 0), KS_REASON_FRAGMENT);
		assert_int_equal(parse_fragment(shape, KS_PROTO_UDP, off, false, room - off), KS_REASON_OK_NEW);
		assert_int_equal(parse_fragment(shape, KS_PROTO_UDP, off, false, room - off + 1),
				 KS_REASON_FRAGMENT_TOO_LONG);
	}
}

/* Messages that are never fragmented: errors (RFC 4443 2.4), neighbour discovery (RFC 6980). */
static void test_fragments_that_are_none(void **state)
{
	struct frame f;

	fragment_frame(&f, IP4, KS_PROTO_ICMP, 0, true, 64);
	f.data[f.len - 64] = 3;
	assert_refused(&f, ICMP_QUOTE);
	fragment_frame(&f, IP6, KS_PROTO_ICMPV6, 0, true, 64);
	f.data[f.len - 64] = 1;
	assert_refused(&f, ICMP_QUOTE);
	f.data[f.len - 64] = 135;
	f.data[14 + 7] = 255;
	assert_refused(&f, NEIGHBOUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_fragments),
		cmocka_unit_test(test_tiny_fragments),
		cmocka_unit_test(test_fragment_bounds),
		cmocka_unit_test(test_fragments_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
