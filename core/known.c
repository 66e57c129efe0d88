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
static inline bool zones_fit(const struct ks_inspection *in)
{
	if (ks_unlikely(in->rerouted))
		return true;
	return !ks_comes_from_elsewhere(in) && !ks_leaves_elsewhere(in);
}

/*
 * A valid packet that moves no state is not dropped because other processors
 * always committed first: the flow only misses it in its numbers.
 */
static bool may_go_uncounted(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_table_counts *counts = env_table_counts(env);

	if (in->retries < JUDGE_TRIES - 1 || in->flow.after.state != in->flow.before.state || !counts)
		return false;
	ks_fetch_add(&counts->uncounted, 1);
	return true;
}

static inline __u32 refuse_known(struct ks_inspection *in, __u32 reason)
{
	in->flow.after = in->flow.before;
	return ks_deny(in, KS_CLASS_INVALID, reason);
}

/* Inlined where nearly every packet goes. */
static ks_inline __u32 judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason;

	in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
	in->rule = in->flow.before.rule;
	in->state = in->flow.before.state;
	if (!zones_fit(in))
		return refuse_known(in, KS_REASON_ZONE);
	if (!ks_nat_is_addressed(in) && !ks_is_second_look(in)) /* which sees what ingress has translated */
		return refuse_known(in, KS_REASON_UNTRANSLATED);
	if (ks_nat_is_translated(&in->flow.before)) {
		reason = ks_nat_translate(env, in);
		if (reason)
			return refuse_known(in, reason);
	}
	reason = ks_track_update(env, config, in);
	if (!ks_reason_is_pass(reason))
		return refuse_known(in, reason);
	if (!in->dry && !ks_table_commit(env, &in->flow) && !may_go_uncounted(env, in))
		return ks_deny(in, KS_CLASS_ESTABLISHED, KS_REASON_CONTENDED);
	in->state = in->flow.after.state;
	if (in->dir == KS_ORIGINAL && !(in->flow.before.flags & KS_FLOW_REPLIED))
		return ks_pass(in, KS_CLASS_NEW, KS_REASON_OK_NEW);
	return ks_pass(in, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
}

__u32 ks_judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	return judge_known(env, config, in);
}

void ks_inspect_conclude(struct ks_inspection *in, const struct ks_config *config, __u32 reason)
{
	if (!ks_again(in, reason, KS_STAGE_FIND))
		ks_conclude(in, config, reason);
}

/* A flow that others keep writing at is read so often before its packet is given up: a write takes far less than one read. */
#define SETTLE_TRIES 64

struct settle_ctx {
	struct ks_env *env;
	struct ks_inspection *in;
};

static long settle_try(__u32 n, void *arg)
{
	struct settle_ctx *ctx = arg;
	struct ks_inspection *in = ctx->in;

	in->sender = ks_packet_key(ctx->env, in, &in->pkt.tuple, &in->flow.key);
	ks_table_hash(ctx->env, &in->flow);
	ks_nat_find(ctx->env, in);
	return !in->flow.busy;
}

/* The packet's flow as it is now, or KS_REASON_CONTENDED while somebody writes. */
static inline __u32 find_flow(struct ks_env *env, struct ks_inspection *in)
{
	struct settle_ctx ctx = { .env = env, .in = in };

	if (ks_likely(!in->retries)) /* its key was made when the packet was read */
		ks_nat_find(env, in);
	else
		ks_loop(in->retries < JUDGE_TRIES - 1 ? 1 : SETTLE_TRIES, settle_try, &ctx);
	return in->flow.busy ? KS_REASON_CONTENDED : KS_REASON_OK_NEW;
}

static bool moves_nothing(const struct ks_inspection *in)
{
	const __u8 moving = KS_TCP_SYN | KS_TCP_FIN | KS_TCP_RST;

	if (in->pkt.tuple.proto == KS_PROTO_TCP)
		return in->flow.before.state == KS_STATE_TCP_ESTABLISHED && !(in->pkt.tcp_flags & moving);
	return in->flow.before.state == KS_STATE_UDP_STREAM && in->flow.before.class != KS_UDP_DNS;
}

/*
 * The writer of the flow was interrupted, and holds it for as long as that takes. Data of an established connection move
 * no state, and what tells where they go does not change while a flow is written: they pass, uncounted and not compared
 * with a window that is half written. Their receiver compares.
 */
