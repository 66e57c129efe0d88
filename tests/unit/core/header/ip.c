// SPDX-License-Identifier: BSD-2-Clause
/* IP headers, IPv4 options and IPv6 extension headers: each reason at its exact boundary. */
#include "tests/unit/core/header/frames.h"

static void test_ip_version(void **state)
{
	FOR_SHAPES(shape)
	{
		for (__u8 version = 0; version < 16; version++) {
			struct frame f;

			udp_frame(&f, shape, 0);
			if (version == (is_v6(shape) ? 6 : 4))
				continue;
			/* Without a link header 4 and 6 are told apart by the version alone: then other checks refuse. */
			if (!l3_off(shape) && (version == 4 || version == 6))
				continue;
			f.data[l3_off(shape)] = (__u8)((f.data[l3_off(shape)] & 15) | version << 4);
			assert_refused(&f, IP_VERSION);
		}
	}
}

static void test_ipv4_lengths(void **state)
{
	for (enum shape shape = IP4; shape <= IP4_BARE; shape++) {
		struct frame f;

		for (__u8 ihl = 0; ihl < 5; ihl++) {
			udp_frame(&f, shape, 40);
			set_ip8(&f, shape, 0, 0x40 | ihl);
			assert_refused(&f, IP_HEADER_LENGTH);
		}
		/* The whole frame is 28 bytes of IP: a header of 32 does not fit. */
		udp_frame(&f, shape, 0);
		set_ip8(&f, shape, 0, 0x48);
		assert_refused(&f, IP_HEADER_LENGTH);
		/* Total length: one below the header, one above the frame. */
		udp_frame(&f, shape, 0);
		set_ip8(&f, shape, 3, 19);
		assert_refused(&f, IP_TOTAL_LENGTH);
		set_ip8(&f, shape, 3, 29);
		assert_refused(&f, IP_TOTAL_LENGTH);
		set_ip8(&f, shape, 3, 0);
		assert_refused(&f, IP_TOTAL_LENGTH);
		set_ip8(&f, shape, 3, 28);
		assert_parses(&f);
		/* The upper header must fit the datagram, not the frame. */
		set_ip8(&f, shape, 3, 27);
		assert_refused(&f, UDP_HEADER);
	}
}

/* A GSO packet above 64 KiB says length 0. */
static void test_big_tcp(void **state)
{
	FOR_SHAPES(shape)
	{
		__u8 head[KS_HEAD_SIZE] = { 0 };
		struct ks_packet pkt;
		struct frame f;
		__u32 zero_at = l3_off(shape) + (is_v6(shape) ? 4 : 2);

		tcp_frame(&f, shape, KS_TCP_ACK);
		f.data[zero_at] = 0;
		f.data[zero_at + 1] = 0;
		if (!is_v6(shape))
			frame_ipv4_checksum(&f, l3_off(shape));
		memcpy(head, f.data, f.len);
		for (__u32 rest = 65534; rest <= 65537; rest++) {
			pkt = (struct ks_packet){ .wire_len = l3_off(shape) + rest,
						  .head_len = KS_HEAD_MAX,
						  .link = f.link };
			if (rest > 65535) {
				assert_int_equal(ks_packet_parse(head, &pkt, 0), KS_REASON_OK_NEW);
				assert_int_equal(pkt.l3_len, rest);
			} else {
				assert_int_not_equal(ks_packet_parse(head, &pkt, 0), KS_REASON_OK_NEW);
			}
		}
	}
}

static void test_ipv4_checksum(void **state)
{
	for (enum shape shape = IP4; shape <= IP4_OPTIONS; shape++) {
		for (unsigned bit = 0; bit < 16; bit++) {
			struct ks_packet pkt;
			__u8 head[KS_HEAD_SIZE] = { 0 };
			struct frame f;

			udp_frame(&f, shape, 0);
			f.data[l3_off(shape) + 10 + bit / 8] ^= 1 << bit % 8;
			assert_refused(&f, IP_CHECKSUM);
			/* Unless the home does not want it verified. */
			memcpy(head, f.data, f.len);
			pkt = (struct ks_packet){ .wire_len = f.len, .head_len = f.len, .link = f.link };
			assert_int_equal(ks_packet_parse(head, &pkt, KS_OPT_NO_IP_CHECKSUM), KS_REASON_OK_NEW);
		}
	}
}

/* Options as they are written, padded with "end of list". */
static __u32 parse_options(const __u8 *options, __u32 len)
{
	struct frame f;

	udp_frame(&f, IP4_OPTIONS, 0);
	memset(f.data + 34, 0, 40);
	memcpy(f.data + 34, options, len);
	frame_ipv4_checksum(&f, 14);
	return parse(&f);
}

