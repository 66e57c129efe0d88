/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET and DELETE /v1/states. A listing is made while it is sent, some buckets at
 * a time, so that a million states cost neither memory nor a pause of the daemon.
 * It is no picture of one moment: flows that come or go meanwhile may be in it or
 * not, but each line is consistent (kernel/read.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nat/alias.h"
#include "daemon/api/api.h"
#include "daemon/api/forms.h"
#include "daemon/api/records.h"
#include "daemon/api/text_stream.h"
#include "engine/entries.h"
#include "text/scoped.h"

#define KS_LISTED_BUCKETS 1024 /* in one call: up to 8192 flows, or 1 MiB of a sparse table */

struct listing {
	struct ks_text_stream stream;
	const struct ks_daemon *daemon;
	struct ks_filter filter;
	bool conntrack;
	const struct ks_kernel *kernel; /* whose table is being listed */
	__u32 cursor; /* next bucket */
	__u64 now;
};

static void listing_destroy(void *state)
{
	struct listing *listing = state;

	ks_text_stream_close(&listing->stream);
	free(listing);
}

KS_SCOPED(auto_listing, struct listing *, listing_destroy)

static int print_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct listing *listing = arg;
	struct ks_translation translation;
	const struct ks_listed_flow listed = { .key = key, .flow = flow, .translation = &translation };

	ks_kernel_translation(listing->daemon->kernel, key, flow, &translation);
	if (!ks_filter_match_flow(&listing->filter, key, flow, &translation))
		return 0;
	if (listing->conntrack)
		ks_flow_print_conntrack(listing->stream.out, listing->now, &listed);
	else
		ks_flow_print_json(listing->stream.out, listing->daemon->policy, listing->now, &listed);
	return 0;
}

/* Prints the next flows. Returns -ESTALE if a larger table has taken the place of this one, in which flows lie elsewhere. */
static int print_flows(struct ks_text_stream *stream)
{
	struct listing *listing = (struct listing *)stream;
	const struct ks_kernel *kernel = listing->daemon->kernel;

	if (kernel != listing->kernel)
		return -ESTALE;
	if (listing->cursor >= ks_kernel_shape(kernel)->buckets)
		return -ENODATA;
	listing->now = ks_kernel_now(kernel);
	ks_kernel_each_flow_from(kernel, &listing->cursor, KS_LISTED_BUCKETS, print_flow, listing);
	return 0;
}

static bool read_format(struct ks_request *request, bool *conntrack, enum MHD_Result *result)
{
	const char *format = ks_api_parameter(request, "format");

	*conntrack = format && !strcmp(format, "conntrack");
	if (!format || *conntrack || !strcmp(format, "json"))
		return true;
	*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "format: '%s' is not right; give json or conntrack",
				format);
	return false;
}

enum MHD_Result ks_api_states(struct ks_request *request)
{
	static const char *const others[] = { "format", NULL };
	ks_scoped(auto_listing) struct listing *listing = calloc(1, sizeof(*listing));
	enum MHD_Result result = MHD_NO;
	const char *type;

	if (!listing)
		return MHD_NO;
	listing->daemon = request->daemon;
	listing->kernel = request->daemon->kernel;
	if (ks_text_stream_open(&listing->stream, print_flows) || !read_format(request, &listing->conntrack, &result) ||
	    !ks_api_filter(request, KS_FILTER_FLOWS, others, &listing->filter, &result))
		return result;
	type = listing->conntrack ? "text/plain" : "application/x-ndjson";
	return ks_api_stream(request, type, ks_text_stream_read, TAKE(listing), listing_destroy);
}

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
	long result = ks_kernel_kill(ctx->kernel, ctx->keys, ctx->count);

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
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "the kernel refused after %ld states: %s",
				     ctx->killed, strerror((int)-ctx->err));
	return ks_api_answer(request, MHD_HTTP_OK,
			     json_pack("{s:I, s:I, s:I}", "killed", (json_int_t)ctx->killed, "mappings",
				       (json_int_t)ctx->mappings, "expectations", (json_int_t)ctx->expectations));
}
