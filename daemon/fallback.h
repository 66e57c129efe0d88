/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A start that cannot put the policy in force that was named: the last good policy comes in its place, else one that lets nobody
 * but the box itself ask. daemon->stand_in says so until a reload succeeds.
 */
#ifndef KS_DAEMON_FALLBACK_H
#define KS_DAEMON_FALLBACK_H

#include "daemon/daemon.h"

/* The name of the policy that lets only the box itself ask, for ks_stand_in_set(). */
#define KS_CLOSED_NAME "the built-in one, which denies everything but what the box itself asks for"

/*
 * For a policy that does not load (`keepstate run --or-last-good`). Sets *policy, daemon->stand_in and daemon->closed, and tells the
 * administrator. Returns 0, -errno, or 1 if there is no last good policy and a firewall is in force already, which stays.
 */
int ks_fallback_choose(struct ks_daemon *daemon, struct ks_policy **policy);

/* The same where what is in force must not stay: `why` completes "PATH is not put in force: ". Replaces *policy. */
int ks_fallback_replace(struct ks_daemon *daemon, const char *why, struct ks_policy **policy);

#endif
