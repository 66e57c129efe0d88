/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See foresight.h. The comparison takes up to some seconds, in a second thread. News of interfaces change the sets of own
 * addresses of the policy in force meanwhile, so a copy of it is compared: its normal form, loaded again.
 */
#include "daemon/foresight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/aside.h"
#include "daemon/daemon.h"
#include "daemon/interfaces/own_addresses.h"
#include "proof/diff.h"
#include "text/json.h"
#include "text/memory_file.h"

struct foresight_ctx {
	const struct ks_policy *running; /* only its rules' places and texts are read */
	const char *text; /* its normal form */
	size_t length;
	struct ks_policy *policy;
	json_t *diff;
};

/* The copy's rules stand where those of the policy stand, whose files and lines people know. */
static void places_copy(const struct ks_policy *running, struct ks_policy *copy)
{
	if (copy->info_count != running->info_count)
		return;
	for (size_t i = 0; i < copy->info_count; i++) {
		if (strcmp(copy->infos[i].text, running->infos[i].text) == 0)
			copy->infos[i].place = running->infos[i].place;
	}
}

static void compare(void *arg)
{
	struct foresight_ctx *ctx = arg;
	ks_auto_policy struct ks_policy *copy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };

	if (ks_policy_load_text(ctx->text, ctx->length, "policy", NULL, &copy, &diags) ||
	    ks_own_addresses_fill(copy) < 0 || ks_own_addresses_tell(copy) || ks_own_addresses_tell(ctx->policy))
		return;
	places_copy(ctx->running, copy);
	ctx->diff = ks_diff_json(copy, ctx->policy);
}

void ks_foresight_add(struct ks_daemon *daemon, struct ks_policy *policy, json_t **change)
{
	struct foresight_ctx ctx = { .running = daemon->policy, .policy = policy };
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;

	if (!daemon->policy || ks_memory_file_open(&file))
		return;
	ks_policy_print(daemon->policy, file.out);
	text = ks_memory_file_take(&file);
	if (!text)
		return;
	ctx.text = text;
	ctx.length = strlen(text);
	ks_aside_run(daemon, compare, &ctx);
	if (ctx.diff)
		ks_json_set(change, "diff", ctx.diff);
}
