/* SPDX-License-Identifier: BSD-2-Clause */
/* See trial.h. Used by the daemon's thread; ks_trial_watch() by another process. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/denied.h"
#include "daemon/interfaces/own_addresses.h"
#include "daemon/last_good.h"
#include "daemon/report.h"
#include "daemon/trial.h"
#include "daemon/trial_note.h"
#include "explain/change.h"
#include "text/json.h"
#include "text/scoped.h"

/* --- the watcher --- */

/* In the child: becomes the watcher. Only what is safe after a fork. */
static void watcher_exec(int lifeline)
{
	char number[16];
	const char *const words[] = {
		"keepstate", "run", "--watch", number, ks_report_is_detached() ? "--detach" : NULL, NULL
	};
	sigset_t none;

	snprintf(number, sizeof(number), "%d", lifeline);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* the terminal's ^C is for the daemon */
	if (!fcntl(lifeline, F_SETFD, 0))
		execv("/proc/self/exe", (char *const *)words);
	_exit(1);
}

static int watcher_start(struct ks_trial *trial)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	trial->watcher = fork();
	if (!trial->watcher) {
		close(ends[1]);
		watcher_exec(ends[0]);
	}
	close(ends[0]);
	if (trial->watcher < 0) {
		int err = -errno;

		trial->watcher = 0;
		close(ends[1]);
		return err;
	}
	trial->lifeline = ends[1];
	return 0;
}

/* It ends by itself when the note is gone and our end of the pipe is closed. */
static void watcher_end(struct ks_trial *trial)
{
	if (!trial->watcher)
		return;
	close(trial->lifeline);
	while (waitpid(trial->watcher, NULL, 0) < 0 && errno == EINTR)
		continue;
	trial->watcher = 0;
}

static void watcher_keep(struct ks_trial *trial)
{
	if (trial->watcher && waitpid(trial->watcher, NULL, WNOHANG) == 0)
		return;
	if (trial->watcher)
		close(trial->lifeline);
	trial->watcher = 0;
	watcher_start(trial); /* if it fails, again in a second */
}

/* Sleeps until then, or a little longer. */
static void sleep_until(__u64 deadline)
{
	const struct timespec then = { .tv_sec = (time_t)(deadline / KS_MSEC_PER_SEC + 1) };

	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &then, NULL) == EINTR)
		continue;
}

bool ks_trial_watch(int lifeline)
{
	struct pollfd end = { .fd = lifeline, .events = POLLIN };
	struct ks_instance instance, kept;
	struct ks_trial trial = { 0 };

	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		continue;
	close(lifeline);
	if (ks_instance_find(&instance))
		return false;
	ks_last_good_find(&instance, &kept);
	for (;;) {
		int err = ks_trial_note_read(&kept, &trial);
		__u64 deadline = trial.deadline;

		ks_trial_fini(&trial);
		if (err)
			return false;
		if (deadline <= ks_trial_now())
			return true;
		sleep_until(deadline);
	}
}

/* --- the trial --- */

void ks_trial_fini(struct ks_trial *trial)
{
	free(trial->before_path);
	ks_policy_destroy(trial->policy);
	*trial = (struct ks_trial){ 0 };
}

static void trial_end(struct ks_daemon *daemon)
{
	int err = ks_trial_note_remove(&daemon->kept);

	if (err)
		ks_report_error("%s: cannot remove the note of a trial that is over: %s", daemon->kept.state_dir,
				strerror(-err));
	watcher_end(&daemon->trial);
	ks_trial_fini(&daemon->trial);
}

/* Loads the policy before as it was kept. */
static int before_load(const struct ks_instance *kept, enum ks_trial_before before, struct ks_policy **policy)
{
	time_t when;

	if (before == KS_TRIAL_NOTHING)
		return 0;
	return before == KS_TRIAL_CLOSED ? ks_last_good_close(policy) : ks_last_good_load(kept, policy, &when);
}

/*
 * Notes which policy is in force now. A daemon that takes over knows it by the last good one only. The text that was kept must be
 * there: another process may have to load it.
 */
