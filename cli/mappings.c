/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate states --mappings: the endpoint-independent mappings of the running firewall. */
#include "cli/mappings.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/output.h"
#include "core/types.h"
#include "explain/change.h"
#include "explain/json.h"

#define PERMITS_TEXT 512

static void end_cell(struct ks_grid *grid, const json_t *mapping, const char *address, const char *port)
{
	const char *text = ks_member_text(mapping, address);

	ks_grid_cell(grid, strchr(text, ':') ? "[%s]:%lld" : "%s:%lld", text, ks_member_number(mapping, port));
}

static void rule_cell(struct ks_grid *grid, const json_t *rule)
{
	const char *file = ks_member_text(rule, "file"), *slash = strrchr(file, '/');

	if (*file)
		ks_grid_cell(grid, "%s:%lld", slash ? slash + 1 : file, ks_member_number(rule, "line"));
	else
		ks_grid_cell(grid, "rule gone");
}

static void titles_add(struct ks_grid *grid)
{
	static const char *const titles[] = { "PROTO",	 "INNER", "OUTER", "ZONES", "FROM",
					      "PERMITS", "IDLE",  "LEFT",  "RULE" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(grid, "%s", titles[i]);
}

/* FROM says who may send: anybody, the peers under PERMITS, or only the ends of states. */
static const char *filtering_text(const json_t *mapping)
{
	const char *filtering = ks_member_text(mapping, "filtering");

	if (!strcmp(filtering, "endpoint-independent"))
		return "anybody";
	return strcmp(filtering, "address-dependent") ? "states" : "permits";
}

struct mappings_ctx {
	struct ks_grid *grid;
	unsigned long long total;
};

static int mapping_take(const char *line, size_t length, void *arg)
{
	ks_auto_json json_t *mapping = json_loadb(line, length, 0, NULL);
	char permits[PERMITS_TEXT], idle[KS_NUMBER_TEXT], left[KS_NUMBER_TEXT];
	struct mappings_ctx *ctx = arg;

	if (!mapping)
		return 0;
	if (!ctx->total++)
		titles_add(ctx->grid);
	ks_grid_cell(ctx->grid, "%s", ks_member_text(mapping, "proto"));
	end_cell(ctx->grid, mapping, "inner", "inner_port");
	end_cell(ctx->grid, mapping, "outer", "outer_port");
	ks_grid_cell(ctx->grid, "%s > %s", ks_member_text(mapping, "inside"), ks_member_text(mapping, "outside"));
	ks_grid_cell(ctx->grid, "%s", filtering_text(mapping));
	ks_grid_cell(ctx->grid, "%s", ks_names_join(json_object_get(mapping, "permits"), permits, sizeof(permits)));
	ks_grid_cell(ctx->grid, "%s", ks_span_text((uint64_t)ks_member_number(mapping, "idle_ms"), idle));
	ks_grid_cell(ctx->grid, "%s", ks_span_text((uint64_t)ks_member_number(mapping, "left_ms"), left));
	rule_cell(ctx->grid, json_object_get(mapping, "rule"));
	return 0;
}

static int line_copy(const char *line, size_t length, void *arg)
{
	fwrite(line, 1, length, stdout);
	return putchar('\n') == EOF;
}

int ks_mappings_list(const struct ks_parameter *filters, size_t count, bool json)
{
	const struct ks_call call = {
		.method = "GET", .path = "/v1/mappings", .parameters = filters, .parameter_count = count
	};
	ks_auto_grid struct ks_grid *grid = ks_grid_create("llllllrrl");
	struct mappings_ctx ctx = { .grid = grid };
	int code;

	if (json)
		return ks_cli_finish(ks_client_lines(&call, line_copy, NULL));
	code = ks_client_lines(&call, mapping_take, &ctx);
	if (ctx.total)
		ks_grid_print(grid, stdout);
	else if (code == KS_EXIT_OK)
		fprintf(stderr, "no mappings\n");
	return ks_cli_finish(code);
}
