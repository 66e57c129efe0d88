/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files host/scenario*.c share. */
#ifndef KS_HOST_SCENARIO_INTERNAL_H
#define KS_HOST_SCENARIO_INTERNAL_H

#include "host/craft.h"
#include "host/scenario.h"

/* One run of a test. */
struct ks_runner {
	const struct ks_policy *first; /* whose tests are run */
	const struct ks_policy *policy; /* in force: another one after `reload` */
	struct ks_policy *reloaded;
	const struct ks_home *home;
	struct ks_crafter *crafter;
};

/* Which kind of answer a passage brought. */
enum ks_answer ks_answer_kind(const struct ks_passage *passage);

/* Fills in what was expected, what was got and why. */
void ks_passage_describe(const struct ks_runner *runner, const struct ks_step *step, struct ks_step_result *result);

#endif
