// SPDX-License-Identifier: BSD-2-Clause
/* The SCTP header: chunks and their lengths at the exact boundaries, which may stand together, tags. */
#include "tests/unit/core/sctp_packets.h"

static __u32 parse(const struct frame *f)
{
	struct ks_packet pkt;

	return test_parse(f, f->len, &pkt);
}

static void test_ports_and_tags(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct ks_packet pkt;
		struct frame f;

		packet(&f, v6, false, 0, 20);
		chunk(&f, INIT, A, 16);
		assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(ks_be16(pkt.tuple.sport), 40000);
		assert_int_equal(ks_be16(pkt.tuple.dport), 5060);
		assert_int_equal(pkt.sctp.tag, 0);
		assert_int_equal(pkt.sctp.init_tag, A);
		assert_int_equal(pkt.sctp.chunks, KS_SCTP_INIT);
		assert_int_equal(pkt.payload_len, 20);
		f.data[14 + (v6 ? 40 : 20) + 1] = 0;
		f.data[14 + (v6 ? 40 : 20)] = 0;
		assert_int_equal(parse(&f), KS_REASON_SCTP_HEADER);
	}
}

/* One chunk of a stated length, in a packet that has `room` bytes for it. */
static __u32 parse_chunk(unsigned type, __u32 said, __u32 room)
{
	__u32 tag = type == INIT ? 0 : A;
	struct frame f;

	packet(&f, false, false, tag, room);
	chunk(&f, type, B, room - 4);
	f.data[14 + 20 + 12 + 2] = (__u8)(said >> 8);
	f.data[14 + 20 + 12 + 3] = said & 0xff;
	return parse(&f);
}

static void test_chunk_lengths(void **state)
{
	static const struct {
		unsigned type;
		__u32 least;
	} cases[] = {
		{ DATA, 17 },	     { INIT, 20 },	   { INIT_ACK, 20 },   { SACK, 16 },
		{ HEARTBEAT, 8 },    { HEARTBEAT_ACK, 8 }, { ABORT, 4 },       { SHUTDOWN, 8 },
		{ SHUTDOWN_ACK, 4 }, { ERROR, 4 },	   { COOKIE_ECHO, 5 }, { COOKIE_ACK, 4 },
		{ 14, 4 },	     { I_DATA, 21 },	   { PAD, 4 },	       { 192, 4 },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		__u32 least = cases[i].least, room = (least + 3) & ~3U;

		assert_int_equal(parse_chunk(cases[i].type, least, room), KS_REASON_OK_NEW);
		assert_int_equal(parse_chunk(cases[i].type, room, room), KS_REASON_OK_NEW);
		assert_int_equal(parse_chunk(cases[i].type, least - 1, room), KS_REASON_SCTP_CHUNK);
		assert_int_equal(parse_chunk(cases[i].type, 0, room), KS_REASON_SCTP_CHUNK);
		assert_int_equal(parse_chunk(cases[i].type, room + 1, room), KS_REASON_SCTP_CHUNK);
		assert_int_equal(parse_chunk(cases[i].type, 65535, room), KS_REASON_SCTP_CHUNK);
	}
}

/* Padding of the last chunk may be missing; what is no chunk may not follow. */
static void test_padding(void **state)
{
	for (__u32 rest = 0; rest < 4; rest++) {
		struct frame f;

		packet(&f, false, false, A, 17 + rest);
		chunk(&f, DATA, 0, 13);
		frame_zeros(&f, rest);
		assert_int_equal(parse(&f), KS_REASON_OK_NEW);
		packet(&f, false, false, A, 20 + rest);
		chunk(&f, DATA, 0, 16);
		frame_zeros(&f, rest);
		assert_int_equal(parse(&f), rest ? KS_REASON_SCTP_CHUNK : KS_REASON_OK_NEW);
	}
}

static void test_short(void **state)
{
	for (__u32 len = 0; len < 20; len++) {
		struct frame f;

		packet(&f, false, false, A, 4);
		chunk(&f, COOKIE_ACK, 0, 0);
		f.data[14 + 3] = (__u8)(20 + len);
		frame_ipv4_checksum(&f, 14);
		assert_int_equal(parse(&f), len < 16	? KS_REASON_SCTP_HEADER
					    : len == 16 ? KS_REASON_OK_NEW
							: KS_REASON_IP_TOTAL_LENGTH);
	}
}

static __u32 parse_chunks(__u32 tag, const int *types)
{
	__u32 payload = 0;
	struct frame f;

	for (const int *t = types; *t >= 0; t++)
		payload += 4 + body_of(*t & 0xff);
	packet(&f, false, false, tag, payload);
	for (const int *t = types; *t >= 0; t++)
		chunk(&f, *t, B, body_of(*t & 0xff));
	return parse(&f);
}

#define PARSE(tag, ...) parse_chunks(tag, (const int[]){ __VA_ARGS__, -1 })

