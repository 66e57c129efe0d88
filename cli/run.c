/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate run: the daemon (daemon/daemon.h). */
#include <limits.h>
#include <string.h>

#include "cli/command.h"
#include "cli/login.h"
#include "cli/options.h"
#include "core/types.h"
#include "daemon/daemon.h"
#include "text/utf8.h"

/* The watcher of a trial (daemon/trial.h). */
static int watch(const struct ks_usage *usage, int lifeline, int operands, struct ks_daemon_opts *opts)
{
	if (operands)
		return ks_usage_error(usage, "--watch takes no policy file");
	opts->is_watcher = true;
	return ks_trial_watch(lifeline) ? ks_daemon_run(opts) : KS_EXIT_OK;
}

int ks_cmd_run(int argc, char **argv)
{
	struct ks_daemon_opts opts = { 0 };
	uint64_t confirm = 0, lifeline = 0;
	char login[KS_LOGIN_TEXT];
	const struct ks_option options[] = {
		{ .name = "detach",
		  .letter = 'd',
		  .help = "return when the firewall is in force, and log to syslog from then on",
		  .take = ks_take_flag,
		  .target = &opts.detach },
		{ .name = "confirm",
		  .argument = "TIME",
		  .help = "take it back unless 'keepstate confirm' comes in that time",
		  .take = ks_take_seconds,
		  .target = &confirm,
		  .min = 1,
		  .max = KS_TRIAL_SECONDS_MAX },
		{ .name = "watch",
		  .argument = "FD",
		  .help = "of the daemon itself: take a policy back when it has died",
		  .take = ks_take_number,
		  .target = &lifeline,
		  .min = 3,
		  .max = INT_MAX },
		{ .name = "or-last-good",
		  .help = "if FILE does not load, put the last good policy in force",
		  .take = ks_take_flag,
		  .target = &opts.or_last_good },
	};
	const struct ks_usage usage = {
		"keepstate run [OPTION]... FILE",
		"Puts a policy in force on every interface that it does not ignore, and stays to answer the\n"
		"other commands. A policy with errors, or whose tests fail, is refused. If an earlier daemon\n"
		"died, its states and counters are taken over, also from another version.\n\n"
		"With --or-last-good, which is for the boot, a policy that does not load is replaced by the\n"
		"one that was in force last; without one, everything is denied but what the box itself asks\n"
		"for. 'status' says so. What is in force already is not touched by a policy that does not load.\n\n"
		"With --confirm the policy is on trial: without 'keepstate confirm' in time the one before it\n"
		"comes back, or, where there was none, the firewall is taken away; also if the daemon dies.\n\n"
		"SIGHUP loads the file again. SIGTERM and SIGINT end the daemon but leave the firewall in\n"
		"force: only 'keepstate stop' takes it away. Returns 1 if a daemon runs here already, 2 for a\n"
		"bad policy, 3 if the system refuses.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	opts.confirm = (unsigned)confirm;
	if (lifeline)
		return watch(&usage, (int)lifeline, argc - first, &opts);
	if (argc - first != 1)
		return ks_usage_error(&usage, "run needs one policy file");
	if (!strcmp(argv[first], "-"))
		return ks_usage_error(&usage, "run needs a file that a reload can read again, not standard input");
	if (!ks_utf8_is_valid(argv[first]))
		return ks_usage_error(&usage,
				      "%s: the path is not UTF-8, which the control API speaks: rename the file",
				      argv[first]);
	opts.policy_path = argv[first];
	opts.login = ks_login_find(login);
	return ks_daemon_run(&opts);
}
