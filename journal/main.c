/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate-journal: keeps what the firewall tells, and answers questions about it. A process of its own, because it needs no right at
 * all but to write one file, and because a library for a database has no place in a program that root runs. It is started by the service
 * manager, or by hand, and not by the daemon: that has given up the rights that it would need for another user's
 * process, and a journal that fails must not be the firewall's concern.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <poll.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/types.h"
#include "daemon/background.h"
#include "daemon/report.h"
#include "journal/exports.h"
#include "journal/keeper.h"
#include "journal/opener.h"
#include "journal/server.h"
#include "journal/start.h"

#define BEAT_MS 5000

struct choices {
	const char *directory, *user;
	bool detach;
	struct ks_exports exports;
};

/* Blocks the signals that end it, for all threads. Returns a descriptor that tells them. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Until a signal comes, or the opener ends. */
static void live(struct ks_server *server, int signals, int opener)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN }, { .fd = opener, .events = 0 } };

	while (poll(fds, KS_ARRAY_SIZE(fds), BEAT_MS) <= 0)
		ks_server_beat(server);
}

/* The keeper's half: a file, a socket, and the opener to ask. */
static int keep(struct ks_start *start, struct ks_exports *exports, int ready_fd)
{
	static struct ks_keeper keeper;
	static struct ks_server server;
	ks_auto_fd int signals = open_signals();
	int err;

	ks_opener_use(start->opener_fd);
	ks_server_init(&server, &keeper, "/" KS_JOURNAL_FILE);
	err = ks_keeper_start(&keeper, "/" KS_JOURNAL_FILE, exports, ks_server_committed, &server);
	if (err) {
		ks_report_error("journal: %s/" KS_JOURNAL_FILE ": %s", start->path, strerror(-err));
		ks_background_tell(ready_fd, KS_EXIT_SYSTEM);
		return KS_EXIT_SYSTEM;
	}
	if (ks_server_start(&server, start->listen_fd))
		ks_report_error("journal: %s does not answer: %s", start->socket, strerror(errno));
	ks_background_tell(ready_fd, KS_EXIT_OK);
	live(&server, signals, start->opener_fd);
	ks_server_stop(&server);
	ks_keeper_stop(&keeper);
	return KS_EXIT_OK;
}

static int run(struct choices *choices)
{
	struct ks_start start = { .directory = choices->directory,
				  .user = choices->user,
				  .directory_fd = -1,
				  .listen_fd = -1,
				  .opener_fd = -1 };
	bool is_opener = false;
	int ready_fd = -1, code = KS_EXIT_SYSTEM, err;

	if (geteuid()) {
		fputs("keepstate: the journal is started by root, and gives its rights up at once\n", stderr);
		return KS_EXIT_SYSTEM;
	}
	if (choices->detach && ks_background_go(&ready_fd))
		return KS_EXIT_SYSTEM;
	err = ks_exports_open(&choices->exports) ?: ks_start_prepare(&start);
	err = err ?: ks_start_split(&start, &is_opener, &code);
	if (err)
		ks_background_tell(ready_fd, err == -EBUSY ? KS_EXIT_NO : KS_EXIT_SYSTEM);
	if (err)
		return err == -EBUSY ? KS_EXIT_NO : KS_EXIT_SYSTEM;
	return is_opener ? code : keep(&start, &choices->exports, ready_fd);
}

int main(int argc, char **argv)
{
	struct choices choices = { 0 };
	const struct ks_option options[] = {
		{ .name = "directory",
		  .argument = "DIR",
		  .help = "of its file; " KS_JOURNAL_DIR "/INSTANCE without it",
		  .take = ks_take_text,
		  .target = &choices.directory },
		{ .name = "user",
		  .argument = "NAME",
		  .help = "that it runs as; " KS_JOURNAL_USER " without it, else nobody",
		  .take = ks_take_text,
		  .target = &choices.user },
		{ .name = "journald",
		  .help = "send events to systemd's journal, with fields and priorities",
		  .take = ks_take_flag,
		  .target = &choices.exports.journald },
		{ .name = "syslog",
		  .argument = "ADDRESS[:PORT]",
		  .help = "send them to a syslog server (RFC 5424 over UDP), or to the 'local' one",
		  .take = ks_take_text,
		  .target = &choices.exports.syslog },
		{ .name = "ipfix",
		  .argument = "ADDRESS[:PORT]",
		  .help = "send flows to a collector of IPFIX, by UDP",
		  .take = ks_take_text,
		  .target = &choices.exports.ipfix_to },
		{ .name = "lines",
		  .argument = "FILE",
		  .help = "append a JSON object for each event to a file",
		  .take = ks_take_text,
		  .target = &choices.exports.lines },
		{ .name = "detach",
		  .letter = 'd',
		  .help = "go to the background, and log to syslog from then on",
		  .take = ks_take_flag,
		  .target = &choices.detach },
	};
	const struct ks_usage usage = {
		"keepstate-journal [OPTION]...",
		"Keeps what the firewall of this network namespace tells, within the bounds that its policy sets\n"
		"('option journal', 'journal-age'), and answers 'keepstate log --since' and other questions about\n"
		"the past. Returns 1 if a journal runs here already, 3 if the system refuses.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	return first == argc ? run(&choices) : ks_usage_error(&usage, "the journal takes no operands");
}
