/* SPDX-License-Identifier: BSD-2-Clause */
/* The outcome of a dry run; see dry_run.h. */
#include "cli/dry_run.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "cli/state_text.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/plural.h"

/* "policy.conf:12: deny from lan" */
static void rule_cell(struct ks_grid *grid, const json_t *rule)
{
	const char *file = ks_member_text(rule, "file"), *slash = strrchr(file, '/');

	if (*file)
		ks_grid_cell(grid, "%s:%lld: %s", slash ? slash + 1 : file, ks_member_number(rule, "line"),
			     ks_member_text(rule, "text"));
	else
		ks_grid_cell(grid, "%s", "");
}

static void denied_print(const json_t *list)
{
	static const char *const titles[] = { "PROTO", "STATE", "SOURCE", "DESTINATION", "ZONES", "WHY", "RULE" };
	ks_auto_grid struct ks_grid *grid = ks_grid_create("lllllll");
	char end[KS_STATE_END_TEXT];

	for (size_t i = 0; i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(grid, "%s", titles[i]);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i), *state = json_object_get(entry, "state");

		ks_grid_cell(grid, "%s", ks_member_text(state, "proto"));
		ks_grid_cell(grid, "%s", ks_member_text(state, "state"));
		ks_grid_cell(grid, "%s", ks_state_end_text(state, true, end));
		ks_grid_cell(grid, "%s", ks_state_end_text(state, false, end));
		ks_grid_cell(grid, "%s > %s", ks_member_text(state, "from"), ks_member_text(state, "to"));
		ks_grid_cell(grid, "%s", ks_member_text(entry, "why"));
		rule_cell(grid, json_object_get(entry, "by"));
	}
	ks_grid_print(grid, stdout);
}

/* "allow as 203.0.113.7:40000 > 198.51.100.1:80" */
static void outcome_print(const json_t *outcome, bool translated)
{
	printf("%s", ks_member_text(outcome, "verdict"));
	if (translated)
		printf(" as %s > %s", ks_member_text(outcome, "source"), ks_member_text(outcome, "destination"));
}

static void line_print(const json_t *outcome, char sign)
{
	const json_t *rule = json_object_get(outcome, "rule");

	if (json_is_object(rule))
		printf("  %c %s:%lld: %s\n", sign, ks_member_text(rule, "file"), ks_member_number(rule, "line"),
		       ks_member_text(rule, "text"));
	else
		printf("  %c no rule\n", sign);
}

/* The packet that shows a class, and its two fates. */
static void outcomes_print(const json_t *class)
{
	bool translated = strstr(ks_member_text(class, "differs"), "translation") != NULL;

	printf("  %s: ", ks_member_text(class, "witness"));
	outcome_print(json_object_get(class, "before"), translated);
	printf(" before, ");
	outcome_print(json_object_get(class, "after"), translated);
	puts(" after");
}

static void class_print(const json_t *class)
{
	const json_t *before = json_object_get(class, "before"), *after = json_object_get(class, "after");
	bool perhaps = json_is_true(json_object_get(class, "perhaps"));

	printf("%s%s: %s%s\n", perhaps ? "perhaps " : "", ks_member_text(class, "differs"),
	       ks_member_text(class, "packets"), json_is_true(json_object_get(class, "more")) ? "; and more" : "");
	if (!perhaps)
		outcomes_print(class);
	line_print(before, '-');
	line_print(after, '+');
}

static void diff_print(const json_t *diff)
{
	const json_t *class, *setting;
	size_t i;

	json_array_foreach(json_object_get(diff, "classes"), i, class)
	{
		class_print(class);
	}
	json_array_foreach(json_object_get(diff, "settings"), i, setting)
	{
		printf("%c %s\n", strcmp(ks_member_text(setting, "policy"), "before") ? '+' : '-',
		       ks_member_text(setting, "line"));
	}
	if (json_is_false(json_object_get(diff, "complete")))
		puts("... and perhaps more");
}

void ks_dry_run_print(const json_t *answer)
{
	long long denied = ks_member_number(answer, "states_denied"),
		  retargeted = ks_member_number(answer, "states_retargeted");
	const json_t *list = json_object_get(answer, "denied");
	long long unlisted = denied + retargeted - (long long)json_array_size(list);

	printf("%s: %lld living state%s would not be allowed to open", ks_member_text(answer, "policy"), denied,
	       denied == 1 ? "" : "s");
	if (retargeted)
		printf(", %lld would end, forwarded to another destination", retargeted);
	printf("; nothing was changed\n");
	if (json_array_size(list))
		denied_print(list);
	if (unlisted > 0)
		printf("... and %lld more\n", unlisted);
	diff_print(json_object_get(answer, "diff"));
}
