// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two CPUs at one table, played one after the other: a hook between the steps of an insert does what the other CPU does.
 * threads.c has real ones.
 */
#include "tests/unit/core/table/table_home.h"

/*
 * Two CPUs. The hook is called before each look at a bucket; on its
 * `race.at`th call it plays what the other one does.
 */
static struct {
	unsigned at, calls;
	void (*play)(struct ks_env *env);
} race;

static void race_hook(struct ks_env *env, __u32 index)
{
	if (race.calls++ != race.at)
		return;
	env->on_bucket = NULL;
	race.play(env);
	env->on_bucket = race_hook;
}

static void play_sweep(struct ks_env *env)
{
	for (__u32 b = 0; b < env->shape.buckets; b++)
		ks_table_sweep(env, b, 10 * SECOND);
}

static void play_kill(struct ks_env *env)
{
	struct ks_inspection insp = { .home.now = SECOND, .flow.clock = ks_flow_clock(SECOND), .flow.key = key_of(1) };

	ks_table_kill(env, &insp.flow, KS_END_KILLED);
}

/* A packet of the flow that was seen in time, by a slower CPU. */
static void play_revive(struct ks_env *env)
{
	struct ks_inspection insp = look(env, 1, SECOND);

	if (!insp.flow.found)
		return;
	insp.flow.after = insp.flow.before;
	insp.flow.after.seen = 10 * KS_MSEC_PER_SEC;
	ks_table_commit(env, &insp.flow);
}

static void play_insert_same(struct ks_env *env)
{
	struct ks_inspection insp = look(env, 1, 10 * SECOND);

	if (insp.flow.found)
		return;
	insp.flow.after = flow_of(KS_STATE_UDP_SINGLE, 10 * SECOND, 60000);
	ks_table_insert(env, &insp.flow);
}

static void play_insert_other(struct ks_env *env)
{
	struct ks_inspection insp = look(env, 99, 10 * SECOND);

	if (insp.flow.found)
		return;
	insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, 10 * SECOND, 60000);
	ks_table_insert(env, &insp.flow);
}

static void play_close(struct ks_env *env)
{
	struct ks_inspection insp = look(env, 1, SECOND);

	if (!insp.flow.found)
		return;
	insp.flow.after = insp.flow.before;
	insp.flow.after.state = KS_STATE_TCP_CLOSE;
	ks_table_commit(env, &insp.flow);
}

static void (*const plays[])(struct ks_env *) = {
	play_sweep, play_kill, play_revive, play_insert_same, play_insert_other, play_close,
};

/*
 * Flow 1 is dead (or closed), its bucket full or not; while flow `wanted` is
 * put in, the other CPU does something, at every point in turn.
 */
static void race_insert(__u32 fill, __u32 first_state, __u32 wanted, __u32 limit)
{
	for (size_t p = 0; p < KS_ARRAY_SIZE(plays); p++) {
		for (race.at = 0; race.at < 24; race.at++) {
			struct ks_env *env = test_env_create(1);
			struct ks_inspection insp;

			insert(env, 1, first_state, SECOND, 1000);
			for (__u32 n = 2; n < 2 + fill; n++)
				insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
			env->config.limit_states = limit;
			insp = look(env, wanted, 10 * SECOND);
			insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, 10 * SECOND, 60000);
			race.calls = 0;
			race.play = plays[p];
			env->on_bucket = race_hook;
			ks_table_insert(env, &insp.flow);
			env->on_bucket = NULL;
			assert_counts(env);
			for (__u32 n = 2; n < 2 + fill; n++)
				assert_true(look(env, n, 10 * SECOND).flow.found);
			test_env_destroy(env);
		}
	}
}

static bool other_taken;
static __u32 other;

/* The alias that we found left behind is swept, and its slot is another flow's new alias. */
static void play_alias_other(struct ks_env *env)
{
	struct ks_inspection insp = look(env, other, 10 * SECOND);

	play_sweep(env);
	insp.flow.after = flow_of(KS_STATE_ALIAS, 10 * SECOND, 60000);
	other_taken = ks_table_insert(env, &insp.flow) == KS_REASON_OK_NEW;
}

