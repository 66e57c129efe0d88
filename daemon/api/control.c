/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /v1/reload, /v1/confirm and /v1/stop, GET /v1/policy. */
#include <errno.h>
#include <string.h>

#include "daemon/api/api.h"
#include "explain/change.h"
#include "text/json.h"
#include "text/memory_file.h"
#include "daemon/report.h"
#include "text/scoped.h"

static json_t *diags_json(const struct ks_diags *diags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < diags->count; i++) {
		const struct ks_diag *diag = &diags->list[i];

		ks_json_append(&list, json_pack("{s:o*, s:i, s:i, s:s, s:o*, s:o*}", "file",
						ks_json_text(diag->place.file), "line", (int)diag->place.line, "column",
						(int)diag->place.column, "severity", ks_diag_severity(diag), "message",
						ks_json_text(diag->message), "excerpt", ks_json_text(diag->excerpt)));
	}
	return list;
}

/* An error in the text is the client's fault, want of memory is ours. */
static unsigned outcome_status(int err)
{
	if (!err)
		return MHD_HTTP_OK;
	return err == -ENOMEM ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_UNPROCESSABLE_CONTENT;
}

/* Tells the log. */
static void say_reload(const struct ks_daemon *daemon, const struct ks_reload *reload, int err,
		       const struct ks_load_outcome *outcome)
{
	if (err)
		ks_report_error("reload of %s refused, the old policy stays: %s",
				reload->path ? reload->path : daemon->policy_path,
				outcome->message ? outcome->message : strerror(-err));
	else
		ks_report("%s is in force: generation %u", daemon->policy_path,
			  ks_kernel_config(daemon->kernel)->generation);
	ks_change_tell(outcome->change, ks_daemon_say);
}

static void answer_reload(struct ks_request *request, const struct ks_reload *reload, int err,
			  const struct ks_load_outcome *outcome)
{
	const struct ks_daemon *daemon = request->daemon;
	const char *error = outcome->message ? outcome->message : strerror(-err);
	json_t *answer =
		json_pack("{s:o*, s:o, s:i, s:i, s:o*, s:o}", "error", err ? ks_json_text(error) : NULL, "policy",
			  ks_json_text(reload->path ? reload->path : daemon->policy_path), "generation",
			  (int)ks_kernel_config(daemon->kernel)->generation, "rules", (int)daemon->policy->info_count,
			  "tests", ks_json_text(outcome->tests), "diagnostics", diags_json(&outcome->diags));

	json_object_update(answer, outcome->change); /* if that fails, the answer still says what is in force */
	request->answer = answer;
	request->status = outcome_status(err);
}

static void do_reload(struct ks_request *request, const struct ks_reload *reload, bool is_dry)
{
	struct ks_load_outcome outcome;
	int err;

	if (is_dry) {
		err = ks_daemon_dry_run(request->daemon, reload, &outcome);
	} else {
		err = ks_daemon_reload(request->daemon, reload, &outcome);
		say_reload(request->daemon, reload, err, &outcome);
	}
	answer_reload(request, reload, err, &outcome);
	ks_load_outcome_fini(&outcome);
}

/* Returns true if all members that are wishes are true or false. */
static bool are_wishes(struct ks_request *request, const json_t *body, enum MHD_Result *result)
{
	static const char *const names[] = { "dry_run", "end_denied" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		const json_t *wish = json_object_get(body, names[i]);

		if (!wish || json_is_boolean(wish))
			continue;
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "%s: give true or false", names[i]);
		return false;
	}
	return true;
}

static void run_reload(struct ks_request *request)
{
	const json_t *wish = request->wish;
	const struct ks_reload reload = { .path = json_string_value(json_object_get(wish, "path")),
					  .confirm = (unsigned)json_integer_value(json_object_get(wish, "confirm")),
					  .login = json_string_value(json_object_get(wish, "login")),
					  .end_denied = json_is_true(json_object_get(wish, "end_denied")) };

	do_reload(request, &reload, json_is_true(json_object_get(wish, "dry_run")));
}

