/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate run: the daemon (daemon/daemon.h). */
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "core/types.h"
#include "daemon/daemon.h"
#include "text/utf8.h"

int ks_cmd_run(int argc, char **argv)
{
	struct ks_daemon_opts opts = { 0 };
	const struct ks_option options[] = {
		{ .name = "detach",
		  .letter = 'd',
		  .help = "return when the firewall is in force, and log to syslog from then on",
		  .take = ks_take_flag,
		  .target = &opts.detach },
	};
	const struct ks_usage usage = {
		"keepstate run [OPTION]... FILE",
		"Puts a policy in force on every interface that it does not ignore, and stays to answer the\n"
		"other commands. A policy with errors, or whose tests fail, is refused. If an earlier daemon\n"
		"died, its states and counters are taken over, also from another version.\n\n"
		"SIGHUP loads the file again. SIGTERM and SIGINT end the daemon but leave the firewall in\n"
		"force: only 'keepstate stop' takes it away. Returns 1 if a daemon runs here already, 2 for a\n"
		"bad policy, 3 if the system refuses.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return ks_usage_error(&usage, "run needs one policy file");
	if (!strcmp(argv[first], "-"))
		return ks_usage_error(&usage, "run needs a file that a reload can read again, not standard input");
	if (!ks_utf8_is_valid(argv[first]))
		return ks_usage_error(&usage,
				      "%s: the path is not UTF-8, which the control API speaks: rename the file",
				      argv[first]);
	opts.policy_path = argv[first];
	return ks_daemon_run(&opts);
}
