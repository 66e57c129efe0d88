// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stages of a packet that belongs to a flow, and of an ICMP error that
 * speaks about one. The flow is judged on a copy, which is committed if the
 * packet is valid and nobody changed the flow meanwhile; if somebody did, the
 * packet is judged again. No lock is held across any of this.
 */
#include "core/track/track.h"
#include "core/env.h"
#include "core/home.h"
#include "core/link.h"
#include "core/track/icmp_error.h"
#include "core/nat/nat.h"
#include "core/stage.h"
#include "core/table/table.h"

/* Both ends of a flow stay where they were when it was opened, but for a packet that was brought in line (reroute.c). */
static inline bool zones_fit(const struct ks_inspection *insp)
{
	if (ks_unlikely(insp->rerouted))
		return true;
	return !ks_comes_from_elsewhere(insp) && !ks_leaves_elsewhere(insp);
}

/*
 * A valid packet that moves no state is not dropped because other processors
 * always committed first: the flow only misses it in its numbers.
 */
static bool may_go_uncounted(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_table_counts *counts = env_table_counts(env);

	if (insp->retries < JUDGE_TRIES - 1 || insp->flow.after.state != insp->flow.before.state || !counts)
		return false;
	ks_fetch_add(&counts->uncounted, 1);
	return true;
}

static inline __u32 refuse_known(struct ks_inspection *insp, __u32 reason)
{
	insp->flow.after = insp->flow.before;
	return ks_deny(insp, KS_CLASS_INVALID, reason);
}

/* Inlined where nearly every packet goes. */
static ks_inline __u32 judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason;

	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	insp->verdict.rule = insp->flow.before.rule;
	insp->verdict.state = insp->flow.before.state;
	if (!zones_fit(insp))
		return refuse_known(insp, KS_REASON_ZONE);
	if (!ks_nat_is_addressed(insp) && !ks_is_second_look(insp)) /* which sees what ingress has translated */
		return refuse_known(insp, KS_REASON_UNTRANSLATED);
	if (ks_nat_is_translated(&insp->flow.before)) {
		reason = ks_nat_translate(env, insp);
		if (reason)
			return refuse_known(insp, reason);
	}
	reason = ks_track_update(env, config, insp);
	if (!ks_reason_is_pass(reason))
		return refuse_known(insp, reason);
	if (!insp->home.dry && !ks_table_commit(env, &insp->flow) && !may_go_uncounted(env, insp))
		return ks_deny(insp, KS_CLASS_ESTABLISHED, KS_REASON_CONTENDED);
	insp->verdict.state = insp->flow.after.state;
	if (insp->dir == KS_ORIGINAL && !(insp->flow.before.flags & KS_FLOW_REPLIED))
		return ks_pass(insp, KS_CLASS_NEW, KS_REASON_OK_NEW);
	return ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
}

__u32 ks_judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	return judge_known(env, config, insp);
}

void ks_inspect_conclude(struct ks_inspection *insp, const struct ks_config *config, __u32 reason)
{
	if (!ks_again(insp, reason, KS_STAGE_FIND))
		ks_conclude(insp, config, reason);
}

/* A flow that others keep writing at is read so often before its packet is given up: a write takes far less than one read. */
#define SETTLE_TRIES 64

struct settle_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
};

static long settle_try(__u32 n, void *arg)
{
	struct settle_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;

	insp->from_high = ks_packet_key(ctx->env, insp, &insp->pkt.tuple, &insp->flow.key);
	ks_table_hash(ctx->env, &insp->flow);
	ks_nat_find(ctx->env, insp);
	return !insp->flow.busy;
}

/* The packet's flow as it is now, or KS_REASON_CONTENDED while somebody writes. */
static inline __u32 find_flow(struct ks_env *env, struct ks_inspection *insp)
{
	struct settle_ctx ctx = { .env = env, .insp = insp };

	if (ks_likely(!insp->retries)) /* its key was made when the packet was read */
		ks_nat_find(env, insp);
	else
		ks_loop(insp->retries < JUDGE_TRIES - 1 ? 1 : SETTLE_TRIES, settle_try, &ctx);
	return insp->flow.busy ? KS_REASON_CONTENDED : KS_REASON_OK_NEW;
}

static bool moves_nothing(const struct ks_inspection *insp)
{
	const __u8 moving = KS_TCP_SYN | KS_TCP_FIN | KS_TCP_RST;

	if (insp->pkt.tuple.proto == KS_PROTO_TCP)
		return insp->flow.before.state == KS_STATE_TCP_ESTABLISHED && !(insp->pkt.tcp_flags & moving);
	return insp->flow.before.state == KS_STATE_UDP_STREAM && insp->flow.before.class != KS_UDP_DNS;
}

