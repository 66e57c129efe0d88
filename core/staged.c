// SPDX-License-Identifier: BSD-2-Clause
/* Staged rules; see staged.h. */
#include "core/staged.h"

#include "core/env.h"
#include "core/inspection.h"

/* Not inlined, because few policies have staged rules. */
static __attribute__((noinline)) void staged_ask(struct ks_env *env, struct ks_inspection *insp,
						 const struct ks_decision *decision)
{
	struct ks_question *question = &insp->opening.question;
	struct ks_decision staged = {};
	const struct ks_rule *rule;

	question->list = KS_LIST_STAGED;
	ks_rules_ask(env, question, &staged);
	question->list = KS_LIST_FILTER;
	rule = env_rule(env, staged.index);
	if (!rule || rule->before > decision->index)
		return;
	insp->verdict.staged = rule->id;
	insp->verdict.staged_log = !!(rule->flags & KS_RULE_LOG);
}

ks_inlined void ks_staged_note(struct ks_env *env, struct ks_inspection *insp, const struct ks_decision *decision)
{
	const struct ks_config *config = env_config(env);

	if (ks_unlikely(config && config->list[KS_LIST_STAGED].count))
		staged_ask(env, insp, decision);
}
