// SPDX-License-Identifier: BSD-2-Clause
/*
 * The TCP machine. Closing is enumerated against a model that only knows which
 * FINs were sent and which acknowledged (RFC 9293 3.6, as seen from between
 * both ends); opening and resets against expectations written from RFC 9293,
 * 5961 and 7413.
 */
#include "tests/unit/core/conversation.h"

/* --- opening --- */

static void test_opening_wrong_answers(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_syn_sent(&t, isn);
		/* An answer that acknowledges something else goes to the asker, who resets it (RFC 9293 3.10.7.3). */
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 0, 0));
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 2, 0));
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 0x80000000U, 0));
		/* The roles never change. */
		assert_int_equal(say(&t, REPL, SYN, 0, 0, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_SPLIT);
		/* Nothing is open yet. */
		assert_int_equal(say(&t, ORIG, ACK, 1, 1, 0), KS_REASON_TCP_STATE);
		assert_int_equal(say(&t, ORIG, FIN | ACK, 1, 1, 0), KS_REASON_TCP_STATE);
		assert_int_equal(say(&t, REPL, FIN | ACK, 1, 1, 0), KS_REASON_TCP_STATE);
		/* A challenge from an old connection at the responder, and the reset it provokes (RFC 9293 3.5.1). */
		assert_only_passes(&t, say(&t, REPL, ACK, 777, 55555, 0));
		assert_only_passes(&t, say(&t, ORIG, RST, 55555, 0, 0));
		assert_state(&t, SYN_SENT);
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_state(&t, SYN_RECV);
	}
}

static void test_refused(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		/* RFC 9293 3.10.7.3: in SYN-SENT a reset is believed if it acknowledges the SYN. */
		conversation_syn_sent(&t, isn);
		assert_int_equal(say(&t, REPL, RST, 0, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, REPL, RST | ACK, 0, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, REPL, RST | ACK, 0, 2, 0), KS_REASON_TCP_RST_SEQ);
		assert_state(&t, SYN_SENT);
		assert_passes(say(&t, REPL, RST | ACK, 0, 1, 0));
		assert_state(&t, CLOSE);
		/* The asker gives up. */
		conversation_syn_sent(&t, isn);
		assert_passes(say(&t, ORIG, RST, 1, 0, 0));
		assert_state(&t, CLOSE);
		/* The asker did not want the answer. */
		conversation_syn_recv(&t, isn);
		assert_int_equal(say(&t, ORIG, RST, 2, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, ORIG, RST, 0, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_passes(say(&t, ORIG, RST, 1, 0, 0));
		assert_state(&t, CLOSE);
		/* The responder changed its mind. */
		conversation_syn_recv(&t, isn);
		assert_int_equal(say(&t, REPL, RST, 2, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, REPL, RST, 0, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_passes(say(&t, REPL, RST | ACK, 1, 1, 0));
		assert_state(&t, CLOSE);
	}
}

static void test_syn_again(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_syn_sent(&t, isn);
		assert_passes(say(&t, ORIG, SYN, 0, 0, 0));
		assert_state(&t, SYN_SENT);
		/* A fresh try with another number is learnt again. */
		t.isn[ORIG] += 123456;
		assert_passes(say(&t, ORIG, SYN, 0, 0, 0));
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		/* The answer was lost: the SYN and the answer come again, even with a new number (a cookie). */
		assert_only_passes(&t, say(&t, ORIG, SYN, 0, 0, 0));
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, REPL, SYN, 0, 0, 0), KS_REASON_TCP_SPLIT);
		t.isn[REPL] += 0x23456789;
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_state(&t, SYN_RECV);
		/* Only the acknowledgement of what was answered completes the handshake. */
		assert_int_not_equal(say(&t, ORIG, ACK, 1, 0, 0), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(say(&t, ORIG, ACK, 1, 2, 0), KS_REASON_TCP_ACK_AHEAD);
		assert_state(&t, SYN_RECV);
		assert_passes(say(&t, ORIG, ACK, 1, 1, 0));
		assert_state(&t, ESTABLISHED);
		/* The third segment was lost. */
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 1, 0));
	}
}

static void test_fast_open(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		/* RFC 7413: the answer may take the SYN's data, a part of it, or none. */
		for (__u32 taken = 0; taken <= 100; taken += 50) {
			conversation_start(&t, isn);
			conversation_open(&t, SYN, 0, 0, 100, WINDOW);
			assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 102, 0));
			assert_passes(say(&t, REPL, SYN | ACK, 0, 1 + taken, 0));
			assert_state(&t, SYN_RECV);
			/* Data before the handshake is complete, the answer again, then the acknowledgement of all. */
			assert_passes(say(&t, REPL, ACK, 1, 1 + taken, 500));
			assert_passes(say(&t, REPL, SYN | ACK, 0, 1 + taken, 0));
			assert_passes(say(&t, ORIG, ACK, 101, 501, 0));
			assert_state(&t, ESTABLISHED);
		}
		/* The SYN comes again without its data while the answer to the first is under way. */
		conversation_start(&t, isn);
		conversation_open(&t, SYN, 0, 0, 100, WINDOW);
		assert_passes(say(&t, ORIG, SYN, 0, 0, 0));
		assert_passes(say(&t, REPL, SYN | ACK, 0, 101, 0));
		assert_passes(say(&t, ORIG, ACK, 101, 1, 0));
		assert_state(&t, ESTABLISHED);
	}
}

