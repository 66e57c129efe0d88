// SPDX-License-Identifier: BSD-2-Clause
/* The parser as a whole: link headers, lengths, snapped captures, sources, random bytes; each reason at its exact boundary. */
#include "tests/unit/core/header/frames.h"

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
		static const __u8 types[][2] = { { 0x81, 0x00 }, { 0x88, 0xa8 }, { 0x91, 0x00 } };

		udp_frame(&f, IP4_VLAN, 0);
		memcpy(f.data + 12, types[i], 2);
		assert_parses(&f);
	}
}

static void test_sources(void **state)
{
	struct frame f;

	for (unsigned first = 0; first < 256; first++) {
		udp_frame(&f, IP4, 0);
		set_ip8(&f, IP4, 12, (__u8)first);
		if (first >= 224 && first <= 239)
			assert_refused(&f, IP_SOURCE);
		else
			assert_parses(&f);
		udp_frame(&f, IP6, 0);
		set_ip8(&f, IP6, 8, (__u8)first);
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

/* Whatever the bytes: nothing is read beyond the head (the sanitizers see), and lengths add up. */
static void test_random_bytes(void **state)
{
	__u64 seed = 4711;

	for (int i = 0; i < 300000; i++) {
		struct ks_packet pkt;
		struct frame f;
		__u32 captured, reason;

		if (i & 1)
			tcp_frame(&f, test_below(&seed, SHAPES), (__u8)test_below(&seed, 256));
		else
			udp_frame(&f, test_below(&seed, SHAPES), test_below(&seed, 300));
		for (__u32 n = test_below(&seed, 4); n; n--)
			f.data[test_below(&seed, KS_MIN(f.len, 100U))] = test_random(&seed) & 0xff;
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

/* The same frame with a VLAN tag, which does not go the parser's short way. */
static void tag_frame(const struct frame *f, struct frame *tagged)
{
	static const __u8 tag[4] = { 0x81, 0x00, 0x00, 0x07 };

	*tagged = *f;
	memcpy(tagged->data + 12, tag, sizeof(tag));
	memcpy(tagged->data + 16, f->data + 12, f->len - 12);
	tagged->len += sizeof(tag);
}

static void plain_frame_make(__u64 *seed, struct frame *f)
{
	if (test_below(seed, 2))
		tcp_frame(f, IP4, (__u8)test_below(seed, 256));
	else
		udp_frame(f, IP4, test_below(seed, 30));
	for (__u32 n = test_below(seed, 3); n; n--)
		f->data[14 + test_below(seed, f->len - 14)] ^= 1U << test_below(seed, 8);
}

/* A plain frame is read in one pass: it comes to the same as the long way, whatever is odd about it. */
static void test_plain(void **state)
{
	__u64 seed = 1612;

	for (int i = 0; i < 200000; i++) {
		struct ks_packet plain, pkt;
		struct frame f, tagged;
		__u32 captured, reason;

		plain_frame_make(&seed, &f);
		tag_frame(&f, &tagged);
		captured = test_below(&seed, 4) ? f.len : 16 + test_below(&seed, f.len - 15);
		reason = test_parse(&f, captured, &plain);
		assert_int_equal(test_parse(&tagged, captured + 4, &pkt), reason);
		if (reason != KS_REASON_OK_NEW)
			continue;
		pkt.wire_len -= 4;
		pkt.head_len -= 4;
		pkt.l3_off -= 4;
		pkt.l4_off -= 4;
		pkt.payload_off -= 4;
		pkt.cursor = plain.cursor;
		if (pkt.frag_at)
			pkt.frag_at -= 4;
		assert_memory_equal(&plain, &pkt, sizeof(pkt));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_tcp), cmocka_unit_test(test_padding),
		cmocka_unit_test(test_snapped),	 cmocka_unit_test(test_short_on_the_wire),
		cmocka_unit_test(test_link),	 cmocka_unit_test(test_sources),
		cmocka_unit_test(test_land),	 cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
