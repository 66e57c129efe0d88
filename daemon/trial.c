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
#include "daemon/beacon.h"
#include "daemon/denied.h"
#include "daemon/fallback.h"
#include "daemon/interfaces/own_addresses.h"
#include "daemon/last_good.h"
#include "daemon/report.h"
#include "daemon/sets_keep.h"
#include "daemon/stand_in.h"
#include "daemon/trial.h"
#include "daemon/trial_note.h"
#include "explain/change.h"
#include "text/json.h"
#include "text/scoped.h"

#define WATCH_MS 2000 /* how often a watcher without a daemon looks at the note */

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

/*
 * Waits until the child executes the program: `started` ends then. Before, it has our lock and our beacon, and if we died no other
 * daemon could start.
 */
static void await_exec(int started)
{
	char byte;

	while (read(started, &byte, 1) < 0 && errno == EINTR)
		continue;
}

static int watcher_fork(struct ks_trial *trial, int lifeline)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	trial->watcher = fork();
	if (!trial->watcher) {
		close(trial->lifeline);
		watcher_exec(lifeline);
	}
	close(ends[1]);
	if (trial->watcher > 0)
		await_exec(ends[0]);
	close(ends[0]);
	return trial->watcher < 0 ? -EAGAIN : 0;
}

static int watcher_start(struct ks_trial *trial)
{
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	trial->lifeline = ends[1];
	err = watcher_fork(trial, ends[0]);
	close(ends[0]);
	if (err) {
		trial->watcher = 0;
		close(ends[1]);
	}
	return err;
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

/* Sleeps until then, but not long: the word may be given meanwhile. Rounded up, so that the time is over behind it. */
static void sleep_towards(__u64 deadline)
{
	__u64 wake = KS_MIN(deadline, ks_trial_now() + WATCH_MS);
	const struct timespec then = { .tv_sec = (time_t)(wake / KS_MSEC_PER_SEC + 1) };

	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &then, NULL) == EINTR)
		continue;
}

/* A note that cannot be understood is for the start to deal with. */
static bool wait_for_deadline(const struct ks_instance *kept)
{
	for (;;) {
		struct ks_trial trial = { 0 };
		int err = ks_trial_note_read(kept, &trial);
		__u64 deadline = trial.deadline;

		ks_trial_fini(&trial);
		if (err)
			return err == -EINVAL;
		if (deadline <= ks_trial_now())
			return true;
		sleep_towards(deadline);
	}
}

bool ks_trial_watch(int lifeline)
{
	struct pollfd end = { .fd = lifeline, .events = POLLIN };
	struct ks_instance instance, kept;
	ks_auto_fd int beacon = -1;
	pid_t other;

	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		continue;
	close(lifeline);
	if (ks_instance_find(&instance))
		return false;
	beacon = ks_beacon_light(KS_BEACON_WATCHER, &other); /* without it, status does not know of us */
	ks_last_good_seek(&instance, &kept);
	return wait_for_deadline(&kept);
}

/* --- the trial --- */

void ks_trial_fini(struct ks_trial *trial)
{
	free(trial->before_path);
	free(trial->before_name);
	ks_policy_destroy(trial->policy);
	*trial = (struct ks_trial){ 0 };
}