/*
 * The writer of the flow was interrupted, and holds it for as long as that takes. Data of an established connection move
 * no state, and what tells where they go does not change while a flow is written: they pass, uncounted and not compared
 * with a window that is half written. Their receiver compares.
 */
static __u32 pass_unread(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_table_counts *counts = env_table_counts(env);
	__u32 reason;

	if (insp->retries < JUDGE_TRIES - 1 || !moves_nothing(insp) || insp->flow.before.helper || !counts)
		return KS_REASON_CONTENDED;
	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	if (!zones_fit(insp) || (!ks_nat_is_addressed(insp) && !ks_is_second_look(insp)))
		return KS_REASON_CONTENDED;
	reason = ks_nat_is_translated(&insp->flow.before) ? ks_nat_translate(env, insp) : 0;
	if (reason)
		return KS_REASON_CONTENDED;
	insp->flow.found = 1;
	insp->flow.after = insp->flow.before;
	insp->verdict.rule = insp->flow.before.rule;
	insp->verdict.state = insp->flow.before.state;
	ks_fetch_add(&counts->uncounted, 1);
	return ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
}

void ks_stage_find(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = find_flow(env, insp);
	if (reason != KS_REASON_CONTENDED) {
		insp->opening.replaces = insp->flow.found && ks_track_reopens(&insp->pkt, &insp->flow.before);
		if (!insp->flow.found || insp->opening.replaces) {
			insp->stage = KS_STAGE_OPEN;
			return;
		}
		insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
		if (ks_unlikely(!insp->rerouted && (ks_comes_from_elsewhere(insp) || ks_leaves_elsewhere(insp)))) {
			insp->stage = KS_STAGE_REROUTE;
			return;
		}
		if (ks_unlikely(insp->flow.before.helper)) {
			insp->stage = KS_STAGE_HELPER;
			return;
		}
		reason = judge_known(env, config, insp);
	} else {
		reason = pass_unread(env, insp);
	}
	ks_inspect_conclude(insp, config, reason);
}

/* Who believes a redirect sends elsewhere: unlike other errors it needs a rule (RFC 1122 3.2.2.2, RFC 1812 5.2.7.2). */
static inline bool needs_rule(const struct ks_inspection *insp)
{
	return ks_icmp_is_redirect(&insp->pkt) && insp->home.from != KS_ZONE_SELF;
}

/* Why an error of this box may be about no flow: what it speaks of passed, but went nowhere, or a rule bypassed it. */
static inline bool is_own_word(__u32 reason)
{
	return reason == KS_REASON_ICMP_NO_FLOW || reason == KS_REASON_ZONE || reason == KS_REASON_ICMP_QUOTE;
}

/* The kernel only complains of packets that it was given, so those that the rules allowed: no rule is needed, one may deny. */
static __u32 judge_own_error(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_decision decision = {};
	__u32 action;

	insp->flow.found = 0;
	insp->translate = 0;
	action = ks_open_ask(env, insp, &decision);
	if (insp->verdict.rule_index != KS_DECISION_DEFAULT && action != KS_ALLOW && action != KS_BYPASS)
		return ks_deny(insp, KS_CLASS_RELATED, KS_REASON_RULE);
	ks_open_forget(insp);
	return ks_pass(insp, KS_CLASS_RELATED, KS_REASON_OK_RELATED);
}

static __u32 judge_error(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
			 const __u8 *head)
{
	struct ks_decision decision = {};
	__u32 reason;

	reason = ks_icmp_error_judge(env, insp, head);
	if (reason == KS_REASON_OK_RELATED && needs_rule(insp) && ks_open_ask(env, insp, &decision) != KS_ALLOW)
		return ks_deny(insp, KS_CLASS_INVALID,
			       insp->verdict.rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_STATE : KS_REASON_RULE);
	if (insp->home.from == KS_ZONE_SELF && is_own_word(reason))
		return judge_own_error(env, insp);
	if (reason == KS_REASON_OK_RELATED) {
		insp->verdict.rule = insp->flow.before.rule;
		insp->verdict.state = insp->flow.before.state;
		insp->flow.after = insp->flow.before;
		return ks_pass(insp, KS_CLASS_RELATED, reason);
	}
	if (reason != KS_REASON_CONTENDED && config->options & KS_OPT_BYPASS_RULES) {
		if (ks_open_ask(env, insp, &decision) == KS_BYPASS) {
			insp->verdict.action = KS_BYPASS;
			insp->verdict.class = KS_CLASS_UNTRACKED;
			return KS_REASON_OK_BYPASS;
		}
		ks_open_forget(insp);
	}
	return ks_deny(insp, KS_CLASS_INVALID, reason);
}

void ks_stage_error(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = judge_error(env, config, insp, head);
	if (!ks_again(insp, reason, KS_STAGE_ERROR))
		ks_conclude(insp, config, reason);
}