/* --- closing, against the model --- */

struct model {
	bool sent[2], acked[2]; /* each side's FIN */
};

/* States by their definition in core/table/flow.h. */
static __u32 model_state(const struct model *m)
{
	if (m->sent[0] && m->sent[1])
		return m->acked[0] && m->acked[1] ? KS_STATE_TCP_TIME_WAIT : KS_STATE_TCP_LAST_ACK;
	if (!m->sent[0] && !m->sent[1])
		return KS_STATE_TCP_ESTABLISHED;
	return m->acked[0] || m->acked[1] ? KS_STATE_TCP_CLOSE_WAIT : KS_STATE_TCP_FIN_WAIT;
}

/* A segment that a side may send: with its FIN or not, acknowledging the peer's or not. */
static void model_say(struct conversation *t, struct model *m, unsigned dir, bool fin, bool acks)
{
	__u32 seq = NEXT + (m->sent[dir] && !fin), ack = NEXT + acks;

	assert_passes(say(t, dir, fin ? FIN | ACK : ACK, seq, ack, 0));
	m->sent[dir] |= fin;
	if (acks)
		m->acked[!dir] = true;
	assert_int_equal(t->flow.state, model_state(m));
	assert_int_equal(t->flow.timeout, t->config.timeout[t->flow.state]);
	assert_int_equal(t->flow.seen, (__u32)(t->now / KS_NSEC_PER_MSEC));
}

/* All histories of up to five segments; what a side may not do (acknowledge an unsent FIN) must be refused. */
static void explore(const struct conversation *t, const struct model *m, unsigned depth)
{
	for (unsigned choice = 0; depth && choice < 8; choice++) {
		unsigned dir = choice & 1;
		bool fin = choice & 2, acks = choice & 4;
		struct conversation next = *t;
		struct model after = *m;

		if (acks && !m->sent[!dir]) {
			assert_int_equal(say(&next, dir, ACK, NEXT, NEXT + 1, 0), KS_REASON_TCP_ACK_AHEAD);
			continue;
		}
		model_say(&next, &after, dir, fin, acks);
		explore(&next, &after, depth - 1);
	}
}

static void test_closing_histories(void **state)
{
	FOR_STARTS(isn)
	{
		struct model m = { { false } };
		struct conversation t;

		conversation_established(&t, isn);
		explore(&t, &m, 6);
	}
}

/* From every state of closing: SYNs, SYN+ACKs and resets. */
static void check_strays(const struct conversation *t)
{
	bool time_wait = t->flow.state == KS_STATE_TCP_TIME_WAIT;
	struct conversation s;

	/* RFC 5961 4.2: the receiver answers with a challenge; nothing moves here but the note of the SYN. */
	s = *t;
	assert_int_equal(say(&s, ORIG, SYN, 0x1234567, 0, 0), KS_REASON_OK_ESTABLISHED);
	assert_true(s.flow.flags & KS_FLOW_SYN_SEEN);
	assert_int_equal(s.flow.ack[ORIG], t->isn[ORIG] + 0x1234568);
	s.flow.flags &= ~KS_FLOW_SYN_SEEN;
	s.flow.ack[ORIG] = t->flow.ack[ORIG];
	assert_true(same_but_counts(&t->flow, &s.flow));
	assert_int_equal(say(&s, REPL, SYN, 0x1234567, 0, 0), KS_REASON_TCP_STATE);
	assert_int_equal(say(&s, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_STATE);
	if (time_wait)
		assert_int_equal(say(&s, REPL, SYN | ACK, 0, 1, 0), KS_REASON_TCP_STATE);
	else
		assert_only_passes(&s, say(&s, REPL, SYN | ACK, 0, 1, 0));
	for (unsigned dir = 0; dir < 2; dir++) {
		__u32 end = t->flow.end[dir] - t->isn[dir];
		const __u32 wrong[] = { end + 1, end + WINDOW / 2, end - 200, end + 0x80000000U, 0U - t->isn[dir] };

		for (size_t i = 0; i < KS_ARRAY_SIZE(wrong); i++) {
			s = *t;
			if (wrong[i] == end || wrong[i] == NEXT)
				continue;
			assert_int_equal(say(&s, dir, RST, wrong[i], 0, 0), KS_REASON_TCP_RST_SEQ);
		}
		s = *t;
		assert_passes(say(&s, dir, RST, end, 0, 0));
		assert_state(&s, CLOSE);
	}
}

static void test_strays_in_every_state(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned first = 0; first < 2; first++) {
			struct model m = { { false } };
			struct conversation t;

			conversation_established(&t, isn);
			check_strays(&t);
			model_say(&t, &m, first, true, false);
			check_strays(&t);
			model_say(&t, &m, !first, false, true);
			check_strays(&t);
			model_say(&t, &m, !first, true, true);
			check_strays(&t);
			model_say(&t, &m, first, false, true);
			assert_state(&t, TIME_WAIT);
			check_strays(&t);
		}
	}
}

