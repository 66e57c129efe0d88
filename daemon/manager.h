/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service manager, if there is one: told what goes on as sd_notify(3) does, by a datagram to $NOTIFY_SOCKET. That protocol
 * is all that libsystemd would be linked for.
 */
#ifndef KS_DAEMON_MANAGER_H
#define KS_DAEMON_MANAGER_H

#include <stdbool.h>

/* The policy is in force. `status` is a line for `systemctl status`. */
void ks_manager_ready(const char *status);

/* A reload has begun; ks_manager_ready() ends it, however it went. */
void ks_manager_reloading(void);

void ks_manager_stopping(const char *status);

/* Returns true if standard error is the journal, whose lines begin with their priority (sd-daemon(3)). */
bool ks_manager_has_journal(void);

#endif
