// SPDX-License-Identifier: BSD-2-Clause
/* Connections that were ended: who is remembered, for how long, and who makes room. */
#include "core/table/ended.h"

#include "core/table/hash.h"
#include "tests/unit/core/table/table_home.h"

enum { MANY = 30000, LOST_MAX = 30, HOUR_S = KS_ENDED_MS / 1000 };

static bool is_known(struct ks_env *env, __u32 n, __u64 now)
{
	struct ks_flow_key key = key_of(n);

	return ks_ended_knows(env, &key, ks_flow_clock(now));
}

static bool kill_flow(struct ks_env *env, __u32 n, __u64 now)
{
	struct ks_inspection insp = look(env, n, now);

	return ks_table_kill(env, &insp.flow, KS_END_KILLED);
}

static void insert_and_kill(struct ks_env *env, __u32 n, __u64 now)
{
	assert_int_equal(insert(env, n, KS_STATE_TCP_ESTABLISHED, now, 60000), KS_REASON_OK_NEW);
	assert_true(kill_flow(env, n, now));
}

static void test_killed_is_known(void **state)
{
	struct ks_env *env = test_env_create(64);

	(void)state;
	insert_and_kill(env, 1, SECOND);
	assert_int_equal(insert(env, 2, KS_STATE_TCP_ESTABLISHED, SECOND, 60000), KS_REASON_OK_NEW);
	assert_true(is_known(env, 1, SECOND));
	assert_false(is_known(env, 2, SECOND));
	assert_false(kill_flow(env, 3, SECOND));
	assert_false(is_known(env, 3, SECOND));
	test_env_destroy(env);
}

/* The clock of flows wraps after 49 days. */
static void test_for_an_hour(void **state)
{
	static const __u64 starts[] = { SECOND, (1ULL << 32) * KS_NSEC_PER_MSEC - 100 * SECOND };

	(void)state;
	for (size_t i = 0; i < KS_ARRAY_SIZE(starts); i++) {
		struct ks_env *env = test_env_create(64);

		insert_and_kill(env, 1, starts[i]);
		assert_true(is_known(env, 1, starts[i] + (HOUR_S - 2) * SECOND));
		assert_false(is_known(env, 1, starts[i] + (HOUR_S + 2) * SECOND));
		insert_and_kill(env, 1, starts[i] + (HOUR_S - 2) * SECOND);
		assert_true(is_known(env, 1, starts[i] + (HOUR_S + 2) * SECOND));
		test_env_destroy(env);
	}
}

/* A protocol without a beginning needs nothing: each of its packets may open a flow. */
static void test_of_handshakes_only(void **state)
{
	struct ks_env *env = test_env_create(64);
	struct ks_inspection insp = look(env, 1, SECOND);

	(void)state;
	insp.flow.key.proto = KS_PROTO_UDP;
	ks_table_hash(env, &insp.flow);
	insp.flow.after = flow_of(KS_STATE_UDP_STREAM, SECOND, 60000);
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_OK_NEW);
	assert_true(ks_table_kill(env, &insp.flow, KS_END_KILLED));
	for (__u32 set = 0; set < KS_ENDED_SETS; set++) {
		for (__u32 way = 0; way < KS_ENDED_WAYS; way++)
			assert_int_equal(env->ended_sets[set].word[way], 0);
	}
	test_env_destroy(env);
}

/* Kills flows a second apart until one set has had all its ways and one more: the first one alone is forgotten. */
static void test_the_oldest_makes_room(void **state)
{
	struct ks_env *env = test_env_create(64);
	__u32 in_set[KS_ENDED_WAYS + 1], count = 0;
	__u64 now = SECOND, set = 0;

	(void)state;
	for (__u32 n = 1; count <= KS_ENDED_WAYS; n++) {
		struct ks_inspection insp = look(env, n, now);

		if (!count)
			set = insp.flow.hash >> 42 & (KS_ENDED_SETS - 1);
		if ((insp.flow.hash >> 42 & (KS_ENDED_SETS - 1)) != set)
			continue;
		if (count == KS_ENDED_WAYS)
			assert_true(is_known(env, in_set[0], now));
		insert_and_kill(env, n, now);
		in_set[count++] = n;
		now += 2 * SECOND;
	}
	assert_false(is_known(env, in_set[0], now));
	for (__u32 i = 1; i <= KS_ENDED_WAYS; i++)
		assert_true(is_known(env, in_set[i], now));
	test_env_destroy(env);
}

/* Many at once: hardly any finds its set full. */
static void test_many(void **state)
{
	struct ks_env *env = test_env_create(64);
	__u32 lost = 0, others = 0;

	(void)state;
	for (__u32 n = 1; n <= MANY; n++)
		insert_and_kill(env, n, SECOND);
	for (__u32 n = 1; n <= MANY; n++) {
		lost += !is_known(env, n, SECOND);
		others += is_known(env, MANY + n, SECOND);
	}
	assert_in_range(lost, 0, LOST_MAX);
	assert_int_equal(others, 0);
	test_env_destroy(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_is_known),
		cmocka_unit_test(test_for_an_hour),
		cmocka_unit_test(test_of_handshakes_only),
		cmocka_unit_test(test_the_oldest_makes_room),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
