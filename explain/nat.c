/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps about address translation and helpers: how the packet leaves, and the rules that say so. */
#include "explain/internal.h"
#include "explain/json.h"

__u8 ks_explain_zone_asked(const struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_policy *policy = explain->policy;

	if (insp->verdict.rule_index >= policy->config.rules || !policy->rules[insp->verdict.rule_index].targets ||
	    insp->home.to == KS_ZONE_UNKNOWN)
		return insp->to;
	return insp->home.to;
}

static bool opens_flow(const struct ks_inspection *insp)
{
	return !insp->flow.found || insp->opening.replaces;
}

static void explain_source_rule(struct ks_explain *explain)
{
	const struct ks_rule_info *rule = ks_policy_rule(explain->policy, explain->insp->opening.source_rule);

	if (rule)
		ks_explain_step(explain, "nat", "note", "its source is the business of %s:%u: %s", rule->place.file,
				rule->place.line, rule->text);
	else if (explain->insp->translate & KS_TRANSLATE_SRC)
		ks_explain_step(explain, "nat", "note",
				"it leaves by the zone it came from, by another destination: its source becomes the "
				"box's own, so that the answers come back this way");
	else
		ks_explain_step(explain, "nat", "note", "no nat rule is for it: its source stays");
}

static void explain_helper(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	unsigned helper = opens_flow(insp) ? insp->opening.helper : insp->flow.before.helper;

	if (helper)
		ks_explain_step(explain, "helper", "note", "helper %s reads its connection", ks_helper_name(helper));
}

void ks_explain_translation(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	__u8 to = opens_flow(insp) ? insp->to : insp->flow.before.zone[!insp->dir];
	char text[KS_EXPLAIN_TUPLE];
	json_t *step;

	if (!ks_reason_is_pass(insp->verdict.reason) || insp->verdict.class == KS_CLASS_UNTRACKED)
		return;
	if (explain->policy->config.options & KS_OPT_NAT && opens_flow(insp) && insp->verdict.class == KS_CLASS_NEW)
		explain_source_rule(explain);
	if (insp->translate) {
		ks_explain_tuple(&insp->sent, ">", text);
		step = ks_explain_step(explain, "leaving", "ok", "it leaves as %s, to zone %s", text,
				       ks_policy_zone_name(explain->policy, to));
		ks_explain_detail(explain, step, "leaves", ks_json_tuple(&insp->sent));
	}
	explain_helper(explain);
}
