// SPDX-License-Identifier: BSD-2-Clause
/* Records at their limit: the stalest of the kind makes room, those in use stay. */
#include "tests/unit/core/table/table_home.h"

enum { FLOWS = 20000, LIMIT = 400, LONG = 120000 };

static struct ks_env *table_make(void)
{
	struct ks_env *env = test_env_create(ks_table_buckets(FLOWS));

	for (__u32 kind = 0; kind < KS_KIND_MAX; kind++)
		env->config.limit_kind[kind] = LIMIT;
	return env;
}

static struct ks_inspection record_look(struct ks_env *env, __u32 kind, __u32 n, __u64 now)
{
	struct ks_inspection insp = look(env, n, now);

	insp.flow.key.kind = kind & (KS_KIND_MAX - 1);
	ks_table_hash(env, &insp.flow);
	ks_table_find(env, &insp.flow);
	return insp;
}

static __u32 record_put(struct ks_env *env, __u32 kind, __u32 state, __u32 n, __u64 now, __u32 timeout_ms)
{
	struct ks_inspection insp = record_look(env, kind, n, now);

	assert_false(insp.flow.found);
	insp.flow.after = (struct ks_flow){ .state = (__u8)state, .seen = insp.flow.clock, .timeout = timeout_ms };
	return ks_table_insert(env, &insp.flow);
}

static void renew(struct ks_env *env, __u32 kind, __u32 n, __u64 now)
{
	struct ks_inspection insp = record_look(env, kind, n, now);

	assert_true(insp.flow.found);
	insp.flow.after = insp.flow.before;
	insp.flow.after.seen = insp.flow.clock;
	assert_true(ks_table_commit(env, &insp.flow));
}

/* Among many flows, every second record in use: each newcomer finds one of the others, and it is one of the stalest. */
static void newcomers_take(__u32 kind, __u32 state, __u64 silent)
{
	struct ks_env *env = table_make();
	__u32 old = 0;

	for (__u32 n = 0; n < FLOWS * 3 / 4; n++)
		insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 3600000);
	for (__u32 n = 0; n < LIMIT; n++)
		assert_int_equal(record_put(env, kind, state, n, SECOND, LONG), KS_REASON_OK_NEW);
	assert_int_equal(record_put(env, kind, state, LIMIT, SECOND + silent, LONG), KS_REASON_TABLE_FULL);
	for (__u32 n = 0; n < LIMIT; n += 2)
		renew(env, kind, n, SECOND + silent);
	for (__u32 n = 0; n < LIMIT / 8; n++)
		assert_int_equal(record_put(env, kind, state, LIMIT + n, SECOND + silent + KS_NSEC_PER_MSEC, LONG),
				 KS_REASON_OK_NEW);
	assert_int_equal(env->counts.records[kind], LIMIT);
	for (__u32 n = 0; n < LIMIT; n++) {
		bool found = record_look(env, kind, n, SECOND + silent).flow.found;

		assert_true(found || n % 2);
		old += found;
	}
	assert_int_equal(old, LIMIT - LIMIT / 8);
	for (__u32 n = 0; n < FLOWS * 3 / 4; n++)
		assert_true(look(env, n, 2 * SECOND).flow.found);
	test_env_destroy(env);
}

static void test_who_may_go(void **state)
{
	newcomers_take(KS_KIND_MAPPING_OUT, KS_STATE_MAPPING, LONG / 4 * KS_NSEC_PER_MSEC);
	newcomers_take(KS_KIND_PERMIT, KS_STATE_MAPPING, LONG / 4 * KS_NSEC_PER_MSEC);
	newcomers_take(KS_KIND_EXPECT, KS_STATE_EXPECTED, SECOND);
	newcomers_take(KS_KIND_QUESTION, KS_STATE_ASKED, SECOND);
	newcomers_take(KS_KIND_QUOTED, KS_STATE_FRAGMENTS, SECOND);
}