static void test_closed(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned dir = 0; dir < 2; dir++) {
			struct conversation t;

			conversation_established(&t, isn);
			assert_passes(say(&t, dir, RST, NEXT, 0, 0));
			assert_state(&t, CLOSE);
			/* Only resets pass; the timer no longer moves. */
			assert_int_equal(say(&t, dir, ACK, NEXT, NEXT, 0), KS_REASON_TCP_RESET);
			assert_int_equal(say(&t, !dir, FIN | ACK, NEXT, NEXT, 0), KS_REASON_TCP_RESET);
			assert_only_passes(&t, say(&t, !dir, RST, NEXT, 0, 0));
			assert_int_equal(say(&t, REPL, SYN | ACK, 0, 1, 0), KS_REASON_TCP_RESET);
			assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_RESET);
			assert_int_equal(say(&t, REPL, SYN, 0, 0, 0), KS_REASON_TCP_STATE);
			/* Either side may open again, by policy. */
			segment(&t, ORIG, SYN, 0, 0, 0, WINDOW);
			assert_true(ks_track_reopens(&t.insp.pkt, &t.flow));
			segment(&t, ORIG, ACK, 0, 0, 0, WINDOW);
			assert_false(ks_track_reopens(&t.insp.pkt, &t.flow));
		}
	}
}

/* The responder closes before the handshake is complete. */
static void test_early_fin(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t, u;

		conversation_syn_recv(&t, isn);
		assert_passes(say(&t, REPL, FIN | ACK, 1, 1, 0));
		assert_state(&t, SYN_RECV);
		u = t;
		assert_passes(say(&u, ORIG, ACK, 1, 2, 0));
		assert_state(&u, CLOSE_WAIT);
		u = t;
		assert_passes(say(&u, ORIG, FIN | ACK, 1, 2, 0));
		assert_state(&u, LAST_ACK);
		assert_passes(say(&u, REPL, ACK, 2, 2, 0));
		assert_state(&u, TIME_WAIT);
		/* The third segment does not acknowledge the FIN yet. */
		u = t;
		assert_passes(say(&u, ORIG, ACK, 1, 1, 0));
		assert_state(&u, FIN_WAIT);
		assert_passes(say(&u, ORIG, ACK, 1, 2, 0));
		assert_state(&u, CLOSE_WAIT);
	}
}

/* Nothing comes behind a FIN; what comes again is no more than what was sent. */
static void test_data_behind_a_fin(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned dir = 0; dir < 2; dir++) {
			struct conversation t;

			conversation_established(&t, isn);
			assert_passes(say(&t, dir, FIN | ACK, NEXT, NEXT, 50));
			assert_int_equal(say(&t, dir, ACK, NEXT + 51, NEXT, 1), KS_REASON_TCP_STATE);
			assert_int_equal(say(&t, dir, FIN | ACK, NEXT + 51, NEXT, 0), KS_REASON_TCP_STATE);
			assert_passes(say(&t, dir, FIN | ACK, NEXT, NEXT, 50));
			assert_passes(say(&t, dir, ACK, NEXT, NEXT, 50));
			/* The other half goes on. */
			assert_passes(say(&t, !dir, ACK, NEXT, NEXT + 51, 100));
			assert_passes(say(&t, dir, ACK, NEXT + 51, NEXT + 100, 0));
			assert_state(&t, CLOSE_WAIT);
		}
	}
}

/* --- resets --- */

static void test_reset_exactness(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned dir = 0; dir < 2; dir++) {
			struct conversation t, u;

			/* 300 bytes sent, 100 of them acknowledged: the peer expects NEXT + 100. */
			conversation_established(&t, isn);
			assert_passes(say(&t, dir, ACK, NEXT, NEXT, 300));
			assert_passes(say(&t, !dir, ACK, NEXT, NEXT + 100, 0));
			for (__u32 seq = NEXT - 50; seq <= NEXT + 1400; seq++) {
				__u32 reason;

				u = t;
				reason = say(&u, dir, RST, seq, 0, 0);
				if (seq == NEXT + 100 || seq == NEXT + 300) {
					assert_passes(reason);
					assert_state(&u, CLOSE);
				} else {
					assert_int_equal(reason, KS_REASON_TCP_RST_SEQ);
				}
			}
			/* Absolute zero is no good guess. */
			u = t;
			assert_int_equal(say(&u, dir, RST, 0U - t.isn[dir], 0, 0), KS_REASON_TCP_RST_SEQ);
		}
	}
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening_wrong_answers),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_syn_again),
		cmocka_unit_test(test_fast_open),
		cmocka_unit_test(test_closing_histories),
		cmocka_unit_test(test_strays_in_every_state),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_early_fin),
		cmocka_unit_test(test_data_behind_a_fin),
		cmocka_unit_test(test_reset_exactness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
