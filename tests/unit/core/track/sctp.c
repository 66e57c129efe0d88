// SPDX-License-Identifier: BSD-2-Clause
/*
 * SCTP: chunks and their lengths at the exact boundaries, every arc of the
 * machine, and the tags: associations from INIT to their end, collisions,
 * restarts, further paths, and what a forger may try without knowing a tag.
 */
#include "tests/unit/core/test_home.h"

#include "core/track/sctp.h"
#include "core/verdict.h"

#define NOW (1000 * KS_NSEC_PER_SEC)
#define A 0x11111111U /* what the client wants to be sent */
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

static struct ks_env *env;
static __u64 now;

static int setup(void **state)
{
	env = test_env_create(16);
	env->rules = &test_allow_all;
	env->config.rules = 1;
	now = NOW;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

/* Bytes behind a chunk's header as its sender makes them. */
static __u32 body_of(unsigned type)
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
static void packet(struct frame *f, bool v6, bool back, __u32 tag, __u32 payload)
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

static void chunk(struct frame *f, unsigned type, __u32 first, __u32 body)
{
	frame_put8(f, type);
	frame_put8(f, type & T_BIT ? 1 : 0);
	frame_put16(f, 4 + body);
	if (body >= 4)
		frame_put32(f, first);
	frame_zeros(f, body >= 4 ? body - 4 : body);
}

/* Sends one packet of these chunks, ended by -1. `offer`: the tag in INIT and INIT ACK. */
static __u32 send_chunks(bool back, __u32 tag, __u32 offer, const int *types, struct ks_inspection *insp)
{
	__u32 payload = 0;
	struct frame f;

	for (const int *t = types; *t >= 0; t++)
		payload += 4 + body_of(*t & 0xff);
	packet(&f, false, back, tag, payload);
	for (const int *t = types; *t >= 0; t++)
		chunk(&f, *t, offer, body_of(*t & 0xff));
	now += KS_NSEC_PER_MSEC;
	test_inspect(env, &f, back ? ZONE_WAN : ZONE_LAN, back ? ZONE_LAN : ZONE_WAN, now, insp);
	return insp->verdict.reason;
}

#define SEND(back, tag, offer, ...) send_chunks(back, tag, offer, (const int[]){ __VA_ARGS__, -1 }, &insp)
#define PASSES(reason) ks_reason_is_pass(reason)
#define assert_state(name) assert_int_equal(insp.verdict.state, KS_STATE_SCTP_##name)

/* The whole beginning, up to ESTABLISHED. */
static void associate(void)
{
	struct ks_inspection insp;

	assert_int_equal(SEND(false, 0, A, INIT), KS_REASON_OK_NEW);
	assert_state(COOKIE_WAIT);
	assert_int_equal(SEND(true, A, B, INIT_ACK), KS_REASON_OK_ESTABLISHED);
	assert_state(COOKIE_WAIT);
	assert_true(PASSES(SEND(false, B, 0, COOKIE_ECHO, DATA)));
	assert_state(COOKIE_ECHOED);
	assert_int_equal(SEND(true, A, 0, COOKIE_ACK, SACK), KS_REASON_OK_ESTABLISHED);
	assert_state(ESTABLISHED);
}

/* --- the header --- */

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
	f.data[14 + 20 + 12 + 2] = said >> 8;
	f.data[14 + 20 + 12 + 3] = said;
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
		f.data[14 + 3] = 20 + len;
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

/* What may stand together (RFC 9260 6.10). */
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

/* --- associations --- */

static void test_association(void **state)
{
	struct ks_inspection insp;

	associate();
	assert_int_equal(SEND(false, B, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, SACK, DATA), KS_REASON_OK_ESTABLISHED);
	assert_true(insp.flow.after.flags & KS_FLOW_ASSURED);
	assert_int_equal(SEND(false, B, 0, HEARTBEAT), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, HEARTBEAT_ACK), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(false, B, 0, SHUTDOWN), KS_REASON_OK_ESTABLISHED);
	assert_state(SHUTDOWN_SENT);
	assert_int_equal(SEND(true, A, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, SHUTDOWN_ACK), KS_REASON_OK_ESTABLISHED);
	assert_state(SHUTDOWN_ACK_SENT);
	assert_int_equal(SEND(false, B, 0, SHUTDOWN_COMPLETE), KS_REASON_OK_ESTABLISHED);
	assert_state(CLOSED);
	/* A new one may follow at once. */
	assert_int_equal(SEND(false, 0, A2, INIT), KS_REASON_OK_NEW);
	assert_state(COOKIE_WAIT);
	assert_int_equal(env->counts.flows, 1);
}

