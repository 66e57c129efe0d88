/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate log: follows the events of the running firewall. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/history.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/names.h"

struct log_ctx {
	bool json, colour;
	uint64_t count, limit; /* lines; limit 0: none */
};

static void rule_print(const json_t *rule)
{
	const char *file = ks_member_text(rule, "file"), *label = ks_member_text(rule, "label");

	if (*file)
		printf("  %s:%d", file, (int)ks_member_number(rule, "line"));
	if (*label)
		printf(" \"%s\"", label);
}

/* "2026-01-31T12:00:00.123Z  deny   no state  wan 192.0.2.1:53 > lan 10.0.0.5:40000 udp  gateway.conf:12 "label"". */
static void event_print(const struct log_ctx *log, const json_t *event)
{
	const char *verdict = ks_member_text(event, "verdict");
	enum ks_colour colour = !strcmp(verdict, "allow")    ? KS_COLOUR_GREEN
				: !strcmp(verdict, "bypass") ? KS_COLOUR_YELLOW
							     : KS_COLOUR_RED;

	printf("%s%s%s  %s%-6s%s  %-11s  %s", ks_colour(log->colour, KS_COLOUR_DIM), ks_member_text(event, "time"),
	       ks_colour(log->colour, KS_COLOUR_PLAIN), ks_colour(log->colour, colour), verdict,
	       ks_colour(log->colour, KS_COLOUR_PLAIN), ks_member_text(event, "reason"),
	       ks_member_text(event, "packet"));
	rule_print(json_object_get(event, "rule"));
	putchar('\n');
}

/* "2026-01-31T12:00:00.123Z  and 342,500 more  deny no state, of many sources; the last one: wan 192.0.2.1:53 > ...". */
static void folded_print(const struct log_ctx *log, const json_t *event)
{
	char folded[KS_NUMBER_TEXT];

	printf("%s%s%s  and %s more  %s %s, of %s; the last one: %s", ks_colour(log->colour, KS_COLOUR_DIM),
	       ks_member_text(event, "time"), ks_colour(log->colour, KS_COLOUR_PLAIN),
	       ks_number_text((uint64_t)ks_member_number(event, "folded"), folded), ks_member_text(event, "verdict"),
	       ks_member_text(event, "reason"),
	       strcmp(ks_member_text(event, "sources"), "one") ? "many sources" : "this source",
	       ks_member_text(event, "packet"));
	rule_print(json_object_get(event, "rule"));
	putchar('\n');
}

static int log_line_take(const char *line, size_t length, void *arg)
{
	struct log_ctx *log = arg;
	ks_auto_json json_t *event = NULL;
	const json_t *lost;

	if (!length) /* sent now and then, so that the daemon notices when we are gone */
		return ferror(stdout);
	event = json_loadb(line, length, 0, NULL);
	lost = json_object_get(event, "lost");
	if (log->json)
		printf("%.*s\n", (int)length, line);
	else if (lost)
		fprintf(stderr, "keepstate: %lld events were lost: there were more than could be told or read\n",
			(long long)json_integer_value(lost));
	else if (event && ks_member_number(event, "folded"))
		folded_print(log, event);
	else if (event)
		event_print(log, event);
	if (event && !lost && !ks_member_number(event, "folded"))
		log->count++;
	return fflush(stdout) || (log->limit && log->count >= log->limit);
}

int ks_cmd_log(int argc, char **argv)
{
	struct log_ctx log = { .colour = ks_output_colour(stdout) };
	struct ks_history history = { 0 };
	struct ks_parameter filters[] = { { "verdict", NULL }, { "reason", NULL }, { "address", NULL },
					  { "port", NULL },    { "proto", NULL },  { "zone", NULL } };
	const struct ks_call call = {
		.method = "GET", .path = "/v1/log", .parameters = filters, .parameter_count = KS_ARRAY_SIZE(filters)
	};
#define FILTER(i, name_, argument_, help_) \
	{ .name = name_, .argument = argument_, .help = help_, .take = ks_take_text, .target = &filters[i].value }
	const struct ks_option options[] = {
		FILTER(0, "verdict", "VERDICT", "allow, deny, reject or bypass"),
		FILTER(1, "reason", "REASON", "such as \"no state\""),
		FILTER(2, "address", "PREFIX", "of either side: an address or a prefix"),
		FILTER(3, "port", "PORT", "of either side"),
		FILTER(4, "proto", "PROTO", "tcp, udp, icmp, icmpv6, ... or a number"),
		FILTER(5, "zone", "ZONE", "that the packet comes from or goes to"),
		{ .name = "since",
		  .letter = 'S',
		  .argument = "TIME",
		  .help = "from the journal: what came from then on (10:00, \"2026-11-29 10:00\", 5m)",
		  .take = ks_take_moment,
		  .target = history.since },
		{ .name = "until",
		  .letter = 'U',
		  .argument = "TIME",
		  .help = "from the journal: what came before then",
		  .take = ks_take_moment,
		  .target = history.until },
		{ .name = "last",
		  .argument = "N",
		  .help = "from the journal: the last so many entries",
		  .take = ks_take_number,
		  .target = &history.last,
		  .min = 1,
		  .max = INT64_MAX },
		{ .name = "follow",
		  .letter = 'f',
		  .help = "go on behind the journal's entries, also over restarts",
		  .take = ks_take_flag,
		  .target = &history.follows },
		{ .name = "rule",
		  .letter = 'r',
		  .argument = "RULE",
		  .help = "from the journal: a label, FILE:LINE or an id",
		  .take = ks_take_text,
		  .target = &history.rule },
		{ .name = "who",
		  .argument = "ADDRESS:PORT",
		  .help = "from the journal: who had this endpoint, translated or not, --at a time",
		  .take = ks_take_text,
		  .target = &history.who },
		{ .name = "at",
		  .argument = "TIME",
		  .help = "of --who: the moment",
		  .take = ks_take_moment,
		  .target = history.at },
		{ .name = "count",
		  .letter = 'n',
		  .argument = "N",
		  .help = "end after so many events",
		  .take = ks_take_number,
		  .target = &log.limit,
		  .min = 1,
		  .max = UINT64_MAX },
		{ .name = "json",
		  .help = "print a JSON object for each event",
		  .take = ks_take_flag,
		  .target = &log.json },
	};
#undef FILTER
	const struct ks_usage usage = {
		"keepstate log [OPTION]...",
		"Follows the running firewall: verdict, reason, packet, and the rule with its label. Told are\n"
		"the packets of rules with 'log', and every drop with 'option log-drops on'; of many alike, some\n"
		"and how many more ('limit log', 'log-per-source'). Ends with Ctrl-C or with the daemon. The\n"
		"packet's words can be given to 'keepstate explain'. With --since, --until, --last, --rule, --who or\n"
		"--follow the journal (keepstate-journal) is asked for what it has kept.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "log takes no operands");
	if (history.who)
		return ks_history_who(&history, filters[4].value, log.json);
	if (*history.at)
		return ks_usage_error(&usage, "--at belongs to --who; --since and --until say from when to when");
	if (ks_history_is_asked(&history))
		return ks_cli_finish(ks_history_log(&history, filters, KS_ARRAY_SIZE(filters), log_line_take, &log));
	return ks_cli_finish(ks_client_lines(&call, log_line_take, &log));
}
