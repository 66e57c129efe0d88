/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ids of zones that are used again: of 62 names that a policy had since the table was made the first ones give way (policy/adopt.h).
 * Whatever the zone that is gone left under its id would be taken for the new one's: its counts and its living entries.
 */
#ifndef KS_DAEMON_ZONE_IDS_H
#define KS_DAEMON_ZONE_IDS_H

#include "daemon/daemon.h"

/* Ends the entries of these ids, a bit each, and sets their counts to 0: at once when the policy with the new zones is in force. */
void ks_zone_ids_clear(struct ks_daemon *daemon, __u64 zones);

#endif
