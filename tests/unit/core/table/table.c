// SPDX-License-Identifier: BSD-2-Clause
/* The state table: finding, committing, sweeping and killing; and every operation against a plain map. */
#include "tests/unit/core/table/table_home.h"

static void test_insert_find_commit(void **state)
{
	struct ks_env *env = test_env_create(4);
	struct ks_inspection insp;

	assert_int_equal(insert(env, 1, KS_STATE_TCP_SYN_SENT, SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 2, SECOND).flow.found);
	insp = look(env, 1, SECOND);
	assert_true(insp.flow.found);
	assert_int_equal(insp.flow.before.state, KS_STATE_TCP_SYN_SENT);
	assert_int_equal(env->counts.half_open, 1);
	insp.flow.after = insp.flow.before;
	insp.flow.after.state = KS_STATE_TCP_ESTABLISHED;
	assert_true(ks_table_commit(env, &insp.flow));
	assert_int_equal(look(env, 1, SECOND).flow.before.state, KS_STATE_TCP_ESTABLISHED);
	/* A decision on an older version is refused, and nothing changes. */
	insp.flow.after.state = KS_STATE_TCP_CLOSE;
	assert_false(ks_table_commit(env, &insp.flow));
	assert_int_equal(look(env, 1, SECOND).flow.before.state, KS_STATE_TCP_ESTABLISHED);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_dead_is_not_found_and_is_taken_over(void **state)
{
	struct ks_env *env = test_env_create(4);

	insert(env, 1, KS_STATE_UDP_SINGLE, SECOND, 1000);
	assert_true(look(env, 1, 2 * SECOND).flow.found);
	assert_false(look(env, 1, 2 * SECOND + KS_NSEC_PER_MSEC).flow.found);
	assert_int_equal(insert(env, 1, KS_STATE_UDP_SINGLE, 3 * SECOND, 1000), KS_REASON_OK_NEW);
	assert_int_equal(env->counts.flows, 1);
	assert_int_equal(env->counts.recycled, 1);
	assert_int_equal(env->ended, 1);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_sweep_edges(void **state)
{
	struct ks_env *env = test_env_create(1);

	insert(env, 1, KS_STATE_TCP_SYN_SENT, SECOND, 1000);
	insert(env, 2, KS_STATE_TCP_ESTABLISHED, SECOND, 5000);
	assert_int_equal(ks_table_sweep(env, 0, 2 * SECOND), 0);
	assert_int_equal(ks_table_sweep(env, 0, 2 * SECOND + KS_NSEC_PER_MSEC), 1);
	assert_int_equal(ks_table_sweep(env, 0, 2 * SECOND + KS_NSEC_PER_MSEC), 0);
	assert_true(look(env, 2, 3 * SECOND).flow.found);
	assert_int_equal(env->counts.expired, 1);
	assert_counts(env);
	assert_int_equal(ks_table_sweep(env, 9, 3 * SECOND), 0); /* no such bucket */
	test_env_destroy(env);
}

static void test_kill(void **state)
{
	struct ks_env *env = test_env_create(4);
	struct ks_inspection insp = { .home.now = SECOND, .flow.clock = ks_flow_clock(SECOND), .flow.key = key_of(1) };

	assert_false(ks_table_kill(env, &insp.flow, KS_END_KILLED));
	insert(env, 1, KS_STATE_TCP_SYN_RECV, SECOND, 60000);
	insert(env, 2, KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
	assert_true(ks_table_kill(env, &insp.flow, KS_END_KILLED));
	assert_false(look(env, 1, SECOND).flow.found);
	assert_true(look(env, 2, SECOND).flow.found);
	assert_false(ks_table_kill(env, &insp.flow, KS_END_KILLED));
	assert_int_equal(env->counts.killed, 1);
	assert_counts(env);
	test_env_destroy(env);
}

/* A model of the table: the expected entries in a plain list. */
#define MODEL_KEYS 96

struct model {
	__u8 state[MODEL_KEYS]; /* NONE: not there */
	__u32 seen[MODEL_KEYS], timeout[MODEL_KEYS]; /* ms */
	__u64 mark[MODEL_KEYS]; /* payload, to tell flows apart */
};

static bool model_alive(const struct model *m, __u32 n, __u64 now)
{
	return m->state[n] != KS_STATE_NONE && now / KS_NSEC_PER_MSEC <= (__u64)m->seen[n] + m->timeout[n];
}

static __u32 model_live(const struct model *m, __u64 now)
{
	__u32 live = 0;

	for (__u32 n = 0; n < MODEL_KEYS; n++)
		live += model_alive(m, n, now);
	return live;
}

static void model_set(struct model *m, __u32 n, const struct ks_flow *flow)
{
	m->state[n] = flow->state;
	m->seen[n] = flow->seen;
	m->timeout[n] = flow->timeout;
	m->mark[n] = flow->volume[0];
}

static struct ks_flow random_flow(__u64 *seed, __u64 now)
{
	struct ks_flow flow = flow_of(1 + test_below(seed, KS_STATE_ALIAS - 1), now, 1000 + test_below(seed, 4000));

	flow.volume[0] = test_random(seed);
	return flow;
}

static bool gives_way(__u32 state)
{
	return ks_state_is_closed(state) || ks_state_is_half_open(state) || ks_state_is_plain(state);
}

/* One random operation on both. A flow that is closed, half-open or not proven may be recycled by an insert; the model learns it from the table. */
static void model_step(struct ks_env *env, struct model *m, __u64 *seed, __u64 now)
{
	__u32 n = test_below(seed, MODEL_KEYS), reason;
	struct ks_inspection insp = look(env, n, now);

	if (insp.flow.found || !gives_way(m->state[n]))
		assert_int_equal(insp.flow.found, model_alive(m, n, now));
	if (insp.flow.found)
		assert_int_equal(insp.flow.before.volume[0], m->mark[n]);
	insp.flow.after = random_flow(seed, now);
	switch (test_below(seed, 8)) {
	case 0:
		assert_int_equal(ks_table_kill(env, &insp.flow, KS_END_KILLED), insp.flow.found);
		m->state[n] = KS_STATE_NONE;
		return;
	case 1:
		ks_table_sweep(env, test_below(seed, env->shape.buckets), now);
		return;
	default:
		break;
	}
	if (insp.flow.found) {
		if (ks_state_is_closed(insp.flow.before.state)) /* then it stays so */
			insp.flow.after.state = insp.flow.before.state;
		assert_true(ks_table_commit(env, &insp.flow));
		model_set(m, n, &insp.flow.after);
		return;
	}
	reason = ks_table_insert(env, &insp.flow);
	if (reason == KS_REASON_OK_NEW) {
		env->born_closed += ks_state_is_closed(insp.flow.after.state);
		model_set(m, n, &insp.flow.after);
		return;
	}
	assert_int_equal(reason, KS_REASON_TABLE_FULL);
	/* Refused only with a bucket's worth of others alive. */
	assert_true(model_live(m, now) >= KS_BUCKET_SLOTS);
}

static void test_against_model(void **state)
{
	for (__u64 round = 1; round <= 20; round++) {
		struct ks_env *env = test_env_create(2 + (__u32)round);
		struct model m = { 0 };
		__u64 seed = round * 7919, now = SECOND;

		for (int i = 0; i < 4000; i++) {
			model_step(env, &m, &seed, now);
			now += test_below(&seed, 200) * KS_NSEC_PER_MSEC;
			if (i % 16 == 0)
				assert_counts(env);
		}
		for (__u32 n = 0; n < MODEL_KEYS; n++) {
			if (!gives_way(m.state[n]))
				assert_int_equal(look(env, n, now).flow.found, model_alive(&m, n, now));
		}
		now += 100 * SECOND;
		for (__u32 b = 0; b < env->shape.buckets; b++)
			ks_table_sweep(env, b, now);
		assert_counts(env);
		assert_int_equal(env->counts.flows, 0);
		assert_int_equal(env->counts.half_open, 0);
		test_env_destroy(env);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_insert_find_commit), cmocka_unit_test(test_dead_is_not_found_and_is_taken_over),
		cmocka_unit_test(test_sweep_edges),	   cmocka_unit_test(test_kill),
		cmocka_unit_test(test_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
