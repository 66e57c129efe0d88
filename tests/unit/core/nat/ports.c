// SPDX-License-Identifier: BSD-2-Clause
/*
 * All ports towards a server are in use (core/nat/port.h): a newcomer gets that of a flow that is not proven and has been silent, and
 * the search for it is not paid in full by each of them.
 */
#include "tests/unit/core/test_home.h"

#include "core/nat/port.h"

#include "core/verdict.h"

#define START (1000 * KS_NSEC_PER_SEC)
#define LATER (START + 3 * KS_NSEC_PER_SEC) /* longer than KS_PORT_SILENT_MS */
#define GREEDY 1 /* the host that takes all ports */
#define SERVER 2
#define OTHER 3
#define OUTER 9
#define PORTS 1024
#define FIRST_PORT 40000
#define BUCKETS 1024 /* with room for twice as many entries as there are */
#define LOOKS 4 /* into the table, that a port which is in use costs at most */

static const struct ks_target targets[] = {
	{ .kind = KS_TARGET_RANGE,
	  .family = KS_IPV4,
	  .flags = KS_TARGET_PORTS,
	  .port_lo = FIRST_PORT,
	  .port_hi = FIRST_PORT + PORTS - 1,
	  .lo = { 0, 0x0a000000 + OUTER },
	  .hi = { 0, 0x0a000000 + OUTER } },
};

static struct ks_rule rules[2];
static struct ks_inspection last;
static struct ks_env *env;
static __u32 looks;

static void on_bucket(struct ks_env *home, __u32 index)
{
	looks++;
}

static int setup(void **state)
{
	env = test_env_create(BUCKETS);
	test_env_translate(env, rules, targets);
	env->on_bucket = on_bucket;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

static __u32 udp(__u8 src, __u16 sport, __u8 dst, __u16 dport, __u64 now)
{
	bool out = dst == SERVER;
	struct frame f = { 0 };

	frame_ethernet(&f, 0x0800, 0);
	frame_ipv4(&f, KS_PROTO_UDP, src, dst, 0, 8);
	frame_udp(&f, sport, dport, 0);
	env->frame = &f;
	looks = 0;
	test_inspect(env, &f, out ? ZONE_LAN : ZONE_WAN, out ? ZONE_WAN : ZONE_LAN, now, &last);
	env->frame = NULL;
	return last.verdict.reason;
}

/* Takes every port, and has all but each `unproven`-th answered for long enough to be proven. */
static void take_all(__u32 unproven)
{
	for (__u32 i = 0; i < PORTS; i++) {
		__u16 sport = (__u16)(10000 + i), port;

		while (udp(GREEDY, sport, SERVER, 53, START) == KS_REASON_NO_PORT)
			;
		assert_int_equal(last.verdict.reason, KS_REASON_OK_NEW);
		port = ks_be16(last.sent.sport);
		if (i % unproven == 0)
			continue;
		for (__u32 s = 0; s < 3; s++) {
			assert_int_equal(udp(SERVER, 53, OUTER, port, START + s * KS_NSEC_PER_SEC),
					 KS_REASON_OK_ESTABLISHED);
			assert_int_equal(udp(GREEDY, sport, SERVER, 53, START + s * KS_NSEC_PER_SEC),
					 KS_REASON_OK_ESTABLISHED);
		}
	}
	assert_int_equal(env->counts.records[KS_KIND_FLOW], PORTS);
}

/* Where all may go, every newcomer gets in at once, and only the first one looks at all of them. */
static void test_newcomers_are_cheap(void **state)
{
	take_all(1);
	assert_int_equal(udp(OTHER, 999, SERVER, 53, LATER), KS_REASON_OK_NEW);
	for (__u16 i = 0; i < PORTS / 32; i++) {
		assert_int_equal(udp(OTHER, 1000 + i, SERVER, 53, LATER), KS_REASON_OK_NEW);
		assert_in_range(looks, 1, LOOKS * (KS_PORT_STALE + 8));
	}
	assert_int_equal(env->counts.records[KS_KIND_FLOW], PORTS);
}

/* Where few may go, newcomers that do not come all at once get in as well, and none takes a proven flow's port. */
static void test_few_may_go(void **state)
{
	take_all(64);
	for (__u16 i = 0; i < PORTS / 64; i++)
		assert_int_equal(udp(OTHER, 1000 + i, SERVER, 53, LATER + i * 32 * KS_NSEC_PER_MSEC), KS_REASON_OK_NEW);
	assert_int_equal(udp(OTHER, 2000, SERVER, 53, LATER + KS_NSEC_PER_SEC / 2), KS_REASON_NO_PORT);
	assert_int_equal(env->counts.records[KS_KIND_FLOW], PORTS);
}

/* Where none may go, a flood gets nothing, and is paid for by the millisecond. */
static void test_none_may_go(void **state)
{
	__u32 all = 0;

	take_all(PORTS);
	assert_int_equal(udp(OTHER, 999, SERVER, 53, LATER), KS_REASON_OK_NEW);
	for (__u16 i = 0; i < 1000; i++) {
		assert_int_equal(udp(OTHER, 1000 + i, SERVER, 53, LATER + i * KS_NSEC_PER_MSEC / 100),
				 KS_REASON_NO_PORT);
		all += looks;
	}
	/* tries earned by the search before, and those of 10 ms */
	assert_in_range(all, 1000, LOOKS * (KS_PORT_EARNED + 1000 * 4 + 10 * KS_PORT_PACE));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_newcomers_are_cheap),
		TEST(test_few_may_go),
		TEST(test_none_may_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