/* Chunks that may stand together (RFC 9260 6.10). */
static void test_bundles(void **state)
{
	static const int alone[] = { INIT, INIT_ACK, SHUTDOWN_COMPLETE };

	for (size_t i = 0; i < KS_ARRAY_SIZE(alone); i++) {
		__u32 tag = alone[i] == INIT ? 0 : A;

		assert_int_equal(PARSE(tag, alone[i]), KS_REASON_OK_NEW);
		assert_int_equal(PARSE(tag, alone[i], DATA), KS_REASON_SCTP_BUNDLE);
		assert_int_equal(PARSE(tag, SACK, alone[i]), KS_REASON_SCTP_BUNDLE);
		assert_int_equal(PARSE(tag, alone[i], alone[i]), KS_REASON_SCTP_BUNDLE);
		assert_int_equal(PARSE(tag, AUTH, alone[i]), KS_REASON_SCTP_BUNDLE);
	}
	assert_int_equal(PARSE(A, COOKIE_ECHO, DATA, DATA), KS_REASON_OK_NEW);
	assert_int_equal(PARSE(A, AUTH, COOKIE_ECHO), KS_REASON_OK_NEW);
	assert_int_equal(PARSE(A, SACK, COOKIE_ECHO), KS_REASON_SCTP_BUNDLE);
	assert_int_equal(PARSE(A, COOKIE_ACK, SACK, DATA), KS_REASON_OK_NEW);
	assert_int_equal(PARSE(A, HEARTBEAT, COOKIE_ACK), KS_REASON_SCTP_BUNDLE);
	assert_int_equal(PARSE(A, SACK, HEARTBEAT, DATA, I_DATA, PAD), KS_REASON_OK_NEW);
	assert_int_equal(PARSE(A, DATA, SACK), KS_REASON_SCTP_BUNDLE);
	assert_int_equal(PARSE(A, DATA, ABORT), KS_REASON_SCTP_BUNDLE);
	assert_int_equal(PARSE(A, SACK, ABORT), KS_REASON_OK_NEW);
	assert_int_equal(PARSE(A, ABORT, DATA), KS_REASON_SCTP_BUNDLE);
}

static void test_zero_tags(void **state)
{
	struct frame f;

	assert_int_equal(PARSE(A, INIT), KS_REASON_SCTP_ZERO_TAG);
	assert_int_equal(PARSE(0, INIT_ACK), KS_REASON_SCTP_ZERO_TAG);
	assert_int_equal(PARSE(0, ABORT), KS_REASON_SCTP_ZERO_TAG);
	assert_int_equal(PARSE(0, ABORT | T_BIT), KS_REASON_SCTP_ZERO_TAG);
	assert_int_equal(PARSE(0, DATA), KS_REASON_SCTP_ZERO_TAG);
	for (unsigned type = INIT; type <= INIT_ACK; type++) { /* offers none */
		packet(&f, false, false, type == INIT ? 0 : A, 20);
		chunk(&f, type, 0, 16);
		assert_int_equal(parse(&f), KS_REASON_SCTP_ZERO_TAG);
	}
}

/* More than the inspected head: what is beyond it is the receiver's, but nothing before it. */
static void test_long_packets(void **state)
{
	struct ks_packet pkt;
	struct frame f;

	packet(&f, false, false, A, 300 + 20);
	chunk(&f, DATA, 0, 296);
	chunk(&f, DATA, 0, 1); /* malformed, out of sight */
	frame_zeros(&f, 15);
	assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
	assert_int_equal(pkt.sctp.chunks, KS_SCTP_DATA);
	packet(&f, false, false, A, 100 + 20);
	chunk(&f, DATA, 0, 96);
	chunk(&f, DATA, 0, 1);
	frame_zeros(&f, 15);
	assert_int_equal(parse(&f), KS_REASON_SCTP_CHUNK);
}

/* A chunk that ends at offset 65589 of the frame, which 16 bits do not hold. */
static void test_largest_datagram(void **state)
{
	__u8 head[KS_HEAD_SIZE] = { 0 };
	struct ks_packet pkt = { .wire_len = 14 + 40 + 65535, .head_len = KS_HEAD_MAX, .link = KS_LINK_ETHERNET };
	struct frame f;

	packet(&f, true, false, A, 4 + 16);
	chunk(&f, DATA, 0, 16);
	memset(f.data + 14 + 4, 0xff, 2); /* the length of the datagram, and of the chunk */
	f.data[14 + 40 + 12 + 2] = (65535 - 12) >> 8;
	f.data[14 + 40 + 12 + 3] = (65535 - 12) & 0xff;
	memcpy(head, f.data, f.len);
	assert_int_equal(ks_packet_parse(head, &pkt, 0), KS_REASON_OK_NEW);
	assert_int_equal(pkt.sctp.chunks, KS_SCTP_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports_and_tags), cmocka_unit_test(test_chunk_lengths),
		cmocka_unit_test(test_padding),	       cmocka_unit_test(test_short),
		cmocka_unit_test(test_bundles),	       cmocka_unit_test(test_zero_tags),
		cmocka_unit_test(test_long_packets),   cmocka_unit_test(test_largest_datagram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
