// SPDX-License-Identifier: BSD-2-Clause
/* The stage that changes a packet's bytes: its translation (nat/rewrite.c), and what options, zones and rules change (scrub.c, alter.c). */
#include "core/alter.h"
#include "core/env.h"
#include "core/nat/mapping.h"
#include "core/nat/rewrite.h"
#include "core/scrub.h"
#include "core/stage.h"

void ks_stage_write(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason = KS_REASON_INTERNAL;

	insp->stage = KS_STAGE_DONE;
	if (config) {
		reason = ks_rewrite(env, insp, head);
		if (!reason && config->scrub)
			reason = ks_scrub(env, config, insp, head);
		if (!reason && ks_is_altered(insp, config))
			reason = ks_alter(env, config, insp, head);
		if (!reason && ks_mapping_is_refreshed(insp))
			ks_mapping_refresh(env, config, insp);
	}
	if (reason)
		insp->verdict.reason = (__u8)ks_deny(insp, KS_CLASS_INVALID, reason);
}
