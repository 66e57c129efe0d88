// SPDX-License-Identifier: BSD-2-Clause
/* Timeouts that shrink as the table fills: the rule by itself, and that a packet's flow gets what it says. */
#include "tests/unit/core/test_home.h"

#include "core/table/timeout.h"

#define MINUTE_MS 60000U
#define DAY_MS (24 * 3600 * 1000U)

static __u32 shrunk(__u32 state, __u8 flags, __u32 timeout, __u32 flows)
{
	struct ks_config config = { .adaptive_low = 600, .adaptive_high = 900 };
	struct ks_flow flow = { .state = (__u8)state, .flags = flags, .timeout = timeout };

	return ks_timeout_adapt(&config, &flow, flows);
}

static void test_nothing_below_the_low_mark(void **state)
{
	assert_int_equal(shrunk(KS_STATE_UDP_SINGLE, 0, 30000, 0), 30000);
	assert_int_equal(shrunk(KS_STATE_UDP_SINGLE, 0, 30000, 600), 30000);
	assert_int_equal(shrunk(KS_STATE_TCP_ESTABLISHED, KS_FLOW_ASSURED, DAY_MS, 600), DAY_MS);
}

static void test_linear_between_the_marks(void **state)
{
	assert_int_equal(shrunk(KS_STATE_UDP_SINGLE, 0, 30000, 630), 27000);
	assert_int_equal(shrunk(KS_STATE_UDP_SINGLE, 0, 30000, 750), 15000);
	assert_int_equal(shrunk(KS_STATE_UDP_SINGLE, 0, 30000, 870), 3000);
	assert_int_equal(shrunk(KS_STATE_TCP_ESTABLISHED, KS_FLOW_ASSURED, DAY_MS, 750), DAY_MS / 2);
	/* No overflow at the longest timeout. */
	assert_int_equal(shrunk(KS_STATE_TCP_ESTABLISHED, KS_FLOW_ASSURED, KS_TIMEOUT_MAX_MS, 750),
			 KS_TIMEOUT_MAX_MS / 2);
}

static void test_floors(void **state)
{
	for (__u32 flows = 899; flows < 1002; flows += 51) {
		assert_int_equal(shrunk(KS_STATE_UDP_SINGLE, 0, 30000, flows), 1000);
		assert_int_equal(shrunk(KS_STATE_TCP_SYN_SENT, 0, MINUTE_MS, flows), 1000);
		/* Both speak: a pause of five minutes is theirs. */
		assert_int_equal(shrunk(KS_STATE_OTHER_STREAM, KS_FLOW_ASSURED, 600000, flows), 5 * MINUTE_MS);
		assert_int_equal(shrunk(KS_STATE_TCP_CLOSE_WAIT, KS_FLOW_ASSURED, 3600000, 1000), 1000);
		assert_int_equal(shrunk(KS_STATE_TCP_TIME_WAIT, KS_FLOW_ASSURED, MINUTE_MS, flows), 1000);
		/* Never longer than without. */
		assert_int_equal(shrunk(KS_STATE_UDP_STREAM, KS_FLOW_ASSURED, 180000, flows), 180000);
		assert_int_equal(shrunk(KS_STATE_UDP_SINGLE, 0, 1000, flows), 1000);
	}
	assert_int_equal(shrunk(KS_STATE_TCP_ESTABLISHED, KS_FLOW_ASSURED, DAY_MS, 900), 5 * MINUTE_MS);
}

/* Opens the n-th UDP flow; returns the timeout that it got. */
static __u32 open_flow(struct ks_env *env, __u16 n)
{
	struct ks_inspection insp = { 0 };
	struct frame f = { 0 };

	frame_ethernet(&f, 0x0800, 0);
	frame_ipv4(&f, KS_PROTO_UDP, 5, 1, 0, 8);
	frame_udp(&f, n, 9999, 0);
	assert_int_equal(test_inspect(env, &f, ZONE_LAN, ZONE_WAN, KS_NSEC_PER_SEC, &insp), KS_ALLOW);
	return insp.flow.after.timeout;
}

static void test_a_flow_gets_it(void **state)
{
	struct ks_env *env = test_env_create(64);
	__u32 usual;

	env->rules = &test_allow_all;
	env->config.rules = 1;
	usual = open_flow(env, 1);
	for (__u16 n = 2; n <= 20; n++)
		assert_int_equal(open_flow(env, n), usual);
	env->config.adaptive_low = 10;
	env->config.adaptive_high = 30;
	assert_int_equal(open_flow(env, 21), usual / 2);
	assert_int_equal(open_flow(env, 1), usual * 9 / 20); /* a flow that goes on, too */
	env->config.adaptive_low = env->config.adaptive_high = 0;
	assert_int_equal(open_flow(env, 1), usual);
	test_env_destroy(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_below_the_low_mark),
		cmocka_unit_test(test_linear_between_the_marks),
		cmocka_unit_test(test_floors),
		cmocka_unit_test(test_a_flow_gets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