/* The claim of a mapping that makes room is given back to its inner address. */
static void test_budgets(void **state)
{
	struct ks_env *env = table_make();
	struct ks_addr addr = {};
	__u32 budget = ks_budget_index(&env->shape, &addr);

	for (__u32 n = 0; n < LIMIT + 50; n++)
		assert_int_equal(record_put(env, KS_KIND_MAPPING_IN, KS_STATE_MAPPING, n,
					    n < LIMIT ? SECOND : 60 * SECOND, LONG),
				 KS_REASON_OK_NEW);
	assert_int_equal(env->budgets[budget].mappings, LIMIT);
	assert_int_equal(env->counts.records[KS_KIND_MAPPING_IN], LIMIT);
	test_env_destroy(env);
}

/* A memory of a helper, of an originator of its own; `form`: its numbers are shifted. */
static __u32 memory_put(struct ks_env *env, __u32 n, __u32 source, __u64 now, __u8 form)
{
	struct ks_inspection insp = record_look(env, KS_KIND_HELPER_REPLY, n, now);

	insp.flow.key.addr[1].w[3] = source;
	ks_table_hash(env, &insp.flow);
	ks_table_find(env, &insp.flow);
	assert_false(insp.flow.found);
	insp.flow.after = (struct ks_flow){ .state = KS_STATE_HELPER, .seen = insp.flow.clock, .timeout = LONG };
	ks_record_after(&insp.flow)->flags = KS_MEMORY_HIGH;
	ks_record_after(&insp.flow)->memory.form = form;
	return ks_table_insert(env, &insp.flow);
}

static bool memory_is_there(struct ks_env *env, __u32 n, __u32 source, __u64 now)
{
	struct ks_inspection insp = record_look(env, KS_KIND_HELPER_REPLY, n, now);

	insp.flow.key.addr[1].w[3] = source;
	ks_table_hash(env, &insp.flow);
	ks_table_find(env, &insp.flow);
	return insp.flow.found;
}

/* One source has nine tenths of them, the newest ones: its newcomers take its own, and another's nobody's who was heard lately. */
static void test_greedy_helpers(void **state)
{
	enum { GREEDY = 7, OTHERS = LIMIT / 10, MORE = LIMIT / 8 };
	struct ks_env *env = table_make();

	for (__u32 n = 0; n < OTHERS; n++)
		assert_int_equal(memory_put(env, n, 1000 + n, SECOND, 0), KS_REASON_OK_NEW);
	for (__u32 n = OTHERS; n < LIMIT; n++)
		assert_int_equal(memory_put(env, n, GREEDY, 2 * SECOND, 0), KS_REASON_OK_NEW);
	assert_int_equal(memory_put(env, LIMIT, GREEDY, 2 * SECOND, 0), KS_REASON_TABLE_FULL);
	for (__u32 n = 0; n < MORE; n++)
		assert_int_equal(memory_put(env, LIMIT + n, GREEDY, (5 + 2 * n) * SECOND, 0), KS_REASON_OK_NEW);
	for (__u32 n = 0; n < OTHERS; n++)
		assert_true(memory_is_there(env, n, 1000 + n, 110 * SECOND));
	for (__u32 n = 0; n < OTHERS; n++)
		assert_int_equal(memory_put(env, n, 2000 + n, 110 * SECOND, 0), KS_REASON_OK_NEW);
	assert_int_equal(env->counts.records[KS_KIND_HELPER_REPLY], LIMIT);
	test_env_destroy(env);
}

/* The memory of a helper that has shifted numbers is needed as long as its flow lives, however silent. */
static void test_who_stays(void **state)
{
	struct ks_env *env = table_make();

	for (__u32 n = 0; n < LIMIT; n++)
		memory_put(env, n, 2, SECOND, 1);
	assert_int_equal(record_put(env, KS_KIND_HELPER_REPLY, KS_STATE_HELPER, LIMIT, 100 * SECOND, LONG),
			 KS_REASON_TABLE_FULL);
	assert_int_equal(record_put(env, KS_KIND_HELPER_REPLY, KS_STATE_HELPER, LIMIT, 122 * SECOND, LONG),
			 KS_REASON_OK_NEW);
	assert_int_equal(env->counts.records[KS_KIND_HELPER_REPLY], LIMIT);

	test_env_destroy(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_may_go),
		cmocka_unit_test(test_budgets),
		cmocka_unit_test(test_greedy_helpers),
		cmocka_unit_test(test_who_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
