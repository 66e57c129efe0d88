/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate counters: what the running firewall counted, by reason and by rule. */
#include <stdio.h>

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

static unsigned long long number_of(const json_t *object, const char *name)
{
	return (unsigned long long)json_integer_value(json_object_get(object, name));
}

static void add_numbers(struct ks_grid *grid, const json_t *entry, const char *first)
{
	char number[KS_NUMBER_TEXT];

	ks_grid_cell(grid, "%s", ks_number_text(number_of(entry, first), number));
	if (first[0] == 'm')
		ks_grid_cell(grid, "%s", ks_number_text(number_of(entry, "packets"), number));
	ks_grid_cell(grid, "%s", ks_bytes_text(number_of(entry, "bytes"), number));
}

static void reasons_print(const json_t *list, bool all)
{
	struct ks_grid *grid = ks_grid_create("llrrl");

	ks_grid_cell(grid, "REASON");
	ks_grid_cell(grid, "%s", "");
	ks_grid_cell(grid, "PACKETS");
	ks_grid_cell(grid, "BYTES");
	ks_grid_cell(grid, "MEANING");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);

		if (!all && !number_of(entry, "packets"))
			continue;
		ks_grid_cell(grid, "%s", text_of(entry, "reason"));
		ks_grid_cell(grid, "%s", json_is_true(json_object_get(entry, "passes")) ? "passed" : "dropped");
		add_numbers(grid, entry, "packets");
		ks_grid_cell(grid, "%s", text_of(entry, "text"));
	}
	ks_grid_print(grid, stdout);
	ks_grid_destroy(grid);
}

static void rules_print(const json_t *list)
{
	struct ks_grid *grid = ks_grid_create("lrrrl");

	ks_grid_cell(grid, "RULE");
	ks_grid_cell(grid, "MATCHES");
	ks_grid_cell(grid, "PACKETS");
	ks_grid_cell(grid, "BYTES");
	ks_grid_cell(grid, "%s", "");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		const char *label = text_of(entry, "label");

		ks_grid_cell(grid, "%s:%llu", text_of(entry, "file"), number_of(entry, "line"));
		add_numbers(grid, entry, "matches");
		ks_grid_cell(grid, *label ? "%s  \"%s\"" : "%s", text_of(entry, "text"), label);
	}
	ks_grid_print(grid, stdout);
	ks_grid_destroy(grid);
}

int ks_cmd_counters(int argc, char **argv)
{
	bool json = false, all = false;
	const struct ks_option options[] = {
		{ .name = "all",
		  .letter = 'a',
		  .help = "also the reasons that no packet had",
		  .take = ks_take_flag,
		  .target = &all },
		{ .name = "json", .help = "print one JSON object", .take = ks_take_flag, .target = &json },
	};
	const struct ks_usage usage = {
		"keepstate counters [OPTION]...",
		"Prints how many packets the running firewall passed and dropped for each reason, and for\n"
		"each rule the packets that it decided (MATCHES: openings, and what it dropped) and what its\n"
		"flows carried in both directions. Counters survive reloads and the daemon's death.",
		options, KS_ARRAY_SIZE(options)
	};
	const struct ks_call call = { .method = "GET", .path = "/v1/counters" };
	json_t *answer = NULL;
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "counters takes no operands");
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	if (json) {
		ks_json_print(answer, stdout);
		return ks_cli_finish(code);
	}
	reasons_print(json_object_get(answer, "reasons"), all);
	putchar('\n');
	rules_print(json_object_get(answer, "rules"));
	json_decref(answer);
	return ks_cli_finish(code);
}
