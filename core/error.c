// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage of an ICMP error, which is judged by the flow that it quotes
 * (track/icmp_error.c). Decides here which errors pass without a flow, and which
 * need a rule besides. An error changes no state.
 */
#include "core/env.h"
#include "core/nat/alias.h"
#include "core/stage.h"
#include "core/track/icmp_error.h"

/* A redirect changes where its receiver sends: unlike other errors it needs a rule (RFC 1122 3.2.2.2, RFC 1812 5.2.7.2). */
static inline bool error_needs_rule(const struct ks_inspection *insp)
{
	return ks_icmp_is_redirect(&insp->pkt) && insp->home.from != KS_ZONE_SELF;
}

/* Returns true if an error of this box may be refused for this: the packet that it quotes passed, but went nowhere, or a rule bypassed it. */
static inline bool may_lack_flow(__u32 reason)
{
	return reason == KS_REASON_ICMP_NO_FLOW || reason == KS_REASON_ZONE || reason == KS_REASON_ICMP_QUOTE;
}

/* The kernel only quotes packets that it was given, which the rules allowed: no rule is needed, but one may deny. */
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

/*
 * Returns true for a redirect of the box about a translated flow. The kernel sees a client and a server of one network and would
 * have them speak directly, but they know each other by other addresses.
 */
static inline bool is_vain_redirect(const struct ks_inspection *insp)
{
	return insp->home.from == KS_ZONE_SELF && ks_icmp_is_redirect(&insp->pkt) &&
	       ks_nat_is_translated(&insp->flow.before);
}

static __u32 judge_error(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
			 const __u8 *head)
{
	struct ks_decision decision = {};
	__u32 reason;

	reason = ks_icmp_error_judge(env, insp, head);
	if (reason == KS_REASON_OK_RELATED && is_vain_redirect(insp))
		return ks_deny(insp, KS_CLASS_INVALID, KS_REASON_ICMP_TYPE);
	if (reason == KS_REASON_OK_RELATED && error_needs_rule(insp) && ks_open_ask(env, insp, &decision) != KS_ALLOW)
		return ks_deny(insp, KS_CLASS_INVALID,
			       insp->verdict.rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_RULE : KS_REASON_RULE);
	if (insp->home.from == KS_ZONE_SELF && may_lack_flow(reason))
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

/* An error that passed before it was routed: only the source half of its translation is due. It has been counted. */
static void judge_second_half(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	__u32 reason = ks_icmp_error_judge(env, insp, head);

	if (ks_again(insp, reason, KS_STAGE_ERROR))
		return;
	if (reason != KS_REASON_OK_RELATED) {
		insp->verdict.reason = (__u8)ks_deny(insp, KS_CLASS_INVALID, reason);
		return;
	}
	insp->verdict.reason = (__u8)ks_pass(insp, KS_CLASS_RELATED, reason);
	if (insp->translate & insp->home.halves)
		insp->stage = KS_STAGE_WRITE;
}

void ks_stage_error(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	if (insp->second_half) {
		judge_second_half(env, insp, head);
		return;
	}
	ks_facts_gather(env, insp, head);
	reason = judge_error(env, config, insp, head);
	if (!ks_again(insp, reason, KS_STAGE_ERROR))
		ks_conclude(insp, config, reason);
}
