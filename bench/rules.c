// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long it takes to find the rule of a packet, in a policy from a file: by the trees and by the walk, natively and in the
 * kernel. Two kinds of packets: such as only the last rule matches, and such as lie in a rule's own addresses and ports.
 * In the kernel questions are read out of a frame; a program that does only that says how long it takes, and is taken off.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/bench.h"
#include "bench/bench.skel.h"
#include "bench/programs.h"
#include "bpf/maps.h"
#include "core/header/packet.h"
#include "engine/engine.h"
#include "kernel/kernel.h"

#define QUESTIONS 8192U /* different ones; more than fit into the cache's first level */

struct asking {
	const struct bench_opts *opts;
	struct ks_policy *policy;
	struct ks_config walked; /* the policy's, without trees */
	struct ks_kernel *kernel; /* NULL without rights */
	struct bench_programs programs; /* with it */
	struct ks_question *questions;
	double harness; /* ns; it was taken off the last figure */
	__u64 random;
};

static __u32 roll(struct asking *a, __u32 sides)
{
	a->random ^= a->random >> 12;
	a->random ^= a->random << 25;
	a->random ^= a->random >> 27;
	return (__u32)((a->random * 0x2545f4914f6cdd1dULL) >> 32) % sides;
}

/* As the other benchmarks send it: no rule but the last one matches. */
static struct ks_question last_question(struct asking *a)
{
	struct ks_question q = { .from = BENCH_LAN, .to = BENCH_WAN };

	q.tuple.family = KS_IPV4;
	q.tuple.proto = KS_PROTO_UDP;
	q.tuple.src.w[3] = ks_be32(0xc6120000U + roll(a, 65536));
	q.tuple.dst.w[3] = ks_be32(0xc6130000U + roll(a, 65536));
	q.tuple.sport = ks_be16(1024 + roll(a, 60000));
	q.tuple.dport = ks_be16(1024 + roll(a, 60000));
	return q;
}

/* A value of a set, or any. */
static __u64 value_of(struct asking *a, __u32 set, __u32 max)
{
	const struct ks_set *of = &a->policy->sets[set];
	const struct ks_range *range;

	if (set == KS_SET_ANY || !of->count4)
		return roll(a, max);
	range = &a->policy->ranges[of->first4 + roll(a, of->count4)];
	return range->lo[1] + roll(a, (__u32)KS_MIN(range->hi[1] - range->lo[1] + 1, 0xffffU));
}

static __u8 zone_of(__u64 zones)
{
	return zones == KS_ZONES_ANY ? BENCH_LAN : (__u8)__builtin_ctzll(zones);
}

/* Of IPv4, and of the rules that are about it. */
static struct ks_question rule_question(struct asking *a)
{
	const struct ks_rule *rule = &a->policy->rules[roll(a, a->policy->config.rules)];
	struct ks_question q = { .from = zone_of(rule->from_zones), .to = zone_of(rule->to_zones) };

	q.tuple.family = KS_IPV4;
	q.tuple.proto = rule->flags & KS_RULE_ANY_PROTO ? KS_PROTO_TCP : rule->proto;
	q.tuple.src.w[3] = ks_be32((__u32)value_of(a, rule->src_set, 0xffffffffU));
	q.tuple.dst.w[3] = ks_be32((__u32)value_of(a, rule->dst_set, 0xffffffffU));
	q.tuple.sport = ks_be16((__u16)value_of(a, rule->sport_set, 65536));
	q.tuple.dport = ks_be16((__u16)value_of(a, rule->dport_set, 65536));
	return q;
}

/* The time of a question, ns. */
static int ask_natively(struct asking *a, const struct ks_config *config, __u32 count, double *ns)
{
	struct ks_tables tables = ks_policy_tables(a->policy);
	ks_auto_engine struct ks_engine *engine = NULL;
	struct ks_decision decision;
	__u64 start;
	int err;

	tables.config = config;
	err = ks_engine_create(&tables, &engine);
	if (err)
		return err;
	start = bench_cpu_time();
	for (__u32 i = 0; i < count; i++)
		ks_rules_ask(ks_engine_env(engine), &a->questions[i % QUESTIONS], &decision);
	*ns = (double)(bench_cpu_time() - start) / count;
	return 0;
}

