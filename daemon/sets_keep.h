/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run-time sets that outlive the firewall: those with `keep` are in a file of the persistent directory (saved/sets.h).
 *
 * Life cycle. The file is written when the daemon ends or the firewall is stopped, and while it runs when a set has changed, at most
 * once a minute. A start that makes the sets anew takes their entries back before the first hook is attached. A daemon
 * that takes over finds the sets themselves, and needs no file. A reload writes it before another policy comes into force, which may
 * not have the sets.
 *
 * Trials. A policy on trial may lack sets of the one before, also such without `keep`, and they go with their entries. So when a
 * trial begins, all of them are in a file of their own, and whatever policy makes such a set anew while the trial goes on, or when
 * it is over, gets the entries back.
 */
#ifndef KS_DAEMON_SETS_KEEP_H
#define KS_DAEMON_SETS_KEEP_H

#include <jansson.h>

#include "daemon/daemon.h"

#define KS_SETS_FILE "sets"
#define KS_SETS_REST_FILE "sets.beyond-limit" /* a file of which not every entry found room */

/* Writes the file if some set is kept. Says so if that fails. */
void ks_sets_save(struct ks_daemon *daemon);

/* The same, if something has changed since it was written. */
void ks_sets_save_changes(struct ks_daemon *daemon);

/* Called every second: writes the file if it is time and something has changed. Not in a trial: its policy may lack sets. */
void ks_sets_keep(struct ks_daemon *daemon);

/* Appends a sentence for each set that has more entries than its limit; without memory less. */
void ks_sets_add_warnings(const struct ks_daemon *daemon, json_t *warnings);

/* Takes entries back into the sets of a fresh start. */
void ks_sets_take_back(struct ks_daemon *daemon);

/* A trial begins: writes all sets to its file. Says so if that fails. */
void ks_sets_trial_begin(struct ks_daemon *daemon);

/* Another policy has just come into force: gives the sets that were made for it the entries that they had before the trial. */
void ks_sets_trial_take_back(struct ks_daemon *daemon);

/* Removes the file of the trial. */
void ks_sets_trial_end(const struct ks_daemon *daemon);

#endif
