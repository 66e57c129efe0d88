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
#include "core/members.h"
#include "core/port_scan.h"
#include "core/stage.h"

/* Clears the flows where nothing filled them. A packet of a known flow has overwritten both. */
static inline void flows_clear(struct ks_inspection *insp)
{
	if (ks_likely(insp->flow.found && insp->verdict.state != KS_STATE_NONE))
		return;
	if (!insp->flow.found)
		insp->flow.before = (struct ks_flow){};
	if (insp->verdict.state == KS_STATE_NONE)
		insp->flow.after = (struct ks_flow){};
}

/* Counts the verdict, and reports it if its rule or, for a drop, the option asks. */
static void account(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);
	bool decided_by_rule = insp->verdict.rule_index != KS_DECISION_DEFAULT;

	if (!ks_reason_is_pass(insp->verdict.reason) && config && config->options & KS_OPT_PROTECT)
		ks_port_scan_note(env, config, insp);
	if (insp->verdict.action == KS_REJECT && !ks_answer_admits(env, insp))
		insp->verdict.action = KS_DENY;
	env_count_reason(env, insp->verdict.reason, insp->pkt.wire_len);
	if (decided_by_rule) {
		env_count_match(env, insp->verdict.rule);
		if (config && config->dynamics)
			ks_members_count(env, &insp->opening.as_filtered, insp->verdict.rule_index, insp->pkt.wire_len);
	}
	if (insp->opening.source_rule && ks_reason_is_pass(insp->verdict.reason))
		env_count_match(env, insp->opening.source_rule);
	if (insp->verdict.log ||
	    (!ks_reason_is_pass(insp->verdict.reason) && config && config->options & KS_OPT_LOG_DROPS))
		env_event(env, insp);
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

__u32 ks_inspect_end(struct ks_env *env, struct ks_inspection *insp)
{
	flows_clear(insp);
	if (!insp->home.dry)
		account(env, insp);
	return insp->verdict.action;
}

void ks_inspect_begin(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	ks_inspection_init(insp);
	insp->verdict.reason = (__u8)ks_inspect_read(env, insp, head);
}

__u32 ks_inspect_finish(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	while (insp->stage != KS_STAGE_DONE)
		ks_inspect_step(env, insp, head);
	return ks_inspect_end(env, insp);
}

__u32 ks_inspect(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	ks_inspect_begin(env, insp, head);
	return ks_inspect_finish(env, insp, head);
}
