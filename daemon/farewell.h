/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last words of a daemon: what was answered is sent, and followers of the log are told how it ends. If the firewall is taken away
 * they hear that as an event, because no flow that lived until then will be told to have ended.
 */
#ifndef KS_DAEMON_FAREWELL_H
#define KS_DAEMON_FAREWELL_H

#include "daemon/daemon.h"

/* Ends the conversations. Events and the API are gone afterwards; those that were never made are left out. */
void ks_farewell_say(struct ks_daemon *daemon);

#endif
