// SPDX-License-Identifier: BSD-2-Clause
/* Trees lead to the rule that the walk finds: random tables and packets, and what becomes of rules that cannot be parted. */
#include "tests/unit/policy/support.h"
#include "tests/unit/policy/tree_random.h"

#include "core/env.h"
#include "engine/engine.h"

#define ROUNDS 8
#define BASE "zone lan { eth1 }\nzone wan { eth0 }\nallow from lan to wan\n"

/* The same tables twice: with trees, and without. */
struct pair {
	struct ks_policy *policy;
	struct ks_config walked;
	struct ks_tables tables[2];
	struct ks_engine *engine[2];
};

static void pair_open(struct pair *pair, struct ks_policy *policy)
{
	const struct ks_tables tables = ks_policy_tables(policy);

	policy->config.limit_states = KS_LIMIT_STATES_MIN;
	pair->policy = policy;
	pair->walked = policy->config;
	pair->walked.tree_nodes = 0;
	pair->tables[0] = pair->tables[1] = tables;
	pair->tables[1].config = &pair->walked;
	for (int i = 0; i < 2; i++)
		assert_int_equal(ks_engine_create(&pair->tables[i], &pair->engine[i]), 0);
}

static void pair_close(struct pair *pair)
{
	ks_engine_destroy(pair->engine[0]);
	ks_engine_destroy(pair->engine[1]);
	ks_policy_destroy(pair->policy);
}

/* Returns 1 if a rule decides. */
static __u32 assert_same_decision(const struct pair *pair, const struct ks_question *question)
{
	struct ks_decision decision[2];

	for (int i = 0; i < 2; i++) {
		struct ks_question q = *question;

		ks_rules_ask(ks_engine_env(pair->engine[i]), &q, &decision[i]);
	}
	assert_int_equal(decision[0].index, decision[1].index);
	assert_int_equal(decision[0].id, decision[1].id);
	assert_int_equal(decision[0].action, decision[1].action);
	assert_int_equal(decision[0].flags, decision[1].flags);
	return decision[0].index != KS_DECISION_DEFAULT;
}

/* Few rules and many, of few conditions and of many: 2,320,000 packets. */
static void test_random(void **state)
{
	static const struct {
		__u32 rules, narrow, packets;
	} kinds[] = {
		{ 30, 50, 60000 },  { 30, 90, 60000 },	 { 100, 30, 60000 }, { 100, 95, 60000 },
		{ 400, 80, 30000 }, { 1000, 95, 15000 }, { 3000, 99, 5000 },
	};
	__u64 seed = 7;
	__u32 decided = 0;

	for (__u32 round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
			struct ks_policy *policy = load_good(BASE);
			struct pair pair;

			assert_int_equal(tree_randomize(&seed, policy, kinds[i].rules, kinds[i].narrow), 0);
			pair_open(&pair, policy);
			for (__u32 n = 0; n < kinds[i].packets; n++) {
				__u32 list = n % 2 ? tree_roll(&seed, KS_LIST_MAX) : KS_LIST_FILTER;
				struct ks_question q = tree_question(&seed, policy, list);

				decided += assert_same_decision(&pair, &q);
			}
			pair_close(&pair);
		}
	}
	print_message("%u decided by a rule\n", decided);
	assert_true(decided > 500000); /* else the packets say little */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
