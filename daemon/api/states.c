/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/states. A listing is made while it is sent, some buckets at a time, so that a million states cost neither memory nor a
 * pause of the daemon. It is no picture of one moment: flows that come or go meanwhile may be in it or not, but each line is
 * consistent (kernel/read.c). A view of the table is looked for in the same way, and sent when it is found (states_view.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/nat/alias.h"
#include "daemon/api/states.h"
#include "text/scoped.h"

#define KS_LISTED_BUCKETS 256 /* in one call: up to 2048 flows, and half a megabyte of text */

static void answer_destroy(void *state)
{
	struct ks_states_answer *answer = state;

	if (answer->places)
		answer->places->taken--;
	ks_text_stream_close(&answer->stream);
	ks_view_fini(&answer->view);
	free(answer->rows);
	free(answer);
}

KS_SCOPED(auto_answer, struct ks_states_answer *, answer_destroy)

bool ks_states_fits(const struct ks_states_answer *answer, const struct ks_slot *slot)
{
	struct ks_translation translation;

	if (!ks_filter_needs_translation(&answer->filter) || !ks_nat_is_translated(&slot->flow))
		return ks_filter_match_flow(&answer->filter, &slot->key, &slot->flow, NULL);
	ks_kernel_translation(answer->kernel, &slot->key, &slot->flow, &translation);
	return ks_filter_match_flow(&answer->filter, &slot->key, &slot->flow, &translation);
}

void ks_states_print(struct ks_states_answer *answer, const struct ks_slot *slot, const __u64 *rate)
{
	const struct ks_policy *policy = answer->daemon->policy;
	struct ks_translation translation;
	struct ks_listed_flow listed = { .key = &slot->key,
					 .flow = &slot->flow,
					 .translation = &translation,
					 .details = answer->details,
					 .rates = answer->wish.rates,
					 .rate_known = rate != NULL };

	if (rate)
		memcpy(listed.rate, rate, sizeof(listed.rate));
	ks_kernel_translation(answer->kernel, &slot->key, &slot->flow, &translation);
	if (answer->format == KS_STATES_CONNTRACK)
		ks_flow_print_conntrack(&answer->line, answer->now, &listed);
	else if (answer->format == KS_STATES_CSV)
		ks_flow_print_csv(&answer->line, &answer->csv, policy, answer->now, &listed);
	else
		ks_flow_print_json(&answer->line, policy, answer->now, &listed);
}

static int flow_list(__u32 id, const struct ks_slot *slot, void *arg)
{
	struct ks_states_answer *answer = arg;

	if (ks_states_fits(answer, slot))
		ks_states_print(answer, slot, NULL);
	return 0;
}

/* Prints the next flows. Returns -ESTALE if a larger table has taken the place of this one, in which flows lie elsewhere. */
static int list_more(struct ks_text_stream *stream)
{
	struct ks_states_answer *answer = (struct ks_states_answer *)stream;
	const struct ks_kernel *kernel = answer->daemon->kernel;

	if (kernel != answer->kernel)
		return -ESTALE;
	if (answer->cursor >= ks_kernel_shape(kernel)->buckets)
		return -ENODATA;
	answer->now = ks_kernel_now(kernel);
	if (!answer->cursor && answer->format == KS_STATES_CSV)
		ks_csv_print_titles(&answer->line, &answer->csv);
	ks_kernel_each_slot_from(kernel, &answer->cursor, KS_LISTED_BUCKETS, flow_list, answer);
	ks_line_flush(&answer->line);
	return 0;
}

/* --- the parameters --- */

struct wish_ctx {
	struct ks_view_wish *wish;
	bool wrong;
	char complaint[1024];
};

static bool is_of_view(const char *name)
{
	for (size_t i = 0; ks_view_parameters[i]; i++) {
		if (!strcmp(ks_view_parameters[i], name))
			return true;
	}
	return false;
}

static enum MHD_Result read_parameter(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct wish_ctx *ctx = cls;

	if (is_of_view(key))
		ctx->wrong =
			ks_view_wish_set(ctx->wish, key, value ? value : "", ctx->complaint, sizeof(ctx->complaint));
	return ctx->wrong ? MHD_NO : MHD_YES;
}

static bool read_wish(struct ks_request *request, struct ks_view_wish *wish, enum MHD_Result *result)
{
	struct wish_ctx ctx = { .wish = wish };

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, read_parameter, &ctx);
	if (!ctx.wrong && wish->wanted)
		ctx.wrong = ks_view_wish_check(wish, ctx.complaint, sizeof(ctx.complaint));
	if (ctx.wrong)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "%s", ctx.complaint);
	return !ctx.wrong;
}

