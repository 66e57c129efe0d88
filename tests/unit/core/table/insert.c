// SPDX-License-Identifier: BSD-2-Clause
/* Inserting: limits, the rules of recycling, and their order. */
#include "tests/unit/core/table/table_home.h"

static void test_limits(void **state)
{
	struct ks_env *env = test_env_create(8);
	__u32 n = 0;

	env->config.limit_states = 10;
	env->config.limit_half_open = 3;
	for (; n < 3; n++)
		assert_int_equal(insert(env, n, KS_STATE_TCP_SYN_SENT, SECOND, 60000), KS_REASON_OK_NEW);
	for (; n < 10; n++)
		assert_int_equal(insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000), KS_REASON_OK_NEW);
	assert_int_equal(insert(env, 100, KS_STATE_UDP_SINGLE, SECOND, 60000), KS_REASON_TABLE_FULL);
	/* A full table forgets nobody who lives. */
	for (n = 0; n < 10; n++)
		assert_true(look(env, n, SECOND).flow.found);
	assert_counts(env);
	test_env_destroy(env);
}

/* A bucket with one flow of `state`, seen at SECOND, among live ones; returns what an insert at `now` says. */
static __u32 insert_beside(struct ks_env *env, __u32 state, __u64 now)
{
	for (__u32 n = 0; n < KS_BUCKET_SLOTS - 1; n++)
		assert_int_equal(insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000), KS_REASON_OK_NEW);
	assert_int_equal(insert(env, 7, state, SECOND, 60000), KS_REASON_OK_NEW);
	return insert(env, 8, KS_STATE_UDP_SINGLE, now, 1000);
}

/* Buckets full of live flows of every state: what is closed makes room, has stayed half-open, or is not proven; nothing else. */
static void test_recycling(void **state)
{
	for (__u32 kind = KS_STATE_NONE + 1; kind < KS_STATE_MAX; kind++) {
		struct ks_env *env = test_env_create(1);
		bool gives = ks_state_is_closed(kind) || ks_state_is_half_open(kind) || ks_state_is_plain(kind);

		if (kind == KS_STATE_ALIAS) {
			test_env_destroy(env);
			continue;
		}
		assert_int_equal(insert_beside(env, kind, 3 * SECOND), gives ? KS_REASON_OK_NEW : KS_REASON_TABLE_FULL);
		for (__u32 n = 0; n < KS_BUCKET_SLOTS - 1; n++)
			assert_true(look(env, n, 3 * SECOND).flow.found);
		assert_int_equal(look(env, 7, 3 * SECOND).flow.found, !gives);
		assert_counts(env);
		test_env_destroy(env);
	}
}

/* A handshake that is under way is not disturbed. */
static void test_a_fresh_handshake_is_live(void **state)
{
	struct ks_env *env = test_env_create(1);

	assert_int_equal(insert_beside(env, KS_STATE_TCP_SYN_SENT, 2 * SECOND), KS_REASON_TABLE_FULL);
	assert_true(look(env, 7, 2 * SECOND).flow.found);
	assert_int_equal(insert(env, 8, KS_STATE_UDP_SINGLE, 2 * SECOND + KS_NSEC_PER_MSEC, 1000), KS_REASON_OK_NEW);
	assert_false(look(env, 7, 2 * SECOND + KS_NSEC_PER_MSEC).flow.found);
	assert_counts(env);
	test_env_destroy(env);
}

