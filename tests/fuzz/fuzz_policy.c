/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the policy language: any text must load or be refused with a
 * complaint. What loads must print as a normal form that loads to the same
 * tables and prints the same again. An assertion that is read is a question that can be asked.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "policy/scenario/scenario.h"
#include "proof/ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static char *print(const struct ks_policy *policy, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	check(out != NULL, "no memory");
	ks_policy_print(policy, out);
	fclose(out);
	return text;
}

static int same(const void *a, const void *b, size_t count, size_t size)
{
	return count == 0 || memcmp(a, b, count * size) == 0;
}

static void compare(const struct ks_policy *a, const struct ks_policy *b)
{
	check(same(&a->config, &b->config, 1, sizeof(a->config)), "another config");
	check(same(a->rules, b->rules, a->config.entries, sizeof(*a->rules)), "other rules");
	check(same(a->targets, b->targets, a->config.targets, sizeof(*a->targets)), "other targets");
	check(same(a->sets, b->sets, a->config.sets, sizeof(*a->sets)), "other sets");
	check(same(a->ranges, b->ranges, a->config.ranges, sizeof(*a->ranges)), "other ranges");
}

static void check_round_trip(const struct ks_policy *policy)
{
	size_t length, length_again;
	char *text = print(policy, &length), *again;
	struct ks_policy *reloaded = NULL;
	struct ks_diags diags;

	check(ks_policy_load_text(text, length, "normal form", NULL, &reloaded, &diags) == 0,
	      "the normal form does not load");
	compare(policy, reloaded);
	again = print(reloaded, &length_again);
	check(length == length_again && memcmp(text, again, length) == 0, "the normal form is not normal");
	ks_diags_fini(&diags);
	ks_policy_destroy(reloaded);
	free(text);
	free(again);
}

static void check_complaints(const struct ks_diags *diags)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	check(out != NULL, "no memory");
	ks_diags_print(diags, out, true);
	fclose(out);
	free(text);
	for (size_t i = 0; i < diags->count; i++)
		check(diags->list[i].message && diags->list[i].place.line, "a complaint without a text or place");
}

static void check_assertion(const struct ks_policy *policy, const struct ks_step *step)
{
	struct ks_policy *asked = NULL;
	struct ks_diags diags;

	if (step->kind != KS_STEP_NEVER && step->kind != KS_STEP_ALWAYS)
		return;
	check(ks_question_load(policy, step->path, &asked, &diags) == 0, "an assertion that is no question");
	ks_diags_fini(&diags);
	ks_policy_destroy(asked);
}

static void check_assertions(const struct ks_policy *policy)
{
	for (size_t i = 0; i < policy->test_count; i++) {
		for (size_t j = 0; j < policy->tests[i].step_count; j++)
			check_assertion(policy, &policy->tests[i].steps[j]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	int err = ks_policy_load_text((const char *)data, size, "fuzz", NULL, &policy, &diags);

	check((err == 0) == (diags.errors == 0), "an error without a complaint, or the other way round");
	check((err == 0) == (policy != NULL), "a policy in spite of an error, or none without");
	check_complaints(&diags);
	if (policy) {
		check_round_trip(policy);
		check_assertions(policy);
	}
	ks_policy_destroy(policy);
	ks_diags_fini(&diags);
	return 0;
}
