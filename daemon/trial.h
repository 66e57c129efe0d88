/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy on trial: put in force by `run --confirm` or `reload --confirm`. Without `keepstate confirm` in time the policy before
 * it comes back; where no firewall was in force before, it is taken away again.
 *
 * Life cycle. ks_trial_begin() writes a note beside the last good policy, which is the one before, and starts the watcher; then
 * the policy is put in force. The word (ks_trial_confirm()) removes the note. Until then every other policy that is put in force is on
 * trial too, and the one before stays the same: it can be mended while it waits. Time and word are the same for all of them,
 * but a reload with --confirm sets the time anew.
 *
 * Who takes it back:
 *
 *   the daemon       when the time is over (ks_trial_tick()), or when it is ended before
 *   the watcher      if the daemon died: a process that does nothing but wait for that. It becomes the daemon of the policy before
 *   the next daemon  if both died: it finds the note (ks_trial_inherit()). After a reboot the time is over
 *
 * A daemon that starts before the time is over goes on with the trial, whatever policy it was given. One that starts behind it
 * puts the policy before in force; where there was no firewall before, the last good policy or the one that denies (fallback.h):
 * what nobody confirmed may have locked everybody out, and a start is no place to open a machine. Only if the start is on trial itself the
 * policy that it was given gets another chance.
 *
 * The text of the policy on trial is kept beside the last good one, so that it can be confirmed without a daemon (trial_left.h).
 */
#ifndef KS_DAEMON_TRIAL_H
#define KS_DAEMON_TRIAL_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/types.h"
#include "daemon/instance.h"
#include "policy/policy.h"

struct ks_daemon;
struct ks_daemon_opts;

/* The policy that comes back. */
enum ks_trial_before {
	KS_TRIAL_NOTHING, /* none: no firewall was in force */
	KS_TRIAL_POLICY, /* the last good one (last_good.h) */
	KS_TRIAL_CLOSED, /* the one that lets only the box itself ask */
};

struct ks_trial {
	bool waits;
	__u64 deadline; /* ms on CLOCK_BOOTTIME */
	enum ks_trial_before before;
	char *before_path; /* its file as it was named */
	char *before_name; /* its name if it was no file itself (stand_in.h); else NULL */
	struct ks_policy *policy; /* it, NULL for KS_TRIAL_NOTHING */
	bool inherited; /* an earlier daemon began it: it outlives a start that fails */
	bool begins_bare; /* the policy in force was never confirmed and had none before it: nor has the one that begins */
	bool is_over; /* a start puts the policy before in force: the note goes when it is */
	bool is_refused; /* it could not be put in force: said once, tried again every second */
	pid_t watcher; /* 0: none */
	int lifeline; /* the watcher reads the end of this pipe when we die */
};

/* No longer ones: what waits for days is forgotten. */
#define KS_TRIAL_SECONDS_MAX 86400U

/*
 * Begins a trial of the policy that is about to be put in force, or sets the time of the one that waits anew. Its policy before is
 * the one in force. Returns 0, or -errno with *message set: without a note there is no promise, so nothing may be put in force.
 */
int ks_trial_begin(struct ks_daemon *daemon, unsigned seconds, char **message);

/* Ends a trial that has begun for a policy that did not come into force, but none of an earlier daemon. */
void ks_trial_forget(struct ks_daemon *daemon);

/* The word. Returns true if a policy was on trial: it is the last good one now. */
bool ks_trial_confirm(struct ks_daemon *daemon);

/* Keeps the policy on trial, which is in force. Says if that fails. */
void ks_trial_keep(struct ks_daemon *daemon);

/* Forgets it again, before another policy is put in force. */
void ks_trial_unkeep(const struct ks_daemon *daemon);

/* To be called every second. */
void ks_trial_tick(struct ks_daemon *daemon);

/* Puts the policy before in force, or has the daemon end and remove the firewall. `why` completes "PATH was taken back: ". */
void ks_trial_take_back(struct ks_daemon *daemon, const char *why);

/*
 * At a start, before anything is put in force: goes on with a trial that an earlier daemon began, or, if its time is over, makes
 * the policy before *policy. Returns 0; 1 if there is nothing to start; or -errno.
 */
int ks_trial_inherit(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, struct ks_policy **policy);

/* The start that puts the policy before in force has succeeded. */
void ks_trial_started(struct ks_daemon *daemon);

/* How much time is left and what comes back, for the control API; NULL if nothing waits. */
json_t *ks_trial_json(const struct ks_daemon *daemon);

void ks_trial_fini(struct ks_trial *trial);

/* The watcher: waits until the other end of the pipe is closed and the time is over. Returns true if there is something to take back. */
bool ks_trial_watch(int lifeline);

#endif
