/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate test: runs the test blocks of policies in the native home of the inspector. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/confine.h"
#include "cli/diagnose.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "proof/assertion.h"
#include "text/json.h"
#include "text/names.h"

struct test_run_ctx {
	bool json, verbose, quiet, colour;
	const struct ks_policy *policy;
	unsigned passed, failed;
	json_t *steps; /* of the test that runs */
};

static json_t *step_json(const struct ks_policy *policy, const struct ks_step_result *result)
{
	const struct ks_inspection *insp = &result->passage.insp;
	json_t *step = json_pack("{s:i, s:s, s:b}", "line", (int)result->step->place.line, "text", result->step->text,
				 "passed", result->outcome == KS_OUTCOME_OK);

	if (result->expected[0])
		json_object_set_new(step, "expected", json_string(result->expected));
	if (result->got[0])
		json_object_set_new(step, "got", json_string(result->got));
	if (result->why[0])
		json_object_set_new(step, "because", json_string(result->why));
	if (result->has_passage) {
		const struct ks_rule_info *rule = ks_policy_rule(policy, insp->verdict.rule);

		json_object_update_new(step,
				       json_pack("{s:s, s:s, s:s, s:s}", "action", ks_action_name(insp->verdict.action),
						 "class", ks_class_name(insp->verdict.class), "reason",
						 ks_reason_name(insp->verdict.reason), "state",
						 ks_state_name(insp->verdict.state)));
		if (rule)
			json_object_set_new(step, "rule_line", json_integer(rule->place.line));
	}
	return step;
}

static void step_seen(const struct ks_step_result *result, void *arg)
{
	struct test_run_ctx *run = arg;

	if (run->json) {
		json_array_append_new(run->steps, step_json(run->policy, result));
		return;
	}
	if (!run->verbose)
		return;
	printf("    %s%4u%s  %s\n", ks_colour(run->colour, KS_COLOUR_DIM), result->step->place.line,
	       ks_colour(run->colour, KS_COLOUR_PLAIN), result->step->text);
	if (result->got[0] && result->outcome == KS_OUTCOME_OK)
		printf("          %s%s%s\n", ks_colour(run->colour, KS_COLOUR_DIM), result->got,
		       ks_colour(run->colour, KS_COLOUR_PLAIN));
}

static void test_print(const struct test_run_ctx *run, const struct ks_test *test, const struct ks_test_result *result)
{
	bool ok = result->outcome != KS_OUTCOME_FAILED;

	if (ok && run->quiet)
		return;
	printf("%s%s%s  %s:%u  %s\n", ks_colour(run->colour, ok ? KS_COLOUR_GREEN : KS_COLOUR_RED),
	       ok ? "ok  " : "FAIL", ks_colour(run->colour, KS_COLOUR_PLAIN), test->place.file, test->place.line,
	       test->name);
	if (!ok)
		ks_step_result_print(&result->step, "      ", stdout);
}

static json_t *test_json(const struct test_run_ctx *run, const struct ks_test *test,
			 const struct ks_test_result *result)
{
	json_t *object = json_pack("{s:o, s:i, s:s, s:b, s:O}", "file", ks_json_text(test->place.file), "line",
				   (int)test->place.line, "test", test->name, "passed",
				   result->outcome != KS_OUTCOME_FAILED, "steps", run->steps);

	if (result->outcome == KS_OUTCOME_FAILED)
		json_object_set_new(object, "failed_step", step_json(run->policy, &result->step));
	return object;
}

/* A test that expects nothing is counted as failed. */
static void test_refuse(struct test_run_ctx *run, const struct ks_test *test)
{
	run->failed++;
	if (run->json) {
		ks_json_print(json_pack("{s:o, s:i, s:s, s:b, s:[], s:s}", "file", ks_json_text(test->place.file),
					"line", (int)test->place.line, "test", test->name, "passed", 0, "steps",
					"error", KS_TEST_CANNOT_FAIL),
			      stdout);
		return;
	}
	printf("%sFAIL%s  %s:%u  %s\n      %s\n", ks_colour(run->colour, KS_COLOUR_RED),
	       ks_colour(run->colour, KS_COLOUR_PLAIN), test->place.file, test->place.line, test->name,
	       KS_TEST_CANNOT_FAIL);
}

