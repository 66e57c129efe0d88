// SPDX-License-Identifier: BSD-2-Clause
/* TCP's windows: van Rooij's bounds at their edges, scaling (RFC 7323), SACK (RFC 2018), and none of it mid-stream. */
#include "tests/unit/core/conversation.h"

/* Each bound of van Rooij at its edge: the peer offers `window` bytes, the sender itself `own`. */
static void check_window_edges(struct conversation *t, unsigned dir, __u32 window, __u32 own)
{
	struct conversation u = *t;
	__u32 bound = NEXT + window;
	__u32 ack_floor = own > 66000 ? own : 66000; /* data that may be under way towards the sender */
	__u32 reach = window > 66000 ? window : 66000; /* how much older than a window repeated data may be */

	/* I: not past the offered window. */
	assert_int_equal(say(&u, dir, ACK, bound, NEXT, 1), KS_REASON_TCP_WINDOW_SEQ);
	assert_int_equal(say(&u, dir, ACK, NEXT, NEXT, window + 1), KS_REASON_TCP_WINDOW_SEQ);
	assert_int_equal(say(&u, dir, FIN | ACK, NEXT, NEXT, window), KS_REASON_TCP_WINDOW_SEQ);
	assert_passes(say(&u, dir, ACK, NEXT, NEXT, window));
	/* II: not older than a window, unless repeated: that is let through, but teaches nothing, up to one more. */
	assert_passes(say(&u, dir, ACK, NEXT, NEXT, 0));
	assert_only_passes(&u, say(&u, dir, ACK, NEXT - 1, NEXT, 0));
	assert_only_passes(&u, say(&u, dir, ACK, NEXT - reach, NEXT, 0));
	assert_int_equal(say(&u, dir, ACK, NEXT - reach - 1, NEXT, 0), KS_REASON_TCP_OLD_SEQ);
	assert_int_equal(say(&u, dir, ACK, NEXT - 1, NEXT + 1, 0), KS_REASON_TCP_ACK_AHEAD);
	u = *t;
	assert_int_equal(say(&u, dir, ACK, NEXT - window - reach - 1, NEXT, 0), KS_REASON_TCP_OLD_SEQ);
	assert_passes(say(&u, dir, ACK, NEXT - window, NEXT, 0));
	/* III: no acknowledgement of what was never sent. */
	u = *t;
	assert_int_equal(say(&u, dir, ACK, NEXT, NEXT + 1, 0), KS_REASON_TCP_ACK_AHEAD);
	assert_int_equal(say(&u, dir, ACK, NEXT, NEXT + 0x7ffffff0U, 0), KS_REASON_TCP_ACK_AHEAD);
	/* IV: none older than a window. */
	assert_int_equal(say(&u, dir, ACK, NEXT, NEXT - ack_floor - 1, 0), KS_REASON_TCP_ACK_OLD);
	assert_passes(say(&u, dir, ACK, NEXT, NEXT - ack_floor, 0));
	/* Keep-alive: one byte below, with and without data (RFC 9293 3.8.4). */
	u = *t;
	assert_passes(say(&u, dir, ACK, NEXT - 1, NEXT, 1));
	assert_passes(say(&u, dir, ACK, NEXT - 1, NEXT, 0));
}

static void test_window_edges(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned dir = 0; dir < 2; dir++) {
			struct conversation t;

			conversation_established(&t, isn);
			check_window_edges(&t, dir, WINDOW, WINDOW);
		}
	}
}

static void conversation_scaled(struct conversation *t, const __u32 isn[2], __u8 a, __u8 b, bool offer_a, bool offer_b)
{
	conversation_start(t, isn);
	t->wscale[0] = a;
	t->wscale[1] = b;
	t->opts[0] = offer_a ? KS_TCP_WSCALE : 0;
	t->opts[1] = offer_b ? KS_TCP_WSCALE : 0;
	conversation_open(t, SYN, 0, 0, 0, WINDOW);
	assert_passes(say(t, REPL, SYN | ACK, 0, 1, 0));
}

