// SPDX-License-Identifier: BSD-2-Clause
/* The stage in which every packet is verified, with `option checksum`; see checksum.h. */
#include "core/checksum.h"

void ks_stage_checksum(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	if (!env_checksum_ok(env, head, &insp->pkt)) {
		insp->verdict.reason = (__u8)ks_deny(insp, KS_CLASS_INVALID, KS_REASON_L4_CHECKSUM);
		return;
	}
	insp->summed = 1;
	insp->verdict.reason = (__u8)ks_first_stage(env, config, insp);
}
