/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate status: what the running firewall is, guards and does. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

/* "2026-01-31 12:00:00 (3h2m ago)" */
static void moment_print(const json_t *status, const char *name)
{
	time_t when = (time_t)number_of(status, name);
	long long ago = number_of(status, "now") - (long long)when;
	char text[64] = "", duration[KS_NUMBER_TEXT];
	struct tm tm;

	if (localtime_r(&when, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s (%s ago)", text, ks_span_text((uint64_t)(ago > 0 ? ago : 0) * 1000, duration));
}

static void head_print(const json_t *status)
{
	printf("Keepstate %s in %s, process %lld%s\n", text_of(status, "version"), text_of(status, "instance"),
	       number_of(status, "pid"),
	       json_is_true(json_object_get(status, "took_over")) ? ", took over from an earlier one" : "");
	printf("in force    ");
	if (number_of(status, "since")) {
		printf("since ");
		moment_print(status, "since");
	} else {
		printf("not yet: nothing was guarded so far");
	}
	printf("\npolicy      %s: %lld rules, %lld zones, generation %lld, loaded ", text_of(status, "policy"),
	       number_of(status, "rules"), number_of(status, "zones"), number_of(status, "generation"));
	moment_print(status, "loaded");
	putchar('\n');
}

static void fill_print(const json_t *table, const char *title, const char *name, const char *limit)
{
	char count[KS_NUMBER_TEXT], of[KS_NUMBER_TEXT];
	long long max = number_of(table, limit);

	printf("%-11s %s of %s (%.1f%%)", title, ks_number_text((uint64_t)number_of(table, name), count),
	       ks_number_text((uint64_t)max, of), max ? 100.0 * (double)number_of(table, name) / (double)max : 0.0);
}

/* "records     12 aliases, 3 of 65536 mappings": what there is besides states, if there is any. */
static void records_print(const json_t *records)
{
	json_int_t aliases = json_integer_value(json_object_get(records, "aliases"));
	const char *name;
	json_t *value;
	bool any = false;

	if (aliases) {
		printf("records     %lld aliases of translated states", (long long)aliases);
		any = true;
	}
	json_object_foreach((json_t *)records, name, value)
	{
		if (!json_is_object(value) || !number_of(value, "count"))
			continue;
		printf("%s%lld of %lld %s", any ? ", " : "records     ", number_of(value, "count"),
		       number_of(value, "limit"), name);
		any = true;
	}
	if (any)
		putchar('\n');
}

static void table_print(const json_t *table)
{
	char created[KS_NUMBER_TEXT], expired[KS_NUMBER_TEXT], recycled[KS_NUMBER_TEXT], killed[KS_NUMBER_TEXT];

	fill_print(table, "states", "flows", "limit");
	printf("; %s created, %s expired, %s recycled, %s killed\n",
	       ks_number_text((uint64_t)number_of(table, "created"), created),
	       ks_number_text((uint64_t)number_of(table, "expired"), expired),
	       ks_number_text((uint64_t)number_of(table, "recycled"), recycled),
	       ks_number_text((uint64_t)number_of(table, "killed"), killed));
	fill_print(table, "half-open", "half_open", "half_open_limit");
	putchar('\n');
	records_print(json_object_get(table, "records"));
}

static double rate_of(const json_t *rates, const char *name)
{
	return json_number_value(json_object_get(rates, name));
}

static void rates_print(const json_t *rates)
{
	char passed[KS_NUMBER_TEXT], dropped[KS_NUMBER_TEXT];

	if (!json_is_object(rates))
		return;
	printf("now         passed %.0f packets/s (%s/s), dropped %.0f packets/s (%s/s), %.0f new states/s\n",
	       rate_of(rates, "passed_packets"), ks_bytes_text((uint64_t)rate_of(rates, "passed_bytes"), passed),
	       rate_of(rates, "dropped_packets"), ks_bytes_text((uint64_t)rate_of(rates, "dropped_bytes"), dropped),
	       rate_of(rates, "new_flows"));
}

/* "guarded by tcx", "guarded, port of br0", "ignored"; as far as the hooks are there. */
static void guard_cell(struct ks_grid *grid, const json_t *interface)
{
	bool ingress = json_is_true(json_object_get(interface, "ingress"));
	bool egress = json_is_true(json_object_get(interface, "egress"));
	const char *role = text_of(interface, "role"), *carrier = text_of(interface, "carrier");

	if (!*text_of(interface, "hooks")) /* its role needs none */
		ks_grid_cell(grid, "%s", strcmp(role, "vrf") ? role : "vrf: guarded at its members");
	else if (!ingress || !egress)
		ks_grid_cell(grid, "%s",
			     ingress  ? "guarded inwards only"
			     : egress ? "guarded outwards only"
				      : "NOT GUARDED");
	else if (!json_is_true(json_object_get(interface, "first")))
		ks_grid_cell(grid, "guarded AFTER A PROGRAM OF OTHERS");
	else if (*carrier)
		ks_grid_cell(grid, "guarded, port of %s", carrier);
	else
		ks_grid_cell(grid, "%s", strcmp(role, "carrier") ? "guarded" : "guarded at its ports");
}

static void interfaces_print(const json_t *list)
{
	struct ks_grid *grid = ks_grid_create("llllll");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *interface = json_array_get(list, i);

		ks_grid_cell(grid, "%s", i ? "" : "interfaces");
		ks_grid_cell(grid, "%s", text_of(interface, "name"));
		ks_grid_cell(grid, "zone %s", text_of(interface, "zone"));
		ks_grid_cell(grid, "%s", json_is_true(json_object_get(interface, "up")) ? "up" : "down");
		guard_cell(grid, interface);
		ks_grid_cell(grid, "%s", text_of(interface, "error"));
	}
	if (json_array_size(list))
		ks_grid_print(grid, stdout);
	else
		printf("interfaces  none is there\n");
	ks_grid_destroy(grid);
}

/* "tcx", "clsact", or both where they differ. */
static void hooks_print(const json_t *list)
{
	bool tcx = false, clsact = false;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *hooks = text_of(json_array_get(list, i), "hooks");

		tcx |= !strcmp(hooks, "tcx");
		clsact |= !strcmp(hooks, "clsact");
	}
	printf("%s%s%s", tcx ? "tcx" : "", tcx && clsact ? " and " : "", clsact ? "clsact" : "");
}

