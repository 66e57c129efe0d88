/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate explain against the running firewall: the daemon judges, this prints. */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/explain.h"

int ks_explain_live(const char *words, bool json)
{
	struct ks_call call = { .method = "POST", .path = "/v1/explain" };
	json_t *answer;
	int code;

	call.body = json_pack("{s:s}", "packet", words);
	code = ks_client_call(&call, &answer);
	json_decref(call.body);
	return code == KS_EXIT_OK ? ks_explain_show(answer, json) : code;
}
