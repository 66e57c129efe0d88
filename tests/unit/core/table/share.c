// SPDX-License-Identifier: BSD-2-Clause
/* The shares of sources: nobody else's newcomer is refused, and the counts follow every way in which a flow ends. */
#include "tests/unit/core/table/table_home.h"

#include "core/table/share.h"

enum { STATES = 16384, ALONE = STATES / 4 * 3, LONG = 3600000 };

static struct ks_env *table_make(void)
{
	struct ks_env *env = test_env_create(ks_table_buckets(STATES));

	env->config.limit_states = STATES;
	env->config.limit_half_open = STATES;
	env->config.limit_source_states = ALONE;
	return env;
}

/* Flow n of a host; its key is that of a number that no other host has. */
static struct ks_inspection flow_look(struct ks_env *env, __u32 host, __u32 n)
{
	struct ks_inspection insp = look(env, n, SECOND);

	insp.flow.key.addr[0].w[3] = 0x0a000000 + host;
	ks_table_hash(env, &insp.flow);
	ks_table_find(env, &insp.flow);
	return insp;
}

/* Begins flow n of a host, and establishes it if the table takes it. */
static __u32 hold(struct ks_env *env, __u32 host, __u32 n)
{
	struct ks_inspection insp = flow_look(env, host, n);
	__u32 reason;

	assert_false(insp.flow.found);
	insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, SECOND, LONG);
	reason = ks_table_admit(env, &insp.flow);
	if (reason != KS_REASON_OK_NEW)
		return reason;
	insp.flow.before = insp.flow.after;
	insp.flow.after.state = KS_STATE_TCP_ESTABLISHED;
	assert_true(ks_table_commit(env, &insp.flow));
	return reason;
}

/* Holds flows of a host until it has its share. Returns how many. (Now and then both buckets of a key are full.) */
static __u32 hold_all(struct ks_env *env, __u32 host)
{
	__u32 held = 0, n = 0, reason;

	while ((reason = hold(env, host, n++)) != KS_REASON_SOURCE_LIMIT)
		held += reason == KS_REASON_OK_NEW;
	assert_true(n - held < 10);
	return held;
}

/* However many sources take all that they can get, each gets less, and there is room for more than one stays below. */
static void test_greedy_sources(void **state)
{
	struct ks_env *env = table_make();
	__u32 held = hold_all(env, 0), more;

	assert_in_range(held, ALONE, ALONE + 1);
	for (__u32 host = 1; host < 10; host++) {
		more = hold_all(env, host);
		assert_in_range(more, KS_SHARE_LEAST, (STATES - held) / KS_SHARE_OF_LEFT);
		held += more;
	}
	print_message("# %u of %u held by ten sources\n", held, STATES);
	assert_true(held < STATES - 3 * KS_SHARE_LEAST);
	for (__u32 host = 100; host < 100 + 3; host++) {
		for (__u32 n = 0; n < KS_SHARE_LEAST; n++)
			assert_int_not_equal(hold(env, host, n), KS_REASON_SOURCE_LIMIT);
	}
	assert_shares(env);
	test_env_destroy(env);
}

/* A source that gives back what it held gets it again, whoever frees it. */
static void test_given_back(void **state)
{
	struct ks_env *env = table_make();
	__u32 held = hold_all(env, 0);

	for (__u32 n = 0; n < 300; n++) {
		struct ks_inspection insp = flow_look(env, 0, n);

		assert_true(insp.flow.found);
		insp.flow.after = insp.flow.before;
		insp.flow.after.state = KS_STATE_TCP_CLOSE;
		insp.flow.after.timeout = 1000;
		if (n % 3 == 0)
			assert_true(ks_table_commit(env, &insp.flow));
		else if (n % 3 == 1)
			assert_true(ks_table_kill(env, &insp.flow, KS_END_KILLED));
		else
			assert_true(ks_table_free(env, &insp.flow));
	}
	assert_shares(env);
	for (__u32 b = 0; b < env->shape.buckets; b++)
		ks_table_sweep(env, b, 5 * SECOND);
	assert_shares(env);
	assert_int_equal(env->budgets[KS_SHARE_SUM].entries, held - 300);
	for (__u32 n = 0; n < 300; n++)
		assert_int_equal(hold(env, 0, n), KS_REASON_OK_NEW);
	assert_int_equal(hold(env, 0, held), KS_REASON_SOURCE_LIMIT);
	for (__u32 b = 0; b < env->shape.buckets; b++)
		ks_table_sweep(env, b, 5000 * SECOND);
	for (__u32 n = 0; n < KS_BUDGETS; n++)
		assert_int_equal(env->budgets[n].entries, 0);
	test_env_destroy(env);
}

/* The box's own flows are its administrator's, and so are those that come from another table. */
static void test_not_bound(void **state)
{
	struct ks_env *env = table_make();
	__u32 held = hold_all(env, 0);
	struct ks_inspection insp = flow_look(env, 0, held);

	insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, SECOND, LONG);
	insp.flow.after.zone[KS_ORIGINAL] = KS_ZONE_SELF;
	assert_int_equal(ks_table_admit(env, &insp.flow), KS_REASON_OK_NEW);
	insp = flow_look(env, 0, held + 1);
	insp.flow.after = flow_of(KS_STATE_TCP_ESTABLISHED, SECOND, LONG);
	assert_int_equal(ks_table_admit(env, &insp.flow), KS_REASON_OK_NEW);
	assert_int_equal(hold(env, 0, held + 2), KS_REASON_SOURCE_LIMIT);
	env->config.limit_source_states = STATES;
	assert_int_equal(hold(env, 0, held + 2), KS_REASON_OK_NEW);
	env->config.limit_source_states = 0;
	assert_int_equal(hold(env, 0, held + 3), KS_REASON_OK_NEW);
	env->config.limit_source_states = STATES;
	for (__u32 n = held + 4; env->counts.flows < STATES; n++)
		hold(env, 0, n);
	assert_int_equal(hold(env, 0, 60000), KS_REASON_TABLE_FULL);
	assert_shares(env);
	test_env_destroy(env);
}

/* The originator is the source, whichever of the key's addresses it is. */
static void test_either_side(void **state)
{
	struct ks_env *env = table_make();
	struct ks_flow flow = flow_of(KS_STATE_TCP_ESTABLISHED, SECOND, LONG);
	struct ks_flow_key key = key_of(1);
	struct ks_share_source low = ks_share_source(&key, 0), high = ks_share_source(&key, 1);
	__u64 hash = ks_share_hash(&env->shape, &high, KS_SHARE_HELD);

	assert_false(ks_share_source_equal(&low, &high));
	flow.flags = KS_FLOW_ORIG_IS_HIGH;
	ks_share_count(env, &key, &flow, 1);
	assert_int_equal(env->budgets[ks_share_cell(hash, 0)].entries, 1);
	assert_int_equal(env->budgets[ks_share_cell(hash, 1)].entries, 1);
	assert_int_equal(env->budgets[KS_SHARE_SUM].entries, 1);
	test_env_destroy(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greedy_sources),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_not_bound),
		cmocka_unit_test(test_either_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
