/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate states and states kill: the state table of the running firewall. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/limits.h"
#include "cli/mappings.h"
#include "cli/output.h"
#include "cli/state_filters.h"
#include "cli/state_text.h"
#include "core/types.h"
#include "explain/json.h"

/* Rows whose columns get one width: the first of a million states need not wait for the last. */
#define ROWS_TOGETHER 512

struct choices {
	struct ks_state_filters filters;
	const char *format;
	bool json, conntrack, all, mappings, limits;
};

struct states_table_ctx {
	struct ks_grid *grid;
	unsigned rows;
	unsigned long long total;
};

/* The number of one direction, from a member that has one for each. */
static uint64_t number_at(const json_t *object, const char *name, size_t index)
{
	return (uint64_t)json_integer_value(json_array_get(json_object_get(object, name), index));
}

static void translated_end_print(const json_t *nat, const char *word, const char *name, FILE *out)
{
	const char *address = ks_member_text(nat, name);
	char port_name[32];
	const json_t *port;

	if (!*address)
		return;
	snprintf(port_name, sizeof(port_name), "%s_port", name);
	port = json_object_get(nat, port_name);
	fprintf(out, "%s%s ", ftell(out) ? " " : "", word);
	if (port)
		fprintf(out, strchr(address, ':') ? "[%s]:%d" : "%s:%d", address, (int)json_integer_value(port));
	else
		fputs(address, out);
}

/* "as 203.0.113.1:40000": its source for the other side; "via 203.0.113.1:443": its destination for the side that opened it. */
static void nat_print(const json_t *flow, char *buf, size_t size)
{
	const json_t *nat = json_object_get(flow, "nat");
	ks_auto_file FILE *out = fmemopen(buf, size, "w");

	buf[0] = '\0';
	if (!out)
		return;
	translated_end_print(nat, "as", "source", out);
	translated_end_print(nat, "via", "destination", out);
}

static void place_print(const json_t *flow, char *buf, size_t size)
{
	const json_t *rule = json_object_get(flow, "rule");
	const char *file = ks_member_text(rule, "file");
	const char *slash = strrchr(file, '/');

	if (*file)
		snprintf(buf, size, "%s:%d", slash ? slash + 1 : file, (int)ks_member_number(rule, "line"));
	else
		snprintf(buf, size, "rule gone");
}

