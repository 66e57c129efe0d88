// SPDX-License-Identifier: BSD-2-Clause
/*
 * The path of a packet, from its bytes to its verdict:
 *
 *   parse the headers                  (read.c, header/)
 *   not IP, or a neighbour's message:  pass untracked
 *   a fragment:                        ask its datagram (fragment/arrive.c)
 *   an ICMP error:                     ask the flow that it is about (error.c, track/icmp_error.c)
 *   find its flow, by an alias or its own key (known.c, table/table.c, nat/alias.c)
 *     known:   check zone and protocol, commit what follows (judge.h, track/track.c)
 *              by another way than before: bring flow and packet in line, or refuse (reroute.c)
 *              its helper reads along    (helper/helper.h)
 *     unknown: may it open one? is it expected? does a rule allow it, and where to?
 *              which source does it get? insert (open.c, helper/expect.c, rules.c, nat/source.c)
 *   passed, and it asks a group:       members may answer (group.c)
 *   write the translation              (write.c, nat/rewrite.c)
 *   count the verdict and report it    (here)
 *
 * The steps are stages (stages.h): the home runs one after the other until
 * the verdict stands.
 *
 * State is decided on a copy and committed only if the packet is valid and
 * nobody changed the flow meanwhile; if somebody did, the packet is judged
 * again. No lock is held across any of this.
 */
#include "core/inspect.h"

#include "core/env.h"
#include "core/fragment/fragment.h"
#include "core/answer.h"
#include "core/effect.h"
#include "core/members.h"
#include "core/port_scan.h"
#include "core/stage.h"

/* Clears the flows where nothing filled them. A packet of a known flow has overwritten both. */
static inline void flows_clear(struct ks_inspection *insp)
{
	if (!insp->flow.found)
		insp->flow.before = (struct ks_flow){};
	if (insp->verdict.state == KS_STATE_NONE)
		insp->flow.after = (struct ks_flow){};
}

/* The zone that it goes to. Of a packet of a flow that is not asked before it leaves: its flow knows. */
static inline __u32 zone_to(const struct ks_inspection *insp)
{
	if (insp->to >= KS_ZONE_MAX && insp->flow.found)
		return insp->flow.before.zone[!insp->dir];
	return insp->to;
}

/* Returns how zones count it: KS_FATES, not yet, for one that is held or left to where it leaves. */
static ks_inline __u32 fate_of(__u32 reason)
{
	if (!ks_reason_is_pass(reason))
		return KS_FATE_DROPPED;
	if (reason == KS_REASON_OK_UNDECIDED || reason == KS_REASON_OK_HELD)
		return KS_FATES;
	return reason == KS_REASON_OK_NEW ? KS_FATE_NEW : KS_FATE_PASSED;
}

/* Counts it by its reason and its zones. */
static ks_inline void count(struct ks_env *env, const struct ks_inspection *insp)
{
	__u32 bytes = insp->pkt.wire_len, fate = (__u32)ks_hide_value(fate_of(insp->verdict.reason), bytes); /* (V15) */

	env_count_reason(env, insp->verdict.reason, bytes);
	if (fate < KS_FATES)
		env_count_zones(env, ks_zone_pair(insp->home.from, zone_to(insp)), fate, bytes);
}

/* Counts the verdict on a packet that is of no flow, but for rules. */
static ks_inline void account_verdict(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	if (!ks_reason_is_pass(insp->verdict.reason) && config && config->options & KS_OPT_PROTECT)
		ks_port_scan_note(env, config, insp);
	if (insp->verdict.action == KS_REJECT && !ks_answer_admits(env, insp))
		insp->verdict.action = KS_DENY;
	count(env, insp);
}

/* Reports the verdict if the rule, a staged one or, for a drop, the option asks. */
static inline void report(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp)
{
	bool passes = ks_reason_is_pass(insp->verdict.reason);

	if (insp->verdict.log || insp->verdict.staged_log || (!passes && config && config->options & KS_OPT_LOG_DROPS))
		env_event(env, insp);
}