/* A key that is put in by way of the other bucket, but may lie in the first one of this hash. */
static __u32 of_other_bucket(struct ks_env *env, __u64 hash)
{
	__u32 bucket = ks_table_bucket(&env->shape, hash, 0);

	for (__u32 n = 100;; n++) {
		__u64 its = look(env, n, SECOND).flow.hash;

		if (ks_table_bucket(&env->shape, its, 0) != bucket && ks_table_bucket(&env->shape, its, 1) == bucket)
			return n;
	}
}

/* The thread that got it keeps it. */
static void test_race_insert_over_alias(void **state)
{
	for (race.at = 0; race.at < 24; race.at++) {
		struct ks_env *env = test_env_create(2);
		struct ks_inspection insp;
		bool taken;

		insert(env, 1, KS_STATE_ALIAS, SECOND, 1000);
		for (__u32 n = 2; n < 60; n++)
			insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
		insp = look(env, 1, 10 * SECOND);
		other = of_other_bucket(env, insp.flow.hash);
		insp.flow.after = flow_of(KS_STATE_ALIAS, 10 * SECOND, 60000);
		race.calls = 0;
		race.play = play_alias_other;
		other_taken = false;
		env->on_bucket = race_hook;
		taken = ks_table_insert(env, &insp.flow) == KS_REASON_OK_NEW;
		env->on_bucket = NULL;
		assert_true(look(env, other, 10 * SECOND).flow.found == other_taken);
		assert_int_equal(env->counts.records[KS_KIND_FLOW], taken + other_taken);
		test_env_destroy(env);
	}
}

static void test_race_insert_over_dead(void **state)
{
	race_insert(3, KS_STATE_TCP_SYN_SENT, 1, 8);
	race_insert(7, KS_STATE_TCP_SYN_SENT, 1, 8);
	race_insert(7, KS_STATE_TCP_SYN_SENT, 50, 8);
	race_insert(7, KS_STATE_TCP_ESTABLISHED, 50, 8);
	race_insert(3, KS_STATE_TCP_ESTABLISHED, 50, 4);
}

static void test_race_insert_over_closed(void **state)
{
	race_insert(7, KS_STATE_TCP_TIME_WAIT, 50, 8);
	race_insert(3, KS_STATE_TCP_CLOSE, 50, 4);
}

/* While a flow is being committed its key is there all the same. */
static void test_insert_sees_a_flow_being_written(void **state)
{
	struct ks_env *env = test_env_create(2);
	struct ks_inspection insp = look(env, 1, SECOND), found;
	__u32 *version;

	insp.flow.after = flow_of(KS_STATE_UDP_SINGLE, SECOND, 60000);
	assert_int_equal(insert(env, 1, KS_STATE_UDP_SINGLE, SECOND, 60000), KS_REASON_OK_NEW);
	found = look(env, 1, SECOND);
	version = &env->buckets[found.flow.ref.bucket].slot[found.flow.ref.slot].flow.version;
	(*version)++;
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_CONTENDED);
	assert_true(look(env, 1, SECOND).flow.busy);
	(*version)++;
	assert_counts(env);
	test_env_destroy(env);
}

/* An insert that finds its primary bucket claimed gives up, and leaves the claim to its owner. */
static void test_claimed_bucket(void **state)
{
	struct ks_env *env = test_env_create(1);
	struct ks_inspection insp = look(env, 1, SECOND);

	insp.flow.after = flow_of(KS_STATE_UDP_SINGLE, SECOND, 60000);
	env->buckets[0].claim = 1;
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_CONTENDED);
	assert_int_equal(env->buckets[0].claim, 1);
	env->buckets[0].claim = 0;
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_OK_NEW);
	assert_counts(env);
	test_env_destroy(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_race_insert_over_alias),	cmocka_unit_test(test_race_insert_over_dead),
		cmocka_unit_test(test_race_insert_over_closed), cmocka_unit_test(test_insert_sees_a_flow_being_written),
		cmocka_unit_test(test_claimed_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