/* Closed before half-open before unproven, whatever their age; of two of a kind the one longest unseen. */
static void test_order_of_recycling(void **state)
{
	static const __u32 states[KS_BUCKET_SLOTS] = {
		KS_STATE_TCP_SYN_RECV, KS_STATE_TCP_ESTABLISHED, KS_STATE_TCP_SYN_SENT,	   KS_STATE_TCP_TIME_WAIT,
		KS_STATE_UDP_SINGLE,   KS_STATE_TCP_CLOSE,	 KS_STATE_TCP_ESTABLISHED, KS_STATE_TCP_SYN_SENT,
	};
	static const __u32 seen[KS_BUCKET_SLOTS] = { 3, 1, 2, 7, 1, 6, 1, 4 }; /* s */
	static const __u32 order[] = { 5, 3, 2, 0, 7, 4 };
	struct ks_env *env = test_env_create(1);

	for (__u32 n = 0; n < KS_BUCKET_SLOTS; n++)
		insert(env, n, states[n], seen[n] * SECOND, 60000);
	for (__u32 i = 0; i < KS_ARRAY_SIZE(order); i++) {
		assert_true(look(env, order[i], 9 * SECOND).flow.found);
		assert_int_equal(insert(env, 100 + i, KS_STATE_TCP_ESTABLISHED, 9 * SECOND, 60000), KS_REASON_OK_NEW);
		assert_false(look(env, order[i], 9 * SECOND).flow.found);
	}
	assert_int_equal(insert(env, 200, KS_STATE_UDP_STREAM, 9 * SECOND, 60000), KS_REASON_TABLE_FULL);
	assert_counts(env);
	test_env_destroy(env);
}

/* The same at the limit of flows, with free slots beside. */
static void test_recycling_at_the_limit(void **state)
{
	struct ks_env *env = test_env_create(1);

	env->config.limit_states = 3;
	insert(env, 0, KS_STATE_TCP_SYN_SENT, SECOND, 60000);
	insert(env, 1, KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
	insert(env, 2, KS_STATE_TCP_CLOSE, SECOND, 60000);
	assert_int_equal(insert(env, 3, KS_STATE_TCP_ESTABLISHED, 3 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 2, 3 * SECOND).flow.found);
	assert_int_equal(insert(env, 4, KS_STATE_TCP_ESTABLISHED, 3 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 0, 3 * SECOND).flow.found);
	assert_int_equal(insert(env, 5, KS_STATE_UDP_STREAM, 3 * SECOND, 60000), KS_REASON_TABLE_FULL);
	assert_int_equal(env->counts.flows, 3);
	assert_int_equal(env->counts.half_open, 0);
	assert_counts(env);
	test_env_destroy(env);
}

/* At the limit, with free slots but nobody in the key's own buckets who could go: one beside them goes. */
static void test_recycling_beside(void **state)
{
	enum { FLOWS = 2000 };
	struct ks_env *env = test_env_create(ks_table_buckets(FLOWS));
	__u32 refused = 0;

	env->config.limit_states = FLOWS;
	for (__u32 n = 0; n < FLOWS; n++)
		insert(env, n, n % 4 ? KS_STATE_TCP_ESTABLISHED : KS_STATE_TCP_TIME_WAIT, SECOND, 60000);
	for (__u32 n = 0; n < FLOWS / 8; n++)
		refused += insert(env, FLOWS + n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000) != KS_REASON_OK_NEW;
	/* A quarter is closed: in two buckets alone some 30 would have found nobody. */
	assert_true(refused < 5);
	assert_int_equal(env->counts.flows, FLOWS);
	assert_int_equal(env->counts.recycled, FLOWS / 8 - refused);
	for (__u32 n = 0; n < FLOWS; n++)
		assert_true(n % 4 == 0 || look(env, n, SECOND).flow.found);
	test_env_destroy(env);
}

/* A proven flow of UDP is taken last, and only if nobody has spoken on it for ten seconds. */
static void test_proven_flows_last(void **state)
{
	struct ks_env *env = test_env_create(1);

	for (__u32 n = 0; n < KS_BUCKET_SLOTS; n++) {
		struct ks_inspection insp = look(env, n, SECOND);

		insp.flow.after = flow_of(n == 5 ? KS_STATE_ICMP_REPLIED : KS_STATE_UDP_STREAM, SECOND, 60000);
		insp.flow.after.flags = n == 5 ? 0 : KS_FLOW_ASSURED;
		assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_OK_NEW);
	}
	assert_int_equal(insert(env, 50, KS_STATE_TCP_ESTABLISHED, SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 5, SECOND).flow.found);
	assert_int_equal(insert(env, 51, KS_STATE_TCP_ESTABLISHED, 11 * SECOND, 60000), KS_REASON_TABLE_FULL);
	assert_int_equal(insert(env, 51, KS_STATE_TCP_ESTABLISHED, 11 * SECOND + KS_NSEC_PER_MSEC, 60000),
			 KS_REASON_OK_NEW);
	assert_counts(env);
	test_env_destroy(env);
}

