// SPDX-License-Identifier: BSD-2-Clause
/* Connections that are taken up in their middle after a start; see settle.h. */
#include "core/settle.h"

#include "core/env.h"
#include "core/home.h"
#include "core/track/track.h"

bool ks_settle_admits(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp)
{
	const struct ks_settling *settling;
	__u64 since;

	if (!config->settle || !ks_track_is_midstream(&insp->pkt))
		return false;
	settling = env_settling(env);
	if (!settling)
		return false;
	since = ks_load_relaxed(&settling->since);
	return since && insp->home.now < since + (__u64)config->settle * KS_NSEC_PER_MSEC;
}

bool ks_settle_translates(const struct ks_config *config, const struct ks_inspection *insp)
{
	const struct ks_tuple *was = &insp->pkt.tuple;

	if (!(insp->translate & KS_TRANSLATE_SRC))
		return true;
	if (insp->sent.sport != was->sport)
		return false;
	return !(config->options & KS_OPT_FORWARD) || ks_be16(was->sport) > ks_be16(was->dport);
}

void ks_settle_count(struct ks_env *env)
{
	struct ks_settling *settling = env_settling(env);

	if (settling)
		ks_fetch_add(&settling->taken, 1);
}
