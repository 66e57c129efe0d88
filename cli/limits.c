/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate states --limits: what the limits of rules count now, a line for each source, destination or rule. */
#include "cli/limits.h"

#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "core/types.h"
#include "explain/change.h"
#include "explain/json.h"

struct limits_ctx {
	struct ks_grid *grid;
	unsigned long long count;
};

static void titles_add(struct ks_grid *grid)
{
	static const char *const titles[] = { "LIMIT", "OF", "HANDSHAKE", "SPENT", "EXCEEDED", "RULE" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(grid, "%s", titles[i]);
}

/* A source has two counts where a rule's protocols are of both kinds. */
static const char *handshake_text(const json_t *handshake)
{
	if (!json_is_boolean(handshake))
		return "any";
	return json_is_true(handshake) ? "with" : "without";
}

static int limit_take(const char *line, size_t length, void *arg)
{
	ks_auto_json json_t *limit = json_loadb(line, length, 0, NULL);
	struct limits_ctx *ctx = arg;
	const char *of, *file, *slash;
	const json_t *rule;

	if (!limit)
		return 0;
	if (!ctx->count++)
		titles_add(ctx->grid);
	of = ks_member_text(limit, "of");
	rule = json_object_get(limit, "rule");
	file = ks_member_text(rule, "file");
	slash = strrchr(file, '/');
	ks_grid_cell(ctx->grid, "%s", ks_member_text(limit, "limit"));
	ks_grid_cell(ctx->grid, "%s", *of ? of : "all");
	ks_grid_cell(ctx->grid, "%s", handshake_text(json_object_get(limit, "handshake")));
	ks_grid_cell(ctx->grid, "%lld", ks_member_number(limit, "spent"));
	ks_grid_cell(ctx->grid, "%lld", ks_member_number(limit, "exceeded"));
	ks_grid_cell(ctx->grid, "%s:%lld", slash ? slash + 1 : file, ks_member_number(rule, "line"));
	return 0;
}

static int line_copy(const char *line, size_t length, void *arg)
{
	fwrite(line, 1, length, stdout);
	return putchar('\n') == EOF;
}

int ks_limits_list(bool json)
{
	const struct ks_call call = { .method = "GET", .path = "/v1/limits" };
	ks_auto_grid struct ks_grid *grid = ks_grid_create("lllrrl");
	struct limits_ctx ctx = { .grid = grid };
	int code;

	if (json)
		return ks_cli_finish(ks_client_lines(&call, line_copy, NULL));
	code = ks_client_lines(&call, limit_take, &ctx);
	if (ctx.count)
		ks_grid_print(grid, stdout);
	else if (code == KS_EXIT_OK)
		fprintf(stderr, "no limit of a rule counts anything\n");
	return ks_cli_finish(code);
}