static void test_scaling(void **state)
{
	FOR_STARTS(isn)
	{
		for (__u8 a = 0; a <= 14; a += 7) {
			for (__u8 b = 0; b <= 14; b += 7) {
				struct conversation t, u;

				conversation_scaled(&t, isn, a, b, true, true);
				/* RFC 7323 2.2: the windows of SYN and SYN+ACK are not scaled. */
				u = t;
				assert_int_equal(say(&u, ORIG, ACK, 1, 1, WINDOW + 1), KS_REASON_TCP_WINDOW_SEQ);
				assert_int_equal(say(&u, REPL, ACK, 1, 1, WINDOW + 1), KS_REASON_TCP_WINDOW_SEQ);
				assert_passes(say(&u, ORIG, ACK, 1, 1, WINDOW));
				assert_passes(say(&u, REPL, ACK, 1, 1, WINDOW));
				/* From then on they are. */
				assert_passes(say(&t, ORIG, ACK, 1, 1, 100));
				assert_passes(say(&t, REPL, ACK, 1, 101, 100));
				assert_passes(say(&t, ORIG, ACK, 101, 101, 0));
				u = t;
				check_window_edges(&u, ORIG, WINDOW << b, WINDOW << a);
				check_window_edges(&t, REPL, WINDOW << a, WINDOW << b);
			}
		}
	}
}

static void test_scaling_needs_both(void **state)
{
	FOR_STARTS(isn)
	{
		for (unsigned who = 0; who < 2; who++) {
			struct conversation t;

			conversation_scaled(&t, isn, 7, 7, who == 0, who == 1);
			assert_passes(say(&t, ORIG, ACK, 1, 1, 100));
			assert_passes(say(&t, REPL, ACK, 1, 101, 100));
			assert_passes(say(&t, ORIG, ACK, 101, 101, 0));
			check_window_edges(&t, ORIG, WINDOW, WINDOW);
			check_window_edges(&t, REPL, WINDOW, WINDOW);
		}
	}
}

/* A closed window admits a probe of one byte, and the byte sent again (RFC 9293 3.8.6.1). */
static void test_zero_window(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_established(&t, isn);
		assert_passes(say(&t, ORIG, ACK, NEXT, NEXT, WINDOW));
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT + WINDOW, 0, 0));
		assert_int_equal(say(&t, ORIG, ACK, NEXT + WINDOW, NEXT, 2), KS_REASON_TCP_WINDOW_SEQ);
		assert_passes(say(&t, ORIG, ACK, NEXT + WINDOW, NEXT, 1));
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT + WINDOW, 0, 0));
		assert_passes(say(&t, ORIG, ACK, NEXT + WINDOW, NEXT, 1));
		/* Linux probes one below, without data. */
		assert_passes(say(&t, ORIG, ACK, NEXT + WINDOW - 1, NEXT, 0));
		/* The window opens. */
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT + WINDOW + 1, 0, WINDOW));
		assert_passes(say(&t, ORIG, ACK, NEXT + WINDOW + 1, NEXT, WINDOW));
	}
}

/* A window once offered is not taken back by an older segment, nor by one that shrinks it (RFC 9293 3.8.6). */
static void test_window_never_shrinks(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_established(&t, isn);
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT, 0, 3000));
		assert_passes(say_window(&t, REPL, ACK, NEXT, NEXT, 0, 10));
		assert_passes(say(&t, ORIG, ACK, NEXT, NEXT, 3000));
		assert_int_equal(say(&t, ORIG, ACK, NEXT + 3000, NEXT, 1), KS_REASON_TCP_WINDOW_SEQ);
	}
}