static void table_begin(struct states_table_ctx *table)
{
	static const char *const titles[] = { "PROTO", "STATE", "SOURCE", "DESTINATION", "ZONES", "PACKETS",
					      "BYTES", "AGE",	"LEFT",	  "RULE",	 "NAT" };

	table->grid = ks_grid_create("lllllrrrrll");
	for (size_t i = 0; !table->total && i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(table->grid, "%s", titles[i]);
}

static void table_end(struct states_table_ctx *table)
{
	ks_grid_print(table->grid, stdout);
	ks_grid_destroy(table->grid);
	table->grid = NULL;
	table->rows = 0;
}

static void table_add(struct states_table_ctx *table, const json_t *flow)
{
	char source[KS_STATE_END_TEXT], destination[KS_STATE_END_TEXT], place[80],
		nat[192] = "", bytes[KS_NUMBER_TEXT], age[KS_NUMBER_TEXT], left[KS_NUMBER_TEXT];

	ks_state_end_text(flow, true, source);
	ks_state_end_text(flow, false, destination);
	place_print(flow, place, sizeof(place));
	ks_grid_cell(table->grid, "%s", ks_member_text(flow, "proto"));
	ks_grid_cell(table->grid, "%s", ks_member_text(flow, "state"));
	ks_grid_cell(table->grid, "%s", source);
	ks_grid_cell(table->grid, "%s", destination);
	ks_grid_cell(table->grid, "%s > %s", ks_member_text(flow, "from"), ks_member_text(flow, "to"));
	ks_grid_cell(table->grid, "%" PRIu64 "+%" PRIu64, number_at(flow, "packets", 0), number_at(flow, "packets", 1));
	ks_grid_cell(table->grid, "%s",
		     ks_bytes_text(number_at(flow, "bytes", 0) + number_at(flow, "bytes", 1), bytes));
	ks_grid_cell(table->grid, "%s", ks_span_text((uint64_t)ks_member_number(flow, "age") * 1000, age));
	ks_grid_cell(table->grid, "%s",
		     ks_span_text((uint64_t)json_number_value(json_object_get(flow, "timeout")) * 1000, left));
	ks_grid_cell(table->grid, "%s", place);
	nat_print(flow, nat, sizeof(nat));
	ks_grid_cell(table->grid, "%s", nat);
}

static int state_row_take(const char *line, size_t length, void *arg)
{
	struct states_table_ctx *table = arg;
	ks_auto_json json_t *flow = json_loadb(line, length, 0, NULL);

	if (!flow)
		return 0;
	if (!table->grid)
		table_begin(table);
	table_add(table, flow);
	table->total++;
	if (++table->rows == ROWS_TOGETHER)
		table_end(table);
	return ferror(stdout);
}

static int state_line_copy(const char *line, size_t length, void *arg)
{
	fwrite(line, 1, length, stdout);
	return putchar('\n') == EOF;
}

static int states_list(const struct choices *choices)
{
	struct ks_parameter parameters[KS_STATE_PARAMETERS_MAX + 1];
	struct ks_call call = { .method = "GET", .path = "/v1/states", .parameters = parameters };
	struct states_table_ctx table = { 0 };
	int code;

	call.parameter_count = ks_state_filters_put(&choices->filters, parameters);
	parameters[call.parameter_count++] = (struct ks_parameter){ "format", choices->conntrack ? "conntrack" : NULL };
	if (choices->json || choices->conntrack)
		return ks_cli_finish(ks_client_lines(&call, state_line_copy, NULL));
	code = ks_client_lines(&call, state_row_take, &table);
	if (table.grid)
		table_end(&table);
	if (code == KS_EXIT_OK && !table.total)
		fprintf(stderr, "no states\n");
	return ks_cli_finish(code);
}

static void killed_print(long long killed, long long mappings, long long expectations)
{
	printf("%lld state%s killed", killed, killed == 1 ? "" : "s");
	if (mappings)
		printf(", %lld mapping%s", mappings, mappings == 1 ? "" : "s");
	if (expectations)
		printf(", %lld expectation%s", expectations, expectations == 1 ? "" : "s");
	putchar('\n');
}

static int states_kill(const struct choices *choices)
{
	struct ks_parameter parameters[KS_STATE_PARAMETERS_MAX + 1];
	struct ks_call call = { .method = "DELETE", .path = "/v1/states", .parameters = parameters };
	ks_auto_json json_t *answer = NULL;
	long long killed, mappings, expectations;
	int code;

	call.parameter_count = ks_state_filters_put(&choices->filters, parameters);
	parameters[call.parameter_count++] = (struct ks_parameter){ "all", choices->all ? "1" : NULL };
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	killed = ks_member_number(answer, "killed");
	mappings = ks_member_number(answer, "mappings");
	expectations = ks_member_number(answer, "expectations");
	if (choices->json)
		ks_json_print(TAKE(answer), stdout);
	else
		killed_print(killed, mappings, expectations);
	return ks_cli_finish(killed + mappings + expectations ? KS_EXIT_OK : KS_EXIT_NO);
}

static int mappings_list(const struct choices *choices)
{
	struct ks_parameter parameters[KS_STATE_PARAMETERS_MAX];
	size_t count = ks_state_filters_put(&choices->filters, parameters);

	return ks_mappings_list(parameters, count, choices->json);
}

static int choices_run(const struct ks_usage *usage, struct choices *choices, int count, char **operands)
{
	bool filtered = ks_state_filters_count(&choices->filters) != 0;

	if (choices->json && choices->conntrack)
		return ks_usage_error(usage, "give --json or --conntrack, not both");
	if (choices->format && (choices->json || choices->conntrack) &&
	    strcmp(choices->format, choices->json ? "json" : "conntrack"))
		return ks_usage_error(usage, "--format %s and --%s contradict each other", choices->format,
				      choices->json ? "json" : "conntrack");
	if (choices->format && !strcmp(choices->format, "conntrack"))
		choices->conntrack = true;
	else if (choices->format && !strcmp(choices->format, "json"))
		choices->json = true;
	else if (choices->format && strcmp(choices->format, "table"))
		return ks_usage_error(usage, "--format: '%s' is not table, json or conntrack", choices->format);
	if (count == 0 && choices->all)
		return ks_usage_error(usage, "--all belongs to states kill; states lists all without it");
	if (choices->mappings && (count || choices->conntrack))
		return ks_usage_error(usage, "--mappings lists; it goes with filters and --json only");
	if (choices->limits && (count || filtered || choices->conntrack || choices->mappings))
		return ks_usage_error(usage, "--limits lists; it goes with --json only");
	if (choices->limits)
		return ks_limits_list(choices->json);
	if (choices->mappings)
		return mappings_list(choices);
	if (count == 0)
		return states_list(choices);
	if (strcmp(operands[0], "kill"))
		return ks_usage_error(usage, "states knows only 'kill', not '%s'", operands[0]);
	if (count > 1)
		return ks_usage_error(usage, "states kill takes options only, such as --address, not '%s'",
				      operands[1]);
	if (!filtered && !choices->all)
		return ks_usage_error(usage, "states kill needs a filter, or --all to kill every state");
	if (filtered && choices->all)
		return ks_usage_error(usage, "states kill takes either filters or --all");
	return states_kill(choices);
}

int ks_cmd_states(int argc, char **argv)
{
	struct choices choices = { 0 };
	const struct ks_option options[] = {
		KS_STATE_FILTER_OPTIONS(choices.filters),
		{ .name = "format",
		  .argument = "FORMAT",
		  .help = "table, json or conntrack",
		  .take = ks_take_text,
		  .target = &choices.format },
		{ .name = "json",
		  .help = "print a JSON object for each state",
		  .take = ks_take_flag,
		  .target = &choices.json },
		{ .name = "conntrack",
		  .help = "print as /proc/net/nf_conntrack does",
		  .take = ks_take_flag,
		  .target = &choices.conntrack },
		{ .name = "mappings",
		  .help = "list mappings and what helpers expect instead",
		  .take = ks_take_flag,
		  .target = &choices.mappings },
		{ .name = "limits",
		  .help = "list what limits of rules count instead",
		  .take = ks_take_flag,
		  .target = &choices.limits },
		{ .name = "all", .help = "kill: every state", .take = ks_take_flag, .target = &choices.all },
	};
	const struct ks_usage usage = {
		"keepstate states [kill] [OPTION]...",
		"Lists the states of the running firewall that fit all filters given, or kills them: their\n"
		"packets are strangers from then on. Mappings and expectations of the same ends are killed too;\n"
		"--mappings lists mappings: which inner endpoint has which outer one, and who may send to it; and "
		"what\n"
		"helpers expect. --limits lists whom limits of rules count, and how often they were exceeded. LEFT is "
		"the time until a state expires if nothing comes.\n"
		"kill returns 1 if no state fits.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	return choices_run(&usage, &choices, argc - first, argv + first);
}
