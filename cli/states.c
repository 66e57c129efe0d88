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
#include "cli/moment.h"
#include "cli/states_list.h"
#include "cli/states_past.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/plural.h"

#define EVERY_SECONDS 2 /* of --watch */

struct choices {
	struct ks_states_list list;
	const char *format, *columns;
	bool json, conntrack, csv, all, mappings, limits;
	uint64_t top, every;
	char at[KS_MOMENT_TEXT];
};

static void killed_print(long long killed, long long mappings, long long expectations)
{
	printf("%lld state%s killed", killed, ks_plural((unsigned long long)killed));
	if (mappings)
		printf(", %lld mapping%s", mappings, ks_plural((unsigned long long)mappings));
	if (expectations)
		printf(", %lld expectation%s", expectations, ks_plural((unsigned long long)expectations));
	putchar('\n');
}

static int states_kill(const struct choices *choices)
{
	struct ks_parameter parameters[KS_STATE_PARAMETERS_MAX + 1];
	struct ks_call call = { .method = "DELETE", .path = "/v1/states", .parameters = parameters };
	ks_auto_json json_t *answer = NULL;
	long long killed, mappings, expectations;
	int code;

	call.parameter_count = ks_state_filters_put(&choices->list.query.filters, parameters);
	parameters[call.parameter_count++] = (struct ks_parameter){ "all", choices->all ? "1" : NULL };
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	killed = ks_member_number(answer, "killed");
	mappings = ks_member_number(answer, "mappings");
	expectations = ks_member_number(answer, "expectations");
	if (choices->list.output == KS_STATES_JSON)
		ks_json_print(TAKE(answer), stdout);
	else
		killed_print(killed, mappings, expectations);
	return ks_cli_finish(killed + mappings + expectations ? KS_EXIT_OK : KS_EXIT_NO);
}

static int mappings_list(const struct choices *choices)
{
	struct ks_parameter parameters[KS_STATE_PARAMETERS_MAX];
	size_t count = ks_state_filters_put(&choices->list.query.filters, parameters);

	return ks_mappings_list(parameters, count, choices->list.output == KS_STATES_JSON);
}

/* One of --json, --csv, --conntrack or --format says how the list is printed. Returns KS_EXIT_OK, or complains. */
static int output_choose(const struct ks_usage *usage, struct choices *choices)
{
	static const char *const names[] = { "table", "json", "csv", "conntrack" };
	const bool flags[] = { false, choices->json, choices->csv, choices->conntrack };
	unsigned chosen = 0;

	if (choices->json + choices->csv + choices->conntrack > 1)
		return ks_usage_error(usage, "give one of --json, --csv and --conntrack");
	for (unsigned i = 1; i < KS_ARRAY_SIZE(names); i++)
		chosen = flags[i] ? i : chosen;
	for (unsigned i = 0; choices->format && i < KS_ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], choices->format))
			continue;
		if (chosen && chosen != i)
			return ks_usage_error(usage, "--format %s and --%s contradict each other", choices->format,
					      names[chosen]);
		choices->list.output = (enum ks_states_output)i;
		return KS_EXIT_OK;
	}
	if (choices->format)
		return ks_usage_error(usage, "--format: '%s' is not table, json, csv or conntrack", choices->format);
	choices->list.output = (enum ks_states_output)chosen;
	return KS_EXIT_OK;
}

static bool is_ordered(const struct choices *choices)
{
	const struct ks_states_list *list = &choices->list;

	return list->query.sort || list->query.order || list->query.group || list->query.rates || choices->top ||
	       list->watch || list->count;
}

static int columns_choose(const struct ks_usage *usage, struct choices *choices)
{
	char wrong[64], names[512];

	if (!choices->columns || !ks_state_columns_choose(choices->columns, &choices->list.columns, wrong))
		return KS_EXIT_OK;
	ks_state_columns_names(names, sizeof(names));
	return ks_usage_error(usage, "--columns: '%s' is none of %s", wrong, names);
}

/* Rates are known only if they are asked for. */
static bool has_rates(const struct ks_state_columns *columns)
{
	unsigned char fields[KS_STATE_FIELDS_MAX];
	size_t count = ks_state_columns_fields(columns, fields);

	return memchr(fields, KS_FIELD_RATE_OUT, count) || memchr(fields, KS_FIELD_RATE_IN, count);
}

/* Options that are for lists of states only, or for one kind of them. */
static int list_check(const struct ks_usage *usage, const struct choices *choices)
{
	const struct ks_states_list *list = &choices->list;

	if (is_ordered(choices) && list->output == KS_STATES_CONNTRACK)
		return ks_usage_error(usage, "--conntrack lists all states; it goes with filters only");
	if (choices->columns && list->output != KS_STATES_TABLE && list->output != KS_STATES_CSV)
		return ks_usage_error(usage, "--columns are of tables and --csv");
	if (choices->columns && list->query.group)
		return ks_usage_error(usage, "--group has columns of its own; leave --columns out");
	if (choices->every && !list->watch)
		return ks_usage_error(usage, "--every belongs to --watch");
	if (list->watch && list->output != KS_STATES_TABLE)
		return ks_usage_error(usage, "--watch shows a table");
	if (list->watch && list->count)
		return ks_usage_error(usage, "give --watch or --count, not both");
	return KS_EXIT_OK;
}

static int list_run(const struct ks_usage *usage, struct choices *choices)
{
	int code = list_check(usage, choices);

	if (code == KS_EXIT_OK)
		code = columns_choose(usage, choices);
	if (code != KS_EXIT_OK)
		return code;
	choices->list.query.rates |= has_rates(&choices->list.columns);
	choices->list.top = choices->top;
	choices->list.every = choices->every ? choices->every : EVERY_SECONDS;
	return ks_states_list(&choices->list);
}

