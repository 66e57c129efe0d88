/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of a test, for scenario.c (steps), report.c (words) and expect_output.c (bytes that leave). */
#ifndef KS_SCENARIO_RUNNER_H
#define KS_SCENARIO_RUNNER_H

#include "policy/adopt.h"
#include "scenario/craft.h"
#include "scenario/scenario.h"

struct ks_runner {
	const struct ks_policy *first; /* the one with the tests */
	const struct ks_policy *policy; /* in force: another one after `reload` */
	struct ks_policy *reloaded; /* `policy`, if it is ours to free */
	struct ks_ids ids; /* of its rules and zones and of those before it */
	const struct ks_home *home;
	struct ks_crafter *crafter;
	__s64 wall; /* the home's wall clock, ns since 1970 */
};

/* The kind of answer that a passage brought. */
enum ks_answer ks_answer_kind(const struct ks_passage *passage);

/* KS_LOGS_* of the rules that have the packet written to the log. */
int ks_logs_of(const struct ks_passage *passage);

/*
 * Returns what is wrong with a packet that was let through, as it leaves: a translation
 * has broken it, or it is not as the step expects. NULL if nothing is wrong.
 */
const char *ks_leaving_fault(const struct ks_runner *runner, const struct ks_frame *frame, const struct ks_step *step,
			     const struct ks_passage *passage);

/* The expectation, and the packet as it leaves, in the words of the language; no words if it is not changed. */
void ks_leaving_expected(const struct ks_expect *expect, char *text, size_t size);
void ks_leaving_text(const struct ks_frame *frame, const struct ks_passage *passage, char *text, size_t size);

/* Fills in the texts of the result: expected, got and why. */
void ks_passage_describe(const struct ks_runner *runner, const struct ks_step *step, const struct ks_frame *frame,
			 struct ks_step_result *result);

#endif
