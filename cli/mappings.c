/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate states --mappings: the endpoint-independent mappings of the running firewall, and what its helpers expect. */
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
	struct ks_grid *mappings, *expectations;
	unsigned long long mapping_count, expectation_count;
};

static void mapping_add(struct mappings_ctx *ctx, const json_t *mapping)
{
	char permits[PERMITS_TEXT], idle[KS_NUMBER_TEXT], left[KS_NUMBER_TEXT];
	struct ks_grid *grid = ctx->mappings;

	if (!ctx->mapping_count++)
		titles_add(grid);
	ks_grid_cell(grid, "%s", ks_member_text(mapping, "proto"));
	end_cell(grid, mapping, "inner", "inner_port");
	end_cell(grid, mapping, "outer", "outer_port");
	ks_grid_cell(grid, "%s > %s", ks_member_text(mapping, "inside"), ks_member_text(mapping, "outside"));
	ks_grid_cell(grid, "%s", filtering_text(mapping));
	ks_grid_cell(grid, "%s", ks_names_join(json_object_get(mapping, "permits"), permits, sizeof(permits)));
	ks_grid_cell(grid, "%s", ks_span_text((uint64_t)ks_member_number(mapping, "idle_ms"), idle));
	ks_grid_cell(grid, "%s", ks_span_text((uint64_t)ks_member_number(mapping, "left_ms"), left));
	rule_cell(grid, json_object_get(mapping, "rule"));
}

static void expectation_titles_add(struct ks_grid *grid)
{
	static const char *const titles[] = { "PROTO", "EXPECTED FROM", "TO", "INNER", "ZONES", "LEFT", "RULE" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(grid, "%s", titles[i]);
}

static void expectation_add(struct mappings_ctx *ctx, const json_t *expectation)
{
	const char *opener = ks_member_text(expectation, "opener");
	struct ks_grid *grid = ctx->expectations;
	char left[KS_NUMBER_TEXT];

	if (!ctx->expectation_count++)
		expectation_titles_add(grid);
	ks_grid_cell(grid, "%s", ks_member_text(expectation, "proto"));
	ks_grid_cell(grid, "%s", *opener ? opener : "anybody");
	end_cell(grid, expectation, "destination", "destination_port");
	if (json_is_true(json_object_get(expectation, "refused")))
		ks_grid_cell(grid, "refused");
	else
		end_cell(grid, expectation, "inner", "inner_port");
	ks_grid_cell(grid, "%s > %s", ks_member_text(expectation, "from"), ks_member_text(expectation, "to"));
	ks_grid_cell(grid, "%s", ks_span_text((uint64_t)ks_member_number(expectation, "left_ms"), left));
	rule_cell(grid, json_object_get(expectation, "rule"));
}

static int record_take(const char *line, size_t length, void *arg)
{
	ks_auto_json json_t *record = json_loadb(line, length, 0, NULL);

	if (!record)
		return 0;
	if (strcmp(ks_member_text(record, "kind"), "expectation"))
		mapping_add(arg, record);
	else
		expectation_add(arg, record);
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
	ks_auto_grid struct ks_grid *mappings = ks_grid_create("llllllrrl");
	ks_auto_grid struct ks_grid *expectations = ks_grid_create("lllllrl");
	struct mappings_ctx ctx = { .mappings = mappings, .expectations = expectations };
	int code;

	if (json)
		return ks_cli_finish(ks_client_lines(&call, line_copy, NULL));
	code = ks_client_lines(&call, record_take, &ctx);
	if (ctx.mapping_count)
		ks_grid_print(mappings, stdout);
	if (ctx.expectation_count)
		ks_grid_print(expectations, stdout);
	if (code == KS_EXIT_OK && !ctx.mapping_count && !ctx.expectation_count)
		fprintf(stderr, "no mappings, and nothing expected\n");
	return ks_cli_finish(code);
}
