/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run-time sets that outlive the firewall: those with `keep` are in a file of the persistent directory (saved/sets.h).
 *
 * Life cycle. The file is written when the daemon ends or the firewall is stopped, and while it runs when a set has changed, at most
 * once a minute. A start that makes the sets anew takes their entries back before the first hook is attached. A daemon
 * that takes over finds the sets themselves, and needs no file.
 */
#ifndef KS_DAEMON_SETS_KEEP_H
#define KS_DAEMON_SETS_KEEP_H

#include <jansson.h>

#include "daemon/daemon.h"

#define KS_SETS_FILE "sets"
#define KS_SETS_REST_FILE "sets.beyond-limit" /* a file of which not every entry found room */

/* Writes the file if some set is kept. Says so if that fails. */
void ks_sets_save(struct ks_daemon *daemon);

/* Called every second: writes the file if it is time and something has changed. */
void ks_sets_keep(struct ks_daemon *daemon);

/* Appends a sentence for each set that has more entries than its limit; without memory less. */
void ks_sets_add_warnings(const struct ks_daemon *daemon, json_t *warnings);

/* Takes entries back into the sets of a fresh start. */
void ks_sets_take_back(struct ks_daemon *daemon);

#endif
