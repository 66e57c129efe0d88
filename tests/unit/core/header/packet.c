// SPDX-License-Identifier: BSD-2-Clause
/* The parser: each reason at its exact boundary, for IPv4, IPv6, VLAN tags and frames without a link header. */
#include "tests/unit/core/test_home.h"

#include "core/verdict.h"

enum shape { IP4, IP4_VLAN, IP4_QINQ, IP4_BARE, IP4_OPTIONS, IP6, IP6_VLAN, IP6_BARE, SHAPES };

static __u32 l3_off(enum shape shape)
{
	static const __u32 offs[SHAPES] = { 14, 18, 22, 0, 14, 14, 18, 0 };

	return offs[shape];
}

static bool is_v6(enum shape shape)
{
	return shape >= IP6;
}

static __u32 l4_off(enum shape shape)
{
	return l3_off(shape) + (is_v6(shape) ? 40 : shape == IP4_OPTIONS ? 60 : 20);
}

/* Headers up to the upper one, of `payload` bytes of protocol `proto`. */
static void begin(struct frame *f, enum shape shape, __u8 proto, __u32 payload)
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

static void tcp_frame(struct frame *f, enum shape shape, __u8 flags)
{
	begin(f, shape, KS_PROTO_TCP, 20 + 10);
	frame_tcp(f, 1234, 80, 0x11223344, 0x55667788, flags, 4321);
	frame_zeros(f, 10);
}

static void udp_frame(struct frame *f, enum shape shape, __u32 data)
{
	begin(f, shape, KS_PROTO_UDP, 8 + data);
	frame_udp(f, 1234, 53, data);
	frame_zeros(f, data);
}

static __u32 parse(const struct frame *f)
{
	struct ks_packet pkt;

	return test_parse(f, f->len, &pkt);
}

#define assert_parses(f) assert_int_equal(parse(f), KS_REASON_OK_NEW)
#define assert_refused(f, name) assert_int_equal(parse(f), KS_REASON_##name)
#define FOR_SHAPES(shape) for (enum shape shape = 0; shape < SHAPES; shape++)

/* After a change of an IPv4 header its checksum is made right, so that only the change is judged. */
static void set_ip8(struct frame *f, enum shape shape, __u32 off, __u8 v)
{
	f->data[l3_off(shape) + off] = v;
	if (!is_v6(shape) && (f->data[l3_off(shape)] & 15) >= 5)
		frame_ipv4_checksum(f, l3_off(shape));
}

static void test_good_tcp(void **state)
{
	FOR_SHAPES(shape)
	{
		struct ks_packet pkt;
		struct frame f;

		tcp_frame(&f, shape, KS_TCP_ACK | KS_TCP_PSH);
		assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(pkt.tuple.family, is_v6(shape) ? KS_IPV6 : KS_IPV4);
		assert_int_equal(pkt.tuple.proto, KS_PROTO_TCP);
		assert_int_equal(pkt.tuple.src.b[15], 1);
		assert_int_equal(pkt.tuple.dst.b[15], 2);
		assert_int_equal(pkt.tuple.src.b[is_v6(shape) ? 0 : 12], is_v6(shape) ? 0xfd : 10);
		assert_int_equal(ks_be16(pkt.tuple.sport), 1234);
		assert_int_equal(ks_be16(pkt.tuple.dport), 80);
		assert_int_equal(pkt.seq, 0x11223344);
		assert_int_equal(pkt.ack, 0x55667788);
		assert_int_equal(pkt.sack, 0x55667788);
		assert_int_equal(pkt.window, 4321);
		assert_int_equal(pkt.l3_off, l3_off(shape));
		assert_int_equal(pkt.l4_off, l4_off(shape));
		assert_int_equal(pkt.l3_len, f.len - l3_off(shape));
		assert_int_equal(pkt.payload_off, l4_off(shape) + 20);
		assert_int_equal(pkt.payload_len, 10);
		assert_int_equal(pkt.hop_limit, 64);
	}
}

/* Ethernet pads short frames: what lies behind the datagram does not count. */
static void test_padding(void **state)
{
	FOR_SHAPES(shape)
	{
		struct ks_packet pkt;
		struct frame f;

		udp_frame(&f, shape, 2);
		frame_zeros(&f, 30);
		assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(pkt.payload_len, 2);
		assert_int_equal(pkt.l3_len, f.len - 30 - l3_off(shape));
	}
}