/* Counts for the rule that decided, and the one that the source is from; reports the verdict. */
static ks_inline void account_rules(struct ks_env *env, const struct ks_config *config,
				    const struct ks_inspection *insp)
{
	if (insp->verdict.rule_index != KS_DECISION_DEFAULT) {
		env_count_match(env, insp->verdict.rule);
		if (config && config->dynamics)
			ks_members_count(env, &insp->opening.as_filtered, insp->verdict.rule_index, insp->pkt.wire_len);
		if (config && config->effects)
			ks_effects_apply(env, insp);
	}
	if (ks_unlikely(insp->verdict.staged))
		env_count_match(env, insp->verdict.staged);
	if (insp->opening.source_rule && ks_reason_is_pass(insp->verdict.reason))
		env_count_match(env, insp->opening.source_rule);
	report(env, config, insp);
}

static ks_inline void count_established(struct ks_env *env, const struct ks_inspection *insp)
{
	env_count_established(env, ks_flow_pair(insp->home.from, insp->flow.after.zone[!insp->dir]),
			      insp->pkt.wire_len);
}

/* Counts the verdict and reports it. */
static ks_inline void account(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);

	if (insp->verdict.reason == KS_REASON_OK_ESTABLISHED)
		count_established(env, insp);
	else
		account_verdict(env, config, insp);
	account_rules(env, config, insp);
}

void ks_inspect_step(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	switch (insp->stage) {
#define X(id, name)                               \
	case KS_STAGE_##id:                       \
		ks_stage_##name(env, insp, head); \
		break;
		KS_STAGES(X)
#undef X
	default:
		insp->stage = KS_STAGE_DONE;
		break;
	}
	ks_fragment_resume_first(insp);
}

ks_inlined bool ks_inspect_end_plain(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_insp_verdict *verdict = &insp->verdict;
	bool is_established = verdict->reason == KS_REASON_OK_ESTABLISHED;

	if (verdict->action != KS_ALLOW || !(is_established || verdict->reason == KS_REASON_OK_NEW) ||
	    !insp->flow.found || verdict->state == KS_STATE_NONE || insp->home.dry)
		return false;
	if (verdict->rule_index != KS_DECISION_DEFAULT || verdict->staged || insp->opening.source_rule || verdict->log)
		return false;
	if (ks_likely(is_established))
		count_established(env, insp);
	else
		count(env, insp);
	return true;
}

ks_inlined __u32 ks_inspect_end(struct ks_env *env, struct ks_inspection *insp)
{
	if (ks_likely(ks_inspect_end_plain(env, insp)))
		return KS_ALLOW;
	flows_clear(insp);
	if (!insp->home.dry)
		account(env, insp);
	return insp->verdict.action;
}

__u32 ks_inspect_end_known(struct ks_env *env, struct ks_inspection *insp)
{
	flows_clear(insp);
	if (insp->verdict.reason == KS_REASON_OK_ESTABLISHED)
		count_established(env, insp);
	else
		count(env, insp);
	report(env, env_config(env), insp);
	return insp->verdict.action;
}

ks_inlined void ks_inspect_begin(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	ks_inspection_init(insp);
	insp->verdict.reason = (__u8)ks_inspect_read(env, insp, head);
}

ks_frequent __u32 ks_inspect_finish(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	if (ks_likely(insp->stage == KS_STAGE_FIND)) {
		ks_stage_find(env, insp, head);
		ks_fragment_resume_first(insp);
	}
	while (insp->stage != KS_STAGE_DONE)
		ks_inspect_step(env, insp, head);
	return ks_inspect_end(env, insp);
}

__u32 ks_inspect(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	ks_inspect_begin(env, insp, head);
	return ks_inspect_finish(env, insp, head);
}