static __u32 pass_unread(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_table_counts *counts = env_table_counts(env);
	__u32 reason;

	if (in->retries < JUDGE_TRIES - 1 || !moves_nothing(in) || in->flow.before.helper || !counts)
		return KS_REASON_CONTENDED;
	in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
	if (!zones_fit(in) || (!ks_nat_is_addressed(in) && !ks_is_second_look(in)))
		return KS_REASON_CONTENDED;
	reason = ks_nat_is_translated(&in->flow.before) ? ks_nat_translate(env, in) : 0;
	if (reason)
		return KS_REASON_CONTENDED;
	in->flow.found = 1;
	in->flow.after = in->flow.before;
	in->rule = in->flow.before.rule;
	in->state = in->flow.before.state;
	ks_fetch_add(&counts->uncounted, 1);
	return ks_pass(in, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
}

void ks_stage_find(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = find_flow(env, in);
	if (reason != KS_REASON_CONTENDED) {
		in->replaces = in->flow.found && ks_track_reopens(&in->pkt, &in->flow.before);
		if (!in->flow.found || in->replaces) {
			in->stage = KS_STAGE_OPEN;
			return;
		}
		in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
		if (ks_unlikely(!in->rerouted && (ks_comes_from_elsewhere(in) || ks_leaves_elsewhere(in)))) {
			in->stage = KS_STAGE_REROUTE;
			return;
		}
		if (ks_unlikely(in->flow.before.helper)) {
			in->stage = KS_STAGE_HELPER;
			return;
		}
		reason = judge_known(env, config, in);
	} else {
		reason = pass_unread(env, in);
	}
	ks_inspect_conclude(in, config, reason);
}

/* Who believes a redirect sends elsewhere: unlike other errors it needs a rule (RFC 1122 3.2.2.2, RFC 1812 5.2.7.2). */
static inline bool needs_rule(const struct ks_inspection *in)
{
	return ks_icmp_is_redirect(&in->pkt) && in->from != KS_ZONE_SELF;
}

/* Why an error of this box may be about no flow: what it speaks of passed, but went nowhere, or a rule bypassed it. */
static inline bool is_own_word(__u32 reason)
{
	return reason == KS_REASON_ICMP_NO_FLOW || reason == KS_REASON_ZONE || reason == KS_REASON_ICMP_QUOTE;
}

/* The kernel only complains of packets that it was given, so those that the rules allowed: no rule is needed, one may deny. */
static __u32 judge_own_error(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_decision decision = {};
	__u32 action;

	in->flow.found = 0;
	in->translate = 0;
	action = ks_open_ask(env, in, &decision);
	if (in->rule_index != KS_DECISION_DEFAULT && action != KS_ALLOW && action != KS_BYPASS)
		return ks_deny(in, KS_CLASS_RELATED, KS_REASON_RULE);
	ks_open_forget(in);
	return ks_pass(in, KS_CLASS_RELATED, KS_REASON_OK_RELATED);
}

static __u32 judge_error(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in, const __u8 *head)
{
	struct ks_decision decision = {};
	__u32 reason;

	reason = ks_icmp_error_judge(env, in, head);
	if (reason == KS_REASON_OK_RELATED && needs_rule(in) && ks_open_ask(env, in, &decision) != KS_ALLOW)
		return ks_deny(in, KS_CLASS_INVALID,
			       in->rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_STATE : KS_REASON_RULE);
	if (in->from == KS_ZONE_SELF && is_own_word(reason))
		return judge_own_error(env, in);
	if (reason == KS_REASON_OK_RELATED) {
		in->rule = in->flow.before.rule;
		in->state = in->flow.before.state;
		in->flow.after = in->flow.before;
		return ks_pass(in, KS_CLASS_RELATED, reason);
	}
	if (reason != KS_REASON_CONTENDED && config->options & KS_OPT_BYPASS_RULES) {
		if (ks_open_ask(env, in, &decision) == KS_BYPASS) {
			in->action = KS_BYPASS;
			in->class = KS_CLASS_UNTRACKED;
			return KS_REASON_OK_BYPASS;
		}
		ks_open_forget(in);
	}
	return ks_deny(in, KS_CLASS_INVALID, reason);
}

void ks_stage_error(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = judge_error(env, config, in, head);
	if (!ks_again(in, reason, KS_STAGE_ERROR))
		ks_conclude(in, config, reason);
}
