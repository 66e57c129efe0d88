/* SPDX-License-Identifier: BSD-2-Clause */
/* The step of an explanation that tells how zones and rules change a packet that passes (core/alter.h). */
#include "core/effect.h"
#include "explain/internal.h"
#include "policy/condition.h"
#include "policy/effect.h"
#include "text/names.h"

static void explain_rule(struct ks_explain *explain, const struct ks_effects *effects)
{
	unsigned dir = explain->insp->dir & 1;
	char dscp[KS_DSCP_TEXT];

	if (effects->dscp[dir])
		ks_explain_step(explain, "alter", "note", "its rule gives it code point %s",
				ks_dscp_text(effects->dscp[dir] - 1U, dscp));
	if (effects->mark_mask[dir])
		ks_explain_step(explain, "alter", "note", "its rule gives it mark 0x%x, of the bits 0x%x",
				effects->mark[dir], effects->mark_mask[dir]);
}

/* Tells an MSS that a zone or the rule has. */
static void explain_mss(struct ks_explain *explain, unsigned mss, const char *whose)
{
	if (mss == KS_MSS_OF_MTU)
		ks_explain_step(explain, "alter", "note", "%s lowers its MSS to what the MTU of its links allows",
				whose);
	else if (mss)
		ks_explain_step(explain, "alter", "note", "%s lowers its MSS to %u, if it is larger", whose, mss);
}

void ks_explain_alter(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_flow *flow = &insp->flow.after;
	const struct ks_policy *policy = explain->policy;
	const struct ks_effects none = { 0 }, *effects = &none;

	if (insp->verdict.action != KS_ALLOW || insp->verdict.state == KS_STATE_NONE ||
	    insp->pkt.flags & KS_PKT_ICMP_ERROR || insp->pkt.frag_off)
		return;
	if (flow->limits & KS_FLOW_RULED && flow->rule < policy->config.effects)
		effects = &policy->effects[flow->rule];
	explain_rule(explain, effects);
	if (insp->pkt.tuple.proto != KS_PROTO_TCP || !(insp->pkt.tcp_flags & KS_TCP_SYN))
		return;
	explain_mss(explain, effects->mss, "its rule");
	for (unsigned dir = KS_ORIGINAL; dir <= KS_REPLY; dir++) {
		char whose[KS_NAME_MAX + 8];

		snprintf(whose, sizeof(whose), "zone %s", ks_policy_zone_name(policy, flow->zone[dir]));
		explain_mss(explain, policy->config.mss[flow->zone[dir] & (KS_ZONE_MAX - 1)], whose);
	}
}
