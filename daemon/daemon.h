/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon: puts the firewall into the kernel, follows the interfaces, serves
 * the control API.
 *
 * Threads. One thread runs one poll loop (life.c), so nothing here is locked; a
 * request of a client is handled between two rounds of the loop. Only long work is done
 * by a second thread, while the first one waits for its end (aside.h).
 *
 * Life cycle. Packets do not need the daemon: when it dies, filtering and expiry
 * go on, and the next one takes the same states over.
 *
 *   life.c      start, loop, end           events.c    the log for its followers
 *   instance.c  directory, lock, pins      coverage.c  what is not guarded as the policy wants
 *   ledger.c    ids that outlive it        refusals.c  what the box runs out of
 *   aside.c     long work                  denied.c    states that a policy does not allow
 *   handover.c  from programs to others    forwarding.c  what the kernel does not forward
 *   keep.c      states that outlive the table  between.c  from a daemon to the next
 *   outer.c     addresses of before            rates.c     bytes a second of flows
 *   persistent.c  files that outlive a reboot  left_over.c  those of nobody
 *   last_good.c  the policy to go back to  fallback.c  a policy in place of one that does not load
 *   trial.c     a policy that waits for a word  reload.c  a policy into force
 *   trial_left.c  the same without a daemon  stand_in.c  which policy is in force
 *   selftest.c  the tests of a policy      world.c     the programs' world, for explain
 *   schedules.c times at which rules hold
 *   cgroups.c   control groups that rules ask for
 *   interfaces/ guards and programs        api/        the control API
 */
#ifndef KS_DAEMON_DAEMON_H
#define KS_DAEMON_DAEMON_H

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#include "daemon/instance.h"
#include "daemon/interfaces/interfaces.h"
#include "kernel/kernel.h"
#include "daemon/keep.h"
#include "daemon/ledger.h"
#include "daemon/outer.h"
#include "daemon/presence.h"
#include "daemon/rates.h"
#include "daemon/refusals.h"
#include "daemon/schedules.h"
#include "daemon/cgroups.h"
#include "daemon/settle/settle.h"
#include "daemon/stand_in.h"
#include "daemon/trial.h"
#include "daemon/hosts.h"

struct ks_api;
struct ks_events;
struct ks_rule_peaks;

#define KS_MENDS 6 /* kinds of things that somebody may remove (mend.c) */

/* Totals at a moment, to show rates. */
struct ks_sample {
	__u64 time; /* ns */
	struct ks_count passed, dropped;
	__u64 created; /* flows */
};

struct ks_daemon {
	struct ks_instance instance;
	struct ks_presence before; /* found by the start */
	struct ks_instance kept; /* the same, with the directory of the last good policy (last_good.h) */
	struct ks_kernel *kernel;
	struct ks_policy *policy; /* that the kernel judges by */
	char *policy_path; /* as it was named; SIGHUP loads it again, so the daemon keeps its working directory */
	struct ks_ledger ledger;
	struct ks_interfaces interfaces;
	struct ks_events *events;
	struct ks_api *api;
	int lock_fd, beacon_fd, signal_fd, news_fd, routes_fd, timer_fd;
	struct ks_stand_in stand_in; /* the policy in force, if it is not the one that was named */
	struct ks_trial trial; /* of the policy in force, which waits to be confirmed (trial.h) */
	bool closed; /* that is the one which lets nobody but the box itself ask */
	int keep_error; /* 0, or why the last good policy could not be kept */
	time_t started; /* this process */
	time_t loaded; /* the present policy */
	unsigned reloads;
	unsigned reloads_refused;
	bool reload_failed; /* the latest one was refused */
	bool fresh; /* this process made the table: if the start fails, it is removed again */
	bool took_over; /* states of an earlier process */
	bool old_stays; /* some hook still has programs of another build or table, which must not end yet */
	int ledger_error; /* 0, or why the ledger could not be written: tried again every second */
	int backstop_error; /* 0, or why the backstop is not in force: tried again every second */
	int mend_errors[KS_MENDS]; /* 0, or why something cannot be made again: tried again every second */
	bool addresses_wait; /* the policy's own addresses changed, and the kernel has not got them yet */
	struct ks_sample samples[2]; /* of the last two seconds; [1] is the later */
	struct ks_conntrack_list
		translated; /* by netfilter and taken up: it forgets them when all programs are attached */
	struct ks_rates rates; /* of flows, while somebody asks */
	struct ks_refusals refusals; /* those that were told */
	bool quit; /* leave the loop */
	bool remove; /* and the kernel clean */
	bool unconfirmed; /* because nobody confirmed the policy, and none was before it */
	bool save; /* with the states kept for the next start */
	struct ks_kept saved; /* the outcome of states that were saved before this start */
	__u64 sets_changed; /* changes of run-time sets by people */
	__u64 sets_saved,
		sets_next; /* of those that are kept: what the file has (sets_keep.c), when it may be written again, ns */
	int sets_error; /* 0, or why they could not be saved */
	struct ks_rule_peaks *rule_peaks; /* that were shown; NULL before anybody asked for metrics */
	struct ks_schedules_told schedules;
	struct ks_cgroups_told cgroups;
	struct ks_hosts hosts; /* in the policy's sets */
	struct ks_outers outers; /* addresses of flows that were taken back, until the box has them */
};