static void surroundings_print(const json_t *status)
{
	const json_t *routes = json_object_get(status, "routes");

	if (*text_of(status, "ignore_line"))
		printf("no zone     denied by default; to leave them alone: %s\n", text_of(status, "ignore_line"));
	printf("hooks       ");
	hooks_print(json_object_get(status, "interfaces"));
	printf("; backstop %s\n", json_is_true(json_object_get(status, "backstop")) ? "in force" : "NOT in force");
	if (json_is_true(json_object_get(routes, "differ")))
		printf("routes      %s: egress decides\n", text_of(routes, "why"));
}

static void warnings_print(const json_t *list)
{
	bool colour = ks_output_colour(stdout);

	for (size_t i = 0; i < json_array_size(list); i++)
		printf("%sWARNING     %s%s\n", ks_colour(colour, KS_COLOUR_RED),
		       json_string_value(json_array_get(list, i)), ks_colour(colour, KS_COLOUR_PLAIN));
}

int ks_cmd_status(int argc, char **argv)
{
	bool json = false;
	const struct ks_option options[] = {
		{ .name = "json", .help = "print one JSON object", .take = ks_take_flag, .target = &json },
	};
	const struct ks_usage usage = {
		"keepstate status [OPTION]...",
		"Says which policy is in force and since when, how full the state table is, what passes now,\n"
		"which interfaces are guarded and how, and what is not as the policy wants it. Returns 3 if\n"
		"no daemon runs.",
		options, KS_ARRAY_SIZE(options)
	};
	const struct ks_call call = { .method = "GET", .path = "/v1/status" };
	json_t *answer = NULL;
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "status takes no operands");
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	if (json) {
		ks_json_print(answer, stdout);
		return ks_cli_finish(code);
	}
	head_print(answer);
	table_print(json_object_get(answer, "table"));
	rates_print(json_object_get(answer, "rates"));
	interfaces_print(json_object_get(answer, "interfaces"));
	surroundings_print(answer);
	warnings_print(json_object_get(answer, "warnings"));
	json_decref(answer);
	return ks_cli_finish(code);
}
