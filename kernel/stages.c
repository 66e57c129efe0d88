/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which stages of an inspection (core/stages.h) a policy needs as programs.
 *
 * Overview. The verifier takes a tenth of a second and more for each, which is most of what a start takes. So those of helpers and of
 * limits are left out until a policy has a rule with one.
 *
 * Life cycle. What is missing for a policy is loaded and put into its slots before that policy is in force
 * (ks_kernel_set_policy()). If the kernel refuses, the policy before stays. What is loaded stays for as long as the programs do,
 * because flows that were opened under an earlier policy keep their helper and their limits. For the same reason nothing is left out
 * where flows come from elsewhere: in a takeover from another build, in a larger table, and before saved states are taken back.
 *
 * If a packet came to a stage that is missing all the same, it would be dropped, and counted as "internal" (drop_lost() in
 * bpf/tc.bpf.c).
 */
#include <bpf/bpf.h>

#include "kernel/internal.h"

#define STAGE_BIT(id) (1U << KS_STAGE_##id)
#define STAGES_OF_HELPERS                                                                                       \
	(STAGE_BIT(HELPER) | STAGE_BIT(SCAN) | STAGE_BIT(ANNOUNCE) | STAGE_BIT(MEDIA) | STAGE_BIT(TRANSCRIBE) | \
	 STAGE_BIT(ADJUST))
#define STAGES_OF_LIMITS STAGE_BIT(LIMIT)

__u32 ks_stages_of(const struct ks_policy *policy)
{
	__u32 stages = KS_STAGES_ALL;

	if (!policy->config.list[KS_LIST_HELPER].count)
		stages &= ~STAGES_OF_HELPERS;
	if (!policy->config.limits)
		stages &= ~STAGES_OF_LIMITS;
	return stages;
}

/* Of these stages, those that nobody has loaded yet. */
static __u32 stages_missing(const struct ks_kernel *kernel, __u32 stages)
{
	__u32 missing = 0, id;

	for (__u32 slot = 0; slot < KS_STAGE_MAX; slot++) {
		if (stages & (STAGES_OF_HELPERS | STAGES_OF_LIMITS) & 1U << slot &&
		    bpf_map_lookup_elem(kernel->maps[KS_MAP_TC_STAGES], &slot, &id))
			missing |= 1U << slot;
	}
	return missing;
}

int ks_kernel_need_stages(const struct ks_kernel *kernel, __u32 stages)
{
	__u32 missing = stages_missing(kernel, stages);

	return missing ? ks_kernel_load_stages(kernel, missing) : 0;
}

int ks_kernel_need_all_stages(const struct ks_kernel *kernel)
{
	return ks_kernel_need_stages(kernel, KS_STAGES_ALL);
}
