/* SPDX-License-Identifier: BSD-2-Clause */
/* The looks of keepstate top; see top.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/state_columns.h"
#include "cli/top.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/scoped.h"
#include "text/plural.h"

#define WIDE 130U /* columns of a screen */
#define MIDDLE 90U

static const char *const flow_sorts[] = { "rate", "bytes", "packets", "age",  "left", "source", "destination",
					  "port", "proto", "state",   "zone", "rule", NULL };
static const char *const group_sorts[] = { "rate", "bytes", "packets", "flows", NULL };
static const char *const drop_sorts[] = { "rate", "packets", NULL };

/* A view, and its columns on screens that are wide, of a middle size, and narrow. */
static const struct {
	const char *name, *group;
	const char *const *sorts;
	const char *columns[3];
} views[KS_TOP_VIEWS] = {
	[KS_TOP_FLOWS] = { "flows",
			   NULL,
			   flow_sorts,
			   { "proto,source,destination,state,zones,up,down,bytes,packets,age,left,rule,nat",
			     "proto,source,destination,state,up,down,bytes,age,left",
			     "source,destination,up,down,bytes" } },
	[KS_TOP_HOSTS] = { "hosts",
			   "host",
			   group_sorts,
			   { "host,flows,up,down,sent,received", "host,flows,up,down,sent,received", "host,up,down" } },
	[KS_TOP_RULES] = { "rules",
			   "rule",
			   group_sorts,
			   { "rule,label,flows,up,down,sent,received,packets", "rule,label,flows,up,down,sent,received",
			     "rule,flows,up,down" } },
	[KS_TOP_ZONES] = { "zones",
			   "zone",
			   group_sorts,
			   { "zones,flows,up,down,sent,received,packets", "zones,flows,up,down,sent,received",
			     "zones,up,down" } },
	[KS_TOP_PORTS] = { "ports",
			   "port",
			   group_sorts,
			   { "port,flows,up,down,sent,received,packets", "port,flows,up,down,sent,received",
			     "port,up,down" } },
	[KS_TOP_DROPS] = { "drops", NULL, drop_sorts, {} },
	[KS_TOP_DROPPED_SOURCES] = { "dropped-sources", NULL, drop_sorts, {} },
	[KS_TOP_DROPPED_RULES] = { "dropped-rules", NULL, drop_sorts, {} },
};

const char *ks_top_view_name(enum ks_top_view view)
{
	return views[view].name;
}

bool ks_top_view_is_flows(enum ks_top_view view)
{
	return view < KS_TOP_DROPS;
}

const char *const *ks_top_sorts(enum ks_top_view view)
{
	return views[view].sorts;
}

uint64_t ks_top_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * KS_NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

void ks_top_look_fini(struct ks_top_look *look)
{
	ks_grid_destroy(look->grid);
	look->grid = NULL;
}

void ks_top_fini(struct ks_top *top)
{
	ks_counters_view_fini(&top->counters);
	ks_top_sources_end(&top->sources);
}

void ks_top_reset(struct ks_top *top)
{
	ks_counters_view_reset(&top->counters);
	ks_top_sources_reset(&top->sources, ks_top_now());
}

static const char *sort_of(const struct ks_top *top)
{
	return top->sort ? top->sort : views[top->view].sorts[0];
}

/* --- states --- */

struct states_ctx {
	struct ks_state_columns columns;
	struct ks_grid *grid;
	struct ks_state_row row;
	uint64_t rows;
};

static int state_take(const json_t *row, const char *line, size_t length, void *arg)
{
	struct states_ctx *ctx = arg;

	ks_state_row_from_json(&ctx->row, row);
	ks_state_columns_add(&ctx->columns, ctx->grid, &ctx->row);
	ctx->rows++;
	return 0;
}

/* The order of which the daemon takes the other one for granted. */
static const char *other_order(const char *sort)
{
	static const char *const from_largest[] = { "rate", "bytes", "packets", "age", "flows" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(from_largest); i++) {
		if (!strcmp(from_largest[i], sort))
			return "asc";
	}
	return "desc";
}

