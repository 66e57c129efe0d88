// SPDX-License-Identifier: BSD-2-Clause
/*
 * DCCP: header lengths of every type at the exact boundary, every arc of the
 * machine, sequence numbers of 48 and of 24 bits over their wrap, and what a
 * forger may try who does not know them.
 */
#include "tests/unit/core/test_home.h"

#include "core/track/dccp.h"
#include "core/verdict.h"

#define NOW (1000 * KS_NSEC_PER_SEC)
#define SEQ_MASK 0xffffffffffffULL
#define SLACK (1ULL << 24)
#define CLIENT 0xfffffffffff0ULL /* wraps soon */
#define SERVER 0x000000ffff00ULL /* its lower 24 bits wrap soon */

static struct ks_env *env;
static __u64 now;
static __u64 next[2]; /* the next number of each side */

static int setup(void **state)
{
	env = test_env_create(16);
	env->rules = &test_allow_all;
	env->config.rules = 1;
	now = NOW;
	next[0] = CLIENT;
	next[1] = SERVER;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

static const __u8 long_header[KS_DCCP_TYPES] = { 20, 28, 16, 24, 24, 24, 24, 28, 24, 24 };
static const __u8 short_header[KS_DCCP_TYPES] = { 0, 0, 12, 16, 16, 0, 0, 0, 0, 0 };

static void put24(struct frame *f, __u32 v)
{
	frame_put8(f, (__u8)(v >> 16));
	frame_put16(f, v & 0xffff);
}

static void packet(struct frame *f, bool back, unsigned type, __u64 seq, __u64 ack)
{
	bool is_short = type & KS_DCCP_SHORT;
	__u32 start, header = (is_short ? short_header : long_header)[type & 15];

	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x0800, 0);
	frame_ipv4(f, KS_PROTO_DCCP, back ? 2 : 1, back ? 1 : 2, 0, header + 8);
	start = f->len;
	frame_put16(f, back ? 5001 : 40000);
	frame_put16(f, back ? 40000 : 5001);
	frame_put8(f, (__u8)(header / 4));
	frame_put8(f, 0);
	frame_put16(f, 0);
	frame_put8(f, (__u8)((type & 15) << 1 | !is_short));
	if (is_short) {
		put24(f, seq & 0xffffff);
	} else {
		frame_put8(f, 0);
		frame_put16(f, (seq >> 32) & 0xffff);
		frame_put32(f, seq & 0xffffffff);
	}
	if ((type & 15) != KS_DCCP_REQUEST && (type & 15) != KS_DCCP_DATA) {
		frame_put8(f, 0);
		if (is_short) {
			put24(f, ack & 0xffffff);
		} else {
			frame_put8(f, 0);
			frame_put16(f, (ack >> 32) & 0xffff);
			frame_put32(f, ack & 0xffffffff);
		}
	}
	frame_zeros(f, header - (f->len - start) + 8);
}

/* A packet with given numbers. */
static __u32 send_as(bool back, unsigned type, __u64 seq, __u64 ack, struct ks_inspection *insp)
{
	struct frame f;

	packet(&f, back, type, seq & SEQ_MASK, ack & SEQ_MASK);
	now += KS_NSEC_PER_MSEC;
	test_inspect(env, &f, back ? ZONE_WAN : ZONE_LAN, back ? ZONE_LAN : ZONE_WAN, now, insp);
	return insp->verdict.reason;
}

/* The next one of a side; it acknowledges the other's last. */
static __u32 send_next(bool back, unsigned type, struct ks_inspection *insp)
{
	return send_as(back, type, next[back]++, next[!back] - 1, insp);
}

#define SEND(back, type) send_next(back, KS_DCCP_##type, &insp)
#define PASSES(reason) ks_reason_is_pass(reason)
#define assert_state(name) assert_int_equal(insp.verdict.state, KS_STATE_DCCP_##name)

