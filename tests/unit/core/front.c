// SPDX-License-Identifier: BSD-2-Clause
/* The front: it refuses what the inspection would, leaves the rest to that, and changes nothing for it. */
#include "core/front.h"

#include "core/header/wire.h"
#include "tests/unit/core/test_home.h"

#define NOW (1000 * KS_NSEC_PER_SEC)
#define BUCKETS 8
#define DENIED 23 /* ports */
#define REJECTED 25
#define OPEN 80
#define HOME 1 /* hosts: of the sender's network */
#define FORGED 9 /* an address of the box */

static const struct ks_range ports[] = { { .lo = { 0, DENIED }, .hi = { 0, DENIED } },
					 { .lo = { 0, REJECTED }, .hi = { 0, REJECTED } },
					 { .lo = { 0, OPEN }, .hi = { 0, OPEN } } };
static const struct ks_set sets[] = {
	{ 0 }, { .first4 = 0, .count4 = 1 }, { .first4 = 1, .count4 = 1 }, { .first4 = 2, .count4 = 1 }
};
#define RULE(n, what)                 \
	{ .from_zones = KS_ZONES_ANY, \
	  .to_zones = KS_ZONES_ANY,   \
	  .dport_set = (n),           \
	  .id = (n),                  \
	  .action = (what),           \
	  .flags = KS_RULE_ANY_PROTO }
static const struct ks_rule rules[] = { RULE(1, KS_DENY), RULE(2, KS_REJECT), RULE(3, KS_ALLOW) };

static int setup(void **state)
{
	struct ks_env *env = test_env_create(BUCKETS);

	env->rules = rules;
	env->sets = sets;
	env->ranges = ports;
	env->config.rules = KS_ARRAY_SIZE(rules);
	env->config.sets = KS_ARRAY_SIZE(sets);
	env->config.ranges = KS_ARRAY_SIZE(ports);
	env->config.limit_states = 32;
	env->config.limit_half_open = 16;
	env->config.limit_answers = env->config.limit_answers_source = 1;
	env->config.addressed = 1ULL << ZONE_LAN;
	ks_addr_set_ipv4(&env->config.address[ZONE_LAN][0], ks_be32(0x0a000000U | FORGED));
	env->config.outside[0] = KS_ZONES_ANY;
	env->checksum_ok = true;
	*state = env;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(*state);
	return 0;
}

static void segment_make(struct frame *frame, __u8 host, __u16 port, __u8 flags)
{
	memset(frame, 0, sizeof(*frame));
	frame_ethernet(frame, 0x0800, 0);
	frame_ipv4(frame, KS_PROTO_TCP, host, 2, 0, 20);
	frame_tcp(frame, 1000, port, 1, 0, flags, 100);
}

/* Asks the front, which must change nothing: no entry, no count, no rate. */
static bool ask(struct ks_env *env, const struct frame *frame, struct ks_inspection *insp)
{
	static struct ks_env before;
	static struct ks_bucket buckets[BUCKETS + (BUCKETS + KS_TAGS_IN_PAGE - 1) / KS_TAGS_IN_PAGE];
	bool refused;

	memcpy(&before, env, sizeof(before));
	memcpy(buckets, env->buckets, sizeof(buckets));
	refused = test_front(env, frame, ZONE_WAN, ZONE_LAN, NOW, insp);
	assert_memory_equal(&before, env, sizeof(before));
	assert_memory_equal(buckets, env->buckets, sizeof(buckets));
	return refused;
}

/* Returns true if the front refuses the frame, which must be for that reason, and is counted once. */
static bool refuses_changed(struct ks_env *env, const struct frame *frame, __u32 reason)
{
	struct ks_inspection insp;

	if (!test_front(env, frame, ZONE_WAN, ZONE_LAN, NOW, &insp))
		return false;
	assert_int_equal(insp.verdict.reason, reason);
	ks_inspect_end(env, &insp);
	assert_int_equal(env->reasons[reason], 1);
	env->reasons[reason] = 0;
	return true;
}

static bool refuses(struct ks_env *env, const struct frame *frame, __u32 reason)
{
	struct ks_inspection insp;

	return ask(env, frame, &insp) && refuses_changed(env, frame, reason);
}