static void trial_end(struct ks_daemon *daemon)
{
	int err = ks_trial_note_remove(&daemon->kept);

	if (err)
		ks_report_error("%s: cannot remove the note of a trial that is over: %s", daemon->kept.state_dir,
				strerror(-err));
	ks_last_good_untry(&daemon->kept);
	ks_sets_trial_end(daemon);
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

/* The same where something must come back: without its file, the policy that denies. */
static int before_load_surely(const struct ks_instance *kept, struct ks_trial *trial, struct ks_policy **policy)
{
	int err = before_load(kept, trial->before, policy);

	if (!err || err == -ENOMEM || trial->before != KS_TRIAL_POLICY)
		return err;
	ks_report_error("%s: the policy before (%s) cannot be read again: %s: everything is denied but what the box "
			"itself asks for",
			kept->state_dir, trial->before_path, strerror(-err));
	trial->before = KS_TRIAL_CLOSED;
	return ks_last_good_close(policy);
}

/*
 * Notes which policy is in force now. A daemon that takes over knows it by the last good one only. The text that was kept must be
 * there: another process may have to load it.
 */
static int before_note(struct ks_daemon *daemon, struct ks_trial *trial)
{
	bool is_named = daemon->policy && !daemon->stand_in.why;
	int err = is_named ? ks_last_good_keep(&daemon->kept, daemon->policy) : 0;

	if (err)
		return err;
	if (!daemon->policy && (!daemon->took_over || trial->begins_bare))
		trial->before = KS_TRIAL_NOTHING;
	else
		trial->before = daemon->closed ? KS_TRIAL_CLOSED : KS_TRIAL_POLICY;
	trial->before_path = strdup(daemon->policy_path);
	trial->before_name = daemon->stand_in.name ? strdup(daemon->stand_in.name) : NULL;
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
	if (!err && !renews)
		err = ks_last_good_untry(&daemon->kept);
	if (!err && !renews)
		ks_sets_trial_begin(daemon);
	if (!err)
		err = ks_trial_note_write(&daemon->kept, trial);
	if (!err && !renews)
		err = watcher_start(trial);
	trial->waits = !err || renews;
	if (!err)
		return 0;
	if (!renews && !trial->begins_bare)
		trial_end(daemon);
	return trial_refuse(daemon, err, message);
}

void ks_trial_forget(struct ks_daemon *daemon)
{
	if (daemon->trial.waits && !daemon->trial.inherited && !daemon->trial.begins_bare)
		trial_end(daemon);
}

void ks_trial_keep(struct ks_daemon *daemon)
{
	int err = daemon->stand_in.why ? ks_last_good_untry(&daemon->kept)
				       : ks_last_good_try(&daemon->kept, daemon->policy);

	if (err)
		ks_report_error("%s: cannot keep the policy on trial: %s: if the daemon dies, another one must start "
				"before it can be "
				"confirmed",
				daemon->kept.state_dir, strerror(-err));
}

void ks_trial_unkeep(const struct ks_daemon *daemon)
{
	if (daemon->trial.waits)
		ks_last_good_untry(&daemon->kept);
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

/* Remembers that the policy before is in force again, and not `path`. `why` is ours. */
static void stand_in(struct ks_daemon *daemon, char *why, const char *path, char *before_name)
{
	char *name = before_name;

	if (!name && daemon->closed)
		name = strdup(KS_CLOSED_NAME);
	else if (!name && asprintf(&name, "%s, as it was before the trial", daemon->policy_path) < 0)
		name = NULL;
	if (!ks_stand_in_set(&daemon->stand_in, why, name, strdup(path)))
		ks_report_error("WARNING: %s", daemon->stand_in.why);
}

/* Says and remembers that another policy than the one that was named is in force. */
static void say_taken_back(struct ks_daemon *daemon, const char *path, char *before_name, const char *why)
{
	char *line;

	if (asprintf(&line, "%s was taken back, %s: the policy before it is in force again, as %s was then", path, why,
		     daemon->policy_path) < 0)
		line = NULL;
	stand_in(daemon, line, path, before_name);
}

/* The same for a policy that was to be put in force when the trial of an earlier one was over already. */
static void say_not_started(struct ks_daemon *daemon, const char *path, char *before_name)
{
	char *line;

	if (asprintf(&line,
		     "the policy on trial was not confirmed in time, so the one before it is in force again, as %s was "
		     "then, and not "
		     "%s: `keepstate reload %s` puts that in force",
		     daemon->policy_path, path, path) < 0)
		line = NULL;
	stand_in(daemon, line, path, before_name);
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
	ks_sets_trial_take_back(daemon);
	path = TAKE(daemon->policy_path);
	daemon->policy_path = TAKE(trial->before_path);
	daemon->closed = trial->before == KS_TRIAL_CLOSED;
	say_taken_back(daemon, path, TAKE(trial->before_name), why);
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

static int trial_go_on(struct ks_daemon *daemon, struct ks_trial *trial)
{
	int err = before_load_surely(&daemon->kept, trial, &trial->policy);

	if (!err)
		err = watcher_start(trial);
	if (err)
		return err;
	ks_report("a policy of an earlier daemon waits to be confirmed, and so does this one: `keepstate confirm` "
		  "within %u s",
		  ks_trial_seconds_left(trial));
	daemon->trial = *trial;
	daemon->trial.waits = daemon->trial.inherited = true;
	*trial = (struct ks_trial){ 0 };
	return 0;
}

/* The time is over, and no daemon was there to see it. */
static int start_before(struct ks_daemon *daemon, struct ks_trial *trial, struct ks_policy **policy, bool is_watcher)
{
	ks_auto_policy struct ks_policy *before = NULL;
	ks_auto_free char *path = NULL;
	int err = before_load_surely(&daemon->kept, trial, &before);

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
		say_taken_back(daemon, path, TAKE(trial->before_name), "because nobody confirmed it in time");
	else
		say_not_started(daemon, path, TAKE(trial->before_name));
	return 0;
}

/* The watcher of a policy without one before: it takes the firewall away. */
static int start_nothing(struct ks_daemon *daemon)
{
	ks_auto_ledger struct ks_ledger ledger = { 0 };
	int err;

	take_away(daemon, "because nobody confirmed it in time");
	ks_ledger_read(daemon->instance.ledger, &ledger); /* without a ledger, the qdiscs stay */
	err = ks_instance_remove(&daemon->instance, ledger.qdiscs, ledger.qdisc_count);
	return err ?: 1;
}

/* Any other start was asked for, so something must be in force. */
static int start_without(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, struct ks_policy **policy)
{
	if (opts->is_watcher)
		return start_nothing(daemon);
	if (opts->confirm && *policy) {
		daemon->trial.begins_bare = true;
		return 0;
	}
	daemon->trial.is_over = true;
	return ks_fallback_replace(
		daemon, "the policy on trial was not confirmed in time, and no firewall was in force before it",
		policy);
}

/* A disk may have lost its contents. */
static int start_unknown(struct ks_daemon *daemon, struct ks_policy **policy)
{
	daemon->trial.is_over = true;
	return ks_fallback_replace(daemon, "a policy was on trial, and the note about it is damaged", policy);
}

KS_SCOPED_STRUCT(auto_trial, struct ks_trial, ks_trial_fini)

/* The watcher was not told which policy it watches. Without memory it has no name. */
static void name_by_holder(struct ks_daemon *daemon)
{
	const char *name = daemon->before.last.policy;
	char *copy = *name ? strdup(name) : NULL;

	if (!copy)
		return;
	free(daemon->policy_path);
	daemon->policy_path = copy;
}

int ks_trial_inherit(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, struct ks_policy **policy)
{
	ks_scoped(auto_trial) struct ks_trial trial = { 0 };
	int err = ks_trial_note_read(&daemon->kept, &trial);

	if (err == -ENOENT)
		return opts->is_watcher;
	if (opts->is_watcher)
		name_by_holder(daemon);
	if (err)
		return err == -EINVAL ? start_unknown(daemon, policy) : err;
	if (ks_trial_seconds_left(&trial))
		return opts->is_watcher ? 1 : trial_go_on(daemon, &trial);
	return trial.before == KS_TRIAL_NOTHING ? start_without(daemon, opts, policy)
						: start_before(daemon, &trial, policy, opts->is_watcher);
}

void ks_trial_started(struct ks_daemon *daemon)
{
	if (daemon->trial.is_over)
		trial_end(daemon);
}

json_t *ks_trial_json(const struct ks_daemon *daemon)
{
	return daemon->trial.waits ? ks_trial_note_json(&daemon->trial) : NULL;
}
