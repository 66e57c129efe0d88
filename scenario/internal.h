/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files host/scenario*.c share. */
#ifndef KS_SCENARIO_INTERNAL_H
#define KS_SCENARIO_INTERNAL_H

#include "policy/adopt.h"
#include "scenario/craft.h"
#include "scenario/scenario.h"

/* One run of a test. */
struct ks_runner {
	const struct ks_policy *first; /* whose tests are run */
	const struct ks_policy *policy; /* in force: another one after `reload` */
	struct ks_policy *reloaded;
	struct ks_ids ids; /* of its rules and zones and of those before it */
	const struct ks_home *home;
	struct ks_crafter *crafter;
};

/* Which kind of answer a passage brought. */
enum ks_answer ks_answer_kind(const struct ks_passage *passage);

/*
 * What is wrong with a packet that was let through, as it leaves: whatever a
 * translation must not break, or what the step says. NULL if nothing is.
 */
const char *ks_leaving_fault(const struct ks_runner *runner, const struct ks_frame *frame, const struct ks_step *step,
			     const struct ks_passage *passage);

/* What was expected of it, and how it leaves, in the words of the language; nothing if it is not changed. */
void ks_leaving_expected(const struct ks_expect *expect, char *text, size_t size);
void ks_leaving_text(const struct ks_frame *frame, const struct ks_passage *passage, char *text, size_t size);

/* Fills in what was expected, what was got and why. */
void ks_passage_describe(const struct ks_runner *runner, const struct ks_step *step, const struct ks_frame *frame,
			 struct ks_step_result *result);

#endif
