// SPDX-License-Identifier: BSD-2-Clause
/* The rates of answers; see answer.h. */
#include "core/answer.h"

#include "core/env.h"
#include "core/inspection.h"
#include "core/rate.h"
#include "core/table/hash.h"
#include "core/table/table.h"

/* The rate of the packet's source. NULL if the home has none. */
static __u64 *source_rate(struct ks_env *env, struct ks_answers *answers, const struct ks_packet *pkt)
{
	const struct ks_table_shape *shape = env_table_shape(env);
	struct ks_flow_key key = ks_source_key(&pkt->tuple);

	if (!shape)
		return NULL;
	return &answers->source[ks_flow_key_hash(&key, shape->key) & (KS_ANSWER_SOURCES - 1)];
}

/* A rate of so many a second, and as many at once. */
static bool second_take(__u64 *word, __u64 now, __u32 limit)
{
	return ks_rate_take(word, now, KS_NSEC_PER_SEC / (limit ? limit : 1), KS_NSEC_PER_SEC);
}

static bool second_admits(const __u64 *word, __u64 now, __u32 limit)
{
	return ks_rate_admits(ks_load_relaxed(word), now, KS_NSEC_PER_SEC / (limit ? limit : 1), KS_NSEC_PER_SEC);
}

bool ks_answer_is_spent(struct ks_env *env, const struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);
	struct ks_answers *answers = env_answers(env);
	const __u64 *source = answers ? source_rate(env, answers, &insp->pkt) : NULL;

	if (!config || !source)
		return false;
	return !second_admits(source, insp->home.now, config->limit_answers_source) ||
	       !second_admits(&answers->all, insp->home.now, config->limit_answers);
}

bool ks_answer_admits(struct ks_env *env, const struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);
	struct ks_answers *answers = env_answers(env);
	__u64 *source;

	if (insp->verdict.reason == KS_REASON_CHALLENGED)
		return true;
	source = answers ? source_rate(env, answers, &insp->pkt) : NULL;
	if (!config || !source)
		return false;
	if (second_take(source, insp->home.now, config->limit_answers_source) &&
	    second_take(&answers->all, insp->home.now, config->limit_answers))
		return true;
	ks_fetch_add(&answers->withheld, 1);
	return false;
}