/* The time of a question without its answer, ns. */
static int ask_nothing(const struct asking *a, __u32 count, double *ns)
{
	__u8 frame[KS_ASK_RULES_OFF + KS_ASK_RULES_MAX * KS_ASK_RULES_SIZE] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = frame, .data_size_in = sizeof(frame),
		    .data_size_out = sizeof(frame), .repeat = 1);
	__u64 all = 0;

	for (__u32 done = 0; done < count; done += KS_ASK_RULES_MAX) {
		if (bpf_prog_test_run_opts(bpf_program__fd(a->programs.skeleton->progs.empty_rules), &opts))
			return -errno;
		all += opts.duration;
	}
	*ns = (double)all / count;
	return 0;
}

static int ask_kernel(struct asking *a, const struct ks_config *config, __u32 count, double *ns)
{
	const struct ks_config kept = a->policy->config;
	__u32 index[KS_ASK_RULES_MAX];
	__u64 all = 0, took;
	double harness = 0;
	int err;

	a->policy->config = *config;
	err = ks_kernel_set_policy(a->kernel, a->policy);
	a->policy->config = kept;
	for (__u32 done = 0; !err && done < count; done += KS_ASK_RULES_MAX) {
		err = ks_kernel_ask_rules(a->kernel, &a->questions[done % QUESTIONS], KS_ASK_RULES_MAX, index, &took);
		all += took;
	}
	if (!err)
		err = ask_nothing(a, count, &harness);
	*ns = (double)all / count - harness;
	a->harness = harness;
	return err;
}

/* Trees and walk; the walk is asked less often. */
static int ask_both(struct asking *a, const char *what,
		    int (*ask)(struct asking *, const struct ks_config *, __u32, double *), const char *end)
{
	double tree = 0, walk = 0;
	int err = ask(a, &a->policy->config, a->opts->count, &tree);

	if (!err)
		err = ask(a, &a->walked, KS_MIN(a->opts->count, QUESTIONS), &walk);
	if (!err)
		printf("\"%s_ns\": %.1f, \"%s_walk_ns\": %.1f%s", what, tree, what, walk, end);
	return err;
}

static int run_once(struct asking *a)
{
	static const char *const names[2][2] = { { "last", "tc_last" }, { "rules", "tc_rules" } };
	int err = 0;

	printf("{");
	for (unsigned kind = 0; !err && kind < 2; kind++) {
		for (__u32 i = 0; i < QUESTIONS; i++)
			a->questions[i] = kind ? rule_question(a) : last_question(a);
		err = ask_both(a, names[kind][0], ask_natively, ", ");
		if (!err && a->kernel)
			err = ask_both(a, names[kind][1], ask_kernel, ", ");
	}
	printf("\"harness_ns\": %.1f, \"nodes\": %u, \"compared\": %u}\n", a->harness, a->policy->config.tree_nodes,
	       a->policy->tree_compared);
	return err;
}

static int prepare(struct asking *a)
{
	const struct ks_kernel_opts test = { .test_mode = true, .tc_only = true };
	struct ks_diags diags;
	int err = ks_policy_load(a->opts->file, &a->policy, &diags);

	if (err)
		ks_diags_print(&diags, stderr, false);
	ks_diags_fini(&diags);
	if (err)
		return err;
	a->policy->config.limit_states = KS_LIMIT_STATES_MIN;
	a->walked = a->policy->config;
	a->walked.tree_nodes = 0;
	a->questions = calloc(QUESTIONS, sizeof(*a->questions));
	if (!a->questions)
		return -ENOMEM;
	if (ks_kernel_load(a->policy, &test, &a->kernel))
		a->kernel = NULL;
	return a->kernel ? bench_programs_init(&a->programs, BENCH_HOOK_TC, 1) : 0;
}

int bench_rules(const struct bench_opts *opts)
{
	struct asking a = { .opts = opts, .random = 1 };
	int err = opts->file ? prepare(&a) : -EINVAL;

	for (__u32 i = 0; !err && i < opts->runs; i++)
		err = run_once(&a);
	if (err)
		bench_fail(err, "rules of --file");
	bench_programs_fini(&a.programs);
	ks_kernel_close(a.kernel);
	ks_policy_destroy(a.policy);
	free(a.questions);
	return err;
}
