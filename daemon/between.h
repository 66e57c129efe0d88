/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a daemon and the next one: the end, with the firewall or without it, and the states that a start takes back. */
#ifndef KS_DAEMON_BETWEEN_H
#define KS_DAEMON_BETWEEN_H

#include "daemon/daemon.h"

/*
 * Takes the firewall away, and with daemon->save keeps the states in a file. Returns 0 or -errno: something is left to clean up, or
 * the states could not be kept.
 */
int ks_between_take_away(const struct ks_daemon *daemon);

/* Leaves the firewall in force. Its states are kept in a file all the same, because a reboot may follow. */
void ks_between_leave(const struct ks_daemon *daemon);

/* To be called by a start that has made a table, before the first hook is attached: takes back the states that were kept. */
void ks_between_take_back(struct ks_daemon *daemon);

#endif
