/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy on trial (trial.h) whose daemon has died, as a command sees it: there is a note, and perhaps a watcher. */
#ifndef KS_DAEMON_TRIAL_LEFT_H
#define KS_DAEMON_TRIAL_LEFT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "daemon/instance.h"

/*
 * As ks_trial_json(), with `watcher`: the process that takes the policy back, 0 if there is none any more. NULL if no policy is on trial.
 * Changes nothing.
 */
json_t *ks_trial_left_json(const struct ks_instance *instance);

/* Writes two sentences about that, without a newline: how it can be confirmed, and who takes it back. */
void ks_trial_left_describe(const json_t *trial, FILE *out);

/*
 * The word, where no daemon can hear it. Returns 0; -EBUSY if a daemon lives or starts; -ETIME if the time is over; -ENOENT if the text
 * of the policy was not kept, so that a daemon is needed; or another -errno.
 */
int ks_trial_left_confirm(const struct ks_instance *instance);

#endif
