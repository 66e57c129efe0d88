/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate confirm: the word that a policy put in force with --confirm waits for. */
#include <stdio.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "explain/json.h"

static void confirmed_print(const json_t *answer)
{
	const json_t *trial = json_object_get(answer, "trial");

	printf("%s is confirmed, with %lld s left, and stays in force\n", ks_member_text(answer, "policy"),
	       ks_member_number(trial, "seconds_left"));
}

int ks_cmd_confirm(int argc, char **argv)
{
	bool json = false;
	const struct ks_option options[] = {
		{ .name = "json",
		  .help = "print the daemon's answer as one JSON object",
		  .take = ks_take_flag,
		  .target = &json },
	};
	const struct ks_usage usage = {
		"keepstate confirm [OPTION]...",
		"Keeps the policy that 'run --confirm' or 'reload --confirm' has put in force on trial. Returns 1\n"
		"if none waits: it was confirmed before, or the policy before it is in force again ('status' tells).",
		options, KS_ARRAY_SIZE(options)
	};
	const struct ks_call call = { .method = "POST", .path = "/v1/confirm" };
	ks_auto_json json_t *answer = NULL;
	int code, first = ks_options_parse(&usage, argc, argv, &code);
	bool confirmed;

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "confirm takes no operands");
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	confirmed = json_is_true(json_object_get(answer, "confirmed"));
	if (confirmed && !json)
		confirmed_print(answer);
	else if (!confirmed)
		fprintf(stderr, "keepstate: nothing waits to be confirmed; %s is in force\n",
			ks_member_text(answer, "policy"));
	if (json)
		ks_json_print(TAKE(answer), stdout);
	return ks_cli_finish(confirmed ? KS_EXIT_OK : KS_EXIT_NO);
}
