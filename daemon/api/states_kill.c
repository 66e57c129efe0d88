/* SPDX-License-Identifier: BSD-2-Clause */
/* DELETE /v1/states: flows that fit a filter end, and the mappings and expectations of the same ends with them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/nat/alias.h"
#include "daemon/api/api.h"
#include "daemon/api/records.h"
#include "engine/entries.h"
#include "text/scoped.h"
#include "text/plural.h"

#define KS_KILL_KEYS 4096 /* keys that are collected before their flows are ended */

struct kill_filtered_ctx {
	struct ks_kernel *kernel;
	struct ks_filter filter;
	struct ks_flow_key keys[KS_KILL_KEYS];
	size_t count;
	size_t mappings, expectations; /* of the keys; a mapping has two and its permits */
	struct ks_killed_ends ends; /* of flows that are translated */
	long killed;
	long err;
};

static void kill_filtered(struct kill_filtered_ctx *ctx)
{
	long result = ks_kernel_kill(ctx->kernel, ctx->keys, ctx->count, KS_END_KILLED);

	if (result < 0)
		ctx->err = result;
	else
		ctx->killed += result;
	ctx->count = 0;
}

static int collect_filtered(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct kill_filtered_ctx *ctx = arg;
	struct ks_translation translation;

	ks_kernel_translation(ctx->kernel, key, flow, &translation);
	if (!ks_filter_match_flow(&ctx->filter, key, flow, &translation))
		return 0;
	if (ks_nat_is_translated(flow) && !ctx->err)
		ctx->err = ks_killed_ends_add(&ctx->ends, key);
	ctx->keys[ctx->count++] = *key;
	if (ctx->count == KS_KILL_KEYS)
		kill_filtered(ctx);
	return ctx->err != 0;
}

/* Mappings and expectations of the same ends: by them the other side would open again what was ended. */
static int collect_records(const struct ks_flow_key *key, const struct ks_flow *entry, void *arg)
{
	struct kill_filtered_ctx *ctx = arg;

	if (!ks_filter_match_record(&ctx->filter, key, entry) && !ks_killed_ends_open(&ctx->ends, key, entry))
		return 0;
	ctx->mappings += key->kind == KS_KIND_MAPPING_IN;
	ctx->expectations += key->kind == KS_KIND_EXPECT;
	ctx->keys[ctx->count++] = *key;
	if (ctx->count == KS_KILL_KEYS)
		kill_filtered(ctx);
	return ctx->err != 0;
}

static void kill_ctx_destroy(struct kill_filtered_ctx *ctx)
{
	free(ctx->ends.list);
	free(ctx);
}

KS_SCOPED(auto_kill, struct kill_filtered_ctx *, kill_ctx_destroy)

/* The records go last, and are no states that are counted. */
static void kill_records(struct kill_filtered_ctx *ctx)
{
	const struct ks_kernel *kernel = ctx->kernel;
	long killed = ctx->killed;

	ks_killed_ends_sort(&ctx->ends);
	ks_entries_each(ks_kernel_table(kernel), ks_kernel_shape(kernel)->buckets, ks_kernel_now(kernel),
			collect_records, ctx);
	if (!ctx->err)
		kill_filtered(ctx);
	ctx->killed = killed;
}

/* Every state is killed only by the explicit wish all=1. */
static bool may_kill(struct ks_request *request, const struct ks_filter *filter, enum MHD_Result *result)
{
	const char *all = ks_api_parameter(request, "all");

	if (all && strcmp(all, "1"))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "all: '%s' is not right; give 1", all);
	else if (!all && !filter->conditions)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST,
					"this would kill every state: give a filter, or say that you mean all");
	else if (all && filter->conditions)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "give either a filter or all, not both");
	else
		return true;
	return false;
}

enum MHD_Result ks_api_states_kill(struct ks_request *request)
{
	static const char *const others[] = { "all", NULL };
	ks_scoped(auto_kill) struct kill_filtered_ctx *ctx = calloc(1, sizeof(*ctx));
	enum MHD_Result result = MHD_NO;

	if (!ctx)
		return MHD_NO;
	ctx->kernel = request->daemon->kernel;
	if (!ks_api_filter(request, KS_FILTER_FLOWS, others, &ctx->filter, &result) ||
	    !may_kill(request, &ctx->filter, &result))
		return result;
	ks_kernel_each_flow(ctx->kernel, collect_filtered, ctx);
	if (!ctx->err)
		kill_filtered(ctx);
	if (!ctx->err)
		kill_records(ctx);
	if (ctx->err)
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
				     "the kernel refused after %ld state%s: %s", ctx->killed,
				     ks_plural((unsigned long long)ctx->killed), strerror((int)-ctx->err));
	return ks_api_answer(request, MHD_HTTP_OK,
			     json_pack("{s:I, s:I, s:I}", "killed", (json_int_t)ctx->killed, "mappings",
				       (json_int_t)ctx->mappings, "expectations", (json_int_t)ctx->expectations));
}
