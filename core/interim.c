// SPDX-License-Identifier: BSD-2-Clause
/* Until helpers and fragments are followed: flows with a helper are judged as others, fragments dropped. */
#include "env.h"
#include "expect.h"
#include "fragment.h"
#include "helper.h"
#include "home.h"

__attribute__((weak)) void ks_stage_fragment(struct ks_env *env, struct ks_inspection *in)
{
	in->reason = KS_REASON_FRAGMENT;
	in->class = KS_CLASS_INVALID;
	in->stage = KS_STAGE_DONE;
}

__attribute__((weak)) void ks_helper_inspect(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);

	in->reason = config ? ks_judge_known(env, config, in) : KS_REASON_INTERNAL;
	in->stage = in->action == KS_ALLOW && in->translate & in->phase ? KS_STAGE_WRITE : KS_STAGE_DONE;
}

__attribute__((weak)) bool ks_expect_find(struct ks_env *env, struct ks_inspection *in)
{
	return false;
}