/* The outcome of loading a policy. */
struct ks_load_outcome {
	struct ks_diags diags;
	char *message; /* one sentence when it failed for another reason than errors in the text, else NULL */
	char *tests; /* the output of the failing tests, else NULL */
	json_t *change; /* the changes by a reload, for ks_change_tell(); NULL if it failed */
};

void ks_load_outcome_fini(struct ks_load_outcome *outcome);

/* Reports it to the administrator (report.h). */
void ks_load_outcome_report(const struct ks_load_outcome *outcome, const char *path);

/* Loads a policy and runs its tests. *outcome is always set. */
int ks_daemon_load(const char *path, struct ks_policy **policy, struct ks_load_outcome *outcome);

/* Runs the tests of a policy. Returns 0, or -EBADMSG with outcome->tests and message set; part of ks_daemon_load(). */
int ks_daemon_test(const struct ks_policy *policy, struct ks_load_outcome *outcome);

/* A wish to replace the policy. All zeroes: by what the present file says now. */
struct ks_reload {
	const char *path; /* NULL: the present file */
	unsigned confirm; /* seconds in which it is to be confirmed (trial.h); 0: it need not be */
	bool end_denied; /* end the states that it does not allow (denied.h) */
	const char *login; /* the remote login from which it is wished (login.h), or NULL */
};

/* Finds out what a reload would do to the states, and does nothing: outcome->change has the list. */
int ks_daemon_dry_run(struct ks_daemon *daemon, const struct ks_reload *reload, struct ks_load_outcome *outcome);

/* Replaces the policy: loads the file, keeps the ids of rules and zones, and switches. With an error the old policy stays. */
int ks_daemon_reload(struct ks_daemon *daemon, const struct ks_reload *reload, struct ks_load_outcome *outcome);

/* The state of things before a policy was put in force. */
struct ks_replaced {
	struct ks_policy *policy; /* NULL: none, or one of an earlier daemon */
	struct ks_ids ids;
	struct ks_interfaces interfaces; /* the list only */
};

void ks_replaced_fini(struct ks_replaced *replaced);

KS_SCOPED_STRUCT(ks_auto_replaced, struct ks_replaced, ks_replaced_fini)
#define ks_auto_replaced ks_scoped(ks_auto_replaced)

/*
 * Puts a loaded policy into force; the daemon owns it afterwards. `fresh`: the
 * kernel has just been loaded with this very policy. *message is set with an error.
 */
int ks_daemon_install(struct ks_daemon *daemon, struct ks_policy *policy, bool fresh, char **message);

/* The same for a reload: *replaced, which is to be ended by ks_replaced_fini(), is what was in force. */
int ks_daemon_replace(struct ks_daemon *daemon, struct ks_policy *policy, struct ks_replaced *replaced, char **message);

/*
 * To be called when interfaces may have got their programs: notes the moment at
 * which the first one was guarded, from which on the policy was in force.
 */
void ks_daemon_note_guard(struct ks_daemon *daemon);

/* Brings guards and programs in line with a policy that is in force now. */
void ks_daemon_follow(struct ks_daemon *daemon);

/* Keeps the policy in force as the last good one, or beside it if it is on trial, if it is the one that was named. Says once if that fails. */
void ks_daemon_keep_policy(struct ks_daemon *daemon);

/* Writes the ledger. Says once if it fails; while ledger.changed it is written again every second. */
void ks_daemon_write_ledger(struct ks_daemon *daemon);

/* Reads the news that wait on the netlink sockets: interfaces that came get their programs. */
void ks_daemon_take_news(struct ks_daemon *daemon);

/* A line of ks_change_tell() to the administrator. */
void ks_daemon_say(bool warning, const char *line);

/* Tells the service manager what is in force. */
void ks_daemon_tell_manager(const struct ks_daemon *daemon);

/* Tells what is in force, after a start, and warns the remote login from which it was started (NULL: none). */
void ks_daemon_announce(struct ks_daemon *daemon, const char *login);

/* Writes into the lock file which daemon runs here and with which policy. */
void ks_daemon_sign(const struct ks_daemon *daemon);

struct ks_daemon_opts {
	const char *policy_path;
	bool or_last_good; /* a policy that does not load is replaced by the last good one */
	const char *login; /* the remote login from which it is started (login.h), or NULL */
	bool is_watcher; /* it only puts the policy before one on trial in force, if there is one; no policy_path */
	unsigned confirm; /* seconds in which the policy is to be confirmed, or it goes again; 0: it need not be */
	bool detach; /* go to the background once everything is in force */
};

/* The whole life of a daemon. Returns an exit code of cli/command.h. */
int ks_daemon_run(const struct ks_daemon_opts *opts);

#endif