static int before_note(struct ks_daemon *daemon, struct ks_trial *trial)
{
	const char *path = daemon->policy_path;

	if (!daemon->policy && !daemon->took_over)
		trial->before = KS_TRIAL_NOTHING;
	else
		trial->before = daemon->closed ? KS_TRIAL_CLOSED : KS_TRIAL_POLICY;
	if (daemon->policy && !daemon->fallback && ks_last_good_keep(&daemon->kept, daemon->policy))
		return -EIO;
	trial->before_path = strdup(path);
	return trial->before_path ? before_load(&daemon->kept, trial->before, &trial->policy) : -ENOMEM;
}

static int trial_refuse(const struct ks_daemon *daemon, int err, char **message)
{
	if (asprintf(message, "the policy before could not be promised to come back: %s: %s", daemon->kept.state_dir,
		     strerror(-err)) < 0)
		*message = NULL;
	return err;
}

int ks_trial_begin(struct ks_daemon *daemon, unsigned seconds, char **message)
{
	struct ks_trial *trial = &daemon->trial;
	bool renews = trial->waits;
	int err = renews ? 0 : before_note(daemon, trial);

	trial->deadline = ks_trial_now() + (__u64)seconds * KS_MSEC_PER_SEC;
	if (!err)
		err = ks_trial_note_write(&daemon->kept, trial);
	if (!err && !renews)
		err = watcher_start(trial);
	trial->waits = !err || renews;
	if (!err)
		return 0;
	if (!renews)
		trial_end(daemon);
	return trial_refuse(daemon, err, message);
}

void ks_trial_forget(struct ks_daemon *daemon)
{
	if (daemon->trial.waits)
		trial_end(daemon);
}

bool ks_trial_confirm(struct ks_daemon *daemon)
{
	if (!daemon->trial.waits)
		return false;
	daemon->trial.waits = false;
	ks_daemon_keep_policy(daemon);
	trial_end(daemon);
	ks_report("%s is confirmed", daemon->policy_path);
	return true;
}

/* Says and remembers that another policy than the one that was named is in force. */
static void say_taken_back(struct ks_daemon *daemon, const char *path, const char *why)
{
	char *line;

	if (asprintf(&line, "%s was taken back, %s: the policy before it is in force again, as %s was then", path, why,
		     daemon->policy_path) < 0)
		return;
	free(daemon->fallback);
	daemon->fallback = line;
	ks_report_error("WARNING: %s", line);
}

/* The same for a policy that was to be put in force when the trial of an earlier one was over already. */
static void say_not_started(struct ks_daemon *daemon, const char *path)
{
	char *line;

	if (asprintf(&line,
		     "the policy on trial was not confirmed in time, so the one before it is in force again, as %s was "
		     "then, and not "
		     "%s: `keepstate reload %s` puts that in force",
		     daemon->policy_path, path, path) < 0)
		return;
	free(daemon->fallback);
	daemon->fallback = line;
	ks_report_error("WARNING: %s", line);
}

static void take_away(struct ks_daemon *daemon, const char *why)
{
	ks_report_error("WARNING: %s was taken back, %s: no firewall was in force before, so there is none now",
			daemon->policy_path, why);
	daemon->quit = daemon->remove = daemon->unconfirmed = true;
}

static void say_refused(struct ks_trial *trial, int err, const char *message)
{
	if (!trial->is_refused)
		ks_report_error("the policy before (%s) cannot be put in force again: %s; trying again every second",
				trial->before_path, message ? message : strerror(-err));
	trial->is_refused = true;
}

void ks_trial_take_back(struct ks_daemon *daemon, const char *why)
{
	struct ks_trial *trial = &daemon->trial;
	ks_auto_replaced struct ks_replaced replaced = { 0 };
	ks_auto_free char *message = NULL, *path = NULL;
	ks_auto_json json_t *change = json_object();
	int err;

	if (trial->before == KS_TRIAL_NOTHING) {
		take_away(daemon, why);
		return;
	}
	err = ks_own_addresses_fill(trial->policy);
	if (err >= 0)
		err = ks_daemon_replace(daemon, trial->policy, &replaced, &message);
	if (err) {
		say_refused(trial, err, message);
		return;
	}
	trial->policy = NULL; /* the daemon owns it */
	path = TAKE(daemon->policy_path);
	daemon->policy_path = TAKE(trial->before_path);
	daemon->closed = trial->before == KS_TRIAL_CLOSED;
	say_taken_back(daemon, path, why);
	ks_daemon_sign(daemon);
	ks_daemon_follow(daemon);
	ks_denied_settle(daemon, &replaced, false, &change);
	ks_change_tell(change, ks_daemon_say);
	trial_end(daemon);
}