static void states_head(const struct ks_top *top, const struct ks_state_totals *totals, struct ks_top_look *look)
{
	char states[KS_NUMBER_TEXT], matches[KS_NUMBER_TEXT], up[KS_NUMBER_TEXT] = "", down[KS_NUMBER_TEXT] = "";
	char groups[48] = "";

	if (views[top->view].group)
		snprintf(groups, sizeof(groups), ", %" PRIu64 " %s", totals->groups, views[top->view].name);
	if (totals->has_rates)
		snprintf(look->head, sizeof(look->head), "%s of %s states%s  up %s/s  down %s/s",
			 ks_number_text(totals->matches, matches), ks_number_text(totals->states, states), groups,
			 ks_bytes_text(totals->rate[0], up), ks_bytes_text(totals->rate[1], down));
	else
		snprintf(look->head, sizeof(look->head), "%s of %s states%s", ks_number_text(totals->matches, matches),
			 ks_number_text(totals->states, states), groups);
	look->all = views[top->view].group ? totals->groups : totals->matches;
}

static int states_look(struct ks_top *top, uint64_t offset, uint64_t rows, unsigned columns, struct ks_top_look *look)
{
	ks_auto_free struct states_ctx *ctx = ks_cli_alloc(sizeof(*ctx));
	struct ks_state_totals totals = { 0 };
	char wrong[64];
	int code;

	if (!ctx)
		return KS_EXIT_SYSTEM;
	*ctx = (struct states_ctx){ 0 };
	top->query.sort = sort_of(top);
	top->query.order = top->reverse ? other_order(top->query.sort) : NULL;
	top->query.group = views[top->view].group;
	top->query.offset = offset;
	top->query.rates = true;
	ks_state_columns_choose(views[top->view].columns[columns >= WIDE     ? 0
							 : columns >= MIDDLE ? 1
									     : 2],
				&ctx->columns, wrong);
	look->grid = ctx->grid = ks_state_columns_grid(&ctx->columns, true);
	code = ks_state_query_page(&top->query, KS_MIN(rows, (uint64_t)KS_STATE_ROWS_MAX), "", &totals, state_take,
				   ctx);
	look->rows = ctx->rows;
	states_head(top, &totals, look);
	return code;
}

/* --- drops by the counters --- */

struct drop {
	const json_t *entry;
	uint64_t packets;
	double rate;
};

struct drops_order_ctx {
	bool by_rate, reverse;
};

static int drop_order(const void *a, const void *b, void *arg)
{
	const struct drop *one = a, *other = b;
	const struct drops_order_ctx *order = arg;
	int result = one->packets < other->packets ? 1 : one->packets > other->packets ? -1 : 0;

	if (order->by_rate && one->rate != other->rate)
		result = one->rate < other->rate ? 1 : -1;
	return order->reverse ? -result : result;
}

/* Returns true if what an entry counts are drops: a reason of drops, or a rule that denies. */
static bool is_drop(const json_t *entry, bool rules)
{
	const char *action = ks_member_text(entry, "action");

	if (!rules)
		return !json_is_true(json_object_get(entry, "passes"));
	return !strcmp(action, "deny") || !strcmp(action, "reject");
}

/* The drops of a list that have come, sorted. Returns how many; `drops` has a place for each entry of the list. */
static size_t drops_collect(struct ks_top *top, const json_t *list, bool rules, struct drop *drops)
{
	struct drops_order_ctx order = { .by_rate = !strcmp(sort_of(top), "rate"), .reverse = top->reverse };
	const char *member = rules ? "matches" : "packets";
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		struct drop drop = { .entry = entry, .packets = ks_counters_since(&top->counters, entry, member) };

		if (!drop.packets || !is_drop(entry, rules))
			continue;
		drop.rate = ks_counters_rate(&top->counters, entry, member);
		drops[count++] = drop;
	}
	qsort_r(drops, count, sizeof(*drops), drop_order, &order);
	return count;
}

static void drop_numbers_add(struct ks_grid *grid, uint64_t packets, double rate)
{
	char number[KS_NUMBER_TEXT];

	ks_grid_text(grid, ks_number_text(packets, number));
	ks_grid_text(grid, ks_number_text((uint64_t)(rate + 0.5), number));
}

static void drop_add(struct ks_grid *grid, const struct drop *drop, bool rules)
{
	const char *label = ks_member_text(drop->entry, "label");

	if (rules)
		ks_grid_cell(grid, "%s:%lld", ks_member_text(drop->entry, "file"),
			     ks_member_number(drop->entry, "line"));
	else
		ks_grid_text(grid, ks_member_text(drop->entry, "reason"));
	drop_numbers_add(grid, drop->packets, drop->rate);
	ks_grid_cell(grid, rules && *label ? "%s  \"%s\"" : "%s", ks_member_text(drop->entry, "text"), label);
}

