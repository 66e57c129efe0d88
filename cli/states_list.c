/* SPDX-License-Identifier: BSD-2-Clause */
/* See states_list.h. */
#include "cli/states_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/terminal.h"
#include "core/types.h"
#include "text/scoped.h"

#define ROWS_TOGETHER 512 /* whose columns get one width: the first of a million states need not wait for the last */
#define WATCH_ROWS 20 /* where there is no terminal that says */
#define WATCH_HEAD 3 /* lines of a screen that are no rows */

struct list_ctx {
	const struct ks_states_list *list;
	struct ks_grid *grid;
	unsigned rows; /* in the grid */
	uint64_t total;
	bool titles; /* are printed */
	unsigned char fields[KS_STATE_FIELDS_MAX];
	size_t field_count;
	struct ks_state_row row;
};

static const struct {
	const char *group, *columns;
} group_columns[] = {
	{ "host", "host,flows,sent,received" },
	{ "source", "source,flows,packets,bytes" },
	{ "destination", "destination,flows,packets,bytes" },
	{ "rule", "rule,label,flows,packets,bytes" },
	{ "zone", "zones,flows,packets,bytes" },
	{ "port", "port,flows,packets,bytes" },
	{ "protocol", "proto,flows,packets,bytes" },
	{ "state", "proto,state,flows,packets,bytes" },
};

static bool shows_rates(const struct ks_states_list *list)
{
	return list->query.rates || (list->query.sort && !strcmp(list->query.sort, "rate"));
}

/* The columns that one likes to see of such a query. */
static void columns_default(struct ks_states_list *list)
{
	const char *names = shows_rates(list)
				    ? "proto,state,source,destination,zones,packets,bytes,up,down,age,left,rule,nat"
				    : "proto,state,source,destination,zones,packets,bytes,age,left,rule,nat";
	char wrong[64], grouped[80];

	for (size_t i = 0; list->query.group && i < KS_ARRAY_SIZE(group_columns); i++) {
		if (!strcmp(group_columns[i].group, list->query.group))
			names = group_columns[i].columns;
	}
	snprintf(grouped, sizeof(grouped), "%s%s", names, list->query.group && shows_rates(list) ? ",up,down" : "");
	ks_state_columns_choose(grouped, &list->columns, wrong);
}

static void table_flush(struct list_ctx *ctx)
{
	if (ctx->rows)
		ks_grid_print(ctx->grid, stdout);
	ks_grid_clear(ctx->grid);
	ctx->rows = 0;
}

static void table_add(struct list_ctx *ctx)
{
	if (!ctx->grid)
		ctx->grid = ks_state_columns_grid(&ctx->list->columns, true);
	ks_state_columns_add(&ctx->list->columns, ctx->grid, &ctx->row);
	if (++ctx->rows == ROWS_TOGETHER)
		table_flush(ctx);
}

static void table_end(struct list_ctx *ctx)
{
	if (ctx->grid)
		table_flush(ctx);
	ks_grid_destroy(ctx->grid);
	ctx->grid = NULL;
}

/* --- all of them, as they come --- */

static int csv_row_take(const char *line, size_t length, void *arg)
{
	struct list_ctx *ctx = arg;

	if (!ctx->titles) { /* the first line has the names of the fields */
		ctx->titles = true;
		return 0;
	}
	if (!ks_state_row_from_csv(&ctx->row, line, length, ctx->fields, ctx->field_count))
		return 0;
	ctx->total++;
	table_add(ctx);
	return ferror(stdout);
}

static int line_copy(const char *line, size_t length, void *arg)
{
	fwrite_unlocked(line, 1, length, stdout);
	return putchar_unlocked('\n') == EOF;
}

/* "source,source_port": the fields that a table or CSV is made of. */
static void fields_print(const struct list_ctx *ctx, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ctx->field_count && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? "," : "",
					 ks_state_field_names[ctx->fields[i]]);
}

