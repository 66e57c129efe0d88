/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate reload: replaces the policy of the running firewall; states and counters stay. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/dry_run.h"
#include "cli/login.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "daemon/trial.h"
#include "explain/change.h"
#include "explain/json.h"
#include "text/utf8.h"
#include "text/plural.h"

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
	long long rules = ks_member_number(answer, "rules");

	diagnostics_print(json_object_get(answer, "diagnostics"));
	if (tests)
		fprintf(stderr, "%s%s", tests, *tests && tests[strlen(tests) - 1] == '\n' ? "" : "\n");
	if (code != KS_EXIT_OK)
		fprintf(stderr, "keepstate: %s: %s; the old policy stays in force\n", policy ? policy : "?",
			error ? error : "refused");
	else
		printf("%s is in force: generation %lld, %lld rule%s\n", policy ? policy : "?",
		       ks_member_number(answer, "generation"), rules, ks_plural((unsigned long long)rules));
	ks_change_tell(answer, change_print);
}

static void dry_run_print(const json_t *answer)
{
	diagnostics_print(json_object_get(answer, "diagnostics"));
	fflush(stderr);
	ks_dry_run_print(answer);
	if (*ks_member_text(answer, "login"))
		change_print(true, ks_member_text(answer, "login"));
}

/* The wishes of a user. */
struct reload_choices {
	const char *path; /* NULL: the file of the running firewall */
	uint64_t confirm;
	bool end_denied, dry_run;
	bool json;
};

static json_t *body_of(const struct reload_choices *choices)
{
	char login[KS_LOGIN_TEXT];

	return json_pack("{s:s*, s:s*, s:o*, s:b, s:b}", "login", ks_login_find(login), "path", choices->path,
			 "confirm", choices->confirm ? json_integer((json_int_t)choices->confirm) : NULL, "end_denied",
			 choices->end_denied, "dry_run", choices->dry_run);
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
	else if (answer && choices->dry_run && code == KS_EXIT_OK)
		dry_run_print(answer);
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
		{ .name = "end-denied",
		  .help = "end the living states that the policy does not allow",
		  .take = ks_take_flag,
		  .target = &choices.end_denied },
		{ .name = "dry-run",
		  .help = "change nothing; list the living states that the policy does not allow, and what differs",
		  .take = ks_take_flag,
		  .target = &choices.dry_run },
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
		"States that a new policy would not let open again go on; what it forwards to another\n"
		"destination ends. --dry-run lists them, each with the line that denies it, and the packets\n"
		"that would be treated differently; --end-denied ends them.\n\n"
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
	if (choices.dry_run && (choices.confirm || choices.end_denied))
		return ks_usage_error(&usage,
				      "a dry run changes nothing: give no --confirm and no --end-denied with it");
	if (choices.confirm && choices.end_denied)
		return ks_usage_error(
			&usage, "a state that is ended does not come back with the policy before: give --end-denied "
				"when the policy is confirmed");
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
