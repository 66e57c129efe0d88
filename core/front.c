// SPDX-License-Identifier: BSD-2-Clause
/* The front's questions behind those of open.c: protection, and the challenge; see front.h. */
#include "core/front.h"

#include "core/challenge.h"
#include "core/checksum.h"
#include "core/env.h"
#include "core/protect.h"

ks_inlined bool ks_front_challenges(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				    const __u8 *head)
{
	if (ks_sum_is_wrong(env, config, insp, head) || !ks_challenge_asks(env, config, insp, true))
		return false;
	insp->verdict.reason = (__u8)ks_challenge_judge(insp);
	return true;
}

/* An odd packet. What is let go on is left to the inspection, which counts it. */
static ks_inline bool oddity_is_refused(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason;

	insp->opening.foreseen = 1;
	reason = ks_protect_oddity(env, config, insp);
	if (!reason)
		return false;
	insp->verdict.reason = (__u8)ks_deny(insp, KS_CLASS_NONE, reason);
	return true;
}

/* A packet that the rules let open a flow. One with a wrong checksum is refused for that, by the inspection. */
static ks_inline bool opening_is_refused(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
					 const __u8 *head, bool answers)
{
	__u32 reason;

	insp->opening.foreseen = 1;
	reason = ks_protect_opening(env, config, insp);
	if (reason) {
		if (ks_sum_is_wrong(env, config, insp, head))
			return false;
		ks_open_forget(insp);
		insp->verdict.reason = (__u8)ks_deny(insp, KS_CLASS_NEW, reason);
		return true;
	}
	if (!answers || !ks_front_challenges(env, config, insp, head))
		return false;
	insp->opening.foreseen = 0;
	if (!insp->opening.flooded)
		ks_protect_opening(env, config, insp); /* nobody else will count it */
	return true;
}

bool ks_front_protects(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, bool answers)
{
	const struct ks_config *config = env_config(env);
	__u32 stage = insp->stage;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return false;
	if (stage == KS_STAGE_PROTECT)
		return oddity_is_refused(env, config, insp);
	return stage == KS_STAGE_OPEN && opening_is_refused(env, config, insp, head, answers);
}