static void test_ipv4_options(void **state)
{
	static const struct {
		__u8 bytes[40];
		__u32 len, reason;
	} cases[] = {
		{ { 0 }, 1, KS_REASON_OK_NEW }, /* end at once */
		{ { 1, 1, 1, 0 }, 4, KS_REASON_OK_NEW },
		{ { 148, 4, 0, 0 }, 4, KS_REASON_OK_NEW }, /* router alert */
		{ { 7, 39, 4 }, 3, KS_REASON_OK_NEW }, /* record route */
		{ { 7, 40, 4 }, 3, KS_REASON_OK_NEW }, /* to the very end */
		{ { 7, 41, 4 }, 3, KS_REASON_IP_OPTIONS }, /* one past it */
		{ { 7, 0 }, 2, KS_REASON_IP_OPTIONS },
		{ { 7, 1 }, 2, KS_REASON_IP_OPTIONS },
		{ { 7, 2, 7, 2 }, 4, KS_REASON_OK_NEW },
		{ { 131, 7, 4, 1, 2, 3, 4 }, 7, KS_REASON_SOURCE_ROUTE }, /* loose source route */
		{ { 137, 7, 4, 1, 2, 3, 4 }, 7, KS_REASON_SOURCE_ROUTE }, /* strict source route */
		{ { 1, 1, 137, 3, 4 }, 5, KS_REASON_SOURCE_ROUTE },
		{ { 0, 131, 7 }, 3, KS_REASON_OK_NEW }, /* behind the end */
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++)
		assert_int_equal(parse_options(cases[i].bytes, cases[i].len), cases[i].reason);
	{
		__u8 last[40];

		memset(last, 1, sizeof(last));
		assert_int_equal(parse_options(last, 40), KS_REASON_OK_NEW);
		last[39] = 7; /* no room for its length */
		assert_int_equal(parse_options(last, 40), KS_REASON_IP_OPTIONS);
	}
}

/* A chain: header types and their lengths in bytes; the last type is what comes behind. */
struct chain {
	__u8 type[12];
	__u32 len[12];
	unsigned count;
	__u8 upper;
};

static void chain_frame(struct frame *f, const struct chain *c)
{
	__u32 total = 8;

	for (unsigned i = 0; i < c->count; i++)
		total += c->len[i];
	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x86dd, 0);
	frame_ipv6(f, c->count ? c->type[0] : c->upper, 1, 2, total);
	for (unsigned i = 0; i < c->count; i++) {
		__u32 start = f->len;

		frame_put8(f, i + 1 < c->count ? c->type[i + 1] : c->upper);
		if (c->type[i] == KS_PROTO_FRAGMENT)
			frame_put8(f, 0);
		else if (c->type[i] == KS_PROTO_AH)
			frame_put8(f, (__u8)(c->len[i] / 4 - 2));
		else
			frame_put8(f, (__u8)(c->len[i] / 8 - 1));
		frame_zeros(f, c->len[i] - (f->len - start));
		if (c->type[i] == KS_PROTO_ROUTING)
			f->data[start + 2] = 4; /* segment routing */
	}
	frame_udp(f, 1234, 53, 0);
}

static __u32 parse_chain(struct chain c)
{
	struct frame f;

	c.upper = KS_PROTO_UDP;
	chain_frame(&f, &c);
	return parse(&f);
}

#define CHAIN(n, ...) ((struct chain){ .count = n, __VA_ARGS__ })

static void test_extension_order(void **state)
{
	const __u32 good = KS_REASON_OK_NEW, bad = KS_REASON_EXTENSION_HEADER;

	assert_int_equal(parse_chain(CHAIN(0)), good);
	assert_int_equal(parse_chain(CHAIN(1, .type = { 0 }, .len = { 8 })), good);
	assert_int_equal(parse_chain(CHAIN(1, .type = { 60 }, .len = { 24 })), good);
	/* All of them in the order of RFC 8200 4.1. */
	assert_int_equal(parse_chain(CHAIN(6, .type = { 0, 60, 43, 44, 51, 60 }, .len = { 8, 8, 24, 8, 16, 8 })), good);
	/* Hop-by-hop only first; everything but destination options once; those twice. */
	assert_int_equal(parse_chain(CHAIN(2, .type = { 0, 0 }, .len = { 8, 8 })), bad);
	assert_int_equal(parse_chain(CHAIN(2, .type = { 60, 0 }, .len = { 8, 8 })), bad);
	assert_int_equal(parse_chain(CHAIN(2, .type = { 43, 43 }, .len = { 8, 8 })), bad);
	assert_int_equal(parse_chain(CHAIN(2, .type = { 44, 44 }, .len = { 8, 8 })), bad);
	assert_int_equal(parse_chain(CHAIN(2, .type = { 51, 51 }, .len = { 16, 16 })), bad);
	assert_int_equal(parse_chain(CHAIN(2, .type = { 60, 60 }, .len = { 8, 8 })), good);
	assert_int_equal(parse_chain(CHAIN(3, .type = { 60, 60, 60 }, .len = { 8, 8, 8 })), bad);
}

