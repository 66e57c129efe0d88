// SPDX-License-Identifier: BSD-2-Clause
/* judge.h as a function, for callers to which few packets come, and who have not asked for their zones. */
#include "core/judge.h"

__u32 ks_judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, const __u8 *head)
{
	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	if (!ks_zones_fit(insp)) {
		ks_verdict_of_flow(insp);
		return ks_refuse_known(insp, KS_REASON_ZONE);
	}
	return ks_judge_inline(env, config, insp, head);
}