/* A capture that cut the frame: refused while a header is cut, whole as soon as none is. */
static void test_snapped(void **state)
{
	FOR_SHAPES(shape)
	{
		struct ks_packet pkt;
		struct frame f;

		tcp_frame(&f, shape, KS_TCP_ACK);
		for (__u32 captured = 0; captured <= f.len; captured++) {
			__u32 reason = test_parse(&f, captured, &pkt);

			if (captured >= l4_off(shape) + 20) {
				assert_int_equal(reason, KS_REASON_OK_NEW);
				assert_int_equal(pkt.payload_len, 10);
			} else if (captured < l3_off(shape)) {
				assert_int_equal(reason, KS_REASON_LINK_HEADER);
			} else {
				assert_int_equal(reason, KS_REASON_TRUNCATED);
			}
		}
	}
}

/* The same frame, really that short. */
static void test_short_on_the_wire(void **state)
{
	FOR_SHAPES(shape)
	{
		struct frame whole, f;

		udp_frame(&whole, shape, 4);
		for (__u32 len = 0; len < whole.len; len++) {
			__u32 ip = l3_off(shape), header = is_v6(shape) ? 40 : 20;

			f = whole;
			f.len = len;
			if (len < ip)
				assert_refused(&f, LINK_HEADER);
			else if (len < ip + header)
				assert_refused(&f, TRUNCATED);
			else if (len < l4_off(shape))
				assert_refused(&f, IP_HEADER_LENGTH);
			else
				assert_refused(&f, IP_TOTAL_LENGTH);
		}
		assert_parses(&whole);
	}
}

static void test_link(void **state)
{
	struct frame f = { .link = KS_LINK_ETHERNET };

	frame_ethernet(&f, 0x0806, 0);
	frame_zeros(&f, 28);
	assert_refused(&f, OK_NOT_IP);
	f = (struct frame){ 0 };
	frame_ethernet(&f, 0x0806, 2);
	frame_zeros(&f, 28);
	assert_refused(&f, OK_NOT_IP);
	/* Three tags are one too many. */
	f = (struct frame){ 0 };
	frame_ethernet(&f, 0x0800, 3);
	frame_ipv4(&f, KS_PROTO_UDP, 1, 2, 0, 8);
	frame_udp(&f, 1, 2, 0);
	assert_refused(&f, LINK_HEADER);
	/* The three types of tags. */
	for (unsigned i = 0; i < 3; i++) {
		static const __u16 types[] = { 0x8100, 0x88a8, 0x9100 };

		udp_frame(&f, IP4_VLAN, 0);
		f.data[12] = types[i] >> 8;
		f.data[13] = types[i] & 0xff;
		assert_parses(&f);
	}
}

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
			f.data[l3_off(shape)] = (f.data[l3_off(shape)] & 15) | version << 4;
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