/* With one flow in ten to be taken, the limit reached and aliases in a third of the slots, a newcomer finds one of them. */
static void test_a_victim_is_found(void **state)
{
	enum { FLOWS = 20000, NEW = 1000 };
	struct ks_env *env = test_env_create(ks_table_buckets(2 * FLOWS));
	__u32 refused = 0;

	env->config.limit_states = FLOWS;
	for (__u32 n = 0; n < FLOWS; n++)
		insert(env, n, n % 10 ? KS_STATE_TCP_ESTABLISHED : KS_STATE_UDP_STREAM, SECOND, 60000);
	for (__u32 n = 0; n < NEW; n++)
		refused += insert(env, FLOWS + n, KS_STATE_UDP_SINGLE, 2 * SECOND, 60000) != KS_REASON_OK_NEW;
	print_message("# %u of %u refused\n", refused, NEW);
	assert_true(refused <= 2);
	for (__u32 n = 0; n < FLOWS; n++)
		assert_true(n % 10 == 0 || look(env, n, SECOND).flow.found);
	test_env_destroy(env);
}

/* Where one in twenty can be taken, newcomers use up nobody's neighbourhood: as few are refused as chance has it, 33 of 6,000. */
static void test_victims_stay_spread(void **state)
{
	enum { FLOWS = 20000, NEW = 6000 };
	struct ks_env *env = test_env_create(ks_table_buckets(2 * FLOWS));
	__u64 seed = 99;
	__u32 refused = 0;

	env->config.limit_states = FLOWS;
	for (__u32 n = 0; n < FLOWS; n++)
		insert(env, n, test_random(&seed) % 20 ? KS_STATE_TCP_ESTABLISHED : KS_STATE_UDP_STREAM, SECOND, 60000);
	for (__u32 n = 0; n < NEW; n++)
		refused += insert(env, FLOWS + n, KS_STATE_UDP_SINGLE, 2 * SECOND, 60000) != KS_REASON_OK_NEW;
	print_message("# %u of %u refused\n", refused, NEW);
	assert_true(refused <= 60);
	assert_shares(env);
	test_env_destroy(env);
}

/*
 * A flood of invented flows fills the table over and over. A newcomer that speaks again within a tenth of a round is found:
 * it is not the stalest of those that anybody meets.
 */
static void test_a_newcomer_has_time(void **state)
{
	enum { FLOWS = 5000, ROUNDS = 8, EVERY = 1000, LATER = FLOWS / 10 };
	struct ks_env *env = test_env_create(ks_table_buckets(FLOWS));
	__u32 came = 0, kept = 0, watched = 0;

	env->config.limit_states = FLOWS;
	for (__u32 n = 0; n < ROUNDS * FLOWS; n++) {
		__u64 now = SECOND + n * KS_NSEC_PER_MSEC; /* a round takes five seconds */

		if (insert(env, n, KS_STATE_UDP_STREAM, now, 60000) != KS_REASON_OK_NEW)
			continue;
		if (n >= 2 * FLOWS && n % EVERY == 0) {
			watched = n;
			came++;
		}
		if (watched && n == watched + LATER)
			kept += look(env, watched, now).flow.found;
		if (watched && n == watched + LATER)
			watched = 0;
	}
	print_message("# %u of %u kept\n", kept, came);
	assert_true(came >= 30 && kept == came && env->counts.flows <= FLOWS);
	test_env_destroy(env);
}