void ks_trial_tick(struct ks_daemon *daemon)
{
	struct ks_trial *trial = &daemon->trial;

	if (!trial->waits)
		return;
	if (ks_trial_now() >= trial->deadline)
		ks_trial_take_back(daemon, "because nobody confirmed it in time");
	else
		watcher_keep(trial);
}

/* --- a start --- */

static unsigned seconds_left(const struct ks_trial *trial)
{
	__u64 now = ks_trial_now();

	return trial->deadline > now ? (unsigned)((trial->deadline - now + KS_MSEC_PER_SEC - 1) / KS_MSEC_PER_SEC) : 0;
}

static int trial_go_on(struct ks_daemon *daemon, struct ks_trial *trial)
{
	int err = before_load(&daemon->kept, trial->before, &trial->policy);

	if (!err)
		err = watcher_start(trial);
	if (err)
		return err;
	ks_report("a policy of an earlier daemon waits to be confirmed, and so does this one: `keepstate confirm` "
		  "within %u s",
		  seconds_left(trial));
	daemon->trial = *trial;
	daemon->trial.waits = true;
	*trial = (struct ks_trial){ 0 };
	return 0;
}

/* The time is over, and no daemon was there to see it. */
static int start_before(struct ks_daemon *daemon, struct ks_trial *trial, struct ks_policy **policy, bool is_watcher)
{
	ks_auto_policy struct ks_policy *before = NULL;
	ks_auto_free char *path = NULL;
	int err = before_load(&daemon->kept, trial->before, &before);

	if (!err)
		err = ks_own_addresses_fill(before);
	if (err < 0)
		return err;
	ks_policy_destroy(*policy);
	*policy = TAKE(before);
	path = TAKE(daemon->policy_path);
	daemon->policy_path = TAKE(trial->before_path);
	daemon->closed = trial->before == KS_TRIAL_CLOSED;
	daemon->trial.is_over = true;
	if (is_watcher)
		say_taken_back(daemon, path, "because nobody confirmed it in time");
	else
		say_not_started(daemon, path);
	return 0;
}

/* Without a firewall before, only the watcher may take one away: any other start was asked for. */
static int start_without(struct ks_daemon *daemon, bool is_watcher)
{
	ks_auto_ledger struct ks_ledger ledger = { 0 };
	int err;

	if (!is_watcher)
		return ks_trial_note_remove(&daemon->kept);
	take_away(daemon, "because nobody confirmed it in time");
	ks_ledger_read(daemon->instance.ledger, &ledger); /* without a ledger, the qdiscs stay */
	err = ks_instance_remove(&daemon->instance, ledger.qdiscs, ledger.qdisc_count);
	return err ?: 1;
}

KS_SCOPED_STRUCT(auto_trial, struct ks_trial, ks_trial_fini)

int ks_trial_inherit(struct ks_daemon *daemon, struct ks_policy **policy, bool is_watcher)
{
	ks_scoped(auto_trial) struct ks_trial trial = { 0 };
	int err = ks_trial_note_read(&daemon->kept, &trial);

	if (err == -ENOENT)
		return is_watcher;
	if (err)
		return err;
	if (seconds_left(&trial))
		return is_watcher ? 1 : trial_go_on(daemon, &trial);
	return trial.before == KS_TRIAL_NOTHING ? start_without(daemon, is_watcher)
						: start_before(daemon, &trial, policy, is_watcher);
}

void ks_trial_started(struct ks_daemon *daemon)
{
	if (daemon->trial.is_over)
		trial_end(daemon);
}

json_t *ks_trial_json(const struct ks_daemon *daemon)
{
	const struct ks_trial *trial = &daemon->trial;

	if (!trial->waits)
		return NULL;
	return json_pack("{s:i, s:o*}", "seconds_left", (int)seconds_left(trial), "before",
			 trial->before == KS_TRIAL_NOTHING ? NULL : ks_json_text(trial->before_path));
}
