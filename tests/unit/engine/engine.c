// SPDX-License-Identifier: BSD-2-Clause
/* The native home: its clock, its sweeping, its snapshot of flows, a change of policy that keeps them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "engine/engine.h"

#define SECOND KS_NSEC_PER_SEC
#define DAY (24 * 3600 * SECOND)

static struct ks_config config;
static const struct ks_rule rules[] = {
	{ .from_zones = KS_ZONES_ANY,
	  .to_zones = KS_ZONES_ANY,
	  .id = 1,
	  .action = KS_ALLOW,
	  .flags = KS_RULE_ANY_PROTO },
};

static struct ks_tables tables_make(void)
{
	config = (struct ks_config){ .rules = 1, .limit_states = 64, .limit_half_open = 64 };
#define X(state, seconds) config.timeout[KS_STATE_##state] = (seconds) * KS_MSEC_PER_SEC;
	KS_TIMEOUT_DEFAULTS(X)
#undef X
	return (struct ks_tables){ .config = &config, .rules = rules };
}

static struct ks_engine *engine_make(void)
{
	struct ks_tables tables = tables_make();
	struct ks_engine *engine = NULL;

	assert_int_equal(ks_engine_create(&tables, &engine), 0);
	return engine;
}

static struct ks_flow_key key_of(__u16 n)
{
	return (struct ks_flow_key){ .proto = KS_PROTO_UDP, .family = KS_IPV4, .port = { 53, n } };
}

static struct ks_flow flow_at(const struct ks_engine *engine, __u32 timeout_ms)
{
	return (struct ks_flow){ .state = KS_STATE_UDP_STREAM,
				 .seen = (__u32)(ks_engine_time(engine) / KS_NSEC_PER_MSEC),
				 .timeout = timeout_ms,
				 .rule = 1,
				 .packets_low = { 3, 4 },
				 .volume = { 300, 400 } };
}

static int count_one(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	++*(unsigned *)arg;
	return 0;
}

static unsigned live(struct ks_engine *engine)
{
	unsigned count = 0;

	assert_int_equal(ks_engine_each_flow(engine, count_one, &count), 0);
	return count;
}

static void test_bounds(void **state)
{
	struct ks_tables tables = tables_make();
	struct ks_engine *engine = (void *)1;

	config.limit_states = KS_LIMIT_STATES_MIN - 1;
	assert_int_equal(ks_engine_create(&tables, &engine), -EINVAL);
	config.limit_states = KS_LIMIT_STATES_MAX + 1;
	assert_int_equal(ks_engine_create(&tables, &engine), -EINVAL);
	assert_ptr_equal(engine, (void *)1);
}

static void test_clock_never_goes_back(void **state)
{
	struct ks_engine *engine = engine_make();

	ks_engine_set_time(engine, 5 * SECOND);
	ks_engine_set_time(engine, 4 * SECOND);
	assert_int_equal(ks_engine_time(engine), 5 * SECOND);
	ks_engine_destroy(engine);
}

/* However far the clock jumps, what is dead then is dead, and its totals are the rule's; what lives, lives. */
static void test_jumps(void **state)
{
	static const __u64 starts[] = { SECOND, 1700000000ULL * SECOND };
	static const unsigned days[] = { 1, 15, 24, 25, 26, 30, 40, 49, 50, 51, 75, 99, 100, 365, 3650 };

	for (unsigned s = 0; s < 2; s++) {
		for (size_t i = 0; i < KS_ARRAY_SIZE(days); i++) {
			struct ks_engine *engine = engine_make();
			struct ks_flow_key key = key_of(1), lasting = key_of(2);
			struct ks_flow flow;

			ks_engine_set_time(engine, starts[s]);
			flow = flow_at(engine, 180000);
			assert_int_equal(ks_engine_add_flow(engine, &key, &flow), 0);
			assert_int_equal(ks_engine_add_flow(engine, &key, &flow), -EEXIST);
			flow.timeout = KS_TIMEOUT_MAX_MS;
			assert_int_equal(ks_engine_add_flow(engine, &lasting, &flow), 0);
			ks_engine_set_time(engine, starts[s] + days[i] * DAY);
			assert_int_equal(ks_engine_time(engine), starts[s] + days[i] * DAY);
			assert_int_equal(live(engine), days[i] * 24ULL * 3600 * 1000 <= KS_TIMEOUT_MAX_MS);
			ks_engine_sweep(engine);
			assert_int_equal(ks_engine_counts(engine)->flows, live(engine));
			assert_int_equal(ks_engine_rule_count(engine, 1)->packets, 7 * (2 - live(engine)));
			assert_int_equal(ks_engine_rule_count(engine, 1)->bytes, 700 * (2 - live(engine)));
			ks_engine_destroy(engine);
		}
	}
}