static void test_only_init_opens(void **state)
{
	static const int types[] = { DATA,     SACK,	    HEARTBEAT_ACK, ABORT, SHUTDOWN,	    SHUTDOWN_ACK,
				     INIT_ACK, COOKIE_ECHO, COOKIE_ACK,	   ERROR, SHUTDOWN_COMPLETE };
	struct ks_inspection insp;

	for (size_t i = 0; i < KS_ARRAY_SIZE(types); i++)
		assert_int_equal(SEND(false, A, B, types[i]), KS_REASON_NO_STATE);
	assert_int_equal(env->counts.flows, 0);
}

/* Every packet of an association needs its direction's tag, whatever is in it. */
static void test_wrong_tags(void **state)
{
	static const int types[] = { DATA,     SACK,	     HEARTBEAT,	  HEARTBEAT_ACK, ABORT,
				     SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK,	 SHUTDOWN_COMPLETE };
	struct ks_inspection insp;

	associate();
	for (size_t i = 0; i < KS_ARRAY_SIZE(types); i++) {
		assert_int_equal(SEND(false, WRONG, 0, types[i]), KS_REASON_SCTP_TAG);
		assert_int_equal(SEND(true, WRONG, 0, types[i]), KS_REASON_SCTP_TAG);
		assert_int_equal(SEND(false, A, 0, types[i]), KS_REASON_SCTP_TAG); /* the other direction's */
		assert_int_equal(SEND(true, B, 0, types[i]), KS_REASON_SCTP_TAG);
	}
	assert_int_equal(SEND(true, A, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_state(ESTABLISHED);
}

/* With the T bit it is the receiver's own tag that comes back (RFC 9260 8.5.1). */
static void test_reflected_tags(void **state)
{
	struct ks_inspection insp;

	associate();
	assert_int_equal(SEND(true, A, 0, ABORT | T_BIT), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(true, WRONG, 0, ABORT | T_BIT), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(true, B, 0, ABORT | T_BIT), KS_REASON_OK_ESTABLISHED);
	assert_state(CLOSED);
	assert_int_equal(SEND(true, B, 0, SHUTDOWN_COMPLETE | T_BIT), KS_REASON_OK_ESTABLISHED);
}

static void test_handshake_tags(void **state)
{
	struct ks_inspection insp;

	SEND(false, 0, A, INIT);
	assert_int_equal(SEND(true, WRONG, B, INIT_ACK), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(true, WRONG, 0, ABORT), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(true, A, 0, COOKIE_ACK), KS_REASON_SCTP_TAG); /* nobody offered the other tag */
	assert_int_equal(SEND(true, A, 0, DATA), KS_REASON_SCTP_STATE);
	assert_int_equal(SEND(true, A, B, INIT_ACK), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(false, WRONG, 0, COOKIE_ECHO), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(true, A, 0, COOKIE_ACK), KS_REASON_SCTP_STATE); /* before the cookie */
	assert_true(PASSES(SEND(false, B, 0, COOKIE_ECHO)));
	assert_int_equal(SEND(true, WRONG, 0, COOKIE_ACK), KS_REASON_SCTP_TAG);
	assert_state(COOKIE_ECHOED);
}

/* Nobody listens: an ABORT with the tag of the INIT. */
static void test_refused(void **state)
{
	struct ks_inspection insp;

	SEND(false, 0, A, INIT);
	assert_int_equal(SEND(true, A, 0, ABORT), KS_REASON_OK_ESTABLISHED);
	assert_state(CLOSED);
}

/* A stale cookie: the server says so with an error or an abort, and may reflect the tag. */
static void test_cookie_refused(void **state)
{
	struct ks_inspection insp;

	SEND(false, 0, A, INIT);
	SEND(true, A, B, INIT_ACK);
	SEND(false, B, 0, COOKIE_ECHO);
	assert_int_equal(SEND(true, A, 0, ERROR), KS_REASON_OK_ESTABLISHED);
	assert_state(COOKIE_ECHOED);
	assert_int_equal(SEND(true, B, 0, ABORT | T_BIT), KS_REASON_OK_ESTABLISHED);
	assert_state(CLOSED);
}

/* Both ends begin at once (RFC 9260 5.2.1): one association comes of it. */
static void test_collision(void **state)
{
	struct ks_inspection insp;

	assert_int_equal(SEND(false, 0, A, INIT), KS_REASON_OK_NEW);
	assert_int_equal(SEND(true, 0, B, INIT), KS_REASON_OK_ESTABLISHED);
	assert_true(PASSES(SEND(false, B, A, INIT_ACK)));
	assert_int_equal(SEND(true, A, B, INIT_ACK), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, COOKIE_ECHO), KS_REASON_OK_ESTABLISHED);
	assert_state(COOKIE_ECHOED);
	assert_int_equal(SEND(false, B, 0, COOKIE_ECHO), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(false, B, 0, COOKIE_ACK), KS_REASON_OK_ESTABLISHED);
	assert_state(ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, COOKIE_ACK), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(false, B, 0, DATA), KS_REASON_OK_ESTABLISHED);
}

