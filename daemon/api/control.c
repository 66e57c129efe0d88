/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /v1/reload and POST /v1/stop. */
#include <errno.h>
#include <string.h>

#include "daemon/api/api.h"
#include "daemon/coverage.h"
#include "daemon/report.h"

static json_t *diags_json(const struct ks_diags *diags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < diags->count; i++) {
		const struct ks_diag *diag = &diags->list[i];

		json_array_append_new(list, json_pack("{s:s*, s:i, s:i, s:s, s:s*, s:s*}", "file", diag->place.file,
						      "line", (int)diag->place.line, "column", (int)diag->place.column,
						      "severity", diag->warning ? "warning" : "error", "message",
						      diag->message, "excerpt", diag->excerpt));
	}
	return list;
}

/* What is wrong with the text is the client's, else it is ours. */
static unsigned outcome_status(int err)
{
	if (!err)
		return MHD_HTTP_OK;
	return err == -ENOMEM ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_UNPROCESSABLE_CONTENT;
}

static enum MHD_Result reload(struct ks_request *request, const char *path)
{
	struct ks_daemon *daemon = request->daemon;
	struct ks_load_outcome outcome;
	enum MHD_Result result;
	json_t *answer;
	int err = ks_daemon_reload(daemon, path, &outcome);
	const char *error = outcome.message ? outcome.message : strerror(-err);

	if (err)
		ks_report_error("reload of %s refused, the old policy stays: %s", path ? path : daemon->policy_path,
				error);
	else
		ks_report("%s is in force: generation %u", daemon->policy_path,
			  ks_kernel_config(daemon->kernel)->generation);
	ks_coverage_tell(outcome.change, ks_daemon_say);
	answer = json_pack("{s:s*, s:s, s:i, s:i, s:s*, s:o}", "error", err ? error : NULL, "policy",
			   path ? path : daemon->policy_path, "generation",
			   (int)ks_kernel_config(daemon->kernel)->generation, "rules", (int)daemon->policy->info_count,
			   "tests", outcome.tests, "diagnostics", diags_json(&outcome.diags));
	json_object_update(answer, outcome.change);
	result = ks_api_answer(request, outcome_status(err), answer);
	ks_load_outcome_fini(&outcome);
	return result;
}

enum MHD_Result ks_api_reload(struct ks_request *request)
{
	enum MHD_Result result;
	json_t *body = ks_api_body(request, &result);
	const json_t *path = json_object_get(body, "path");

	if (!body)
		return result;
	if (path && (!json_is_string(path) || json_string_value(path)[0] != '/'))
		result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "path: give the absolute path of a policy");
	else
		result = reload(request, json_string_value(path));
	json_decref(body);
	return result;
}

enum MHD_Result ks_api_stop(struct ks_request *request)
{
	request->daemon->quit = true;
	request->daemon->remove = true;
	return ks_api_answer(request, MHD_HTTP_OK, json_pack("{s:b}", "stopping", 1));
}
