// SPDX-License-Identifier: BSD-2-Clause
/* See express.h. */
#include "core/express.h"

#include "core/judge.h"

/* Returns true if others than its state machine ask for the packets of the flow, or it must be brought in line first. */
static inline bool is_for_others(const struct ks_config *config, const struct ks_inspection *insp)
{
	if (config->alters & KS_ALTER_RULES && insp->flow.before.limits & KS_FLOW_RULED)
		return true; /* a home that sends at once may have no place for a mark */
	return ks_is_lost(insp) || ks_comes_from_elsewhere(insp) || ks_leaves_elsewhere(insp) ||
	       ks_flow_is_aside(&insp->flow.before);
}

ks_inlined bool ks_express_judge(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);

	if (!config || !insp->flow.found || ks_track_is_telling(&insp->pkt))
		return false;
	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	if (is_for_others(config, insp) || !ks_reason_is_pass(ks_judge_copy(env, config, insp)) || ks_moves_flow(insp))
		return false;
	return !ks_is_unanswered(insp) || !(config->options & KS_OPT_PROTECT);
}

ks_inlined bool ks_express_commit(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	if (!config || !ks_table_commit_flow(env, &insp->flow))
		return false;
	insp->verdict.state = insp->flow.after.state;
	reason = ks_is_unanswered(insp) ? ks_pass(insp, KS_CLASS_NEW, KS_REASON_OK_NEW)
					: ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
	ks_conclude(insp, config, reason);
	return true;
}
