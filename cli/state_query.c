/* SPDX-License-Identifier: BSD-2-Clause */
/* See state_query.h. */
#include "cli/state_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "explain/json.h"
#include "text/scoped.h"

#define PARAMETERS_MORE 7
#define RATE_MOMENTS_US 1050000 /* between two moments: the daemon wants nine tenths of a second */

struct page_ctx {
	struct ks_state_totals *totals;
	bool begun;
	ks_state_row_fn *fn;
	void *arg;
};

static void totals_read(const json_t *line, struct ks_state_totals *totals)
{
	const json_t *rate = json_object_get(line, "rate");

	*totals = (struct ks_state_totals){
		.states = (uint64_t)ks_member_number(line, "states"),
		.matches = (uint64_t)ks_member_number(line, "matches"),
		.groups = (uint64_t)ks_member_number(line, "groups"),
		.others = (uint64_t)ks_member_number(line, "others"),
		.has_rates = json_is_array(rate),
		.rate = { (uint64_t)json_integer_value(json_array_get(rate, 0)),
			  (uint64_t)json_integer_value(json_array_get(rate, 1)) },
	};
	snprintf(totals->next, sizeof(totals->next), "%s", ks_member_text(line, "next"));
}

static int line_take(const char *text, size_t length, void *arg)
{
	ks_auto_json json_t *line = json_loadb(text, length, 0, NULL);
	struct page_ctx *ctx = arg;

	if (!line)
		return 0;
	if (ctx->begun)
		return ctx->fn ? ctx->fn(line, text, length, ctx->arg) : 0;
	ctx->begun = true;
	totals_read(line, ctx->totals);
	return 0;
}

int ks_state_query_page(const struct ks_state_query *query, uint64_t limit, const char *cursor,
			struct ks_state_totals *totals, ks_state_row_fn *fn, void *arg)
{
	struct ks_parameter parameters[KS_STATE_PARAMETERS_MAX + PARAMETERS_MORE];
	struct ks_call call = { .method = "GET", .path = "/v1/states", .parameters = parameters };
	struct ks_state_totals found = { 0 };
	struct page_ctx ctx = { .totals = &found, .fn = fn, .arg = arg };
	size_t count = ks_state_filters_put(&query->filters, parameters);
	char rows[24], offset[24];
	int code;

	snprintf(rows, sizeof(rows), "%" PRIu64, limit);
	parameters[count++] = (struct ks_parameter){ "limit", rows };
	snprintf(offset, sizeof(offset), "%" PRIu64, query->offset);
	parameters[count++] = (struct ks_parameter){ "offset", query->offset ? offset : NULL };
	parameters[count++] = (struct ks_parameter){ "sort", query->sort };
	parameters[count++] = (struct ks_parameter){ "order", query->order };
	parameters[count++] = (struct ks_parameter){ "group", query->group };
	parameters[count++] = (struct ks_parameter){ "rates", query->rates ? "1" : NULL };
	parameters[count++] = (struct ks_parameter){ "cursor", *cursor ? cursor : NULL };
	call.parameter_count = count;
	code = ks_client_lines(&call, line_take, &ctx);
	if (code == KS_EXIT_OK)
		*totals = found;
	return code;
}

int ks_state_query_prepare(const struct ks_state_query *query)
{
	const struct ks_state_query first = { .rates = true };
	struct ks_state_totals totals;
	int code;

	if (!query->rates && (!query->sort || strcmp(query->sort, "rate")))
		return KS_EXIT_OK;
	code = ks_state_query_page(&first, 0, "", &totals, NULL, NULL);
	if (code == KS_EXIT_OK && !totals.has_rates)
		usleep(RATE_MOMENTS_US);
	return code;
}