/* Each with the reason that the inspection gives. */
static void test_refused(void **state)
{
	static const struct {
		__u8 host;
		__u16 port;
		__u8 flags;
		__u32 reason;
	} cases[] = {
		{ HOME, DENIED, KS_TCP_SYN, KS_REASON_RULE },
		{ HOME, 9999, KS_TCP_SYN, KS_REASON_NO_RULE },
		{ HOME, OPEN, KS_TCP_ACK, KS_REASON_NO_STATE },
		{ HOME, OPEN, KS_TCP_SYN | KS_TCP_FIN, KS_REASON_TCP_FLAGS },
		{ FORGED, OPEN, KS_TCP_SYN, KS_REASON_SPOOFED },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct ks_env *env = *state;
		struct ks_inspection insp;
		struct frame frame;

		segment_make(&frame, cases[i].host, cases[i].port, cases[i].flags);
		assert_true(refuses(env, &frame, cases[i].reason));
		test_inspect(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp);
		assert_int_equal(insp.verdict.reason, cases[i].reason);
		assert_int_equal(insp.verdict.action, KS_DENY);
		env->reasons[cases[i].reason] = 0;
	}
}

/* A packet that may open a flow is left to the inspection, and then all that the flow knows, whatever it is. */
static void test_left(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	segment_make(&frame, HOME, OPEN, KS_TCP_SYN);
	assert_false(ask(env, &frame, &insp));
	test_inspect(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp);
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_NEW);
	segment_make(&frame, HOME, OPEN, KS_TCP_ACK);
	assert_false(ask(env, &frame, &insp));
	segment_make(&frame, HOME, OPEN, KS_TCP_RST);
	assert_false(ask(env, &frame, &insp));
}

static void test_fragment(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	segment_make(&frame, HOME, DENIED, KS_TCP_SYN);
	frame.data[14 + IPV4_FRAGMENT_OFF] = 0x20;
	frame_ipv4_checksum(&frame, 14);
	assert_false(ask(env, &frame, &insp));
}

/* A reject is left to the inspection, which answers it, until that would not answer either. */
static void test_reject(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	segment_make(&frame, HOME, REJECTED, KS_TCP_SYN);
	assert_false(ask(env, &frame, &insp));
	test_inspect(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp);
	assert_int_equal(insp.verdict.action, KS_REJECT);
	env->reasons[KS_REASON_RULE] = 0;
	assert_true(refuses(env, &frame, KS_REASON_RULE));
	assert_int_equal(env->answers.withheld, 1);
}

/* A SYN is challenged by the front, and it hears the answer; a source that is proven is left to the inspection, with all its uses. */
static void test_challenge(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;
	__u32 acknowledged;

	env->config.challenge_always = 1ULL << ZONE_WAN;
	segment_make(&frame, HOME, OPEN, KS_TCP_SYN);
	assert_true(test_front(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp));
	assert_int_equal(insp.verdict.reason, KS_REASON_CHALLENGED);
	assert_int_equal(ks_inspect_end(env, &insp), KS_REJECT);
	acknowledged = insp.challenge.ack;
	segment_make(&frame, HOME, OPEN, KS_TCP_RST);
	assert_true(refuses_changed(env, &frame, KS_REASON_NO_STATE));
	memcpy(frame.data + 14 + 20 + 4, &(__be32){ ks_be32(acknowledged) }, 4);
	assert_true(refuses_changed(env, &frame, KS_REASON_CHALLENGE_ANSWERED));
	assert_int_equal(env->challenges.zone[ZONE_WAN].proven, 1);
	segment_make(&frame, HOME, OPEN, KS_TCP_SYN);
	assert_false(ask(env, &frame, &insp));
}

/* The repetition that passes without an answer is one for the inspection, too. */
static void test_challenge_unanswered(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	env->config.challenge_always = 1ULL << ZONE_WAN;
	segment_make(&frame, HOME, OPEN, KS_TCP_SYN);
	for (__u32 i = 0; i < KS_CHALLENGE_REPEATS; i++)
		assert_true(test_front(env, &frame, ZONE_WAN, ZONE_LAN, NOW - (4 - i) * KS_NSEC_PER_SEC, &insp));
	assert_false(ask(env, &frame, &insp));
	test_inspect(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp);
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_NEW);
}

