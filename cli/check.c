/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate check: reads a policy and prints every error and warning. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/confine.h"
#include "cli/diagnose.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "proof/shadow.h"
#include "text/plural.h"

/* `policy` is NULL if it is not good; err and diags say why. */
static json_t *check_json(const char *path, int err, const struct ks_policy *policy, const struct ks_diags *diags)
{
	json_t *value = ks_diagnose_json(path, err, diags);

	if (policy)
		json_object_update_new(value, json_pack("{s:i, s:i, s:i, s:i}", "zones", (int)policy->zone_count,
							"rules", (int)policy->info_count, "entries",
							(int)policy->config.entries, "tests", (int)policy->test_count));
	return value;
}

static void check_print(const char *path, const struct ks_policy *policy)
{
	printf("%s: good: %zu zone%s, %zu rule%s (%u table entr%s), %zu test%s\n", path, policy->zone_count,
	       ks_plural(policy->zone_count), policy->info_count, ks_plural(policy->info_count), policy->config.entries,
	       policy->config.entries == 1 ? "y" : "ies", policy->test_count, ks_plural(policy->test_count));
}

static bool has_warning(const struct ks_diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (diags->list[i].warning && !diags->list[i].note)
			return true;
	}
	return false;
}

int ks_cmd_check(int argc, char **argv)
{
	bool json = false, quiet = false, strict = false;
	struct ks_shadow_wish wish = { .notes = false };
	const struct ks_option options[] = {
		{ .name = "json",
		  .help = "print the outcome as one JSON object",
		  .take = ks_take_flag,
		  .target = &json },
		{ .name = "strict", .help = "a warning makes the policy bad", .take = ks_take_flag, .target = &strict },
		{ .name = "verbose",
		  .letter = 'v',
		  .help = "note the rules that decide less than they say, and what is left of them",
		  .take = ks_take_flag,
		  .target = &wish.notes },
		{ .name = "quiet", .letter = 'q', .help = "print errors only", .take = ks_take_flag, .target = &quiet },
	};
	const struct ks_usage usage = {
		"keepstate check [OPTION]... FILE",
		"Reads a policy ('-' for standard input) with all that it includes, and prints every\n"
		"error with its file, line and column. Warnings, also about rules that are missing, make\n"
		"no policy bad, unless --strict. Rules that never decide are found, and a packet of each is\n"
		"shown. Returns 0 for a good policy and 2 for a bad one.\n"
		"The policy's tests are run by 'keepstate test'.",
		options, KS_ARRAY_SIZE(options)
	};
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	int code, err, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return ks_usage_error(&usage, "check needs one policy file");
	ks_cli_confine(false);
	err = ks_policy_load(argv[first], &policy, &diags);
	if (!err)
		err = ks_policy_require_zones(policy, &diags);
	if (!err)
		err = ks_policy_advise(policy, &diags);
	if (!err)
		err = ks_shadow_check(policy, &wish, &diags, NULL);
	if (!err && strict && has_warning(&diags))
		err = -EINVAL;
	if (json)
		ks_json_print(check_json(argv[first], err, err ? NULL : policy, &diags), stdout);
	else
		ks_diags_print(&diags, stderr, ks_output_colour(stderr));
	if (err && err != -EINVAL)
		fprintf(stderr, "keepstate: %s: %s\n", argv[first], strerror(-err));
	if (!err && !json && !quiet)
		check_print(argv[first], policy);
	return ks_cli_finish(ks_cli_load_code(err));
}