/* A translated flow that makes room takes its other names with it. */
static void test_recycling_frees_the_aliases(void **state)
{
	struct ks_env *env = test_env_create(1);
	struct ks_inspection flow = look(env, 1, SECOND), alias = look(env, 2, SECOND), again;

	flow.flow.after = flow_of(KS_STATE_TCP_TIME_WAIT, SECOND, 60000);
	assert_int_equal(ks_table_insert(env, &flow.flow), KS_REASON_OK_NEW);
	env->born_closed = 1;
	alias.flow.after = flow_of(KS_STATE_ALIAS, SECOND, 5000);
	alias.flow.after.alias[0] = alias.flow.after.alias[1] = ks_slot_id(&flow.flow.ref);
	assert_int_equal(ks_table_insert(env, &alias.flow), KS_REASON_OK_NEW);
	again = look(env, 1, SECOND);
	again.flow.after = again.flow.before;
	again.flow.after.alias[KS_REPLY] = ks_slot_id(&alias.flow.ref);
	assert_true(ks_table_commit(env, &again.flow));
	assert_int_equal(env->counts.records[KS_KIND_FLOW], 1);

	env->config.limit_states = 1;
	assert_int_equal(insert(env, 3, KS_STATE_UDP_SINGLE, 20 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 1, 20 * SECOND).flow.found);
	assert_false(look(env, 2, 20 * SECOND).flow.found);
	assert_int_equal(env->counts.records[KS_KIND_FLOW], 0);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_dead_before_closed(void **state)
{
	struct ks_env *env = test_env_create(1);

	for (__u32 n = 0; n < KS_BUCKET_SLOTS - 1; n++)
		insert(env, n, n == 3 ? KS_STATE_TCP_CLOSE : KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
	insert(env, 7, KS_STATE_TCP_ESTABLISHED, SECOND, 1000);
	assert_int_equal(insert(env, 8, KS_STATE_UDP_SINGLE, 3 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_true(look(env, 3, 3 * SECOND).flow.found);
	assert_false(look(env, 7, 3 * SECOND).flow.found);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_replace_keeps_the_budget(void **state)
{
	struct ks_env *env = test_env_create(8);

	env->config.limit_half_open = 1;
	insert(env, 1, KS_STATE_TCP_CLOSE, SECOND, 60000);
	{
		struct ks_inspection insp = look(env, 2, SECOND);

		insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, SECOND, 60000);
		assert_int_equal(ks_table_admit(env, &insp.flow), KS_REASON_OK_NEW);
	}
	{
		struct ks_inspection insp = look(env, 1, SECOND);

		assert_true(insp.flow.found);
		insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, SECOND, 60000);
		ks_table_replace(env, &insp.flow);
	}
	assert_int_equal(env->counts.half_open, 1);
	assert_int_equal(look(env, 1, SECOND).flow.before.state, KS_STATE_TCP_SYN_SENT);
	assert_false(look(env, 2, SECOND).flow.found);
	assert_int_equal(env->counts.recycled, 2);
	assert_counts(env);
	test_env_destroy(env);
}

/* As many buckets as the limit asks for take that many random keys, or nearly: what the sizing promises. */
static void test_fill_to_the_limit(void **state)
{
	enum { FLOWS = 50000 };
	struct ks_env *env = test_env_create(ks_table_buckets(FLOWS));
	__u32 refused = 0;

	env->config.limit_states = FLOWS;
	for (__u32 n = 0; n < FLOWS; n++)
		refused += insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000) != KS_REASON_OK_NEW;
	assert_true(refused < FLOWS / 1000);
	assert_int_equal(env->counts.flows, FLOWS - refused);
	test_env_destroy(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_recycling),
		cmocka_unit_test(test_a_fresh_handshake_is_live),
		cmocka_unit_test(test_order_of_recycling),
		cmocka_unit_test(test_recycling_at_the_limit),
		cmocka_unit_test(test_recycling_beside),
		cmocka_unit_test(test_proven_flows_last),
		cmocka_unit_test(test_a_victim_is_found),
		cmocka_unit_test(test_victims_stay_spread),
		cmocka_unit_test(test_a_newcomer_has_time),
		cmocka_unit_test(test_recycling_frees_the_aliases),
		cmocka_unit_test(test_dead_before_closed),
		cmocka_unit_test(test_replace_keeps_the_budget),
		cmocka_unit_test(test_fill_to_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