static void test_ipv4_fragments(void **state)
{
	for (enum shape shape = IP4; shape <= IP4_OPTIONS; shape++) {
		for (unsigned bit = 0; bit < 16; bit++) {
			struct ks_packet pkt;
			struct frame f;

			udp_frame(&f, shape, 0);
			set_ip8(&f, shape, 4, 0x12);
			set_ip8(&f, shape, 5, 0x34);
			set_ip8(&f, shape, 6 + (bit < 8), 1 << bit % 8);
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
	__u32 start, field = off | (is_v6(shape) ? more : 0);

	begin(f, shape, is_v6(shape) ? KS_PROTO_FRAGMENT : proto, len + (is_v6(shape) ? 8 : 0));
	if (is_v6(shape)) {
		frame_put8(f, proto);
		frame_put8(f, 0);
		frame_put16(f, field);
		frame_put32(f, 0xabcd1234);
	} else {
		set_ip8(f, shape, 6, off >> 11 | (more ? 0x20 : 0));
		set_ip8(f, shape, 7, off >> 3);
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

/* What is never fragmented: errors (RFC 4443 2.4), neighbour discovery (RFC 6980). */
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

static void test_sources(void **state)
{
	struct frame f;

	for (unsigned first = 0; first < 256; first++) {
		udp_frame(&f, IP4, 0);
		set_ip8(&f, IP4, 12, first);
		if (first >= 224 && first <= 239)
			assert_refused(&f, IP_SOURCE);
		else
			assert_parses(&f);
		udp_frame(&f, IP6, 0);
		set_ip8(&f, IP6, 8, first);
		if (first == 0xff)
			assert_refused(&f, IP_SOURCE);
		else
			assert_parses(&f);
	}
	udp_frame(&f, IP4, 0);
	memset(f.data + 26, 0xff, 4);
	frame_ipv4_checksum(&f, 14);
	assert_refused(&f, IP_SOURCE);
}

static void test_land(void **state)
{
	FOR_SHAPES(shape)
	{
		__u32 last = is_v6(shape) ? 23 : 15;
		struct frame f;

		for (unsigned proto = 0; proto < 2; proto++) {
			if (proto)
				udp_frame(&f, shape, 0);
			else
				tcp_frame(&f, shape, KS_TCP_SYN);
			set_ip8(&f, shape, last, 2); /* the source is the destination */
			assert_parses(&f);
			memcpy(f.data + l4_off(shape) + 2, f.data + l4_off(shape), 2);
			assert_refused(&f, LAND);
			set_ip8(&f, shape, last, 3);
			assert_parses(&f);
		}
	}
}

/* --- IPv6 extension headers --- */

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
			frame_put8(f, c->len[i] / 4 - 2);
		else
			frame_put8(f, c->len[i] / 8 - 1);
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
		f.data[14 + 40 + 2 + (bit < 8)] = 1 << bit % 8;
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
		for (__u32 payload = 0; payload < 8; payload++) {
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

/* --- upper protocols --- */

static void test_udp(void **state)
{
	FOR_SHAPES(shape)
	{
		for (unsigned len = 0; len < 20; len++) {
			struct frame f;

			udp_frame(&f, shape, 4);
			f.data[l4_off(shape) + 5] = len;
			if (len >= 8 && len <= 12)
				assert_parses(&f);
			else
				assert_refused(&f, UDP_HEADER);
		}
		{
			struct frame f;

			udp_frame(&f, shape, 4);
			memset(f.data + l4_off(shape), 0, 2); /* the source port may be 0 (RFC 768) */
			assert_parses(&f);
			memset(f.data + l4_off(shape), 0, 4);
			assert_refused(&f, UDP_PORT);
		}
	}
}

/* RFC 9293: a segment has SYN, or RST, or ACK; SYN with neither FIN nor RST, FIN with ACK. PSH goes with any, URG not with RST. */
static bool flags_expected(unsigned flags)
{
	bool syn = flags & KS_TCP_SYN, fin = flags & KS_TCP_FIN, rst = flags & KS_TCP_RST, ack = flags & KS_TCP_ACK;
	bool urg = flags & KS_TCP_URG;

	if (syn + fin + rst > 1 || !(syn || rst || ack))
		return false;
	if (fin && !ack)
		return false;
	return !(urg && (rst || (syn && ack)));
}

static void test_tcp_flags(void **state)
{
	FOR_SHAPES(shape)
	{
		for (unsigned flags = 0; flags < 256; flags++) {
			struct frame f;

			tcp_frame(&f, shape, flags);
			if (flags_expected(flags))
				assert_parses(&f);
			else
				assert_refused(&f, TCP_FLAGS);
		}
	}
}

static void test_tcp_header(void **state)
{
	FOR_SHAPES(shape)
	{
		struct frame f;

		/* 30 bytes: offsets 5, 6 and 7 fit. */
		for (unsigned off = 0; off < 16; off++) {
			tcp_frame(&f, shape, KS_TCP_ACK);
			f.data[l4_off(shape) + 12] = off << 4;
			if (off >= 5 && off <= 7)
				assert_parses(&f);
			else
				assert_refused(&f, TCP_HEADER);
		}
		begin(&f, shape, KS_PROTO_TCP, 19);
		frame_zeros(&f, 19);
		assert_refused(&f, TCP_HEADER);
		for (unsigned port = 0; port < 2; port++) {
			tcp_frame(&f, shape, KS_TCP_ACK);
			memset(f.data + l4_off(shape) + 2 * port, 0, 2);
			assert_refused(&f, TCP_PORT);
		}
	}
}

static __u32 parse_tcp_options(__u8 flags, const __u8 *options, __u32 len, struct ks_packet *pkt)
{
	__u32 padded = (len + 3) & ~3U;
	struct frame f;

	begin(&f, IP4, KS_PROTO_TCP, 20 + padded);
	frame_tcp(&f, 1234, 80, 1, 1000, flags, 100);
	f.data[34 + 12] = (20 + padded) / 4 << 4;
	frame_put(&f, options, len);
	frame_zeros(&f, padded - len);
	return test_parse(&f, f.len, pkt);
}

static void test_tcp_options(void **state)
{
	static const struct {
		__u8 bytes[40];
		__u32 len;
		__u8 opts, wscale;
		bool good;
	} cases[] = {
		{ { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7 },
		  20,
		  KS_TCP_SACK_PERM | KS_TCP_WSCALE,
		  7,
		  true }, /* what Linux sends */
		{ { 3, 3, 14 }, 3, KS_TCP_WSCALE, 14, true },
		{ { 3, 3, 15 }, 3, KS_TCP_WSCALE, 14, true }, /* RFC 7323 2.3: taken as 14 */
		{ { 3, 3, 255 }, 3, KS_TCP_WSCALE, 14, true },
		{ { 3, 3, 0 }, 3, KS_TCP_WSCALE, 0, true },
		{ { 3, 4, 7, 0 }, 4, 0, 0, true }, /* of another length: not that option */
		{ { 4, 3, 0 }, 3, 0, 0, true },
		{ { 0, 3, 3, 7 }, 4, 0, 0, true }, /* behind the end */
		{ { 1, 1, 4, 2 }, 4, KS_TCP_SACK_PERM, 0, true },
		{ { 2, 4, 5, 0xb4, 3, 0 }, 6, 0, 0, false },
		{ { 2, 1 }, 2, 0, 0, false },
		{ { 2, 5, 0, 0 }, 4, 0, 0, false }, /* past the header */
		{ { 1, 1, 1, 3 }, 4, 0, 0, false }, /* no room for its length */
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct ks_packet pkt;

		assert_int_equal(parse_tcp_options(KS_TCP_SYN, cases[i].bytes, cases[i].len, &pkt),
				 cases[i].good ? KS_REASON_OK_NEW : KS_REASON_TCP_OPTIONS);
		if (cases[i].good) {
			assert_int_equal(pkt.tcp_opts, cases[i].opts);
			assert_int_equal(pkt.wscale, cases[i].wscale);
		}
		/* Elsewhere they are the receiver's business, and offer nothing. */
		assert_int_equal(parse_tcp_options(KS_TCP_ACK, cases[i].bytes, cases[i].len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(pkt.tcp_opts, 0);
	}
}

static void test_tcp_sack_blocks(void **state)
{
	/* Blocks 1100-1200, 1500-1600, 900-950 (a duplicate, RFC 2883); the acknowledgement is 1000. */
	static const __u8 blocks[] = {
		1, 1, 5, 26, 0, 0, 4, 0x4c, 0, 0, 4, 0xb0, 0, 0, 5, 0xdc, 0, 0, 6, 0x40, 0, 0, 3, 0x84, 0, 0, 3, 0xb6,
	};
	struct ks_packet pkt;
	__u8 cut[sizeof(blocks)];

	assert_int_equal(parse_tcp_options(KS_TCP_ACK, blocks, sizeof(blocks), &pkt), KS_REASON_OK_NEW);
	assert_int_equal(pkt.sack, 1600);
	assert_int_equal(pkt.ack, 1000);
	/* Only whole blocks count. */
	memcpy(cut, blocks, sizeof(cut));
	cut[3] = 2 + 8 + 7;
	assert_int_equal(parse_tcp_options(KS_TCP_ACK, cut, 19, &pkt), KS_REASON_OK_NEW);
	assert_int_equal(pkt.sack, 1200);
}

/* Whatever the bytes: nothing is read beyond the head (the sanitizers see), and lengths add up. */
static void test_random_bytes(void **state)
{
	__u64 seed = 4711;

	for (int i = 0; i < 300000; i++) {
		struct ks_packet pkt;
		struct frame f;
		__u32 captured, reason;

		if (i & 1)
			tcp_frame(&f, test_below(&seed, SHAPES), test_below(&seed, 256));
		else
			udp_frame(&f, test_below(&seed, SHAPES), test_below(&seed, 300));
		for (__u32 n = test_below(&seed, 4); n; n--)
			f.data[test_below(&seed, KS_MIN(f.len, 100U))] = test_random(&seed);
		captured = test_below(&seed, 4) ? f.len : test_below(&seed, f.len + 1);
		reason = test_parse(&f, captured, &pkt);
		assert_true(reason < KS_REASON_MAX);
		if (reason != KS_REASON_OK_NEW)
			continue;
		assert_true(pkt.l3_off + pkt.l3_len <= f.len);
		assert_true(pkt.l4_off <= pkt.l3_off + pkt.l3_len);
		assert_true(pkt.payload_off + pkt.payload_len <= pkt.l3_off + pkt.l3_len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_tcp),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_snapped),
		cmocka_unit_test(test_short_on_the_wire),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_ip_version),
		cmocka_unit_test(test_ipv4_lengths),
		cmocka_unit_test(test_big_tcp),
		cmocka_unit_test(test_ipv4_checksum),
		cmocka_unit_test(test_ipv4_options),
		cmocka_unit_test(test_ipv4_fragments),
		cmocka_unit_test(test_tiny_fragments),
		cmocka_unit_test(test_fragment_bounds),
		cmocka_unit_test(test_fragments_that_are_none),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_land),
		cmocka_unit_test(test_extension_order),
		cmocka_unit_test(test_extension_contents),
		cmocka_unit_test(test_extension_bounds),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_tcp_flags),
		cmocka_unit_test(test_tcp_header),
		cmocka_unit_test(test_tcp_options),
		cmocka_unit_test(test_tcp_sack_blocks),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
