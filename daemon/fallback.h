/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A start whose policy does not load (`keepstate run --or-last-good`): the last good policy comes in its place, else one that
 * lets nobody but the box itself ask. daemon->fallback says so until a reload succeeds.
 */
#ifndef KS_DAEMON_FALLBACK_H
#define KS_DAEMON_FALLBACK_H

#include "daemon/daemon.h"

/*
 * Sets *policy, daemon->fallback and daemon->closed, and tells the administrator. Returns 0, -errno, or 1 if there is no last good
 * policy and a firewall is in force already, which stays.
 */
int ks_fallback_choose(struct ks_daemon *daemon, struct ks_policy **policy);

#endif
