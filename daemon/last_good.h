/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last good policy: the one that was in force last and nobody took back, kept as text in normal form, which includes no
 * other file. It is put in force when the policy of a start does not load (`keepstate run --or-last-good`), and when one that
 * was put in force with --confirm is not confirmed in time (trial.h).
 *
 * It lies in the persistent directory, or, where there is none, in the instance's directory below /run: then it does not outlive
 * a reboot. Without any, a policy closes everything but what the box itself asks for, so that it can be repaired.
 */
#ifndef KS_DAEMON_LAST_GOOD_H
#define KS_DAEMON_LAST_GOOD_H

#include <time.h>

#include "daemon/instance.h"
#include "policy/policy.h"

/* Finds the directory to keep it in: *kept becomes the instance, with that as its persistent one. Says if it does not last. */
void ks_last_good_find(const struct ks_instance *instance, struct ks_instance *kept);

/* The same without making or changing anything, for who has no lock. */
void ks_last_good_seek(const struct ks_instance *instance, struct ks_instance *kept);

/* Keeps a policy in place of the one before. */
int ks_last_good_keep(const struct ks_instance *kept, const struct ks_policy *policy);

/* Loads it. *when is the moment from which it was kept. -ENOENT without one. Its tests are not run: they passed when it was kept. */
int ks_last_good_load(const struct ks_instance *kept, struct ks_policy **policy, time_t *when);

/* Keeps a policy beside it that may become the last good one, in place of another such. */
int ks_last_good_try(const struct ks_instance *kept, const struct ks_policy *policy);

/* Makes that policy the last good one. -ENOENT if there is none. */
int ks_last_good_promote(const struct ks_instance *kept);

/* Forgets that policy. */
int ks_last_good_untry(const struct ks_instance *kept);

/* Makes the policy that lets only the box itself ask. */
int ks_last_good_close(struct ks_policy **policy);

#endif
