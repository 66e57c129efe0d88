// SPDX-License-Identifier: BSD-2-Clause
/* Later fragments and the flow of their datagram: they count for it, and must lie in its window. */
#include "tests/unit/core/fragment/fragments.h"

static void handshake(void)
{
	assert_int_equal(tcp(false, 0, 0, false, 20, 999, 0, KS_TCP_SYN), NEW);
	assert_int_equal(tcp(true, 0, 0, false, 20, 4999, 1000, KS_TCP_SYN | KS_TCP_ACK), EST);
	assert_int_equal(tcp(false, 0, 0, false, 20, 1000, 5000, KS_TCP_ACK), EST);
}

/* The flow learns where the whole segment ends, or its acknowledgement would be of unsent data. */
static void test_tcp_segment(void **state)
{
	handshake();
	assert_int_equal(tcp(false, 7, 0, true, 120, 1000, 5000, KS_TCP_ACK), EST);
	assert_int_equal(last.flow.after.end[KS_ORIGINAL], 1100);
	assert_int_equal(tcp(false, 7, 120, true, 80, 0, 0, 0), EST);
	assert_int_equal(tcp(false, 7, 200, false, 50, 0, 0, 0), EST);
	assert_int_equal(last.flow.after.end[KS_ORIGINAL], 1230);
	assert_int_equal(tcp(true, 0, 0, false, 20, 5000, 1231, KS_TCP_ACK), KS_REASON_TCP_ACK_AHEAD);
	assert_int_equal(tcp(true, 0, 0, false, 20, 5000, 1230, KS_TCP_ACK), EST);
	/* The last one first: it waits. A FIN counts. */
	assert_int_equal(tcp(false, 8, 120, false, 30, 0, 0, 0), HELD);
	assert_int_equal(tcp(false, 8, 0, true, 120, 1230, 5000, KS_TCP_FIN | KS_TCP_ACK), EST);
	assert_int_equal(last.verdict.state, KS_STATE_TCP_FIN_WAIT);
}

static void test_tcp_window(void **state)
{
	handshake();
	assert_int_equal(tcp(false, 7, 0, true, 120, 1000, 5000, KS_TCP_ACK), EST);
	assert_int_equal(tcp(false, 7, 1024, false, 17, 0, 0, 0), KS_REASON_TCP_WINDOW_SEQ);
	assert_int_equal(tcp(false, 7, 120, true, 80, 0, 0, 0), DEAD);
	/* One byte less is in the window. */
	assert_int_equal(tcp(false, 8, 0, true, 120, 1000, 5000, KS_TCP_ACK), EST);
	assert_int_equal(tcp(false, 8, 1016, false, 4, 0, 0, 0), EST);
	assert_int_equal(last.flow.after.end[KS_ORIGINAL], 2000);
}

static void test_flow_gone(void **state)
{
	struct ks_entry e = { 0 };

	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	e.key = last.flow.key;
	e.clock = last.flow.clock;
	assert_true(ks_table_kill(env, &e, KS_END_KILLED));
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_NO_STATE);
	/* Another flow in its place is not its. */
	{
		struct frame f;

		header_put(&f, false, KS_PROTO_UDP, 9, 0, true, 64);
		frame_udp(&f, 4001, 53, 200);
		frame_zeros(&f, 56);
		assert_int_equal(inspect(&f, false), NEW);
	}
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_FRAGMENT_AGAIN);
	assert_int_equal(udp(false, 7, 128, true, 64), KS_REASON_NO_STATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_tcp_segment),
		BOTH(test_tcp_window),
		BOTH(test_flow_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
