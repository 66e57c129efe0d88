/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate log: follows the events of the running firewall. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/event_text.h"
#include "cli/history.h"
#include "cli/log_write.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/names.h"

struct log_ctx {
	bool json, colour;
	uint64_t count, limit; /* lines; limit 0: none */
	const char *path; /* of the capture to be written, NULL: none */
	struct ks_log_write file;
	int err; /* of writing it */
};

/* Writes a packet instead of printing it. Returns true if it was one. */
static bool packet_write(struct log_ctx *log, const json_t *event)
{
	int written = log->file.out ? ks_log_write_begin(&log->file) : 0;

	if (!written && log->file.out && event)
		written = ks_log_write_event(&log->file, event);
	if (written < 0)
		log->err = written;
	return written;
}

/* A capture on standard output has no lines between its packets. */
static bool is_told_on_stderr(const json_t *event)
{
	return !strcmp(ks_member_text(event, "event"), "lost");
}

static int log_line_take(const char *line, size_t length, void *arg)
{
	struct log_ctx *log = arg;
	ks_auto_json json_t *event = length ? json_loadb(line, length, 0, NULL) : NULL; /* empty: is anybody there? */

	if (packet_write(log, event) || !length || (log->file.out == stdout && !is_told_on_stderr(event)))
		;
	else if (log->json)
		printf("%.*s\n", (int)length, line);
	else if (event)
		ks_event_print(event, log->colour);
	log->count += event && ks_event_is_single(event);
	return log->err || fflush(stdout) || ferror(stdout) || (log->limit && log->count >= log->limit);
}

/* Filters in words: each may be given several times. */
enum log_filter {
	LOG_VERDICT,
	LOG_REASON,
	LOG_ADDRESS,
	LOG_PORT,
	LOG_PROTO,
	LOG_ZONE,
	LOG_SOURCE,
	LOG_DESTINATION,
	LOG_RULE,
	LOG_STATE,
	LOG_WHY,
	LOG_FILTERS
};

static const char *const filter_names[LOG_FILTERS] = {
	[LOG_VERDICT] = "verdict", [LOG_REASON] = "reason",
	[LOG_ADDRESS] = "address", [LOG_PORT] = "port",
	[LOG_PROTO] = "proto",	   [LOG_ZONE] = "zone",
	[LOG_SOURCE] = "source",   [LOG_DESTINATION] = "destination",
	[LOG_RULE] = "rule",	   [LOG_STATE] = "state",
	[LOG_WHY] = "why",
};

/* The wishes of a user, and their parameters as far as they are made. */
struct log_wish {
	struct ks_words words[LOG_FILTERS];
	const char *events;
	struct ks_history history;
	struct ks_parameter parameters[KS_LOG_PARAMETERS_MAX];
	size_t count;
};

static void parameter_add(struct log_wish *wish, const char *name, const char *value)
{
	if (value && wish->count < KS_LOG_PARAMETERS_MAX)
		wish->parameters[wish->count++] = (struct ks_parameter){ name, value };
}

static void parameters_make(struct log_wish *wish)
{
	for (size_t i = 0; i < LOG_FILTERS; i++) {
		for (size_t k = 0; k < wish->words[i].count; k++)
			parameter_add(wish, filter_names[i], wish->words[i].word[k]);
	}
}

/* Follows the daemon. Returns an enum ks_exit. */
static int live_follow(struct log_ctx *log, struct log_wish *wish)
{
	struct ks_call call = { .method = "GET", .path = "/v1/log", .parameters = wish->parameters };

	parameter_add(wish, "octets", log->path ? "1" : NULL);
	call.parameter_count = wish->count;
	return ks_client_lines(&call, log_line_take, log);
}

/* Events that come are shown also where no journal runs, and who follows is told that nothing of before is there. */
static bool is_live_instead(const struct ks_history *history)
{
	if (!history->follows || ks_client_journal_runs())
		return false;
	fputs("keepstate: no journal (keepstate-journal) runs here: this is what comes from now on, until the daemon "
	      "ends\n",
	      stderr);
	return true;
}

static int lines_take(struct log_ctx *log, struct log_wish *wish)
{
	bool is_past = ks_history_is_asked(&wish->history) && !is_live_instead(&wish->history);

	log->file.rebuilds = is_past;
	if (is_past)
		return ks_history_log(&wish->history, wish->parameters, wish->count, log_line_take, log);
	return live_follow(log, wish);
}