static int list_all(struct list_ctx *ctx)
{
	static const char *const formats[] = { "csv", "json", "csv", "conntrack" };
	const struct ks_states_list *list = ctx->list;
	bool is_csv = list->output == KS_STATES_TABLE || list->output == KS_STATES_CSV;
	struct ks_parameter parameters[KS_STATE_PARAMETERS_MAX + 2];
	struct ks_call call = { .method = "GET", .path = "/v1/states", .parameters = parameters };
	char fields[1024];
	int code;

	fields_print(ctx, fields, sizeof(fields));
	call.parameter_count = ks_state_filters_put(&list->query.filters, parameters);
	parameters[call.parameter_count++] = (struct ks_parameter){ "format", formats[list->output] };
	parameters[call.parameter_count++] = (struct ks_parameter){ "columns", is_csv && *fields ? fields : NULL };
	if (list->output != KS_STATES_TABLE)
		return ks_client_lines(&call, line_copy, NULL);
	code = ks_client_lines(&call, csv_row_take, ctx);
	table_end(ctx);
	if (code == KS_EXIT_OK && !ctx->total)
		fprintf(stderr, "no states\n");
	return code;
}

/* --- a view --- */

static void csv_field_print(const char *text)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs_unlocked(text, stdout);
		return;
	}
	putchar_unlocked('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar_unlocked('"');
		putchar_unlocked(*text);
	}
	putchar_unlocked('"');
}

static void csv_print(struct list_ctx *ctx)
{
	char names[1024];

	fields_print(ctx, names, sizeof(names));
	if (!ctx->titles)
		puts(names);
	ctx->titles = true;
	for (size_t i = 0; i < ctx->field_count; i++) {
		if (i)
			putchar_unlocked(',');
		csv_field_print(ctx->row.field[ctx->fields[i]]);
	}
	putchar_unlocked('\n');
}

static int row_take(const json_t *row, const char *line, size_t length, void *arg)
{
	struct list_ctx *ctx = arg;

	ctx->total++;
	if (ctx->list->output == KS_STATES_JSON)
		return line_copy(line, length, NULL);
	ks_state_row_from_json(&ctx->row, row);
	if (ctx->list->output == KS_STATES_CSV)
		csv_print(ctx);
	else
		table_add(ctx);
	return ferror(stdout);
}

/* Page after page, until there are as many rows as are wanted, or no more. */
static int list_view(struct list_ctx *ctx, struct ks_state_totals *totals)
{
	uint64_t wanted = ctx->list->top ? ctx->list->top : UINT64_MAX;
	char cursor[sizeof(totals->next)] = "";
	int code;

	do {
		uint64_t limit = KS_MIN(wanted - ctx->total, (uint64_t)KS_STATE_ROWS_MAX);
		uint64_t before = ctx->total;

		code = ks_state_query_page(&ctx->list->query, limit, cursor, totals, row_take, ctx);
		memcpy(cursor, totals->next, sizeof(cursor));
		if (ctx->total == before)
			break;
	} while (code == KS_EXIT_OK && *cursor && ctx->total < wanted && !ferror(stdout));
	table_end(ctx);
	return code;
}

/* --- again and again --- */

static uint64_t screen_rows(void)
{
	unsigned lines = ks_terminal_lines();

	return lines > WATCH_HEAD ? lines - WATCH_HEAD : WATCH_ROWS;
}

static void head_print(const struct ks_states_list *list, const struct ks_state_totals *totals)
{
	char states[KS_NUMBER_TEXT], matches[KS_NUMBER_TEXT], up[KS_NUMBER_TEXT], down[KS_NUMBER_TEXT], clock[16];
	time_t now = time(NULL);
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	printf("%s%s  %s of %s states", ks_terminal_lines() ? KS_TERMINAL_CLEAR : "", clock,
	       ks_number_text(totals->matches, matches), ks_number_text(totals->states, states));
	if (totals->has_rates)
		printf(", up %s/s, down %s/s", ks_bytes_text(totals->rate[0], up),
		       ks_bytes_text(totals->rate[1], down));
	if (list->query.group)
		printf(", %" PRIu64 " groups", totals->groups);
	putchar('\n');
}

