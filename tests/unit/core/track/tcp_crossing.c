// SPDX-License-Identifier: BSD-2-Clause
/*
 * Simultaneous open (RFC 9293 3.5), enumerated: after both SYNs, every order
 * of answers, acknowledgements and repetitions, against a model that only
 * knows whose SYN was acknowledged.
 */
#include "tests/unit/core/conversation.h"

enum word { ORIG_SYN, REPL_SYN, ORIG_ANSWER, REPL_ANSWER, ORIG_ACK, REPL_ACK, WORDS };

struct model {
	bool established;
	bool acked[2]; /* that side's SYN */
};

/* Takes in a word. Returns true if it is news. */
static bool model_hears(struct model *m, enum word word)
{
	struct model was = *m;

	if (m->established)
		return word == ORIG_ACK || word == REPL_ACK;
	if (word == ORIG_ANSWER)
		m->acked[REPL] = true;
	if (word == REPL_ANSWER || word == REPL_ACK)
		m->acked[ORIG] = true;
	/* The originator leaves its handshake behind with its first plain segment. */
	m->established = word == ORIG_ACK || (m->acked[ORIG] && m->acked[REPL]);
	return word >= ORIG_ANSWER || memcmp(&was, m, sizeof(was)) != 0;
}

static __u32 utter(struct conversation *t, enum word word)
{
	switch (word) {
	case ORIG_SYN:
		return say(t, ORIG, SYN, 0, 0, 0);
	case REPL_SYN:
		return say(t, REPL, SYN, 0, 0, 0);
	case ORIG_ANSWER:
		return say(t, ORIG, SYN | ACK, 0, 1, 0);
	case REPL_ANSWER:
		return say(t, REPL, SYN | ACK, 0, 1, 0);
	case ORIG_ACK:
		return say(t, ORIG, ACK, 1, 1, 0);
	default:
		return say(t, REPL, ACK, 1, 1, 0);
	}
}

static void explore(const struct conversation *t, const struct model *m, unsigned depth)
{
	for (unsigned word = 0; word < WORDS; word++) {
		struct model n = *m;
		struct conversation u = *t;
		bool news = model_hears(&n, word);

		/* An established connection has no opening responder. */
		if (word == REPL_SYN && m->established) {
			assert_int_equal(utter(&u, word), KS_REASON_TCP_STATE);
			continue;
		}
		if (news)
			assert_passes(utter(&u, word));
		else
			assert_only_passes(&u, utter(&u, word));
		assert_int_equal(u.flow.state, n.established ? KS_STATE_TCP_ESTABLISHED : KS_STATE_TCP_SYN_RECV);
		assert_false(u.flow.flags & KS_FLOW_PICKUP);
		if (depth)
			explore(&u, &n, depth - 1);
	}
}

static void conversation_crossed(struct conversation *t, const __u32 isn[2])
{
	conversation_start(t, isn);
	t->config.options |= KS_OPT_SIMULTANEOUS;
	conversation_open(t, SYN, 0, 0, 0, WINDOW);
	assert_passes(say(t, REPL, SYN, 0, 0, 0));
	assert_state(t, SYN_RECV);
}

static void test_every_order(void **state)
{
	FOR_STARTS(isn)
	{
		struct model m = { .established = false };
		struct conversation t;

		conversation_crossed(&t, isn);
		explore(&t, &m, 4);
	}
}

static void test_needs_the_option(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_syn_sent(&t, isn);
		assert_int_equal(say(&t, REPL, SYN, 0, 0, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_SPLIT);
		/* Begun while the option was on, it goes on without it. */
		conversation_crossed(&t, isn);
		t.config.options = 0;
		assert_passes(say(&t, ORIG, SYN | ACK, 0, 1, 0));
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_state(&t, ESTABLISHED);
	}
}

static void test_wrong_numbers(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_crossed(&t, isn);
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 0, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 2, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, ORIG, SYN | ACK, 1, 1, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0x80000000U, 1, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, REPL, SYN, 1, 0, 0), KS_REASON_TCP_SPLIT);
		assert_int_equal(say(&t, ORIG, ACK, 1, 0, 0), KS_REASON_TCP_ACK_OLD);
		assert_int_equal(say(&t, ORIG, ACK, 1, 2, 0), KS_REASON_TCP_ACK_AHEAD);
		/* Acknowledges nothing of the SYN: the originator will resend. */
		assert_passes(say(&t, ORIG, SYN | ACK, 0, 1, 0));
		assert_passes(say(&t, REPL, ACK, 1, 0, 0));
		assert_state(&t, SYN_RECV);
		assert_passes(say(&t, REPL, ACK, 1, 1, 0));
		assert_state(&t, ESTABLISHED);
	}
}

/* Both sides are bound by what the other's SYN offered, which is not scaled. */
static void test_windows(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_start(&t, isn);
		t.config.options |= KS_OPT_SIMULTANEOUS;
		t.wscale[0] = 3;
		t.wscale[1] = 5;
		t.opts[0] = KS_TCP_WSCALE;
		t.opts[1] = KS_TCP_WSCALE;
		conversation_open(&t, SYN, 0, 0, 0, WINDOW);
		assert_passes(say(&t, REPL, SYN, 0, 0, 0));
		assert_passes(say(&t, ORIG, SYN | ACK, 0, 1, 0));
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_int_equal(say(&t, ORIG, ACK, 1, 1, WINDOW + 1), KS_REASON_TCP_WINDOW_SEQ);
		assert_int_equal(say(&t, REPL, ACK, 1, 1, WINDOW + 1), KS_REASON_TCP_WINDOW_SEQ);
		assert_passes(say(&t, ORIG, ACK, 1, 1, WINDOW));
		assert_passes(say(&t, REPL, ACK, 1, 1, WINDOW));
		assert_passes(say(&t, ORIG, ACK, 1 + WINDOW, 1 + WINDOW, 0));
		assert_int_equal(say(&t, REPL, ACK, 1 + WINDOW, 1 + WINDOW, (WINDOW << 3) + 1),
				 KS_REASON_TCP_WINDOW_SEQ);
		assert_passes(say(&t, REPL, ACK, 1 + WINDOW, 1 + WINDOW, WINDOW << 3));
		assert_int_equal(say(&t, ORIG, ACK, 1 + WINDOW, 1 + WINDOW, (WINDOW << 5) + 1),
				 KS_REASON_TCP_WINDOW_SEQ);
		assert_passes(say(&t, ORIG, ACK, 1 + WINDOW, 1 + WINDOW, WINDOW << 5));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_needs_the_option),
		cmocka_unit_test(test_wrong_numbers),
		cmocka_unit_test(test_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
