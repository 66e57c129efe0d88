/* SPDX-License-Identifier: BSD-2-Clause */
/* The options of keepstate top; see top.h. */
#include <string.h>

#include "cli/command.h"
#include "cli/top.h"
#include "core/types.h"

#define EVERY_SECONDS 2
#define ONCE_ROWS 20

struct top_words {
	const char *view;
	uint64_t rows;
};

static int view_choose(const struct ks_usage *usage, const char *name, struct ks_top *top)
{
	for (unsigned i = 0; name && i < KS_TOP_VIEWS; i++) {
		if (!strcmp(ks_top_view_name((enum ks_top_view)i), name)) {
			top->view = (enum ks_top_view)i;
			return KS_EXIT_OK;
		}
	}
	if (!name)
		return KS_EXIT_OK;
	return ks_usage_error(usage,
			      "--view: '%s' is none of flows, hosts, rules, zones, ports, drops, dropped-sources, "
			      "dropped-rules",
			      name);
}

static int sort_check(const struct ks_usage *usage, const struct ks_top *top)
{
	const char *const *sorts = ks_top_sorts(top->view);

	while (top->sort && *sorts && strcmp(*sorts, top->sort))
		sorts++;
	if (*sorts)
		return KS_EXIT_OK;
	return ks_usage_error(usage, "--sort: %s cannot be sorted by '%s'", ks_top_view_name(top->view), top->sort);
}

static int words_take(const struct ks_usage *usage, const struct top_words *words, struct ks_top *top)
{
	int code = view_choose(usage, words->view, top);

	if (code != KS_EXIT_OK)
		return code;
	if (words->rows && !top->once)
		return ks_usage_error(usage, "--top belongs to --once; the screen shows as many as it has lines");
	if (ks_state_filters_count(&top->query.filters) && !ks_top_view_is_flows(top->view))
		return ks_usage_error(usage, "filters are of states; %s has none", ks_top_view_name(top->view));
	top->every = top->every ? top->every : EVERY_SECONDS;
	top->rows = words->rows ? words->rows : ONCE_ROWS;
	return sort_check(usage, top);
}

bool ks_top_parse(struct ks_top *top, int argc, char **argv, int *code)
{
	struct top_words words = { 0 };
	const struct ks_option options[] = {
		KS_STATE_FILTER_OPTIONS(top->query.filters),
		{ .name = "view",
		  .letter = 'v',
		  .argument = "VIEW",
		  .help = "flows, hosts, rules, zones, ports, drops, dropped-sources or dropped-rules",
		  .take = ks_take_text,
		  .target = &words.view },
		{ .name = "sort",
		  .argument = "BY",
		  .help = KS_STATE_SORTS "; of groups flows too; of drops rate or packets",
		  .take = ks_take_text,
		  .target = &top->sort },
		{ .name = "reverse", .help = "the last ones first", .take = ks_take_flag, .target = &top->reverse },
		{ .name = "every",
		  .argument = "TIME",
		  .help = "how often to look (2s without it)",
		  .take = ks_take_seconds,
		  .target = &top->every,
		  .min = 1,
		  .max = 3600 },
		{ .name = "once",
		  .letter = '1',
		  .help = "print one look, for scripts, and end",
		  .take = ks_take_flag,
		  .target = &top->once },
		{ .name = "top",
		  .letter = 'n',
		  .argument = "N",
		  .help = "of --once: so many rows (20 without it)",
		  .take = ks_take_number,
		  .target = &words.rows,
		  .min = 1,
		  .max = KS_STATE_ROWS_MAX },
	};
	const struct ks_usage usage = { "keepstate top [OPTION]...",
					"Shows what passes now: states by rate, bytes or age, the hosts, rules, zones "
					"and ports that carry most,\n"
					"and what is dropped, by reason, source and rule. The key h tells the keys. "
					"--once needs no terminal; a\n"
					"rate needs two moments, so it takes some seconds.",
					options, KS_ARRAY_SIZE(options) };
	int first = ks_options_parse(&usage, argc, argv, code);

	if (first < 0)
		return false;
	if (first != argc)
		*code = ks_usage_error(&usage, "top takes no operands");
	else
		*code = words_take(&usage, &words, top);
	return *code == KS_EXIT_OK;
}