static bool read_columns(struct ks_request *request, struct ks_states_answer *answer, enum MHD_Result *result)
{
	const char *columns = ks_api_parameter(request, "columns");
	char complaint[1024];

	if (columns && answer->format != KS_STATES_CSV)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "columns: they belong to format=csv");
	else if (ks_csv_parse(columns, &answer->csv, complaint, sizeof(complaint)))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "%s", complaint);
	else
		return true;
	return false;
}

static bool read_format(struct ks_request *request, struct ks_states_answer *answer, enum MHD_Result *result)
{
	static const char *const names[] = { "json", "conntrack", "csv" };
	const char *format = ks_api_parameter(request, "format");
	unsigned i = 0;

	while (format && i < KS_ARRAY_SIZE(names) && strcmp(names[i], format))
		i++;
	if (i == KS_ARRAY_SIZE(names))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST,
					"format: '%s' is not right; give json, csv or conntrack", format);
	else if (i != KS_STATES_JSON && answer->wish.group)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "format: groups are told as json only");
	else
		answer->format = (enum ks_states_format)i;
	return i < KS_ARRAY_SIZE(names) && answer->format == i && read_columns(request, answer, result);
}

/* Rows may have more, for somebody who looks at a few of them. */
static bool read_details(struct ks_request *request, struct ks_states_answer *answer, enum MHD_Result *result)
{
	const char *details = ks_api_parameter(request, "details");

	if (details && strcmp(details, "1"))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "details: '%s' is not right; give 1", details);
	else if (details && (answer->format != KS_STATES_JSON || answer->wish.group))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "details: flows have them, in format=json");
	else
		answer->details = details != NULL;
	return !details || answer->details;
}

static bool read_parameters(struct ks_request *request, struct ks_states_answer *answer, enum MHD_Result *result)
{
	static const char *const others[] = { "format", "columns", "sort",  "order",   "limit", "offset",
					      "cursor", "group",   "rates", "details", NULL };

	return read_wish(request, &answer->wish, result) && read_format(request, answer, result) &&
	       read_details(request, answer, result) &&
	       ks_api_filter(request, KS_FILTER_FLOWS, others, &answer->filter, result);
}

/* Groups take some megabytes while they are counted. Returns false with an answer if as many are being counted as may be. */
static bool take_place(struct ks_request *request, struct ks_states_answer *answer, enum MHD_Result *result)
{
	struct ks_places *places = request->groups;

	if (!answer->wish.group)
		return true;
	if (places->taken >= places->max) {
		*result = ks_api_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%u groupings are being counted already",
					places->max);
		return false;
	}
	answer->places = places;
	places->taken++;
	return true;
}

enum MHD_Result ks_api_states(struct ks_request *request)
{
	static const char *const types[] = {
		[KS_STATES_JSON] = "application/x-ndjson",
		[KS_STATES_CONNTRACK] = "text/plain",
		[KS_STATES_CSV] = "text/csv",
	};
	ks_scoped(auto_answer) struct ks_states_answer *answer = calloc(1, sizeof(*answer));
	enum MHD_Result result = MHD_NO;
	const char *type;

	if (!answer)
		return MHD_NO;
	answer->daemon = request->daemon;
	answer->kernel = request->daemon->kernel;
	if (!read_parameters(request, answer, &result) || !take_place(request, answer, &result) ||
	    ks_text_stream_open(&answer->stream, answer->wish.wanted ? ks_states_view_walk : list_more) ||
	    (answer->wish.wanted && ks_view_init(&answer->view, &answer->wish)))
		return result;
	ks_line_begin(&answer->line, answer->stream.out);
	type = types[answer->format];
	return ks_api_text(request, type, &TAKE(answer)->stream, answer_destroy);
}
