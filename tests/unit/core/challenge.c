// SPDX-License-Identifier: BSD-2-Clause
/* The challenge of a SYN, with the other home's part played by hand. */
#include "core/challenge.h"

#include "core/reject.h"
#include "core/table/share.h"
#include "tests/unit/core/test_home.h"

#define NOW (1000 * KS_NSEC_PER_SEC)
#define SYN_NUMBER 0x12345678U

struct asked {
	struct ks_inspection insp;
	struct frame frame;
	__u8 answer[KS_REJECT_MAX];
	__u32 len;
};

static int setup(void **state)
{
	struct ks_env *env = test_env_create(64);

	env->rules = &test_allow_all;
	env->config.rules = 1;
	env->config.limit_states = 256;
	env->config.limit_half_open = 64;
	env->config.challenge_always = 1ULL << ZONE_WAN;
	*state = env;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(*state);
	return 0;
}

/* Sends a segment from 10.0.0.<host> or fd00::<host>; returns the reason. */
static __u32 send(struct ks_env *env, bool v6, __u8 host, __u32 seq, __u8 flags, struct asked *asked)
{
	memset(asked, 0, sizeof(*asked));
	frame_ethernet(&asked->frame, v6 ? 0x86dd : 0x0800, 0);
	if (v6)
		frame_ipv6(&asked->frame, KS_PROTO_TCP, host, 2, 20);
	else
		frame_ipv4(&asked->frame, KS_PROTO_TCP, host, 2, 0, 20);
	frame_tcp(&asked->frame, 1000, 80, seq, 0, flags, 100);
	test_inspect(env, &asked->frame, ZONE_WAN, ZONE_LAN, NOW, &asked->insp);
	if (asked->insp.verdict.reason == KS_REASON_CHALLENGED)
		asked->len = ks_answer_build(env, &asked->insp, asked->frame.data, asked->answer);
	return asked->insp.verdict.reason;
}

static __u32 get32(const __u8 *data)
{
	return (__u32)data[0] << 24 | (__u32)data[1] << 16 | (__u32)data[2] << 8 | data[3];
}

/* The answer is a SYN+ACK of the same length, from the address that was sent to, with right checksums and a number that was not sent. */
static void test_answer(void **state)
{
	struct ks_env *env = *state;
	struct asked asked;
	const __u8 *ip = asked.answer + 14, *tcp = ip + 20;
	__u32 before;

	assert_int_equal(send(env, false, 7, SYN_NUMBER, KS_TCP_SYN, &asked), KS_REASON_CHALLENGED);
	assert_int_equal(asked.insp.verdict.action, KS_REJECT);
	assert_int_equal(asked.len, asked.frame.len);
	assert_memory_equal(ip + 12, asked.frame.data + 14 + 16, 4);
	assert_memory_equal(ip + 16, asked.frame.data + 14 + 12, 4);
	assert_int_equal(checksum_add(0, ip, 20), 0xffff);
	assert_int_equal(checksum_add(checksum_add(KS_PROTO_TCP + 20, ip + 12, 8), tcp, 20), 0xffff);
	assert_int_equal(tcp[13], KS_TCP_SYN | KS_TCP_ACK);
	before = SYN_NUMBER - get32(tcp + 8);
	assert_in_range(before, 1, 65536);
	assert_int_equal(env->counts.flows, 0);
	assert_int_equal(env->challenges.zone[ZONE_WAN].asked, 1);
}

/* Whatever the number of the SYN is, and however near to the cookie, the answer acknowledges none that was sent. */
static void test_every_number(void **state)
{
	struct ks_env *env = *state;
	struct asked asked;
	__u32 cookie;

	send(env, true, 7, SYN_NUMBER, KS_TCP_SYN, &asked);
	cookie = asked.insp.challenge.ack & 0xffff;
	for (__u32 i = 0; i < 3; i++) {
		__u32 seq = (0x7000U << 16 | cookie) + i - 1;

		assert_int_equal(send(env, true, 7, seq, KS_TCP_SYN, &asked), KS_REASON_CHALLENGED);
		assert_int_equal(asked.insp.challenge.ack & 0xffff, cookie);
		assert_in_range(seq - asked.insp.challenge.ack, 1, 65536);
	}
}