static void drops_head(const struct ks_top *top, uint64_t packets, uint64_t begun, struct ks_top_look *look)
{
	char number[KS_NUMBER_TEXT], span[KS_NUMBER_TEXT];

	if (begun)
		snprintf(look->head, sizeof(look->head), "%s packets dropped in %s", ks_number_text(packets, number),
			 ks_span_text((ks_top_now() - begun) / KS_NSEC_PER_SEC * KS_MSEC_PER_SEC, span));
	else
		snprintf(look->head, sizeof(look->head), "%s packets dropped since the firewall began",
			 ks_number_text(packets, number));
}

static int drops_look(struct ks_top *top, uint64_t offset, uint64_t rows, struct ks_top_look *look)
{
	bool rules = top->view == KS_TOP_DROPPED_RULES;
	ks_auto_free struct drop *drops = NULL;
	uint64_t packets = 0;
	const json_t *list;
	size_t count;
	int code = ks_counters_view_take(&top->counters);

	if (code != KS_EXIT_OK)
		return code;
	list = json_object_get(top->counters.now.answer, rules ? "rules" : "reasons");
	drops = ks_cli_alloc((json_array_size(list) + 1) * sizeof(*drops));
	if (!drops)
		return KS_EXIT_SYSTEM;
	count = drops_collect(top, list, rules, drops);
	look->grid = ks_grid_create("lrrl");
	ks_grid_text(look->grid, rules ? "RULE" : "REASON");
	ks_grid_text(look->grid, "PACKETS");
	ks_grid_text(look->grid, "PACKETS/S");
	ks_grid_text(look->grid, rules ? "" : "MEANING");
	for (size_t i = 0; i < count; i++) {
		packets += drops[i].packets;
		if (i >= offset && i < offset + rows) {
			drop_add(look->grid, &drops[i], rules);
			look->rows++;
		}
	}
	look->all = count;
	drops_head(top, packets, top->counters.base.time, look);
	return KS_EXIT_OK;
}

/* --- drops by the log --- */

static int source_rate_order(const void *a, const void *b)
{
	const struct ks_top_source *one = a, *other = b;

	return one->rate < other->rate ? 1 : one->rate > other->rate ? -1 : 0;
}

static void sources_head(const struct ks_top_sources *sources, struct ks_top_look *look)
{
	char many[KS_NUMBER_TEXT], lost[KS_NUMBER_TEXT], span[KS_NUMBER_TEXT];

	snprintf(look->head, sizeof(look->head),
		 "%zu source%s dropped in %s; of many sources together: %s; not told: %s", sources->count,
		 ks_plural(sources->count),
		 ks_span_text((ks_top_now() - sources->begun) / KS_NSEC_PER_SEC * KS_MSEC_PER_SEC, span),
		 ks_number_text(sources->many, many), ks_number_text(sources->lost, lost));
}

static int sources_look(struct ks_top *top, uint64_t offset, uint64_t rows, struct ks_top_look *look)
{
	static const char *const titles[] = { "SOURCE", "PACKETS", "PACKETS/S", "REASON", "LAST PACKET" };
	struct ks_top_sources *sources = &top->sources;

	if (ks_top_sources_begin(sources, ks_top_now()))
		return ks_cli_no_memory();
	ks_top_sources_take(sources);
	ks_top_sources_beat(sources, ks_top_now());
	if (!strcmp(sort_of(top), "rate") && sources->count)
		qsort(sources->list, sources->count, sizeof(*sources->list), source_rate_order);
	look->grid = ks_grid_create("lrrll");
	for (size_t i = 0; i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_text(look->grid, titles[i]);
	for (size_t i = offset; i < sources->count && i < offset + rows; i++) {
		const struct ks_top_source *source = &sources->list[top->reverse ? sources->count - 1 - i : i];

		ks_grid_text(look->grid, source->source);
		drop_numbers_add(look->grid, source->packets, source->rate);
		ks_grid_text(look->grid, source->reason);
		ks_grid_text(look->grid, source->packet);
		look->rows++;
	}
	look->all = sources->count;
	sources_head(sources, look);
	return KS_EXIT_OK;
}

int ks_top_look(struct ks_top *top, uint64_t offset, uint64_t rows, unsigned columns, struct ks_top_look *look)
{
	*look = (struct ks_top_look){ 0 };
	if (ks_top_view_is_flows(top->view))
		return states_look(top, offset, rows, columns, look);
	if (top->view == KS_TOP_DROPPED_SOURCES)
		return sources_look(top, offset, rows, look);
	return drops_look(top, offset, rows, look);
}