/* An end that has forgotten begins again (5.2.2); until its cookie is accepted the old tags are in use. */
static void test_restart(void **state)
{
	for (unsigned back = 0; back < 2; back++) {
		__u32 mine = back ? A : B, theirs = back ? B : A; /* what the restarting side sends and is sent */
		struct ks_inspection insp;

		teardown(NULL);
		setup(NULL);
		associate();
		assert_int_equal(SEND(back, 0, A2, INIT), KS_REASON_OK_ESTABLISHED);
		assert_state(ESTABLISHED);
		assert_int_equal(SEND(!back, theirs, 0, DATA), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(SEND(!back, A2, B2, INIT_ACK), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(SEND(back, B2, 0, DATA), KS_REASON_SCTP_TAG);
		assert_int_equal(SEND(back, B2, 0, COOKIE_ECHO), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(SEND(back, mine, 0, DATA), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(SEND(!back, A2, 0, COOKIE_ACK, DATA), KS_REASON_OK_ESTABLISHED);
		assert_state(ESTABLISHED);
		assert_int_equal(SEND(back, B2, 0, DATA), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(SEND(!back, A2, 0, DATA), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(SEND(back, mine, 0, DATA), KS_REASON_SCTP_TAG);
		assert_int_equal(SEND(!back, theirs, 0, DATA), KS_REASON_SCTP_TAG);
	}
}

/* Anybody can send an INIT. It changes nothing that is in use, prolongs nothing, and what answers it ends nothing. */
static void test_forged_init(void **state)
{
	struct ks_inspection insp;
	__u32 seen;

	associate();
	SEND(false, B, 0, DATA);
	seen = insp.flow.after.seen;
	assert_int_equal(SEND(true, 0, WRONG, INIT), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(insp.flow.after.seen, seen);
	assert_int_equal(SEND(false, WRONG, 0, ABORT), KS_REASON_OK_ESTABLISHED); /* the restart is refused */
	assert_state(ESTABLISHED);
	assert_int_equal(SEND(false, WRONG, 0, SHUTDOWN), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(false, B, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, DATA), KS_REASON_OK_ESTABLISHED);
}

/* An INIT against the originator's direction is no answer: the flow stays unanswered. */
static void test_init_is_no_answer(void **state)
{
	struct ks_inspection insp;

	SEND(false, 0, A, INIT);
	SEND(true, 0, WRONG, INIT);
	assert_false(insp.flow.after.flags & KS_FLOW_REPLIED);
	SEND(true, A, B, INIT_ACK);
	assert_true(insp.flow.after.flags & KS_FLOW_REPLIED);
}

/* --- further paths --- */

static void test_path(void **state)
{
	struct ks_inspection insp;

	assert_int_equal(SEND(false, B, 0, HEARTBEAT), KS_REASON_OK_NEW);
	assert_state(HEARTBEAT);
	assert_int_equal(SEND(false, B, 0, DATA), KS_REASON_SCTP_STATE);
	assert_int_equal(SEND(true, A, 0, DATA), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(true, A, 0, HEARTBEAT_ACK), KS_REASON_OK_ESTABLISHED);
	assert_state(ESTABLISHED);
	assert_int_equal(SEND(false, B, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, SACK, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, WRONG, 0, DATA), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(true, WRONG, 0, HEARTBEAT_ACK), KS_REASON_SCTP_TAG);
	/* SHUTDOWN went the other way. */
	assert_int_equal(SEND(true, A, 0, SHUTDOWN_ACK), KS_REASON_OK_ESTABLISHED);
	assert_state(SHUTDOWN_ACK_SENT);
}

/* Both ends ask the new path at once. */
static void test_path_from_both(void **state)
{
	struct ks_inspection insp;

	SEND(false, B, 0, HEARTBEAT);
	assert_true(PASSES(SEND(true, A, 0, HEARTBEAT)));
	assert_state(HEARTBEAT);
	assert_true(PASSES(SEND(false, B, 0, HEARTBEAT_ACK)));
	assert_state(ESTABLISHED);
	assert_int_equal(SEND(true, A, 0, DATA), KS_REASON_OK_ESTABLISHED);
}

/* The association restarted on its first path: a heartbeat and its answer say so; a heartbeat alone says nothing. */
static void test_path_learns_anew(void **state)
{
	struct ks_inspection insp;

	SEND(false, B, 0, HEARTBEAT);
	SEND(true, A, 0, HEARTBEAT_ACK);
	assert_true(PASSES(SEND(false, B2, 0, HEARTBEAT)));
	assert_int_equal(SEND(false, B2, 0, DATA), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(false, B2, 0, HEARTBEAT, SHUTDOWN), KS_REASON_SCTP_TAG);
	assert_int_equal(SEND(true, A, 0, HEARTBEAT_ACK), KS_REASON_OK_ESTABLISHED); /* to an old one */
	assert_int_equal(SEND(false, B, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A2, 0, HEARTBEAT_ACK), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(false, B2, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(true, A2, 0, DATA), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(SEND(false, B, 0, DATA), KS_REASON_SCTP_TAG);
}

/* --- the machine --- */

/* Takes a fresh association to a state. */
static void bring_to(unsigned wanted)
{
	struct ks_inspection insp;

	teardown(NULL);
	setup(NULL);
	if (wanted == KS_STATE_SCTP_HEARTBEAT) {
		SEND(false, B, 0, HEARTBEAT);
		return;
	}
	if (wanted >= KS_STATE_SCTP_ESTABLISHED) {
		associate();
		if (wanted >= KS_STATE_SCTP_SHUTDOWN_SENT)
			SEND(false, B, 0, SHUTDOWN);
		if (wanted >= KS_STATE_SCTP_SHUTDOWN_ACK_SENT)
			SEND(true, A, 0, SHUTDOWN_ACK);
		if (wanted >= KS_STATE_SCTP_CLOSED)
			SEND(false, B, 0, SHUTDOWN_COMPLETE);
		return;
	}
	SEND(false, 0, A, INIT);
	SEND(true, A, B, INIT_ACK);
	if (wanted == KS_STATE_SCTP_COOKIE_ECHOED)
		SEND(false, B, 0, COOKIE_ECHO);
}

#define DROP (-1)
#define STAY 0
#define TO(name) KS_STATE_SCTP_##name

/* From each state, what the server's packet with the right tag leads to. */
static void test_arcs(void **state)
{
	static const struct {
		int type;
		int to[7]; /* COOKIE_WAIT, COOKIE_ECHOED, ESTABLISHED, SHUTDOWN_SENT, SHUTDOWN_ACK_SENT, CLOSED, HEARTBEAT */
	} arcs[] = {
		{ COOKIE_ACK, { DROP, TO(ESTABLISHED), STAY, STAY, STAY, STAY, DROP } },
		{ DATA, { DROP, STAY, STAY, STAY, STAY, STAY, DROP } },
		{ ERROR, { DROP, STAY, STAY, STAY, STAY, STAY, DROP } },
		{ HEARTBEAT, { DROP, STAY, STAY, STAY, STAY, STAY, STAY } },
		{ HEARTBEAT_ACK, { DROP, STAY, STAY, STAY, STAY, STAY, TO(ESTABLISHED) } },
		{ SHUTDOWN, { DROP, STAY, TO(SHUTDOWN_SENT), STAY, STAY, STAY, DROP } },
		{ SHUTDOWN_ACK, { DROP, STAY, TO(SHUTDOWN_ACK_SENT), TO(SHUTDOWN_ACK_SENT), STAY, STAY, DROP } },
		{ SHUTDOWN_COMPLETE, { DROP, DROP, TO(CLOSED), TO(CLOSED), TO(CLOSED), STAY, DROP } },
		{ ABORT, { TO(CLOSED), TO(CLOSED), TO(CLOSED), TO(CLOSED), TO(CLOSED), STAY, DROP } },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(arcs); i++) {
		for (unsigned s = 0; s < 7; s++) {
			unsigned from = KS_STATE_SCTP_COOKIE_WAIT + s;
			int to = arcs[i].to[s];
			struct ks_inspection insp;

			bring_to(from);
			SEND(true, A, 0, arcs[i].type);
			assert_int_equal(PASSES(insp.verdict.reason), to != DROP);
			assert_int_equal(insp.verdict.state, to == DROP || to == STAY ? from : (unsigned)to);
		}
	}
}

/* A server that accepts and shuts down in one packet. */
static void test_two_events(void **state)
{
	struct ks_inspection insp;

	bring_to(KS_STATE_SCTP_COOKIE_ECHOED);
	assert_int_equal(SEND(true, A, 0, COOKIE_ACK, SHUTDOWN), KS_REASON_OK_ESTABLISHED);
	assert_state(SHUTDOWN_SENT);
	assert_int_equal(SEND(false, B, 0, SACK, ABORT), KS_REASON_OK_ESTABLISHED);
	assert_state(CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ports_and_tags), TEST(test_chunk_lengths),  TEST(test_padding),
		TEST(test_short),	   TEST(test_bundles),	      TEST(test_zero_tags),
		TEST(test_long_packets),   TEST(test_association),    TEST(test_only_init_opens),
		TEST(test_wrong_tags),	   TEST(test_reflected_tags), TEST(test_handshake_tags),
		TEST(test_refused),	   TEST(test_cookie_refused), TEST(test_collision),
		TEST(test_restart),	   TEST(test_forged_init),    TEST(test_init_is_no_answer),
		TEST(test_path),	   TEST(test_path_from_both), TEST(test_path_learns_anew),
		TEST(test_arcs),	   TEST(test_two_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
