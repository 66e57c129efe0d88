/* SPDX-License-Identifier: BSD-2-Clause */
/* See assertion.h. */
#include "proof/assertion.h"

#include <errno.h>
#include <stdlib.h>

#include "proof/ask.h"

struct refuting {
	bool always;
	bool is_found;
	struct ks_step_result *result;
};

/* Describes the line that decides about packets that refute the assertion. */
static void why_describe(const struct ks_answer_class *class, char *text)
{
	const struct ks_rule_info *info = ks_deed_info(&class->deed);
	const char *verbs = ks_deed_verbs(&class->deed), *perhaps = class->vague || class->is_unsure ? "perhaps " : "";
	int length;

	if (info)
		length = snprintf(text, KS_SCENARIO_TEXT, "%s:%u %s%s them: %s", info->place.file, info->place.line,
				  perhaps, verbs, info->text);
	else
		length =
			snprintf(text, KS_SCENARIO_TEXT, "%s", class->lets ? KS_ANSWER_PASSING : "no rule allows them");
	if (class->is_shown && length > 0 && length < KS_SCENARIO_TEXT)
		snprintf(text + length, KS_SCENARIO_TEXT - (size_t)length, "; such as %s", class->witness.text);
}

/* Takes the first class that refutes the assertion, one that is shown if there is any. */
static int class_take(const struct ks_answer_class *class, void *arg)
{
	struct refuting *refuting = arg;
	struct ks_step_result *result = refuting->result;
	const bool refutes = class->vague || class->lets != refuting->always;
	ks_auto_free char *packets = NULL;

	if (!refutes || refuting->is_found)
		return 0;
	packets = ks_regions_text(class->space, class->region, class->regions);
	if (!packets)
		return -ENOMEM;
	refuting->is_found = true;
	snprintf(result->got, sizeof(result->got), "%s%s%s", refuting->always ? "not " : "", packets,
		 class->regions == KS_ANSWER_REGIONS_MAX ? "; and more" : "");
	why_describe(class, result->why);
	return 0;
}

/* A question that is none. */
static int step_refuse(const struct ks_diags *diags, struct ks_step_result *result)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (diags->list[i].warning)
			continue;
		snprintf(result->got, sizeof(result->got), "%s", diags->list[i].message);
		return -EINVAL;
	}
	return -EINVAL;
}

int ks_assertion_prove(const struct ks_policy *policy, const struct ks_step *step, struct ks_step_result *result)
{
	struct refuting refuting = { .always = step->kind == KS_STEP_ALWAYS, .result = result };
	ks_auto_policy struct ks_policy *asked = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	enum ks_reach reach = KS_REACH_NEVER;
	int err = ks_question_load(policy, step->path, &asked, &diags);

	if (err == -EINVAL)
		return step_refuse(&diags, result);
	if (!err)
		err = ks_policy_ask_only(policy, asked, class_take, &refuting, &reach);
	if (err == -E2BIG) {
		snprintf(result->got, sizeof(result->got),
			 "no answer in as many steps as are allowed: assert it of fewer packets");
		return -EINVAL;
	}
	if (err)
		return err;
	snprintf(result->expected, sizeof(result->expected), "%s", refuting.always ? "all of them" : "none of them");
	result->outcome =
		reach == (refuting.always ? KS_REACH_YES : KS_REACH_NEVER) ? KS_OUTCOME_OK : KS_OUTCOME_FAILED;
	if (result->outcome == KS_OUTCOME_FAILED && !refuting.is_found)
		snprintf(result->got, sizeof(result->got),
			 "no packet of this kind comes to the rules as the first one of a connection");
	return 0;
}
