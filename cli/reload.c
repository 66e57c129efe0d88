/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate reload: replaces the policy of the running firewall; states and counters stay. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "daemon/trial.h"
#include "explain/change.h"
#include "text/utf8.h"

/* Prints the daemon's list of complaints as ks_diags_print() does. Borrows the strings of the answer. */
static void diagnostics_print(const json_t *list)
{
	size_t count = json_array_size(list);
	ks_auto_free struct ks_diag *borrowed = calloc(count + 1, sizeof(*borrowed));
	struct ks_diags diags = { .list = borrowed };

	if (!borrowed) {
		ks_cli_no_memory();
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *entry = json_array_get(list, i);
		const char *severity = json_string_value(json_object_get(entry, "severity"));

		diags.list[diags.count++] = (struct ks_diag){
			.place = { json_string_value(json_object_get(entry, "file")),
				   (unsigned)json_integer_value(json_object_get(entry, "line")),
				   (unsigned)json_integer_value(json_object_get(entry, "column")) },
			.warning = severity && !strcmp(severity, "warning"),
			.message = (char *)json_string_value(json_object_get(entry, "message")),
			.excerpt = (char *)json_string_value(json_object_get(entry, "excerpt")),
		};
	}
	ks_diags_print(&diags, stderr, ks_output_colour(stderr));
}

static void change_print(bool warning, const char *line)
{
	bool colour = ks_output_colour(stderr);

	fflush(stdout); /* the lines stay in order where both streams go to one place */
	if (warning)
		fprintf(stderr, "%skeepstate: WARNING: %s%s\n", ks_colour(colour, KS_COLOUR_RED), line,
			ks_colour(colour, KS_COLOUR_PLAIN));
	else
		printf("%s\n", line);
}

static void answer_print(const json_t *answer, int code)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *tests = json_string_value(json_object_get(answer, "tests"));
	const char *policy = json_string_value(json_object_get(answer, "policy"));

	diagnostics_print(json_object_get(answer, "diagnostics"));
	if (tests)
		fprintf(stderr, "%s%s", tests, *tests && tests[strlen(tests) - 1] == '\n' ? "" : "\n");
	if (code != KS_EXIT_OK)
		fprintf(stderr, "keepstate: %s: %s; the old policy stays in force\n", policy ? policy : "?",
			error ? error : "refused");
	else
		printf("%s is in force: generation %d, %d rules\n", policy ? policy : "?",
		       (int)json_integer_value(json_object_get(answer, "generation")),
		       (int)json_integer_value(json_object_get(answer, "rules")));
	ks_change_tell(answer, change_print);
}

/* The wishes of a user. */
struct reload_choices {
	const char *path; /* NULL: the file of the running firewall */
	uint64_t confirm;
	bool json;
};

static json_t *body_of(const struct reload_choices *choices)
{
	return json_pack("{s:s*, s:o*}", "path", choices->path, "confirm",
			 choices->confirm ? json_integer((json_int_t)choices->confirm) : NULL);
}

static int reload_ask(const struct reload_choices *choices)
{
	struct ks_call call = { .method = "POST", .path = "/v1/reload", .details = true };
	ks_auto_json json_t *body = body_of(choices);
	ks_auto_json json_t *answer = NULL;
	int code;

	if (!body) {
		ks_cli_no_memory();
		return KS_EXIT_SYSTEM;
	}
	call.body = body;
	code = ks_client_call(&call, &answer);
	if (answer && choices->json)
		ks_json_print(TAKE(answer), stdout);
	else if (answer)
		answer_print(answer, code);
	return ks_cli_finish(code);
}

int ks_cmd_reload(int argc, char **argv)
{
	struct reload_choices choices = { 0 };
	const struct ks_option options[] = {
		{ .name = "json",
		  .help = "print the daemon's answer as one JSON object",
		  .take = ks_take_flag,
		  .target = &choices.json },
		{ .name = "confirm",
		  .argument = "TIME",
		  .help = "take it back unless 'keepstate confirm' comes in that time",
		  .take = ks_take_seconds,
		  .target = &choices.confirm,
		  .min = 1,
		  .max = KS_TRIAL_SECONDS_MAX },
	};
	const struct ks_usage usage = {
		"keepstate reload [OPTION]... [FILE]",
		"Loads the running firewall's policy again, or another one. Every packet is judged by the old\n"
		"policy or the new one; states and counters stay. A policy with errors, or whose tests fail,\n"
		"is refused and changes nothing.\n\n"
		"With --confirm it is on trial: without 'keepstate confirm' in time the policy before it comes\n"
		"back, also if the daemon dies. A reload meanwhile is on trial too; with --confirm it sets the\n"
		"time anew. Returns 0, 2 if the policy is refused, 3 without a daemon.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);
	char path[PATH_MAX];

	if (first < 0)
		return code;
	if (argc - first > 1)
		return ks_usage_error(&usage, "reload takes one policy file");
	if (first == argc)
		return reload_ask(&choices);
	if (!realpath(argv[first], path)) {
		fprintf(stderr, "keepstate: %s: %s\n", argv[first], strerror(errno));
		return KS_EXIT_USAGE;
	}
	if (!ks_utf8_is_valid(path))
		return ks_usage_error(&usage, "%s: the path is not UTF-8, which the daemon speaks: rename the file",
				      path);
	choices.path = path;
	return reload_ask(&choices);
}