/* The head stands above rows that come behind it, so these are kept until it is printed. */
static int watch_once(struct ks_states_list *list, struct list_ctx *ctx)
{
	struct ks_state_totals totals = { 0 };
	int code;

	ctx->total = 0;
	code = ks_state_query_page(&list->query, KS_MIN(list->top ? list->top : screen_rows(), ROWS_TOGETHER - 1ULL),
				   "", &totals, row_take, ctx);
	if (code != KS_EXIT_OK)
		return code;
	head_print(list, &totals);
	table_end(ctx);
	if (!ks_terminal_lines())
		putchar('\n');
	return fflush(stdout) ? KS_EXIT_SYSTEM : KS_EXIT_OK;
}

static int watch(struct ks_states_list *list, struct list_ctx *ctx)
{
	int code;

	while ((code = watch_once(list, ctx)) == KS_EXIT_OK)
		sleep((unsigned)list->every);
	return code;
}

static int count(const struct ks_states_list *list)
{
	struct ks_state_totals totals = { 0 };
	int code = ks_state_query_page(&list->query, 0, "", &totals, NULL, NULL);

	if (code != KS_EXIT_OK)
		return code;
	if (list->output == KS_STATES_JSON)
		printf("{\"matches\":%" PRIu64 ",\"states\":%" PRIu64 "}\n", totals.matches, totals.states);
	else
		printf("%" PRIu64 "\n", list->query.group ? totals.groups : totals.matches);
	return KS_EXIT_OK;
}

/* CSV has all that a state has, unless columns are chosen. */
static void fields_choose(struct ks_states_list *list, struct list_ctx *ctx)
{
	bool all = list->output == KS_STATES_CSV && !list->columns.count && !list->query.group;

	if (!list->columns.count)
		columns_default(list);
	ctx->field_count = ks_state_columns_fields(&list->columns, ctx->fields);
	if (!all)
		return;
	for (ctx->field_count = 0; ctx->field_count < KS_FIELD_FLOWS; ctx->field_count++)
		ctx->fields[ctx->field_count] = (unsigned char)ctx->field_count;
}

static bool is_view(const struct ks_states_list *list)
{
	return list->query.sort || list->query.order || list->query.group || list->query.rates || list->top ||
	       list->watch;
}

/* A group that was left out must not be missed in silence. */
static void others_tell(const struct ks_states_list *list, const struct list_ctx *ctx,
			const struct ks_state_totals *totals)
{
	if (list->query.group && totals->others)
		fprintf(stderr, "%" PRIu64 " states are in groups that were too small to be kept\n", totals->others);
	if (list->query.group && !list->top && totals->groups > ctx->total)
		fprintf(stderr, "the first %" PRIu64 " of %" PRIu64 " groups\n", ctx->total, totals->groups);
}

int ks_states_list(struct ks_states_list *list)
{
	ks_auto_free struct list_ctx *ctx = ks_cli_alloc(sizeof(*ctx));
	struct ks_state_totals totals = { 0 };
	int code;

	if (!ctx)
		return KS_EXIT_SYSTEM;
	if (list->count)
		return ks_cli_finish(count(list));
	*ctx = (struct list_ctx){ .list = list };
	fields_choose(list, ctx);
	if (!is_view(list))
		return ks_cli_finish(list_all(ctx));
	code = ks_state_query_prepare(&list->query);
	if (code == KS_EXIT_OK)
		code = list->watch ? watch(list, ctx) : list_view(ctx, &totals);
	if (code == KS_EXIT_OK)
		others_tell(list, ctx, &totals);
	if (code == KS_EXIT_OK && !list->watch && !ctx->total && list->output == KS_STATES_TABLE)
		fprintf(stderr, "no states\n");
	return ks_cli_finish(code);
}
