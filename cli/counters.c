/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate counters: the counters of the running firewall, by reason and by rule. */
#include <stdio.h>
#include <time.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/counters_view.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/types.h"
#include "explain/json.h"

#define EVERY_SECONDS 2 /* of --watch */
#define HEAD_LINES 6 /* of a screen that are no rows */

struct counters_ctx {
	struct ks_counters_view view;
	bool all, zones, watch;
	unsigned rows; /* of each table, 0: all */
};

static void titles_add(struct ks_grid *grid, const char *const *titles, bool watch)
{
	for (; *titles; titles++)
		ks_grid_text(grid, *titles);
	if (watch) {
		ks_grid_text(grid, "PACKETS/S");
		ks_grid_text(grid, "BYTES/S");
	}
}

/* Cells of the counts: the one named `first`, the packets behind matches, the bytes; and what comes in a second. */
static void numbers_add(const struct counters_ctx *ctx, struct ks_grid *grid, const json_t *entry, const char *first)
{
	char number[KS_NUMBER_TEXT];

	ks_grid_text(grid, ks_number_text(ks_counters_since(&ctx->view, entry, first), number));
	if (first[0] == 'm')
		ks_grid_text(grid, ks_number_text(ks_counters_since(&ctx->view, entry, "packets"), number));
	ks_grid_text(grid, ks_bytes_text(ks_counters_since(&ctx->view, entry, "bytes"), number));
	if (!ctx->watch)
		return;
	ks_grid_text(grid, ks_number_text((uint64_t)(ks_counters_rate(&ctx->view, entry, first) + 0.5), number));
	ks_grid_text(grid, ks_bytes_text((uint64_t)(ks_counters_rate(&ctx->view, entry, "bytes") + 0.5), number));
}

static bool has_room(const struct counters_ctx *ctx, unsigned *row)
{
	return !ctx->rows || (*row)++ < ctx->rows;
}

static void reason_counters_print(const struct counters_ctx *ctx, const json_t *list)
{
	static const char *const titles[] = { "REASON", "", "PACKETS", "BYTES", NULL };
	ks_auto_grid struct ks_grid *grid = ks_grid_create(ctx->watch ? "llrrrrl" : "llrrl");
	unsigned row = 0;

	titles_add(grid, titles, ctx->watch);
	ks_grid_text(grid, "MEANING");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);

		if ((!ctx->all && !ks_counters_since(&ctx->view, entry, "packets")) || !has_room(ctx, &row))
			continue;
		ks_grid_text(grid, ks_member_text(entry, "reason"));
		ks_grid_text(grid, json_is_true(json_object_get(entry, "passes")) ? "passed" : "dropped");
		numbers_add(ctx, grid, entry, "packets");
		ks_grid_text(grid, ks_member_text(entry, "text"));
	}
	ks_grid_print(grid, stdout);
}

/* All rules, but while one watches: those that something has happened to. */
static bool rule_is_shown(const struct counters_ctx *ctx, const json_t *entry)
{
	return !ctx->watch || ctx->all || ks_counters_since(&ctx->view, entry, "matches") ||
	       ks_counters_since(&ctx->view, entry, "packets");
}