/* Follows the daemon or reads the journal, and writes packets to a capture if that is wished. */
static int log_tell(struct log_ctx *log, struct log_wish *wish)
{
	int code = KS_EXIT_OK, err = log->path ? ks_log_write_open(&log->file, log->path) : 0;

	if (!err) {
		code = lines_take(log, wish);
		if (code == KS_EXIT_OK && log->file.out && log->file.rebuilds) /* the journal may have nothing */
			err = ks_log_write_begin(&log->file);
		err = ks_log_write_close(&log->file) ?: err;
		err = log->err ?: err;
	}
	if (log->file.left_out)
		fprintf(stderr, "keepstate: %llu packet%s left out: addresses or protocol were never read\n",
			log->file.left_out, log->file.left_out == 1 ? " is" : "s are");
	if (!err)
		return ks_cli_finish(code);
	fprintf(stderr, "keepstate: cannot write %s: %s\n", log->path, strerror(-err));
	return KS_EXIT_SYSTEM;
}

/* Asks the daemon, or the journal about what is past. */
static int log_run(struct log_ctx *log, struct log_wish *wish, const struct ks_usage *usage)
{
	const struct ks_history *history = &wish->history;

	if (history->flows && wish->events)
		return ks_usage_error(usage, "give either --flows or --events, not both");
	if (log->path && log->json && !strcmp(log->path, "-"))
		return ks_usage_error(usage, "standard output takes either the capture or --json");
	if (log->path && history->who)
		return ks_usage_error(usage, "--who tells of flows: --write has packets");
	parameters_make(wish);
	if (history->who)
		return ks_history_who(history, wish->parameters, wish->count, log->json);
	parameter_add(wish, "events", wish->events);
	parameter_add(wish, "flows", history->flows ? "1" : NULL);
	if (*history->at)
		return ks_usage_error(usage, "--at belongs to --who; --since and --until say from when to when");
	if (*history->since && *history->until && strtod(history->until, NULL) <= strtod(history->since, NULL))
		return ks_usage_error(
			usage, "--until is not after --since (a time of day that has not come today is yesterday's)");
	return log_tell(log, wish);
}

int ks_cmd_log(int argc, char **argv)
{
	static struct log_wish wish;
	struct log_ctx log = { .colour = ks_output_colour(stdout) };
#define FILTER(id, argument_, help_)      \
	{ .name = filter_names[LOG_##id], \
	  .argument = argument_,          \
	  .help = help_,                  \
	  .take = ks_take_words,          \
	  .target = &wish.words[LOG_##id] }
	const struct ks_option options[] = {
		FILTER(VERDICT, "VERDICT", "allow, deny, reject or bypass"),
		FILTER(REASON, "REASON", "such as \"no state\""),
		FILTER(ADDRESS, "PREFIX", "of either side: an address or a prefix"),
		FILTER(PORT, "PORT", "of either side: 443 or 8000-8100"),
		FILTER(PROTO, "PROTO", "tcp, udp, icmp, icmpv6, ... or a number"),
		FILTER(ZONE, "ZONE", "that the packet or flow comes from or goes to"),
		FILTER(SOURCE, "PREFIX", "of who has sent the packet, or opened the flow"),
		FILTER(DESTINATION, "PREFIX", "of the other side"),
		FILTER(RULE, "RULE", "its label, FILE:LINE or id"),
		FILTER(STATE, "STATE", "of the flow, such as ESTABLISHED"),
		FILTER(WHY, "WHY", "a flow has ended: closed, reset, expired, killed, ..."),
		{ .name = "flows",
		  .help = "tell of flows too: when they begin, are established, and end",
		  .take = ks_take_flag,
		  .target = &wish.history.flows },
		{ .name = "events",
		  .argument = "KINDS",
		  .help = "only these: some of begin, established, end, drop, pass",
		  .take = ks_take_text,
		  .target = &wish.events },
		KS_HISTORY_OPTIONS(wish.history),
		{ .name = "count",
		  .letter = 'n',
		  .argument = "N",
		  .help = "end after so many events",
		  .take = ks_take_number,
		  .target = &log.limit,
		  .min = 1,
		  .max = UINT64_MAX },
		{ .name = "write",
		  .argument = "FILE",
		  .help = "write the packets to a capture (pcapng), with verdict, reason and rule as comments",
		  .take = ks_take_text,
		  .target = &log.path },
		{ .name = "json",
		  .help = "print a JSON object for each event",
		  .take = ks_take_flag,
		  .target = &log.json },
	};
#undef FILTER
	const struct ks_usage usage = {
		"keepstate log [OPTION]...",
		"Follows the running firewall: verdict, reason, packet, how it leaves where it is translated, and\n"
		"the rule with its label. Told are the packets of rules with 'log', and every drop with 'option\n"
		"log-drops on'; of many alike, some and how many more ('limit log', 'log-per-source'). With --flows\n"
		"also connections: when one begins, is established, and ends, why, and what it has carried. Ends\n"
		"with Ctrl-C or with the daemon. The packet's words can be given to 'keepstate explain'. With\n"
		"--since, --until, --last, --who or --follow the journal (keepstate-journal) is asked for what it has\n"
		"kept.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "log takes no operands");
	return log_run(&log, &wish, &usage);
}
