/* SPDX-License-Identifier: BSD-2-Clause */
/* The step about limits: those of the rule that lets a packet open a flow, and what each of them counts now. */
#include <stdlib.h>

#include "core/limit.h"
#include "core/table/tally.h"
#include "explain/internal.h"
#include "policy/limit.h"
#include "policy/value.h"
#include "text/memory_file.h"
#include "text/scoped.h"

/* How much of a limit is spent: connections, or how many of its burst. */
static __u64 spent(struct ks_explain *explain, const struct ks_limit *limit)
{
	const struct ks_inspection *insp = explain->insp;
	struct ks_entry entry = { .clock = ks_flow_clock(insp->home.now) };
	const struct ks_tally *tally = &ks_record_before(&entry)->tally;
	struct ks_env *env = ks_engine_env(explain->engine);
	__u64 due;

	ks_tally_key(limit, &insp->limiting.flow, insp->limiting.high, &entry.key);
	ks_table_hash(env, &entry);
	ks_table_find(env, &entry);
	if (!entry.found)
		return 0;
	if (limit->unit == KS_LIMIT_CONNECTIONS)
		return tally->count;
	due = tally->due[0] > insp->home.now ? tally->due[0] - insp->home.now : 0;
	return (due * limit->amount + limit->period - 1) / limit->period;
}

/* The name of a run-time set by its number. */
static const char *set_name(const struct ks_policy *policy, __u32 number)
{
	for (size_t i = 0; i < policy->set_info_count; i++) {
		if (policy->set_infos[i].dynamic && policy->set_infos[i].number == number)
			return policy->set_infos[i].name;
	}
	return "";
}

static void overload_tell(struct ks_explain *explain, const struct ks_limit *limit)
{
	char hold[KS_DURATION_TEXT];

	if (!limit->overload)
		return;
	ks_explain_step(explain, "limit", "note", "a source whose complete handshake is too many comes into @%s%s%s%s",
			set_name(explain->policy, limit->overload - 1U), limit->hold ? " for " : "",
			limit->hold ? ks_duration_text(limit->hold, hold) : "",
			limit->ends ? ", and its flows end" : "");
}

static void limit_tell(struct ks_explain *explain, const struct ks_limit *limit)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	bool refuses = explain->insp->verdict.reason == ks_limit_reason(limit->unit);
	__u64 most = limit->unit == KS_LIMIT_CONNECTIONS
			     ? limit->amount
			     : (limit->burst * limit->amount + limit->period / 2) / limit->period;
	ks_auto_free char *text = NULL;
	json_t *step;

	if (ks_memory_file_open(&file)) {
		explain->no_memory = true;
		return;
	}
	ks_limit_print(limit, file.out);
	text = ks_memory_file_take(&file);
	if (!text) {
		explain->no_memory = true;
		return;
	}
	if (limit->unit > KS_LIMIT_CONNECTIONS) {
		ks_explain_step(explain, "limit", refuses ? "drop" : "note", "what its flow carries is limited to %s",
				text);
		return;
	}
	step = ks_explain_step(explain, "limit", refuses && spent(explain, limit) >= most ? "drop" : "ok",
			       "limited to %s: %llu of %llu are spent", text, spent(explain, limit), most);
	ks_explain_detail(explain, step, "spent", json_integer((json_int_t)spent(explain, limit)));
	ks_explain_detail(explain, step, "of", json_integer((json_int_t)most));
	overload_tell(explain, limit);
}

/* Returns true if limits are asked about the packet: it opens a flow by a rule, or its flow waits to be counted or is paced. */
static bool limits_matter(const struct ks_inspection *insp)
{
	if (insp->verdict.rule == KS_RULE_DEFAULT)
		return false;
	if (insp->flow.found && !insp->opening.replaces)
		return insp->flow.before.limits & (KS_FLOW_LIMIT_PENDING | KS_FLOW_LIMIT_PACED);
	return insp->verdict.rule_index != KS_DECISION_DEFAULT;
}

void ks_explain_limits(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_policy *policy = explain->policy;
	__u32 at = ks_limit_first(ks_engine_env(explain->engine), &policy->config, insp->verdict.rule);

	if (!limits_matter(insp))
		return;
	if (insp->verdict.reason == KS_REASON_TALLIES_FULL)
		ks_explain_step(explain, "limit", "drop",
				"it would need a count of its own, there are as many as `limit tallies` allows, and "
				"none makes room");
	for (; at < policy->config.limits && policy->limits[at].rule == insp->verdict.rule; at++)
		limit_tell(explain, &policy->limits[at]);
}