static void test_extension_contents(void **state)
{
	struct chain c = CHAIN(1, .type = { 43 }, .len = { 24 }, .upper = KS_PROTO_UDP);
	struct frame f;

	chain_frame(&f, &c);
	assert_parses(&f);
	f.data[14 + 40 + 2] = 0; /* RFC 5095 */
	assert_refused(&f, ROUTING_HEADER);
	/* A length past the datagram. */
	c = CHAIN(1, .type = { 60 }, .len = { 8 }, .upper = KS_PROTO_UDP);
	chain_frame(&f, &c);
	f.data[14 + 40 + 1] = 1;
	assert_refused(&f, UDP_HEADER); /* nothing is left */
	f.data[14 + 40 + 1] = 2;
	assert_refused(&f, EXTENSION_HEADER);
	/* Fragments: each bit of the offset, "more", and the two reserved ones, which make no fragment (RFC 6946). */
	c = CHAIN(1, .type = { 44 }, .len = { 8 }, .upper = KS_PROTO_UDP);
	for (unsigned bit = 0; bit < 16; bit++) {
		struct ks_packet pkt;

		chain_frame(&f, &c);
		f.data[14 + 40 + 2 + (bit < 8)] = (__u8)(1 << bit % 8);
		assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(!!(pkt.flags & KS_PKT_FRAGMENT), bit != 1 && bit != 2);
		assert_int_equal(pkt.frag_off, bit > 2 ? 1 << bit : 0);
		assert_int_equal(pkt.frag_more, bit == 0);
	}
	/* A chain that goes on behind the first fragment's header must end in it; a second fragment header may not stand there. */
	c = CHAIN(2, .type = { 44, 60 }, .len = { 8, 8 }, .upper = KS_PROTO_UDP);
	chain_frame(&f, &c);
	f.data[14 + 40 + 3] = 1;
	assert_parses(&f);
	f.data[14 + 40 + 8 + 1] = 1; /* 16 bytes of options, and no room for UDP */
	assert_refused(&f, FRAGMENT_TINY);
	f.data[14 + 40 + 8 + 1] = 2; /* past the end */
	assert_refused(&f, FRAGMENT_TINY);
	c = CHAIN(2, .type = { 44, 44 }, .len = { 8, 8 }, .upper = KS_PROTO_UDP);
	chain_frame(&f, &c);
	f.data[14 + 40 + 3] = 1;
	assert_refused(&f, EXTENSION_HEADER);
	/* AH: at least 12 bytes (RFC 4302 2.2). */
	c = CHAIN(1, .type = { 51 }, .len = { 16 }, .upper = KS_PROTO_UDP);
	chain_frame(&f, &c);
	f.data[14 + 40 + 1] = 0;
	assert_refused(&f, EXTENSION_HEADER);
}

/* Headers that reach past the inspected part, or past the datagram. */
static void test_extension_bounds(void **state)
{
	/* 14 + 40 + 192 is 246: the UDP header of 8 ends at 254; with 200 it would end at 262. */
	assert_int_equal(parse_chain(CHAIN(1, .type = { 60 }, .len = { 192 })), KS_REASON_OK_NEW);
	assert_int_equal(parse_chain(CHAIN(1, .type = { 60 }, .len = { 200 })), KS_REASON_HEADERS_TOO_LONG);
	assert_int_equal(parse_chain(CHAIN(1, .type = { 60 }, .len = { 256 })), KS_REASON_HEADERS_TOO_LONG);
	{
		struct chain c = CHAIN(1, .type = { 60 }, .len = { 8 }, .upper = KS_PROTO_UDP);
		struct frame f;

		/* The datagram ends within the extension header. */
		for (__u8 payload = 0; payload < 8; payload++) {
			chain_frame(&f, &c);
			set_ip8(&f, IP6, 5, payload);
			assert_refused(&f, EXTENSION_HEADER);
		}
		set_ip8(&f, IP6, 5, 15);
		assert_refused(&f, UDP_HEADER);
		set_ip8(&f, IP6, 5, 16);
		assert_parses(&f);
		set_ip8(&f, IP6, 5, 17);
		assert_refused(&f, IP_TOTAL_LENGTH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip_version),
		cmocka_unit_test(test_ipv4_lengths),
		cmocka_unit_test(test_big_tcp),
		cmocka_unit_test(test_ipv4_checksum),
		cmocka_unit_test(test_ipv4_options),
		cmocka_unit_test(test_extension_order),
		cmocka_unit_test(test_extension_contents),
		cmocka_unit_test(test_extension_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