static void prove(struct ks_env *env, __u8 host)
{
	struct asked asked;

	assert_int_equal(send(env, false, host, SYN_NUMBER, KS_TCP_SYN, &asked), KS_REASON_CHALLENGED);
	assert_int_equal(send(env, false, host, asked.insp.challenge.ack, KS_TCP_RST, &asked),
			 KS_REASON_CHALLENGE_ANSWERED);
}

static void test_answered(void **state)
{
	struct ks_env *env = *state;
	struct asked asked;

	prove(env, 7);
	assert_int_equal(send(env, false, 7, SYN_NUMBER, KS_TCP_SYN, &asked), KS_REASON_OK_NEW);
	assert_int_equal(env->challenges.zone[ZONE_WAN].proven, 1);
	assert_int_equal(send(env, false, 8, SYN_NUMBER, KS_TCP_SYN, &asked), KS_REASON_CHALLENGED);
}

/* A guess is right for one number in 65,536 of each of two minutes. */
static void test_guesses(void **state)
{
	struct ks_env *env = *state;
	struct asked asked;
	__u32 right = 0;

	for (__u32 guess = 0; guess < 65536; guess++)
		right += send(env, false, 7, guess, KS_TCP_RST, &asked) == KS_REASON_CHALLENGE_ANSWERED;
	assert_in_range(right, 1, 2);
}

/* A set that is full of proven sources takes a new one in the place of any. */
static void test_eviction(void **state)
{
	struct ks_env *env = *state;
	const __u64 alive = ((NOW / KS_NSEC_PER_SEC + 100) & 0xffffff) << 8 | 10;
	unsigned replaced = 0, way[KS_CHALLENGE_WAYS] = { 0 };

	for (__u8 host = 1; host < 100; host++) {
		for (__u32 set = 0; set < KS_CHALLENGE_PROVEN_SETS; set++) {
			for (__u32 i = 0; i < KS_CHALLENGE_WAYS; i++)
				env->challenge_sets[set].word[i] = (__u64)(i + 1) << 33 | alive;
		}
		prove(env, host);
		for (__u32 set = 0; set < KS_CHALLENGE_PROVEN_SETS; set++) {
			for (__u32 i = 0; i < KS_CHALLENGE_WAYS; i++) {
				if (env->challenge_sets[set].word[i] == ((__u64)(i + 1) << 33 | alive))
					continue;
				replaced++;
				way[i]++;
			}
		}
	}
	assert_int_equal(replaced, 99);
	for (__u32 i = 0; i < KS_CHALLENGE_WAYS; i++)
		assert_in_range(way[i], 1, 40);
}

/* Nothing is remembered, counted or switched by a dry inspection. */
static void test_dry(void **state)
{
	struct ks_env *env = *state;
	struct ks_insp_challenge c = { .now = NOW, .zone = ZONE_LAN, .dry = 1, .seq = SYN_NUMBER };
	static const struct ks_challenges none;

	env->config.challenge_high = 10;
	env->config.challenge_low = 5;
	env->counts.half_open = 10;
	env->budgets[KS_SHARE_ZONE + ZONE_LAN].entries = 10;
	c.tuple = (struct ks_tuple){ .family = KS_IPV4, .proto = KS_PROTO_TCP, .sport = 1, .dport = 2 };
	assert_int_equal(ks_challenge_asks_isolated(env, &c), 1);
	assert_memory_equal(&env->challenges, &none, sizeof(none));
	for (__u32 set = 0; set < KS_CHALLENGE_SETS; set++)
		assert_int_equal(env->challenge_sets[set].word[0], 0);
}

/* Without room for the answer, or for who must not be answered, nothing is sent. */
static void test_no_answer(void **state)
{
	struct ks_env *env = *state;
	struct asked asked;

	send(env, false, 7, SYN_NUMBER, KS_TCP_SYN, &asked);
	asked.frame.data[0] = 0x01;
	assert_int_equal(ks_answer_build(env, &asked.insp, asked.frame.data, asked.answer), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guesses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eviction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
