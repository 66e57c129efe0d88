// SPDX-License-Identifier: BSD-2-Clause
/* judge.h as a function, for callers to which few packets come. */
#include "core/judge.h"

__u32 ks_judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, const __u8 *head)
{
	return ks_judge_inline(env, config, insp, head);
}
