// SPDX-License-Identifier: BSD-2-Clause
/* Effects of rules; see effect.h. */
#include "core/effect.h"

#include "core/env.h"
#include "core/inspection.h"
#include "core/members.h"

#define IPV4_BITS 32U
#define IPV6_BITS 128U

/* Returns true if the verdict is the rule's: nothing else has refused what it allows. */
static inline bool is_ruled(const struct ks_inspection *insp)
{
	switch (insp->verdict.reason) {
	case KS_REASON_RULE:
	case KS_REASON_PORT_SCAN:
	case KS_REASON_OK_NEW:
	case KS_REASON_OK_BYPASS:
		return true;
	default:
		return false;
	}
}

static inline void add(struct ks_env *env, const struct ks_effect_add *what, const struct ks_addr *addr, __u8 family)
{
	if (what->set)
		ks_set_add(env, (what->set - 1U) & (KS_DYNAMIC_MAX - 1), addr, family,
			   family == KS_IPV4 ? IPV4_BITS : IPV6_BITS, what->hold);
}

void ks_effects_apply(struct ks_env *env, const struct ks_inspection *insp)
{
	const struct ks_rule *rule = env_rule(env, insp->verdict.rule_index);
	const struct ks_tuple *tuple = &insp->opening.as_filtered;
	const struct ks_effects *effects;

	if (!rule || !(rule->effects & KS_EFFECT_ADD) || !is_ruled(insp))
		return;
	effects = env_effects(env, insp->verdict.rule);
	if (!effects)
		return;
	add(env, &effects->add[KS_EFFECT_SOURCE], &tuple->src, tuple->family);
	add(env, &effects->add[KS_EFFECT_DESTINATION], &tuple->dst, tuple->family);
}
