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
	struct ks_decision decision[2] = { { 0 } };

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

/* Few rules and many, of few conditions and of many: 2,640,000 packets. */
static void test_random(void **state)
{
	static const struct {
		__u32 rules, narrow, packets;
	} kinds[] = {
		{ 6, 30, 20000 },   { 12, 60, 20000 },	{ 30, 50, 60000 },   { 30, 90, 60000 },	 { 100, 30, 60000 },
		{ 100, 95, 60000 }, { 400, 80, 30000 }, { 1000, 95, 15000 }, { 3000, 99, 5000 },
	};
	__u64 seed = 7;
	__u32 decided = 0;

	for (__u32 round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
			struct ks_policy *policy = load_good(BASE);
			struct pair pair = { 0 };

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

/* Loads `count` rules that a function prints. */
static struct ks_policy *load_many(void (*print)(FILE *out, unsigned i), unsigned count, struct ks_diags *diags)
{
	struct ks_policy *policy = NULL;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	fputs("zone lan { eth1 }\nzone wan { eth0 }\nallow from self\nallow to self tcp port 22\n", out);
	for (unsigned i = 0; i < count; i++)
		print(out, i);
	fclose(out);
	assert_int_equal(ks_policy_load_text(text, length, "many", NULL, &policy, diags), 0);
	free(text);
	return policy;
}

/* Each holds the middle of all others. */
static void print_hostile(FILE *out, unsigned i)
{
	fprintf(out, "allow from lan to wan tcp port %u-%u\n", 1 + i, 65535 - i);
}

static void print_simple(FILE *out, unsigned i)
{
	fprintf(out, "allow from lan to wan udp port %u destination 10.0.%u.0/24\n", 1000 + i, i & 255);
}

/* The same, by the servers and ports of groups. */
static void print_groups(FILE *out, unsigned i)
{
	fprintf(out, "allow from lan to wan tcp port { %u, %u, 9000-9009 } ", 80 + i % 7, 1000 + i);
	fprintf(out, "destination { 10.%u.%u.1, 172.16.%u.9, 192.0.2.%u }\n", i >> 8, i & 255, i & 255, i & 255);
}

/* Nothing can part these: the walk's cost is the bound, a tree takes no more memory than others, and the load says it. */
static void test_hostile(void **state)
{
	struct ks_diags diags;
	struct ks_policy *policy = load_many(print_hostile, 2000, &diags);
	bool warned = false;

	assert_true(policy->tree_compared > KS_TREE_COMPARED_MAX);
	assert_true(policy->tree_compared <= policy->config.rules);
	/* Each rule is there once for each family. */
	assert_in_range(policy->config.tree_nodes, 1, KS_TREE_HEADS + 2 * policy->config.rules + 16);
	for (size_t i = 0; i < diags.count; i++)
		warned |= strstr(diags.list[i].message, "overlap so much") != NULL;
	assert_true(warned);
	ks_diags_fini(&diags);
	ks_policy_destroy(policy);
}

/* Few are compared, by whatever the rules differ. */
static void test_few_are_compared(void **state)
{
	void (*const print[])(FILE *out, unsigned i) = { print_simple, print_groups };

	for (size_t i = 0; i < KS_ARRAY_SIZE(print); i++) {
		struct ks_diags diags;
		struct ks_policy *policy = load_many(print[i], 3000, &diags);

		assert_true(policy->tree_compared <= 24);
		ks_diags_fini(&diags);
		ks_policy_destroy(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_few_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
