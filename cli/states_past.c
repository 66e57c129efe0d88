/* SPDX-License-Identifier: BSD-2-Clause */
/* See states_past.h. */
#include <stdio.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/history.h"
#include "cli/output.h"
#include "cli/state_columns.h"
#include "cli/states_past.h"
#include "core/types.h"

#define ROWS_TOGETHER 512 /* whose columns get one width */
#define COLUMNS "proto,state,source,destination,zones,packets,bytes,age,rule,nat"

struct past_ctx {
	bool json;
	struct ks_state_columns columns;
	struct ks_grid *grid;
	unsigned rows;
	uint64_t total;
	struct ks_state_row row;
};

static void rows_print(struct past_ctx *ctx)
{
	if (ctx->rows)
		ks_grid_print(ctx->grid, stdout);
	ks_grid_clear(ctx->grid);
	ctx->rows = 0;
}

static int flow_take(const char *line, size_t length, void *arg)
{
	struct past_ctx *ctx = arg;
	ks_auto_json json_t *flow = json_loadb(line, length, 0, NULL);

	if (!flow)
		return 0;
	ctx->total++;
	if (ctx->json)
		return printf("%.*s\n", (int)length, line) < 0;
	if (!ctx->grid)
		ctx->grid = ks_state_columns_grid(&ctx->columns, true);
	ks_state_row_from_json(&ctx->row, flow);
	ks_state_columns_add(&ctx->columns, ctx->grid, &ctx->row);
	if (++ctx->rows == ROWS_TOGETHER)
		rows_print(ctx);
	return ferror(stdout);
}

int ks_states_past(const char *at, const struct ks_state_filters *filters, bool json)
{
	struct ks_parameter parameters[KS_STATE_PARAMETERS_MAX + 1];
	struct ks_call call = { .method = "GET", .path = "/v1/flows", .parameters = parameters, .journal = true };
	struct past_ctx ctx = { .json = json };
	char wrong[64];
	int code;

	call.parameter_count = ks_state_filters_put(filters, parameters);
	parameters[call.parameter_count++] = (struct ks_parameter){ "at", at };
	ks_state_columns_choose(COLUMNS, &ctx.columns, wrong);
	code = ks_client_lines(&call, flow_take, &ctx);
	if (ctx.grid)
		rows_print(&ctx);
	ks_grid_destroy(ctx.grid);
	if (code == KS_EXIT_OK && !ctx.total)
		fprintf(stderr, "no states then, as far as the journal knows\n");
	else if (code == KS_EXIT_OK)
		ks_history_note_known(at);
	return ks_cli_finish(code);
}
