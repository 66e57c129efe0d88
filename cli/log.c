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

enum { LOG_PROTO = 4, LOG_EVENTS = 11, LOG_FLOWS, LOG_OCTETS, LOG_FILTERS }; /* some of the parameters */

/* Follows the daemon, and writes packets to a capture if that is wished. */
static int log_follow(struct log_ctx *log, const struct ks_call *call)
{
	int code = KS_EXIT_OK, err = log->path ? ks_log_write_open(&log->file, log->path) : 0;

	if (!err) {
		code = ks_client_lines(call, log_line_take, log);
		err = ks_log_write_close(&log->file);
		err = log->err ?: err;
	}
	if (!err)
		return ks_cli_finish(code);
	fprintf(stderr, "keepstate: cannot write %s: %s\n", log->path, strerror(-err));
	return KS_EXIT_SYSTEM;
}

/* Asks the daemon, or the journal about what is past. */
static int log_run(struct log_ctx *log, struct ks_history *history, struct ks_parameter filters[LOG_FILTERS],
		   const struct ks_usage *usage)
{
	const struct ks_call call = {
		.method = "GET", .path = "/v1/log", .parameters = filters, .parameter_count = LOG_FILTERS
	};

	if (history->flows && filters[LOG_EVENTS].value)
		return ks_usage_error(usage, "give either --flows or --events, not both");
	filters[LOG_FLOWS].value = history->flows ? "1" : NULL;
	filters[LOG_OCTETS].value = log->path ? "1" : NULL;
	if (log->path && log->json && !strcmp(log->path, "-"))
		return ks_usage_error(usage, "standard output takes either the capture or --json");
	if (log->path && (history->who || ks_history_is_asked(history)))
		return ks_usage_error(usage, "--write is of what comes now: the journal keeps no octets of packets");
	if (history->who)
		return ks_history_who(history, filters[LOG_PROTO].value, log->json);
	if (*history->at)
		return ks_usage_error(usage, "--at belongs to --who; --since and --until say from when to when");
	if (*history->since && *history->until && strtod(history->until, NULL) <= strtod(history->since, NULL))
		return ks_usage_error(
			usage, "--until is not after --since (a time of day that has not come today is yesterday's)");
	if (ks_history_is_asked(history))
		return ks_cli_finish(ks_history_log(history, filters, LOG_FILTERS, log_line_take, log));
	return log_follow(log, &call);
}

int ks_cmd_log(int argc, char **argv)
{
	struct log_ctx log = { .colour = ks_output_colour(stdout) };
	struct ks_history history = { 0 };
	struct ks_parameter filters[LOG_FILTERS] = {
		{ "verdict", NULL },	 { "reason", NULL }, { "address", NULL }, { "port", NULL },
		{ "proto", NULL },	 { "zone", NULL },   { "source", NULL },  { "rule", NULL },
		{ "destination", NULL }, { "state", NULL },  { "why", NULL },	  { "events", NULL },
		{ "flows", NULL },	 { "octets", NULL },
	};
#define FILTER(i, name_, argument_, help_) \
	{ .name = name_, .argument = argument_, .help = help_, .take = ks_take_text, .target = &filters[i].value }
	const struct ks_option options[] = {
		FILTER(0, "verdict", "VERDICT", "allow, deny, reject or bypass"),
		FILTER(1, "reason", "REASON", "such as \"no state\""),
		FILTER(2, "address", "PREFIX", "of either side: an address or a prefix"),
		FILTER(3, "port", "PORT", "of either side"),
		FILTER(4, "proto", "PROTO", "tcp, udp, icmp, icmpv6, ... or a number"),
		FILTER(5, "zone", "ZONE", "that the packet or flow comes from or goes to"),
		FILTER(6, "source", "PREFIX", "of who has sent the packet, or opened the flow"),
		FILTER(8, "destination", "PREFIX", "of the other side"),
		FILTER(7, "rule", "RULE", "its label, FILE:LINE or id"),
		FILTER(9, "state", "STATE", "of the flow, such as ESTABLISHED"),
		FILTER(10, "why", "WHY", "a flow has ended: closed, reset, expired, killed, ..."),
		{ .name = "flows",
		  .help = "tell of flows too: when they begin, are established, and end",
		  .take = ks_take_flag,
		  .target = &history.flows },
		FILTER(11, "events", "KINDS", "only these: some of begin, established, end, drop, pass"),
		KS_HISTORY_OPTIONS(history),
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
	return log_run(&log, &history, filters, &usage);
}
