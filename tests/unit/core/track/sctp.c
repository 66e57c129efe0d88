// SPDX-License-Identifier: BSD-2-Clause
/*
 * SCTP: every arc of the machine, and the tags: associations from INIT to their end, collisions, restarts, further paths,
 * and packets of a forger who knows no tag.
 */
#include "tests/unit/core/sctp_packets.h"

#include "core/track/sctp.h"

#define NOW (1000 * KS_NSEC_PER_SEC)

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
		__u32 mine = back ? A : B, theirs = back ? B : A; /* tags sent by the restarting side, and to it */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_association, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_init_opens, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reflected_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handshake_tags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cookie_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_collision, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forged_init, setup, teardown),
		cmocka_unit_test_setup_teardown(test_init_is_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_path_from_both, setup, teardown),
		cmocka_unit_test_setup_teardown(test_path_learns_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arcs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_events, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