static int kill_run(const struct ks_usage *usage, struct choices *choices, int count, char **operands)
{
	bool filtered = ks_state_filters_count(&choices->list.query.filters) != 0;

	if (strcmp(operands[0], "kill"))
		return ks_usage_error(usage, "states knows only 'kill', not '%s'", operands[0]);
	if (count > 1)
		return ks_usage_error(usage, "states kill takes options only, such as --address, not '%s'",
				      operands[1]);
	if (is_ordered(choices) || choices->columns)
		return ks_usage_error(usage, "states kill takes filters, and nothing that is about a list");
	if (!filtered && !choices->all)
		return ks_usage_error(usage, "states kill needs a filter, or --all to kill every state");
	if (filtered && choices->all)
		return ks_usage_error(usage, "states kill takes either filters or --all");
	return states_kill(choices);
}

static int choices_run(const struct ks_usage *usage, struct choices *choices, int count, char **operands)
{
	bool filtered = ks_state_filters_count(&choices->list.query.filters) != 0;
	int code = output_choose(usage, choices);
	bool others = choices->columns || is_ordered(choices) || choices->list.output > KS_STATES_JSON;

	if (code != KS_EXIT_OK)
		return code;
	if (count == 0 && choices->all)
		return ks_usage_error(usage, "--all belongs to states kill; states lists all without it");
	if (choices->mappings && (count || others))
		return ks_usage_error(usage, "--mappings lists; it goes with filters and --json only");
	if (choices->limits && (count || filtered || others || choices->mappings))
		return ks_usage_error(usage, "--limits lists; it goes with --json only");
	if (*choices->at && (count || others || choices->mappings || choices->limits))
		return ks_usage_error(usage, "--at lists; it goes with filters and --json only");
	if (*choices->at)
		return ks_states_past(choices->at, &choices->list.query.filters,
				      choices->list.output == KS_STATES_JSON);
	if (choices->limits)
		return ks_limits_list(choices->list.output == KS_STATES_JSON);
	if (choices->mappings)
		return mappings_list(choices);
	return count ? kill_run(usage, choices, count, operands) : list_run(usage, choices);
}

/* Entries of the table of options: which states, in which order, how often. */
#define VIEW_OPTIONS(choices)                                                              \
	{ .name = "sort",                                                                  \
	  .argument = "BY",                                                                \
	  .help = KS_STATE_SORTS "; of groups flows too",                                  \
	  .take = ks_take_text,                                                            \
	  .target = &(choices).list.query.sort },                                          \
		{ .name = "order",                                                         \
		  .argument = "ORDER",                                                     \
		  .help = "asc or desc",                                                   \
		  .take = ks_take_text,                                                    \
		  .target = &(choices).list.query.order },                                 \
		{ .name = "top",                                                           \
		  .letter = 'n',                                                           \
		  .argument = "N",                                                         \
		  .help = "only so many, the first ones by --sort (bytes without it)",     \
		  .take = ks_take_number,                                                  \
		  .target = &(choices).top,                                                \
		  .min = 1,                                                                \
		  .max = UINT32_MAX },                                                     \
		{ .name = "group",                                                         \
		  .letter = 'g',                                                           \
		  .argument = "BY",                                                        \
		  .help = "sum up by " KS_STATE_GROUPS,                                    \
		  .take = ks_take_text,                                                    \
		  .target = &(choices).list.query.group },                                 \
		{ .name = "rates",                                                         \
		  .help = "with bytes a second (takes a second more)",                     \
		  .take = ks_take_flag,                                                    \
		  .target = &(choices).list.query.rates },                                 \
		{ .name = "count",                                                         \
		  .letter = 'c',                                                           \
		  .help = "print only how many there are",                                 \
		  .take = ks_take_flag,                                                    \
		  .target = &(choices).list.count },                                       \
		{ .name = "watch",                                                         \
		  .letter = 'w',                                                           \
		  .help = "print them again and again, as many as the terminal has lines", \
		  .take = ks_take_flag,                                                    \
		  .target = &(choices).list.watch },                                       \
		{ .name = "every",                                                         \
		  .argument = "TIME",                                                      \
		  .help = "of --watch: how often (2s without it)",                         \
		  .take = ks_take_seconds,                                                 \
		  .target = &(choices).every,                                              \
		  .min = 1,                                                                \
		  .max = 3600 }

int ks_cmd_states(int argc, char **argv)
{
	struct choices choices = { 0 };
	const struct ks_option options[] = {
		KS_STATE_FILTER_OPTIONS(choices.list.query.filters),
		VIEW_OPTIONS(choices),
		{ .name = "columns",
		  .argument = "LIST",
		  .help = "of the table or CSV, such as source,destination,bytes",
		  .take = ks_take_text,
		  .target = &choices.columns },
		{ .name = "format",
		  .argument = "FORMAT",
		  .help = "table, json, csv or conntrack",
		  .take = ks_take_text,
		  .target = &choices.format },
		{ .name = "json",
		  .help = "print a JSON object for each state or group",
		  .take = ks_take_flag,
		  .target = &choices.json },
		{ .name = "csv",
		  .help = "print comma-separated values, with a line of titles",
		  .take = ks_take_flag,
		  .target = &choices.csv },
		{ .name = "conntrack",
		  .help = "print as /proc/net/nf_conntrack does",
		  .take = ks_take_flag,
		  .target = &choices.conntrack },
		{ .name = "at",
		  .argument = "TIME",
		  .help = "those of then, from the journal (10:00, \"2026-11-29 10:00\", 5m)",
		  .take = ks_take_moment,
		  .target = choices.at },
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
