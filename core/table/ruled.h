/* SPDX-License-Identifier: BSD-2-Clause */
/* A flow and the effects of its rule on it (core/effect.h). */
#ifndef KS_CORE_TABLE_RULED_H
#define KS_CORE_TABLE_RULED_H

#include "core/effect.h"
#include "core/env.h"
#include "core/rules.h"
#include "core/table/flow.h"

/* The effects of the flow's rule, NULL if it has none on its flows. */
static inline const struct ks_effects *ks_flow_effects(struct ks_env *env, const struct ks_flow *flow)
{
	return flow->limits & KS_FLOW_RULED ? env_effects(env, flow->rule) : NULL;
}

/* Returns true if only one direction of the flow may be seen: by the option, or its rule. */
static inline bool ks_flow_is_asymmetric(struct ks_env *env, const struct ks_config *config, const struct ks_flow *flow)
{
	const struct ks_effects *effects;

	if (ks_likely(!(config->options & (KS_OPT_ASYMMETRIC | KS_OPT_ASYMMETRIC_RULES))))
		return false;
	if (config->options & KS_OPT_ASYMMETRIC)
		return true;
	effects = ks_flow_effects(env, flow);
	return effects && effects->flags & KS_EFFECT_ASYMMETRIC;
}

#endif