static void bring_to(unsigned wanted)
{
	struct ks_inspection insp;

	teardown(NULL);
	setup(NULL);
	SEND(false, REQUEST);
	if (wanted >= KS_STATE_DCCP_RESPOND)
		SEND(true, RESPONSE);
	if (wanted >= KS_STATE_DCCP_PARTOPEN)
		SEND(false, ACK);
	if (wanted >= KS_STATE_DCCP_OPEN)
		SEND(true, DATAACK);
	if (wanted == KS_STATE_DCCP_CLOSEREQ)
		SEND(true, CLOSEREQ);
	if (wanted >= KS_STATE_DCCP_CLOSING)
		SEND(false, CLOSE);
	if (wanted >= KS_STATE_DCCP_TIMEWAIT)
		SEND(true, RESET);
}

/* --- the header --- */

static __u32 parse(const struct frame *f)
{
	struct ks_packet pkt;

	return test_parse(f, f->len, &pkt);
}

static void test_numbers(void **state)
{
	for (unsigned type = 0; type < KS_DCCP_TYPES; type++) {
		bool has_ack = type != KS_DCCP_REQUEST && type != KS_DCCP_DATA;
		struct ks_packet pkt;
		struct frame f;

		packet(&f, false, type, 0x123456789abcULL, 0xdef012345678ULL);
		assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(pkt.dccp_type, type);
		assert_int_equal(ks_be16(pkt.tuple.sport), 40000);
		assert_int_equal(ks_be16(pkt.tuple.dport), 5001);
		assert_int_equal(pkt.dccp.seq, 0x56789abc);
		assert_int_equal(pkt.dccp.seq_high, 0x1234);
		assert_int_equal(pkt.dccp.ack, has_ack ? 0x12345678 : 0);
		assert_int_equal(pkt.dccp.ack_high, has_ack ? 0xdef0 : 0);
		assert_int_equal(pkt.payload_len, 8);
		if (!short_header[type])
			continue;
		packet(&f, false, type | KS_DCCP_SHORT, 0x9abcde, 0x345678);
		assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(pkt.dccp_type, type | KS_DCCP_SHORT);
		assert_int_equal(pkt.dccp.seq, 0x9abcde);
		assert_int_equal(pkt.dccp.ack, has_ack ? 0x345678 : 0);
		assert_int_equal(pkt.payload_len, 8);
	}
}

/* Every type with every header length it may claim, and every length of the datagram. */
static void test_lengths(void **state)
{
	for (__u8 i = 0; i < 32; i++) {
		unsigned type = i >> 1;
		__u32 least = type >= KS_DCCP_TYPES ? 0 : (i & 1 ? long_header : short_header)[type];
		struct frame f;

		for (unsigned words = 0; words < 256; words++) {
			packet(&f, false, KS_DCCP_RESET, 1, 1); /* 36 bytes in all */
			f.data[14 + 20 + 8] = i;
			f.data[14 + 20 + 4] = (__u8)words;
			assert_int_equal(parse(&f), least && words * 4 >= least && words <= 9 ? KS_REASON_OK_NEW
											      : KS_REASON_DCCP_HEADER);
		}
	}
	for (__u32 len = 0; len < 36; len++) {
		struct frame f;

		packet(&f, false, KS_DCCP_RESET, 1, 1);
		f.data[14 + 3] = (__u8)(20 + len);
		frame_ipv4_checksum(&f, 14);
		assert_int_equal(parse(&f), len >= 28 ? KS_REASON_OK_NEW : KS_REASON_DCCP_HEADER);
	}
}

/* All data that the checksum is said to cover must be there (RFC 4340 9.2). */
static void test_coverage(void **state)
{
	for (__u8 covered = 0; covered < 16; covered++) {
		struct frame f;

		packet(&f, false, KS_DCCP_DATA, 1, 1);
		f.data[14 + 20 + 5] = 0xa0 | covered; /* above it, CCVal */
		assert_int_equal(parse(&f), covered <= 3 ? KS_REASON_OK_NEW : KS_REASON_DCCP_HEADER);
		f.data[14 + 3] -= 3; /* the last word may be cut */
		frame_ipv4_checksum(&f, 14);
		assert_int_equal(parse(&f), covered <= 3 ? KS_REASON_OK_NEW : KS_REASON_DCCP_HEADER);
	}
}

/* --- connections --- */