/* Returns 0, or -errno when the home failed. */
static int test_run(struct test_run_ctx *run, const struct ks_test *test, const struct ks_home *home)
{
	ks_auto_free struct ks_test_result *result = malloc(sizeof(*result));
	ks_auto_json json_t *steps = json_array();
	int err;

	if (!result || !steps)
		return -ENOMEM;
	if (!ks_test_can_fail(test)) {
		test_refuse(run, test);
		return 0;
	}
	run->steps = steps;
	if (run->verbose && !run->json)
		printf("      %s:%u  %s\n", test->place.file, test->place.line, test->name);
	err = ks_scenario_run(run->policy, test, home, step_seen, run, result);
	if (err == -EINVAL)
		err = 0; /* the step says what is wrong with it */
	if (!err) {
		run->failed += result->outcome == KS_OUTCOME_FAILED;
		run->passed += result->outcome != KS_OUTCOME_FAILED;
		if (run->json)
			ks_json_print(test_json(run, test, result), stdout);
		else
			test_print(run, test, result);
	}
	return err;
}

/* As ks_cli_load(), but with --json a bad policy is printed as an object with its complaints. */
static int policy_load(const struct test_run_ctx *run, const char *path, struct ks_policy **policy)
{
	ks_auto_diags struct ks_diags diags = { 0 };
	int err;

	if (!run->json)
		return ks_cli_load(path, policy);
	err = ks_policy_load(path, policy, &diags);
	if (err)
		ks_json_print(ks_diagnose_json(path, err, &diags), stdout);
	else
		ks_diags_print(&diags, stderr, ks_output_colour(stderr));
	if (err && err != -EINVAL)
		fprintf(stderr, "keepstate: %s: %s\n", path, strerror(-err));
	return ks_cli_load_code(err);
}

/* Returns an enum ks_exit; KS_EXIT_OK also if tests failed, which run->failed counts. */
static int file_run(struct test_run_ctx *run, const char *path)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_native_home struct ks_home home = { 0 };
	int err, code = policy_load(run, path, &policy);

	if (code != KS_EXIT_OK)
		return code;
	run->policy = policy;
	err = ks_native_home_create(policy, &home);
	home.prove = ks_assertion_prove;
	for (size_t i = 0; !err && i < policy->test_count; i++)
		err = test_run(run, &policy->tests[i], &home);
	if (!err)
		return KS_EXIT_OK;
	fprintf(stderr, "keepstate: %s: cannot run the tests: %s\n", path, strerror(-err));
	return KS_EXIT_SYSTEM;
}

static void summary_print(const struct test_run_ctx *run)
{
	if (run->json) {
		ks_json_print(json_pack("{s:i, s:i}", "passed", (int)run->passed, "failed", (int)run->failed), stdout);
		return;
	}
	printf("%u passed, %s%u failed%s\n", run->passed, run->failed ? ks_colour(run->colour, KS_COLOUR_RED) : "",
	       run->failed, run->failed ? ks_colour(run->colour, KS_COLOUR_PLAIN) : "");
}

static int files_run(struct test_run_ctx *run, int count, char **paths)
{
	int worst = KS_EXIT_OK;

	for (int i = 0; i < count; i++) {
		int code = file_run(run, paths[i]);

		if (code > worst)
			worst = code;
	}
	summary_print(run);
	return worst != KS_EXIT_OK ? worst : run->failed ? KS_EXIT_NO : KS_EXIT_OK;
}

int ks_cmd_test(int argc, char **argv)
{
	struct test_run_ctx run = { .colour = ks_output_colour(stdout) };
	bool words = false;
	const struct ks_option options[] = {
		{ .name = "verbose",
		  .letter = 'v',
		  .help = "print every step and what came of it",
		  .take = ks_take_flag,
		  .target = &run.verbose },
		{ .name = "quiet",
		  .letter = 'q',
		  .help = "print only the tests that failed, and the summary",
		  .take = ks_take_flag,
		  .target = &run.quiet },
		{ .name = "json",
		  .help = "print one JSON object a test, one a bad file, and one for the summary",
		  .take = ks_take_flag,
		  .target = &run.json },
		{ .name = "words",
		  .help = "list the words that shape a packet in a test",
		  .take = ks_take_flag,
		  .target = &words },
	};
	const struct ks_usage usage = {
		"keepstate test [OPTION]... FILE...",
		"Runs the test blocks of policies with the inspector that runs in the kernel, on packets\n"
		"made for the purpose; nothing of the machine is touched. A failing step shows what was\n"
		"expected, what came, and why. Returns 0 if all passed, 1 if one failed, 2 if a file is bad.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (words) {
		ks_test_words_print(stdout);
		return ks_cli_finish(KS_EXIT_OK);
	}
	if (first == argc)
		return ks_usage_error(&usage, "test needs at least one policy file");
	ks_cli_confine(false);
	return ks_cli_finish(files_run(&run, argc - first, argv + first));
}
