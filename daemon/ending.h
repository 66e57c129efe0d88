/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a daemon: with the firewall, or without it. */
#ifndef KS_DAEMON_ENDING_H
#define KS_DAEMON_ENDING_H

#include "daemon/daemon.h"

/*
 * Takes the firewall away, and with daemon->save keeps the states in a file. Returns 0 or -errno: something is left to clean up, or
 * the states could not be kept.
 */
int ks_ending_take_away(const struct ks_daemon *daemon);

/* Leaves the firewall in force. Its states are kept in a file all the same, because a reboot may follow. */
void ks_ending_leave(const struct ks_daemon *daemon);

#endif
