/* SPDX-License-Identifier: BSD-2-Clause */
/* The note of a trial (trial.h): a file beside the last good policy, which outlives the daemon. */
#ifndef KS_DAEMON_TRIAL_NOTE_H
#define KS_DAEMON_TRIAL_NOTE_H

#include "daemon/trial.h"

/* Milliseconds on the clock that deadlines are of: it counts while the machine sleeps. */
__u64 ks_trial_now(void);

int ks_trial_note_write(const struct ks_instance *kept, const struct ks_trial *trial);

/*
 * Sets deadline, before, before_path and before_name, which are the caller's. The deadline of another boot is 0. -ENOENT without a note,
 * -EINVAL for one that cannot be understood.
 */
int ks_trial_note_read(const struct ks_instance *kept, struct ks_trial *trial);

int ks_trial_note_remove(const struct ks_instance *kept);

/* Seconds until the deadline, rounded up; 0 if it is over. */
unsigned ks_trial_seconds_left(const struct ks_trial *trial);

/* How much time is left and what comes back, for the control API and the commands. */
json_t *ks_trial_note_json(const struct ks_trial *trial);

#endif
