// SPDX-License-Identifier: BSD-2-Clause
/*
 * `option asymmetric`: whatever one side of a true connection says passes,
 * wherever the other side's answers go; and what is left to be checked is.
 */
#include "tests/unit/core/conversation.h"

#define REACH 66000U /* how far a reset may be from what was seen */

static void conversation_asymmetric(struct conversation *t, const __u32 isn[2], __u8 flags)
{
	conversation_start(t, isn);
	t->config.options |= KS_OPT_ASYMMETRIC;
	conversation_open(t, flags, 0, 1, 0, WINDOW);
}

/* A side that sends, repeats, acknowledges what nobody saw, and closes; `t` has opened with its SYN or SYN+ACK. */
static void speak_alone(struct conversation *t, __u32 *random)
{
	__u32 sent = 1, heard = 1;

	for (unsigned n = 0; n < 200; n++) {
		__u32 len = (*random = *random * 1103515245 + 12345) >> 16 & 0x7fff;
		bool again = len & 1 && sent > len;

		heard += *random >> 9 & 0xffff;
		assert_passes(say(t, ORIG, ACK, again ? sent - len : sent, heard, len));
		assert_state(t, ESTABLISHED);
		sent += again ? 0 : len;
	}
	assert_passes(say(t, ORIG, FIN | ACK, sent, heard, 0));
	assert_state(t, FIN_WAIT);
	assert_passes(say(t, ORIG, FIN | ACK, sent, heard + 1, 0));
	assert_passes(say(t, ORIG, ACK, sent + 1, heard + 1, 0));
	assert_passes(say(t, ORIG, RST, sent + 1, 0, 0));
	assert_state(t, CLOSE);
}

static void test_one_side(void **state)
{
	__u32 random = 1;

	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_asymmetric(&t, isn, SYN);
		assert_state(&t, SYN_SENT);
		speak_alone(&t, &random);
		conversation_asymmetric(&t, isn, SYN | ACK);
		assert_state(&t, SYN_RECV);
		assert_true(t.flow.flags & KS_FLOW_PICKUP);
		speak_alone(&t, &random);
	}
}

static void test_what_opens(void **state)
{
	static const struct {
		__u8 flags;
		bool plain, asymmetric;
	} rows[] = {
		{ SYN, true, true },	     { SYN | ACK, false, true },  { ACK, false, true },
		{ FIN | ACK, false, false }, { RST | ACK, false, false }, { RST, false, false },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(rows); i++) {
		struct ks_packet pkt = { .tuple.proto = KS_PROTO_TCP, .tcp_flags = rows[i].flags };
		struct ks_config config = { .options = 0 };

		assert_int_equal(ks_track_may_open(&config, &pkt) == 0, rows[i].plain);
		config.options = KS_OPT_ASYMMETRIC;
		assert_int_equal(ks_track_may_open(&config, &pkt) == 0, rows[i].asymmetric);
	}
}

/* Resets near what their sender sent last, or what the other side acknowledged last; nowhere else. */
static void test_resets(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t, u;

		conversation_asymmetric(&t, isn, SYN);
		assert_passes(say(&t, ORIG, ACK, 1, 500000, 1000));
		assert_int_equal(say(&t, ORIG, RST, 1001 + REACH + 1, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, ORIG, RST, 1001 - REACH - 1, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, REPL, RST, 500000 + REACH + 1, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, REPL, RST, 500000 - REACH - 1, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_state(&t, ESTABLISHED);
		for (int far = -1; far <= 1; far += 2) {
			u = t;
			assert_passes(say(&u, ORIG, RST, 1001 + (__u32)far * REACH, 0, 0));
			assert_state(&u, CLOSE);
			u = t;
			assert_passes(say(&u, REPL, RST, 500000 + (__u32)far * REACH, 0, 0));
			assert_state(&u, CLOSE);
		}
	}
}

/* A finished connection stays finished, and late segments do not make it live longer. */
static void test_over(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_asymmetric(&t, isn, SYN);
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_passes(say(&t, ORIG, ACK, 1, 1, 0));
		assert_passes(say(&t, ORIG, FIN | ACK, 1, 1, 0));
		assert_passes(say(&t, REPL, FIN | ACK, 1, 2, 0));
		assert_state(&t, LAST_ACK);
		assert_passes(say(&t, ORIG, ACK, 2, 2, 0));
		assert_state(&t, TIME_WAIT);
		assert_only_passes(&t, say(&t, REPL, FIN | ACK, 1, 2, 0));
		assert_only_passes(&t, say(&t, ORIG, ACK, 2, 2, 0));
		assert_only_passes(&t, say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_int_equal(say(&t, ORIG, SYN | ACK, 0, 1, 0), KS_REASON_TCP_STATE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_side),
		cmocka_unit_test(test_what_opens),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
