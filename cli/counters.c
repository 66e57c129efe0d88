/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate counters: the counters of the running firewall, by reason and by rule. */
#include <stdio.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "explain/json.h"

/* Cells of the counts: the one named `first`, the packets behind matches, the bytes. */
static void numbers_add(struct ks_grid *grid, const json_t *entry, const char *first)
{
	char number[KS_NUMBER_TEXT];

	ks_grid_cell(grid, "%s", ks_number_text((uint64_t)ks_member_number(entry, first), number));
	if (first[0] == 'm')
		ks_grid_cell(grid, "%s", ks_number_text((uint64_t)ks_member_number(entry, "packets"), number));
	ks_grid_cell(grid, "%s", ks_bytes_text((uint64_t)ks_member_number(entry, "bytes"), number));
}

static void reason_counters_print(const json_t *list, bool all)
{
	ks_auto_grid struct ks_grid *grid = ks_grid_create("llrrl");

	ks_grid_cell(grid, "REASON");
	ks_grid_cell(grid, "%s", "");
	ks_grid_cell(grid, "PACKETS");
	ks_grid_cell(grid, "BYTES");
	ks_grid_cell(grid, "MEANING");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);

		if (!all && !ks_member_number(entry, "packets"))
			continue;
		ks_grid_cell(grid, "%s", ks_member_text(entry, "reason"));
		ks_grid_cell(grid, "%s", json_is_true(json_object_get(entry, "passes")) ? "passed" : "dropped");
		numbers_add(grid, entry, "packets");
		ks_grid_cell(grid, "%s", ks_member_text(entry, "text"));
	}
	ks_grid_print(grid, stdout);
}

static void rule_counters_print(const json_t *list)
{
	ks_auto_grid struct ks_grid *grid = ks_grid_create("lrrrl");

	ks_grid_cell(grid, "RULE");
	ks_grid_cell(grid, "MATCHES");
	ks_grid_cell(grid, "PACKETS");
	ks_grid_cell(grid, "BYTES");
	ks_grid_cell(grid, "%s", "");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		const char *label = ks_member_text(entry, "label");

		ks_grid_cell(grid, "%s:%lld", ks_member_text(entry, "file"), ks_member_number(entry, "line"));
		numbers_add(grid, entry, "matches");
		ks_grid_cell(grid, *label ? "%s  \"%s\"" : "%s", ks_member_text(entry, "text"), label);
	}
	ks_grid_print(grid, stdout);
}

/* Cells of packets and bytes, empty where there are none. */
static void traffic_add(struct ks_grid *grid, const json_t *entry, const char *what)
{
	const json_t *count = json_object_get(entry, what);
	char number[KS_NUMBER_TEXT];
	bool any = ks_member_number(count, "packets");

	ks_grid_cell(grid, "%s", any ? ks_number_text((uint64_t)ks_member_number(count, "packets"), number) : "");
	ks_grid_cell(grid, "%s", any ? ks_bytes_text((uint64_t)ks_member_number(count, "bytes"), number) : "");
}

static void zone_counters_print(const json_t *list)
{
	static const char *const head[] = { "FROM", "TO", "PASSED", "BYTES", "OPENING", "BYTES", "DROPPED", "BYTES" };
	ks_auto_grid struct ks_grid *grid = ks_grid_create("llrrrrrr");

	for (size_t i = 0; i < KS_ARRAY_SIZE(head); i++)
		ks_grid_cell(grid, "%s", head[i]);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);

		ks_grid_cell(grid, "%s", ks_member_text(entry, "from"));
		ks_grid_cell(grid, "%s", ks_member_text(entry, "to"));
		traffic_add(grid, entry, "passed");
		traffic_add(grid, entry, "opened");
		traffic_add(grid, entry, "dropped");
	}
	ks_grid_print(grid, stdout);
}

int ks_cmd_counters(int argc, char **argv)
{
	bool json = false, all = false, zones = false;
	const struct ks_option options[] = {
		{ .name = "all",
		  .letter = 'a',
		  .help = "also the reasons that no packet had",
		  .take = ks_take_flag,
		  .target = &all },
		{ .name = "zones",
		  .help = "by the zones that packets come from and go to",
		  .take = ks_take_flag,
		  .target = &zones },
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
	ks_auto_json json_t *answer = NULL;
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "counters takes no operands");
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	if (json) {
		ks_json_print(TAKE(answer), stdout);
		return ks_cli_finish(code);
	}
	if (zones) {
		zone_counters_print(json_object_get(answer, "zones"));
		return ks_cli_finish(code);
	}
	reason_counters_print(json_object_get(answer, "reasons"), all);
	putchar('\n');
	rule_counters_print(json_object_get(answer, "rules"));
	return ks_cli_finish(code);
}