/* A wrong checksum may be one that is not finished yet. */
static void test_challenge_checksum(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	env->config.challenge_always = 1ULL << ZONE_WAN;
	env->config.options |= KS_OPT_STATE_CHECKSUM;
	env->checksum_ok = false;
	segment_make(&frame, HOME, OPEN, KS_TCP_SYN);
	assert_false(ask(env, &frame, &insp));
}

static void protect(struct ks_env *env, __u32 item)
{
	struct ks_protection *protection = &env->config.protection[ZONE_WAN];

	env->config.options |= KS_OPT_PROTECT;
	protection->items = (__u16)(1U << item);
	protection->flags = KS_PROTECT_SYN_DROP;
	protection->rate[KS_PROTECT_SYN_FLOOD] = 1;
}

/* An odd packet is refused for what it is; one that only looks odd is left to the inspection. */
static void test_oddity(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	memset(&frame, 0, sizeof(frame));
	frame_ethernet(&frame, 0x0800, 0);
	frame_ipv4(&frame, KS_PROTO_UNASSIGNED, HOME, 2, 0, 20);
	frame.len += 20;
	protect(env, KS_PROTECT_UNASSIGNED);
	assert_true(refuses(env, &frame, KS_REASON_UNASSIGNED_PROTOCOL));
	protect(env, KS_PROTECT_FRAGGLE);
	assert_false(ask(env, &frame, &insp));
}

/* Below a threshold the inspection counts, above it the front refuses, and that counts nothing. */
static void test_threshold(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	protect(env, KS_PROTECT_SYN_FLOOD);
	segment_make(&frame, HOME, OPEN, KS_TCP_SYN);
	assert_false(ask(env, &frame, &insp));
	test_inspect(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp);
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_NEW);
	segment_make(&frame, HOME + 2, OPEN, KS_TCP_SYN);
	assert_true(refuses(env, &frame, KS_REASON_SYN_FLOOD));
	assert_false(test_front(env, &frame, ZONE_WAN, ZONE_LAN, NOW + KS_NSEC_PER_SEC, &insp));
	env->config.options |= KS_OPT_STATE_CHECKSUM;
	env->checksum_ok = false;
	assert_false(ask(env, &frame, &insp));
}

/* A SYN that the front challenges comes to nobody else, who would count it. */
static void test_threshold_challenged(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	protect(env, KS_PROTECT_SYN_FLOOD);
	env->config.challenge_always = 1ULL << ZONE_WAN;
	segment_make(&frame, HOME, OPEN, KS_TCP_SYN);
	assert_true(test_front(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp));
	assert_int_equal(insp.verdict.reason, KS_REASON_CHALLENGED);
	segment_make(&frame, HOME + 2, OPEN, KS_TCP_SYN);
	assert_true(refuses(env, &frame, KS_REASON_SYN_FLOOD));
}

/* Beyond its threshold a destination is challenged; a source that is proven goes on to the inspection. */
static void test_threshold_challenges(void **state)
{
	struct ks_env *env = *state;
	struct ks_inspection insp;
	struct frame frame;

	protect(env, KS_PROTECT_SYN_FLOOD);
	env->config.protection[ZONE_WAN].flags = 0;
	segment_make(&frame, HOME, OPEN, KS_TCP_SYN);
	test_inspect(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp);
	segment_make(&frame, HOME + 2, OPEN, KS_TCP_SYN);
	assert_true(test_front(env, &frame, ZONE_WAN, ZONE_LAN, NOW, &insp));
	assert_int_equal(insp.verdict.reason, KS_REASON_CHALLENGED);
	segment_make(&frame, HOME + 2, OPEN, KS_TCP_RST);
	memcpy(frame.data + 14 + 20 + 4, &(__be32){ ks_be32(insp.challenge.ack) }, 4);
	assert_true(refuses_changed(env, &frame, KS_REASON_CHALLENGE_ANSWERED));
	segment_make(&frame, HOME + 2, OPEN, KS_TCP_SYN);
	assert_false(ask(env, &frame, &insp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fragment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reject, setup, teardown),
		cmocka_unit_test_setup_teardown(test_challenge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_challenge_unanswered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_challenge_checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_oddity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threshold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threshold_challenged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threshold_challenges, setup, teardown),
	};

	return cmocka_run_group_tests_name("core/front", tests, NULL, NULL);
}