static void test_connection(void **state)
{
	struct ks_inspection insp;

	assert_int_equal(SEND(false, REQUEST), KS_REASON_OK_NEW);
	assert_state(REQUEST);
	assert_int_equal(SEND(true, RESPONSE), KS_REASON_OK_ESTABLISHED);
	assert_state(RESPOND);
	assert_int_equal(SEND(false, ACK), KS_REASON_OK_ESTABLISHED);
	assert_state(PARTOPEN);
	assert_int_equal(SEND(true, DATA), KS_REASON_OK_ESTABLISHED);
	assert_state(OPEN);
	assert_true(insp.flow.after.flags & KS_FLOW_ASSURED);
	for (unsigned i = 0; i < 40; i++) { /* over the wrap */
		assert_int_equal(SEND(false, DATAACK), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(SEND(true, ACK), KS_REASON_OK_ESTABLISHED);
	}
	assert_int_equal(SEND(true, CLOSEREQ), KS_REASON_OK_ESTABLISHED);
	assert_state(CLOSEREQ);
	assert_int_equal(SEND(false, CLOSE), KS_REASON_OK_ESTABLISHED);
	assert_state(CLOSING);
	assert_int_equal(SEND(true, RESET), KS_REASON_OK_ESTABLISHED);
	assert_state(TIMEWAIT);
	assert_int_equal(SEND(false, REQUEST), KS_REASON_OK_NEW);
	assert_state(REQUEST);
	assert_int_equal(env->counts.flows, 1);
}

static void test_only_request_opens(void **state)
{
	struct ks_inspection insp;

	for (unsigned type = KS_DCCP_RESPONSE; type < KS_DCCP_TYPES; type++)
		assert_int_equal(send_as(false, type, 1, 1, &insp), KS_REASON_NO_STATE);
	assert_int_equal(env->counts.flows, 0);
}

/* A refusal has no number of its own, but must acknowledge the request (RFC 4340 8.3.1). */
static void test_refused(void **state)
{
	struct ks_inspection insp;

	SEND(false, REQUEST);
	assert_int_equal(send_as(true, KS_DCCP_RESET, 0, CLIENT + 1, &insp), KS_REASON_DCCP_SEQ);
	assert_int_equal(send_as(true, KS_DCCP_RESET, 0, CLIENT - 1, &insp), KS_REASON_DCCP_SEQ);
	assert_state(REQUEST);
	assert_int_equal(send_as(true, KS_DCCP_RESET, 0, CLIENT, &insp), KS_REASON_OK_ESTABLISHED);
	assert_state(TIMEWAIT);
}

static void test_response_must_acknowledge(void **state)
{
	struct ks_inspection insp;

	SEND(false, REQUEST);
	SEND(false, REQUEST); /* again, with the next number */
	assert_int_equal(send_as(true, KS_DCCP_RESPONSE, SERVER, CLIENT - 1, &insp), KS_REASON_DCCP_SEQ);
	assert_int_equal(send_as(true, KS_DCCP_RESPONSE, SERVER, CLIENT + 2, &insp), KS_REASON_DCCP_SEQ);
	assert_int_equal(send_as(true, KS_DCCP_RESPONSE, SERVER, CLIENT, &insp), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(send_as(true, KS_DCCP_RESPONSE, SERVER + 1, CLIENT + 1, &insp), KS_REASON_OK_ESTABLISHED);
}

/* The exact bounds of both numbers, in both directions. */
static void test_bounds(void **state)
{
	for (unsigned back = 0; back < 2; back++) {
		struct ks_inspection insp;
		__u64 seq, ack;

		bring_to(KS_STATE_DCCP_OPEN);
		seq = next[back] - 1;
		ack = next[!back] - 1;
		assert_int_equal(send_as(back, KS_DCCP_ACK, seq + SLACK + 1, ack, &insp), KS_REASON_DCCP_SEQ);
		assert_int_equal(send_as(back, KS_DCCP_ACK, seq - SLACK - 1, ack, &insp), KS_REASON_DCCP_SEQ);
		assert_int_equal(send_as(back, KS_DCCP_ACK, seq, ack + 1, &insp), KS_REASON_DCCP_SEQ);
		assert_int_equal(send_as(back, KS_DCCP_ACK, seq, (back ? CLIENT : SERVER) - 1, &insp),
				 KS_REASON_DCCP_SEQ);
		assert_int_equal(send_as(back, KS_DCCP_ACK, seq, back ? CLIENT : SERVER, &insp),
				 KS_REASON_OK_ESTABLISHED);
		assert_int_equal(send_as(back, KS_DCCP_ACK, seq - SLACK, ack, &insp), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(send_as(back, KS_DCCP_ACK, seq + SLACK, ack, &insp), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(send_as(back, KS_DCCP_RESET, seq + 3 * SLACK, ack, &insp), KS_REASON_DCCP_SEQ);
		assert_state(OPEN);
		/* Acknowledgements far behind are no recent ones. */
		assert_int_equal(send_as(!back, KS_DCCP_ACK, ack + 1, seq + SLACK, &insp), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(send_as(!back, KS_DCCP_ACK, ack + 2, seq - 1, &insp), KS_REASON_DCCP_SEQ);
	}
}

/* Numbers of 24 bits are those nearest to what was seen. */
static void test_short_numbers(void **state)
{
	struct ks_inspection insp;

	bring_to(KS_STATE_DCCP_OPEN);
	for (unsigned i = 0; i < 300; i++) { /* the server's 24 bits wrap, then the client's */
		assert_int_equal(send_next(true, KS_DCCP_DATAACK | KS_DCCP_SHORT, &insp), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(insp.flow.after.dccp.last[KS_REPLY], (next[1] - 1) & SEQ_MASK);
		assert_int_equal(send_next(false, KS_DCCP_ACK | KS_DCCP_SHORT, &insp), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(insp.flow.after.dccp.last[KS_ORIGINAL], (next[0] - 1) & SEQ_MASK);
	}
	/* Even so nothing unsent is acknowledged. */
	assert_int_equal(send_as(true, KS_DCCP_ACK | KS_DCCP_SHORT, next[1], next[0], &insp), KS_REASON_DCCP_SEQ);
	assert_int_equal(send_next(false, KS_DCCP_CLOSE, &insp), KS_REASON_OK_ESTABLISHED);
}

/* --- the machine --- */

#define DROP (-1)
#define STAY 0
#define TO(name) KS_STATE_DCCP_##name

/* From REQUEST, RESPOND, PARTOPEN, OPEN, CLOSEREQ, CLOSING and TIMEWAIT. */
static void test_arcs(void **state)
{
	static const int arcs[2][KS_DCCP_TYPES][7] = {
		{
			[KS_DCCP_REQUEST] = { STAY, STAY, STAY, STAY, STAY, STAY, TO(REQUEST) },
			[KS_DCCP_RESPONSE] = { DROP, DROP, DROP, DROP, DROP, DROP, DROP },
			[KS_DCCP_DATA] = { DROP, DROP, DROP, STAY, STAY, STAY, STAY },
			[KS_DCCP_ACK] = { DROP, TO(PARTOPEN), STAY, STAY, STAY, STAY, STAY },
			[KS_DCCP_DATAACK] = { DROP, TO(PARTOPEN), STAY, STAY, STAY, STAY, STAY },
			[KS_DCCP_CLOSEREQ] = { DROP, DROP, DROP, DROP, DROP, DROP, DROP },
			[KS_DCCP_CLOSE] = { DROP, TO(CLOSING), TO(CLOSING), TO(CLOSING), TO(CLOSING), STAY, STAY },
			[KS_DCCP_RESET] = { TO(TIMEWAIT), TO(TIMEWAIT), TO(TIMEWAIT), TO(TIMEWAIT), TO(TIMEWAIT),
					    TO(TIMEWAIT), STAY },
			[KS_DCCP_SYNC] = { DROP, STAY, STAY, STAY, STAY, STAY, STAY },
			[KS_DCCP_SYNCACK] = { DROP, STAY, STAY, STAY, STAY, STAY, STAY },
		},
		{
			[KS_DCCP_REQUEST] = { DROP, DROP, DROP, DROP, DROP, DROP, TO(REQUEST) },
			[KS_DCCP_RESPONSE] = { TO(RESPOND), STAY, STAY, STAY, DROP, STAY, STAY },
			[KS_DCCP_DATA] = { DROP, DROP, TO(OPEN), STAY, STAY, STAY, STAY },
			[KS_DCCP_ACK] = { DROP, DROP, TO(OPEN), STAY, STAY, STAY, STAY },
			[KS_DCCP_DATAACK] = { DROP, DROP, TO(OPEN), STAY, STAY, STAY, STAY },
			[KS_DCCP_CLOSEREQ] = { DROP, DROP, TO(CLOSEREQ), TO(CLOSEREQ), STAY, STAY, STAY },
			[KS_DCCP_CLOSE] = { DROP, DROP, TO(CLOSING), TO(CLOSING), TO(CLOSING), STAY, STAY },
			[KS_DCCP_RESET] = { TO(TIMEWAIT), TO(TIMEWAIT), TO(TIMEWAIT), TO(TIMEWAIT), TO(TIMEWAIT),
					    TO(TIMEWAIT), STAY },
			[KS_DCCP_SYNC] = { DROP, STAY, STAY, STAY, STAY, STAY, STAY },
			[KS_DCCP_SYNCACK] = { DROP, STAY, STAY, STAY, STAY, STAY, STAY },
		},
	};

	for (unsigned back = 0; back < 2; back++) {
		for (unsigned i = 0; i < KS_DCCP_TYPES * 7; i++) {
			unsigned type = i / 7, from = KS_STATE_DCCP_REQUEST + i % 7;
			int to = arcs[back][type][i % 7];
			struct ks_inspection insp;

			bring_to(from);
			send_next(back, type, &insp);
			assert_int_equal(PASSES(insp.verdict.reason), to != DROP);
			if (to == DROP)
				assert_int_equal(insp.verdict.reason, KS_REASON_DCCP_STATE);
			assert_int_equal(insp.verdict.state, to == DROP || to == STAY ? from : (unsigned)to);
		}
	}
}

/* A dropped packet changes nothing, whatever its numbers. */
static void test_random_walk(void **state)
{
	size_t size = ks_table_length(env->shape.buckets) * sizeof(*env->buckets);
	struct ks_bucket *before = malloc(size);
	unsigned states[KS_STATE_MAX] = { 0 }, dropped[KS_REASON_MAX] = { 0 };
	__u64 seed = 4340;

	assert_non_null(before);
	for (int i = 0; i < 200000; i++) {
		unsigned type = test_below(&seed, KS_DCCP_TYPES);
		bool back = test_below(&seed, 2), odd = test_below(&seed, 4) == 0;
		__u64 seq = next[back] + (odd ? test_random(&seed) : 0),
		      ack = next[!back] - 1 + (odd ? test_below(&seed, 3) : 0);
		struct ks_inspection insp;

		if (short_header[type] && test_below(&seed, 4) == 0)
			type |= KS_DCCP_SHORT;
		now += test_below(&seed, 100) ? 0 : 200 * KS_NSEC_PER_SEC;
		memcpy(before, env->buckets, size);
		if (PASSES(send_as(back, type, seq, ack, &insp))) {
			states[insp.verdict.state]++;
			next[back] = (seq & 0xffffff) == (next[back] & 0xffffff) ? next[back] + 1 : next[back];
			continue;
		}
		dropped[insp.verdict.reason]++;
		assert_int_equal(memcmp(before, env->buckets, size), 0); /* cmocka would compare byte by byte */
	}
	for (unsigned s = KS_STATE_DCCP_REQUEST; s <= KS_STATE_DCCP_TIMEWAIT; s++)
		assert_true(states[s] > 0);
	assert_true(dropped[KS_REASON_DCCP_SEQ] > 0 && dropped[KS_REASON_DCCP_STATE] > 0);
	free(before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_numbers),
		TEST(test_lengths),
		TEST(test_coverage),
		TEST(test_connection),
		TEST(test_only_request_opens),
		TEST(test_refused),
		TEST(test_response_must_acknowledge),
		TEST(test_bounds),
		TEST(test_short_numbers),
		TEST(test_arcs),
		TEST(test_random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