enum MHD_Result ks_api_reload(struct ks_request *request)
{
	enum MHD_Result result;
	ks_auto_json json_t *body = NULL;
	const json_t *path, *confirm;
	json_int_t seconds;

	if (request->run) /* it was done */
		return ks_api_answer(request, request->status, TAKE(request->answer));
	body = ks_api_body(request, &result);
	path = json_object_get(body, "path");
	confirm = json_object_get(body, "confirm");
	seconds = json_integer_value(confirm);
	if (!body)
		return result;
	if (path && (!json_is_string(path) || json_string_value(path)[0] != '/'))
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "path: give the absolute path of a policy");
	if (confirm && (!json_is_integer(confirm) || seconds < 1 || seconds > KS_TRIAL_SECONDS_MAX))
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "confirm: give a number of seconds from 1 to %u",
				     KS_TRIAL_SECONDS_MAX);
	if (!are_wishes(request, body, &result))
		return result;
	return ks_api_put_off(request, TAKE(body), run_reload);
}

enum MHD_Result ks_api_confirm(struct ks_request *request)
{
	ks_auto_json json_t *trial = ks_trial_json(request->daemon);
	bool confirmed = ks_trial_confirm(request->daemon);

	return ks_api_answer(request, MHD_HTTP_OK,
			     json_pack("{s:b, s:o, s:o, s:O*}", "confirmed", confirmed, "policy",
				       ks_json_text(request->daemon->policy_path), "policy_in_force",
				       ks_json_text(ks_stand_in_name(request->daemon)), "trial", trial));
}

/* The warnings that it was loaded with; its text is here for everybody, so they tell nothing more. */
static json_t *warnings_json(const struct ks_policy *policy)
{
	json_t *list = json_array();

	for (size_t i = 0; i < policy->warning_count; i++) {
		const struct ks_policy_warning *warning = &policy->warnings[i];

		ks_json_append(&list, json_pack("{s:o, s:i, s:i, s:o}", "file", ks_json_text(warning->place.file),
						"line", (int)warning->place.line, "column", (int)warning->place.column,
						"message", ks_json_text(warning->message)));
	}
	return list;
}

enum MHD_Result ks_api_policy(struct ks_request *request)
{
	const struct ks_daemon *daemon = request->daemon;
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;

	if (!ks_memory_file_open(&file)) {
		ks_policy_print(daemon->policy, file.out);
		text = ks_memory_file_take(&file);
	}
	return ks_api_answer(request, MHD_HTTP_OK,
			     json_pack("{s:o, s:i, s:I, s:o, s:o, s:i}", "policy", ks_json_text(daemon->policy_path),
				       "generation", (int)ks_kernel_config(daemon->kernel)->generation, "loaded",
				       (json_int_t)daemon->loaded, "text", ks_json_text(text), "warnings",
				       warnings_json(daemon->policy), "tests", (int)daemon->policy->test_count));
}

enum MHD_Result ks_api_stop(struct ks_request *request)
{
	struct ks_daemon *daemon = request->daemon;
	enum MHD_Result result;
	ks_auto_json json_t *body = ks_api_body(request, &result);
	const json_t *save = json_object_get(body, "save");
	int err;

	if (!body)
		return result;
	if (save && !json_is_boolean(save))
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "save: give true or false");
	err = json_is_true(save) ? ks_keep_prepare(&daemon->instance, daemon->kernel) : 0;
	if (err)
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
				     "the states cannot be saved in %s: %s; nothing was stopped",
				     daemon->instance.state_dir, strerror(-err));
	daemon->quit = true;
	daemon->remove = true;
	daemon->save = json_is_true(save);
	return ks_api_answer(request, MHD_HTTP_OK, json_pack("{s:b, s:b}", "stopping", 1, "saving", daemon->save));
}