static void rule_counters_print(const struct counters_ctx *ctx, const json_t *list)
{
	static const char *const titles[] = { "RULE", "MATCHES", "PACKETS", "BYTES", NULL };
	ks_auto_grid struct ks_grid *grid = ks_grid_create(ctx->watch ? "lrrrrrl" : "lrrrl");
	unsigned row = 0;

	for (unsigned i = 0; titles[i]; i++)
		ks_grid_text(grid, titles[i]);
	if (ctx->watch) {
		ks_grid_text(grid, "MATCHES/S");
		ks_grid_text(grid, "BYTES/S");
	}
	ks_grid_text(grid, "");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		const char *label = ks_member_text(entry, "label");

		if (!rule_is_shown(ctx, entry) || !has_room(ctx, &row))
			continue;
		ks_grid_cell(grid, "%s:%lld", ks_member_text(entry, "file"), ks_member_number(entry, "line"));
		numbers_add(ctx, grid, entry, "matches");
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

static void counters_print(const struct counters_ctx *ctx)
{
	if (ctx->zones) {
		zone_counters_print(json_object_get(ctx->view.now.answer, "zones"));
		return;
	}
	reason_counters_print(ctx, json_object_get(ctx->view.now.answer, "reasons"));
	putchar('\n');
	rule_counters_print(ctx, json_object_get(ctx->view.now.answer, "rules"));
}

static void watch_head_print(const struct counters_ctx *ctx)
{
	char clock[16], span[KS_NUMBER_TEXT];
	time_t now = time(NULL);
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	printf("%s%s  ", ks_terminal_lines() ? KS_TERMINAL_CLEAR : "", clock);
	if (ctx->view.base.answer)
		printf("counted for %s",
		       ks_span_text((ctx->view.now.time - ctx->view.base.time) / KS_NSEC_PER_SEC * KS_MSEC_PER_SEC,
				    span));
	else
		fputs("counted since the firewall began", stdout);
	fputs(ks_terminal_has_keys() ? "   (z: count from now, a: from the beginning, q: quit)\n\n" : "\n\n", stdout);
}

/* Acts upon a key. Returns false if it ends the watch. */
static bool key_take(struct counters_ctx *ctx, int key)
{
	if (key == 'z')
		ks_counters_view_reset(&ctx->view);
	if (key == 'a')
		ks_counters_view_unset(&ctx->view);
	return key != 'q' && key != KS_KEY_INTERRUPT && key >= 0;
}

static int counters_watch(struct counters_ctx *ctx, uint64_t every, bool from_now)
{
	int code;

	while ((code = ks_counters_view_take(&ctx->view)) == KS_EXIT_OK) {
		unsigned lines = ks_terminal_lines();

		if (from_now && !ctx->view.base.answer)
			ks_counters_view_reset(&ctx->view);
		from_now = false;
		ctx->rows = lines > HEAD_LINES + 2 ? (lines - HEAD_LINES) / 2 : lines ? 1 : 0;
		watch_head_print(ctx);
		counters_print(ctx);
		if (!ks_terminal_lines())
			putchar('\n');
		if (fflush(stdout) || !key_take(ctx, ks_terminal_wait(every * KS_MSEC_PER_SEC)))
			break;
	}
	return code;
}

static int counters_once(struct counters_ctx *ctx, bool json)
{
	int code = ks_counters_view_take(&ctx->view);

	if (code != KS_EXIT_OK)
		return code;
	if (json)
		ks_json_print(json_incref(ctx->view.now.answer), stdout);
	else
		counters_print(ctx);
	return KS_EXIT_OK;
}

static void counters_fini(struct counters_ctx *ctx)
{
	ks_counters_view_fini(&ctx->view);
}

KS_SCOPED_STRUCT(auto_counters, struct counters_ctx, counters_fini)

int ks_cmd_counters(int argc, char **argv)
{
	ks_scoped(auto_counters) struct counters_ctx ctx = { 0 };
	bool json = false, from_now = false;
	uint64_t every = 0;
	const struct ks_option options[] = {
		{ .name = "all",
		  .letter = 'a',
		  .help = "also the reasons that no packet had",
		  .take = ks_take_flag,
		  .target = &ctx.all },
		{ .name = "zones",
		  .help = "by the zones that packets come from and go to",
		  .take = ks_take_flag,
		  .target = &ctx.zones },
		{ .name = "json", .help = "print one JSON object", .take = ks_take_flag, .target = &json },
		{ .name = "watch",
		  .letter = 'w',
		  .help = "print them again and again, with what comes in a second",
		  .take = ks_take_flag,
		  .target = &ctx.watch },
		{ .name = "every",
		  .argument = "TIME",
		  .help = "of --watch: how often (2s without it)",
		  .take = ks_take_seconds,
		  .target = &every,
		  .min = 1,
		  .max = 3600 },
		{ .name = "from-now",
		  .help = "of --watch: count from now on; the counters stay as they are",
		  .take = ks_take_flag,
		  .target = &from_now },
	};
	const struct ks_usage usage = {
		"keepstate counters [OPTION]...",
		"Prints how many packets the running firewall passed and dropped for each reason, and for\n"
		"each rule the packets that it decided (MATCHES: openings, and what it dropped) and what its\n"
		"flows carried in both directions. Counters survive reloads and the daemon's death. --watch shows "
		"what\n"
		"has come; on a terminal the key z counts from now on, a from the beginning again, q quits.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "counters takes no operands");
	if (ctx.watch && json)
		return ks_usage_error(&usage, "--watch shows tables; --json prints once");
	if (ctx.watch && ctx.zones)
		return ks_usage_error(&usage, "--zones prints once; keepstate top --view zones goes on");
	if (!ctx.watch && (every || from_now))
		return ks_usage_error(&usage, "--every and --from-now belong to --watch");
	code = ctx.watch ? counters_watch(&ctx, every ? every : EVERY_SECONDS, from_now) : counters_once(&ctx, json);
	return ks_cli_finish(code);
}