static void test_new_policy_keeps_flows(void **state)
{
	struct ks_engine *engine = engine_make();
	struct ks_config denies = config;
	struct ks_flow_key key = key_of(1);
	struct ks_flow flow;

	ks_engine_set_time(engine, SECOND);
	flow = flow_at(engine, 180000);
	assert_int_equal(ks_engine_add_flow(engine, &key, &flow), 0);
	denies.rules = 0;
	ks_engine_set_tables(engine, &(struct ks_tables){ .config = &denies });
	assert_int_equal(live(engine), 1);
	ks_engine_destroy(engine);
}

/* A full engine says so. */
static void test_full(void **state)
{
	struct ks_engine *engine = engine_make();
	struct ks_flow flow;
	unsigned added = 0;

	ks_engine_set_time(engine, SECOND);
	flow = flow_at(engine, 180000);
	for (__u16 n = 1; n <= 100; n++) {
		struct ks_flow_key key = key_of(n);
		int err = ks_engine_add_flow(engine, &key, &flow);

		assert_true(err == 0 || err == -ENOSPC);
		added += !err;
	}
	assert_in_range(added, 60, 64);
	assert_int_equal(live(engine), added);
	ks_engine_destroy(engine);
}

/* A UDP datagram between a few hosts and ports, so that bursts hold several of one flow, and some that are no packet. */
static void datagram_make(__u8 frame[60], __u32 random)
{
	__u32 sum = 0;

	memset(frame, 0, 60);
	frame[12] = 0x08;
	frame[13] = random % 61 == 0 ? 0x06 : 0x00; /* ARP, or IPv4 */
	frame[14] = random % 53 == 0 ? 0x46 : 0x45;
	frame[17] = 46;
	frame[22] = 64;
	frame[23] = 17;
	frame[26] = frame[30] = 10;
	frame[29] = random >> 8 & 1;
	frame[33] = random >> 11 & 1;
	frame[35] = 1 + (random >> 14 & 1);
	frame[37] = 1 + (random >> 16 & 1);
	frame[39] = 26;
	for (unsigned i = 14; i < 34; i += 2)
		sum += (__u32)frame[i] << 8 | frame[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (__u8)(sum >> 8);
	frame[25] = (__u8)sum;
}

/* A burst comes to the same as its frames one by one. */
static void test_bursts(void **state)
{
	struct ks_engine *single = engine_make(), *burst = engine_make();
	static struct ks_inspection insp[3 * KS_BURST_MAX], one;
	static __u8 data[3 * KS_BURST_MAX][60];
	struct ks_frame frames[3 * KS_BURST_MAX];
	__u32 random = 1;

	for (unsigned round = 0; round < 500; round++) {
		unsigned count = 1 + round % (3 * KS_BURST_MAX); /* with more than KS_BURST_MAX it is several */

		ks_engine_set_time(single, (round + 1) * SECOND);
		ks_engine_set_time(burst, (round + 1) * SECOND);
		for (unsigned i = 0; i < count; i++) {
			random = random * 1664525 + 1013904223;
			datagram_make(data[i], random);
			frames[i] = (struct ks_frame){ data[i], 60, 60, KS_LINK_ETHERNET, 2, 2 };
		}
		ks_engine_inspect_burst(burst, frames, count, false, insp);
		for (unsigned i = 0; i < count; i++) {
			ks_engine_inspect(single, &frames[i], false, &one);
			assert_int_equal(insp[i].verdict.action, one.verdict.action);
			assert_int_equal(insp[i].verdict.reason, one.verdict.reason);
			assert_int_equal(insp[i].verdict.state, one.verdict.state);
			assert_int_equal(insp[i].dir, one.dir);
			assert_memory_equal(insp[i].flow.after.packets_low, one.flow.after.packets_low,
					    sizeof(one.flow.after.packets_low));
		}
	}
	assert_memory_equal(ks_engine_reasons(single), ks_engine_reasons(burst),
			    KS_REASON_MAX * sizeof(struct ks_count));
	assert_true(ks_engine_reasons(burst)[KS_REASON_OK_ESTABLISHED].packets > 0);
	assert_true(ks_engine_reasons(burst)[KS_REASON_OK_NOT_IP].packets > 0);
	ks_engine_destroy(single);
	ks_engine_destroy(burst);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_clock_never_goes_back),
		cmocka_unit_test(test_jumps),  cmocka_unit_test(test_new_policy_keeps_flows),
		cmocka_unit_test(test_full),   cmocka_unit_test(test_bursts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
