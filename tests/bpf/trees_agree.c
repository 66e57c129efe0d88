// SPDX-License-Identifier: BSD-2-Clause
/*
 * Random rule tables in the kernel: for every packet its trees must lead to the rule that the walk finds natively.
 * Usage: trees_agree [PACKETS [SEED]]
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "engine/engine.h"
#include "tests/bpf/kernel_home.h"
#include "tests/unit/policy/tree_random.h"

#define PACKETS 1000000
#define SEED 1
#define TABLES 24
#define BASE "zone lan { eth1 }\nzone wan { eth0 }\nallow from lan to wan\n"

/* Tables in the kernel, and the same without trees in an engine. */
struct trees {
	struct ks_home home;
	struct ks_policy *policy;
	struct ks_config walked;
	struct ks_engine *engine;
	unsigned differ;
};

static int tables_make(struct trees *trees, __u64 *seed, __u32 count, __u32 narrow)
{
	struct ks_tables tables = { .config = &trees->walked };
	struct ks_diags diags;
	int err = ks_policy_load_text(BASE, sizeof(BASE) - 1, "base", NULL, &trees->policy, &diags);

	ks_diags_fini(&diags);
	if (!err)
		err = tree_randomize(seed, trees->policy, count, narrow);
	if (err)
		return err;
	trees->walked = trees->policy->config;
	trees->walked.tree_nodes = 0;
	trees->walked.limit_states = KS_LIMIT_STATES_MIN;
	tables.rules = trees->policy->rules;
	tables.sets = trees->policy->sets;
	tables.ranges = trees->policy->ranges;
	tables.conditions = trees->policy->conditions;
	err = trees->home.ops->set_policy(trees->home.self, trees->policy);
	return err ?: ks_engine_create(&tables, &trees->engine);
}

static void tables_drop(struct trees *trees)
{
	kernel_home_forget_policy(&trees->home);
	ks_engine_destroy(trees->engine);
	ks_policy_destroy(trees->policy);
	trees->engine = NULL;
	trees->policy = NULL;
}

static void compare_one(struct trees *trees, struct ks_question *question, __u32 index)
{
	struct ks_decision decision;

	ks_rules_ask(ks_engine_env(trees->engine), question, &decision);
	if (decision.index == index)
		return;
	if (trees->differ++ < 10)
		printf("# list %u, family %u, protocol %u, zones %u to %u: the walk finds rule %" PRId32
		       ", the kernel %" PRId32 "\n",
		       question->list, question->tuple.family, question->tuple.proto, question->from, question->to,
		       (__s32)decision.index, (__s32)index);
}

static int compare_batch(struct trees *trees, __u64 *seed)
{
	struct ks_question questions[KS_ASK_RULES_MAX];
	__u32 index[KS_ASK_RULES_MAX];
	int err;

	for (__u32 i = 0; i < KS_ASK_RULES_MAX; i++) {
		__u32 list = i % 2 ? tree_roll(seed, KS_LIST_MAX) : KS_LIST_FILTER;

		questions[i] = tree_question(seed, trees->policy, list);
	}
	err = ks_kernel_ask_rules(kernel_home_kernel(&trees->home), questions, KS_ASK_RULES_MAX, index, NULL);
	for (__u32 i = 0; !err && i < KS_ASK_RULES_MAX; i++)
		compare_one(trees, &questions[i], index[i]);
	return err;
}

/* Tables of few rules and of many, of few conditions and of many. */
static int compare_all(struct trees *trees, unsigned packets, __u64 seed)
{
	int err = 0;

	for (unsigned i = 0; !err && i < TABLES; i++) {
		err = tables_make(trees, &seed, i % 4 ? 14U << i % 8 : 3 + i % 13, 30 + 10 * (i % 7));
		for (unsigned n = 0; !err && n < packets / TABLES; n += KS_ASK_RULES_MAX)
			err = compare_batch(trees, &seed);
		tables_drop(trees);
	}
	return err;
}

int main(int argc, char **argv)
{
	unsigned packets = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : PACKETS;
	__u64 seed = argc > 2 ? strtoull(argv[2], NULL, 10) : SEED;
	struct trees trees = { 0 };
	int err = kernel_home_open(HOOK_TC, &trees.home);

	if (err)
		return err;
	err = compare_all(&trees, packets, seed);
	if (err)
		printf("# %s\n", strerror(-err));
	printf("%u packets, %u decided differently\n", packets, trees.differ);
	kernel_home_close(&trees.home);
	return err || trees.differ;
}
