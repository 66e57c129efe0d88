// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs that the loader runs itself, by BPF_PROG_TEST_RUN: to start the sweeper, to ask about routes, to kill flows; and one
 * by which tests and benchmarks ask the rules.
 */
#include "bpf/env.bpf.h"

#include "core/table/table.h"

#define KILL_KEYS_OFF 16
#define KILL_WHY_OFF 15
#define KILL_KEYS_MAX 32

/* Run once by the loader. */
PROGRAM("tc")
int ks_start(struct __sk_buff *skb)
{
	sweeper_start();
	return 0;
}

/* Run by the loader with a struct ks_ask; the answers are those that a packet would get. Routes by TOS are not asked. */
PROGRAM("tc")
int ks_ask(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = kill_scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };
	const struct ks_tuple *tuple;
	struct ks_ask ask = {};

	if (!control || !scratch || bpf_skb_load_bytes(skb, 0, &ask, sizeof(ask)))
		return 0;
	inspection_prepare(&env, &scratch->insp, control, env_clock(control));
	scratch->relay.is_egress = 0;
	scratch->relay.ifindex = ask.ifindex;
	scratch->relay.out_ifindex = 0;
	scratch->insp.pkt.l3_off = 0;
	scratch->insp.pkt.tuple = ask.tuple;
	tuple = &scratch->insp.pkt.tuple;
	ask.is_home = env_source_is_at_home(&env, tuple, ask.from, ask.by_route);
	ask.is_near = env_source_is_near(&env, tuple, ask.from);
	ask.to = env_zone_to(&env, tuple, KS_ZONE_UNKNOWN);
	ask.out_ifindex = scratch->relay.out_ifindex;
	ask.others = env_other_zones(&env, tuple, ask.to);
	return bpf_skb_store_bytes(skb, 0, &ask, sizeof(ask), 0) == 0;
}

/* The loop over the keys of one run. */
struct kill_ctx {
	struct ks_env *env;
	struct ks_scratch *scratch;
	struct __sk_buff *skb;
	__u32 killed;
	__u8 why;
};

static long kill_key(__u32 n, void *arg)
{
	struct kill_ctx *k = arg;

	if (bpf_skb_load_bytes(k->skb, KILL_KEYS_OFF + n * sizeof(struct ks_flow_key), &k->scratch->insp.flow.key,
			       sizeof(struct ks_flow_key)))
		return 1;
	k->killed += ks_table_kill(k->env, &k->scratch->insp.flow, k->why);
	return 0;
}

/* Run by the loader with 16 bytes, the last of which is why (enum ks_end), and up to 32 keys; returns how many flows were killed. */
PROGRAM("tc")
int ks_kill(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = kill_scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };
	struct kill_ctx killing = { .env = &env, .scratch = scratch, .skb = skb };

	if (!control || !scratch || bpf_skb_load_bytes(skb, KILL_WHY_OFF, &killing.why, sizeof(killing.why)))
		return 0;
	inspection_prepare(&env, &scratch->insp, control, env_clock(control));
	scratch->insp.flow.clock = ks_flow_clock(scratch->insp.home.now);
	ks_loop(KILL_KEYS_MAX, kill_key, &killing);
	return killing.killed;
}

/* The loop over the questions of one run. */
struct rules_ctx {
	struct ks_env *env;
	struct ks_scratch *scratch;
	struct __sk_buff *skb;
	__u32 answered;
};

static long rules_answer(__u32 n, void *arg)
{
	struct rules_ctx *ctx = arg;
	struct ks_question *question = &ctx->scratch->insp.opening.question;
	__u32 off = KS_ASK_RULES_OFF + n * KS_ASK_RULES_SIZE;
	struct ks_decision decision = {};

	if (bpf_skb_load_bytes(ctx->skb, off, question, KS_ASK_RULES_SIZE))
		return 1;
	ks_rules_ask(ctx->env, question, &decision);
	ctx->answered += !bpf_skb_store_bytes(ctx->skb, off, &decision.index, sizeof(decision.index), 0);
	return 0;
}

/*
 * Run by tests and benchmarks with KS_ASK_RULES_OFF bytes and questions, up to KS_ASK_RULES_MAX: the index of the rule that
 * decides is written over the beginning of each. Returns how many were answered.
 */
PROGRAM("tc")
int ks_ask_rules(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = kill_scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };
	struct rules_ctx asking = { .env = &env, .scratch = scratch, .skb = skb };

	if (!control || !scratch)
		return 0;
	inspection_prepare(&env, &scratch->insp, control, env_clock(control));
	ks_loop(KS_ASK_RULES_MAX, rules_answer, &asking);
	return asking.answered;
}
