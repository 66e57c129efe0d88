// SPDX-License-Identifier: BSD-2-Clause
/* Express: it judges as the inspection would, and changes nothing before it commits; what it leaves it has not touched. */
#include "core/express.h"

#include "core/header/wire.h"
#include "tests/unit/core/test_home.h"

#define NOW (1000 * KS_NSEC_PER_SEC)
#define BUCKETS 8
#define CLIENT 1
#define SERVER 2
#define SPORT 5000
#define DPORT 6000

static const struct ks_rule rules[] = {
	{ .from_zones = 1ULL << ZONE_LAN,
	  .to_zones = KS_ZONES_ANY,
	  .id = 1,
	  .action = KS_ALLOW,
	  .flags = KS_RULE_ANY_PROTO },
};

static int setup(void **state)
{
	struct ks_env *env = test_env_create(BUCKETS);

	env->rules = rules;
	env->config.rules = KS_ARRAY_SIZE(rules);
	env->config.limit_states = 32;
	env->config.limit_half_open = 16;
	env->checksum_ok = true;
	*state = env;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(*state);
	return 0;
}

/* A datagram of the client, or of the server. */
static void datagram_make(struct frame *frame, bool answers)
{
	const __u32 payload = 32;

	memset(frame, 0, sizeof(*frame));
	frame_ethernet(frame, 0x0800, 0);
	frame_ipv4(frame, KS_PROTO_UDP, answers ? SERVER : CLIENT, answers ? CLIENT : SERVER, 0, 8 + payload);
	frame_udp(frame, answers ? DPORT : SPORT, answers ? SPORT : DPORT, payload);
	frame->len += payload;
}

static void inspect(struct ks_env *env, bool answers, __u32 reason)
{
	struct ks_inspection insp;
	struct frame frame;

	datagram_make(&frame, answers);
	test_inspect(env, &frame, answers ? ZONE_WAN : ZONE_LAN, answers ? ZONE_LAN : ZONE_WAN, NOW, &insp);
	assert_int_equal(insp.verdict.reason, reason);
}

/* Asks express, which must change nothing: no entry, no count. */
static bool ask(struct ks_env *env, bool answers, __u8 from, struct ks_inspection *insp)
{
	static struct ks_env before;
	static struct ks_bucket buckets[BUCKETS + (BUCKETS + KS_TAGS_IN_PAGE - 1) / KS_TAGS_IN_PAGE];
	struct frame frame;
	bool passes;

	datagram_make(&frame, answers);
	memcpy(&before, env, sizeof(before));
	memcpy(buckets, env->buckets, sizeof(buckets));
	passes = test_express(env, &frame, from, NOW, insp);
	assert_memory_equal(&before, env, sizeof(before));
	assert_memory_equal(buckets, env->buckets, sizeof(buckets));
	return passes;
}

/* A packet that no flow knows, and an answer that moves its flow, are left to the inspection. */
static void test_left(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;

	assert_false(ask(env, false, ZONE_LAN, &insp));
	assert_false(insp.flow.found);
	inspect(env, false, KS_REASON_OK_NEW);
	assert_false(ask(env, true, ZONE_WAN, &insp));
	assert_true(insp.flow.found);
	inspect(env, true, KS_REASON_OK_ESTABLISHED);
	assert_false(ask(env, true, 7, &insp)); /* from another zone */
}

/* Each packet that it sends on is counted once, as by the inspection. */
static void test_sent(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;

	inspect(env, false, KS_REASON_OK_NEW);
	inspect(env, true, KS_REASON_OK_ESTABLISHED);
	assert_true(ask(env, false, ZONE_LAN, &insp));
	assert_true(ks_express_commit(env, &insp));
	assert_int_equal(insp.stage, KS_STAGE_DONE);
	assert_int_equal(ks_inspect_end(env, &insp), KS_ALLOW);
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_ESTABLISHED);
	assert_true(ask(env, true, ZONE_WAN, &insp));
	assert_int_equal(ks_flow_packets(&insp.flow.before, KS_ORIGINAL), 2);
	assert_int_equal(ks_flow_packets(&insp.flow.before, KS_REPLY), 1);
}

/* Of two processors one commits; the other's packet is left to the inspection. */
static void test_first_wins(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp, other;

	inspect(env, false, KS_REASON_OK_NEW);
	inspect(env, true, KS_REASON_OK_ESTABLISHED);
	assert_true(ask(env, false, ZONE_LAN, &insp));
	assert_true(ask(env, true, ZONE_WAN, &other));
	assert_true(ks_express_commit(env, &insp));
	assert_false(ks_express_commit(env, &other));
	inspect(env, true, KS_REASON_OK_ESTABLISHED);
	assert_true(ask(env, true, ZONE_WAN, &other));
	assert_int_equal(ks_flow_packets(&other.flow.before, KS_ORIGINAL), 2);
	assert_int_equal(ks_flow_packets(&other.flow.before, KS_REPLY), 2);
}

/* One who has heard nothing yet goes by express, too, but where a threshold counts him. */
static void test_unanswered(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;

	inspect(env, false, KS_REASON_OK_NEW);
	assert_true(ask(env, false, ZONE_LAN, &insp));
	assert_true(ks_express_commit(env, &insp));
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_NEW);
	env->config.options |= KS_OPT_PROTECT;
	assert_false(ask(env, false, ZONE_LAN, &insp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unanswered, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
