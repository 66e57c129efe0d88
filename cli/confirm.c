/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate confirm: the word that a policy put in force with --confirm waits for. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "daemon/presence.h"
#include "daemon/trial_left.h"
#include "explain/json.h"
#include "page/opener.h"
#include "text/json.h"

static void confirmed_print(const json_t *answer)
{
	const json_t *trial = json_object_get(answer, "trial");

	printf("%s is confirmed, with %lld s left, and stays in force\n", ks_member_text(answer, "policy"),
	       ks_member_number(trial, "seconds_left"));
}

/* The same for a policy whose daemon has died. */
static int left_confirmed(const struct ks_presence *presence, json_t *trial, bool json)
{
	ks_auto_json json_t *answer = json_pack("{s:b, s:b, s:o, s:O}", "confirmed", 1, "daemon", 0, "policy",
						ks_json_text(presence->last.policy), "trial", trial);

	if (!json) {
		confirmed_print(answer);
		puts("Its daemon has died, and the kernel filters on: `keepstate run FILE` starts another");
	} else {
		ks_json_print(TAKE(answer), stdout);
	}
	return ks_cli_finish(KS_EXIT_OK);
}

static int left_refused(int err, const json_t *trial)
{
	if (err == -ENOENT)
		fputs("keepstate: not confirmed: the text of the policy could not be kept, so it cannot be confirmed "
		      "without a "
		      "daemon: `keepstate run FILE` starts one, which goes on with the trial\n",
		      stderr);
	else if (err == -EBUSY)
		fputs("keepstate: not confirmed: another daemon starts just now: say it again\n", stderr);
	else if (err == -ETIME)
		fputs("keepstate: not confirmed: the time is over\n", stderr);
	else
		fprintf(stderr, "keepstate: not confirmed: %s\n", strerror(-err));
	fputs("keepstate: ", stderr);
	ks_trial_left_describe(trial, stderr);
	fputc('\n', stderr);
	return err == -ETIME ? KS_EXIT_NO : KS_EXIT_SYSTEM;
}

/* Returns true if there is a policy on trial whose daemon has died: *code is the outcome then. */
static bool confirm_left(bool json, int *code)
{
	ks_auto_json json_t *trial = NULL;
	struct ks_presence presence;
	struct ks_instance instance;
	int err;

	if (ks_instance_find(&instance))
		return false;
	ks_presence_find(&instance, &presence);
	trial = presence.kind == KS_PRESENCE_LEFT ? ks_trial_left_json(&instance) : NULL;
	if (!trial)
		return false;
	err = ks_trial_left_confirm(&instance);
	*code = err ? left_refused(err, trial) : left_confirmed(&presence, trial, json);
	return true;
}

/* The file beside a draft of the page's whose place it takes. Returns false if the policy is no draft, or has no such file. */
static bool find_place(const char *draft, char file[PATH_MAX])
{
	size_t length = strlen(draft), suffix = strlen(KS_DRAFT_SUFFIX);

	if (length <= suffix || length >= PATH_MAX || strcmp(draft + length - suffix, KS_DRAFT_SUFFIX) != 0)
		return false;
	snprintf(file, PATH_MAX, "%.*s", (int)(length - suffix), draft);
	return !access(file, F_OK);
}

/*
 * The page tries a policy as FILE.page beside FILE. Kept by the page it takes its place (page/opener.h), and so it does here: else the
 * next start would read the text of before. `answer` names it from then on.
 */
static int draft_keep(json_t *answer)
{
	const char *draft = ks_member_text(answer, "policy");
	ks_auto_json json_t *body = NULL, *reloaded = NULL;
	struct ks_call call = { .method = "POST", .path = "/v1/reload" };
	char file[PATH_MAX];
	int code;

	if (!find_place(draft, file))
		return KS_EXIT_OK;
	if (rename(draft, file)) {
		fprintf(stderr, "keepstate: %s stays in force, and could not take the place of %s: %s\n", draft, file,
			strerror(errno));
		return KS_EXIT_SYSTEM;
	}
	body = json_pack("{s:o}", "path", ks_json_text(file));
	call.body = body;
	code = ks_client_call(&call, &reloaded);
	return json_object_set_new(answer, "policy", ks_json_text(file)) ? ks_cli_no_memory() : code;
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
		"if none waits: it was confirmed before, or the policy before it is in force again ('status' tells).\n"
		"Works also when the daemon has died.",
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
	if (confirm_left(json, &code))
		return code;
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	confirmed = json_is_true(json_object_get(answer, "confirmed"));
	if (confirmed)
		code = draft_keep(answer);
	if (confirmed && !json)
		confirmed_print(answer);
	else if (!confirmed)
		fprintf(stderr, "keepstate: nothing waits to be confirmed; %s is in force\n",
			ks_member_text(answer, "policy_in_force"));
	if (json)
		ks_json_print(TAKE(answer), stdout);
	return ks_cli_finish(confirmed ? code : KS_EXIT_NO);
}