static void test_sack(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t, u;

		conversation_start(&t, isn);
		t.opts[0] = KS_TCP_SACK_PERM;
		t.opts[1] = KS_TCP_SACK_PERM;
		conversation_open(&t, SYN, 0, 0, 0, WINDOW);
		assert_passes(say(&t, REPL, SYN | ACK, 0, 1, 0));
		assert_passes(say(&t, ORIG, ACK, 1, 1, 300));
		/* The first 100 are lost; the rest is acknowledged selectively. */
		u = t;
		u.sack = 301;
		assert_passes(say(&u, REPL, ACK, 1, 1, 0));
		u = t;
		u.sack = 302;
		assert_int_equal(say(&u, REPL, ACK, 1, 1, 0), KS_REASON_TCP_ACK_AHEAD);
		/* A block cannot hide an acknowledgement of what was never sent. */
		u = t;
		u.sack = 0x60000000U + 0x60000000U + 0x40000000U;
		assert_int_equal(say(&u, REPL, ACK, 1, 0x60000000U, 0), KS_REASON_TCP_ACK_AHEAD);
		u = t;
		u.sack = 300;
		assert_int_equal(say(&u, REPL, ACK, 1, 302, 0), KS_REASON_TCP_ACK_AHEAD);
		assert_true(same_but_counts(&t.flow, &u.flow));
		/* Without the option agreed a block means nothing: neither refused nor a help. */
		conversation_established(&u, isn);
		u.sack = NEXT + 5000;
		assert_passes(say(&u, REPL, ACK, NEXT, NEXT, 0));
	}
}

/* --- mid-stream --- */

static void test_pickup(void **state)
{
	FOR_STARTS(isn)
	{
		struct conversation t;

		conversation_start(&t, isn);
		segment(&t, ORIG, ACK, 500, 700, 100, WINDOW);
		assert_int_equal(ks_track_may_open(&t.config, &t.insp.pkt), KS_REASON_NO_STATE);
		t.config.options = KS_OPT_PICKUP;
		assert_int_equal(ks_track_may_open(&t.config, &t.insp.pkt), 0);
		for (unsigned i = 0; i < 4; i++) {
			static const __u8 never[] = { SYN | ACK, FIN | ACK, RST, RST | ACK };

			segment(&t, ORIG, never[i], 500, 700, 0, WINDOW);
			assert_int_equal(ks_track_may_open(&t.config, &t.insp.pkt), KS_REASON_NO_STATE);
		}
		conversation_open(&t, ACK, 500, 700, 100, WINDOW);
		assert_int_equal(t.flow.state, KS_STATE_TAKEN_UP);
		assert_true(t.flow.flags & KS_FLOW_PICKUP);
		/* It is half open until the other side speaks. */
		assert_passes(say(&t, ORIG, ACK, 600, 700, 0));
		assert_int_equal(t.flow.state, KS_STATE_TAKEN_UP);
		assert_false(t.flow.flags & KS_FLOW_ASSURED);
		/* Windows may be scaled, nobody saw how. */
		assert_passes(say(&t, REPL, ACK, 700, 600, 60000));
		assert_state(&t, ESTABLISHED);
		/* Resets stay exact. */
		assert_int_equal(say(&t, REPL, RST, 1, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_int_equal(say(&t, ORIG, RST, 1, 0, 0), KS_REASON_TCP_RST_SEQ);
		assert_passes(say(&t, ORIG, FIN | ACK, 600, 60700, 0));
		assert_state(&t, FIN_WAIT);
		assert_passes(say(&t, REPL, FIN | ACK, 60700, 601, 0));
		assert_passes(say(&t, ORIG, ACK, 601, 60701, 0));
		assert_state(&t, TIME_WAIT);
	}
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_edges),
		cmocka_unit_test(test_scaling),
		cmocka_unit_test(test_scaling_needs_both),
		cmocka_unit_test(test_zero_window),
		cmocka_unit_test(test_window_never_shrinks),
		cmocka_unit_test(test_sack),
		cmocka_unit_test(test_pickup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
