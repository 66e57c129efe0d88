/* SPDX-License-Identifier: BSD-2-Clause */
/* See trial_left.h. */
#include <errno.h>

#include "daemon/beacon.h"
#include "daemon/last_good.h"
#include "daemon/trial.h"
#include "daemon/trial_left.h"
#include "daemon/trial_note.h"
#include "text/json.h"
#include "text/scoped.h"

KS_SCOPED_STRUCT(auto_trial, struct ks_trial, ks_trial_fini)

json_t *ks_trial_left_json(const struct ks_instance *instance)
{
	ks_scoped(auto_trial) struct ks_trial trial = { 0 };
	struct ks_instance kept;
	json_t *value;

	ks_last_good_seek(instance, &kept);
	if (ks_trial_note_read(&kept, &trial))
		return NULL;
	value = ks_trial_note_json(&trial);
	ks_json_set(&value, "watcher", json_integer(ks_beacon_see(KS_BEACON_WATCHER)));
	return value;
}

void ks_trial_left_describe(const json_t *trial, FILE *out)
{
	const char *before = json_string_value(json_object_get(trial, "before"));
	int left = (int)json_integer_value(json_object_get(trial, "seconds_left"));
	int watcher = (int)json_integer_value(json_object_get(trial, "watcher"));

	if (left)
		fprintf(out, "NOT CONFIRMED: `keepstate confirm` within %d s, or ", left);
	else
		fprintf(out, "NOT CONFIRMED in time: ");
	if (before)
		fprintf(out, "the policy before it comes back: %s", before);
	else
		fprintf(out, "the firewall is taken away again");
	if (watcher)
		fprintf(out, ". The daemon has died; process %d waits to do that", watcher);
	else
		fprintf(out, ". The daemon has died, and so has the process that would do that: this policy stays in "
			     "force until "
			     "`keepstate run`, which goes back, or `keepstate stop`");
}

/* Under the lock. The policy becomes the last good one before the note goes: a crash between loses neither. */
static int confirm(const struct ks_instance *kept)
{
	ks_scoped(auto_trial) struct ks_trial trial = { 0 };
	int err = ks_trial_note_read(kept, &trial);

	if (err)
		return err == -ENOENT ? -ETIME : err;
	if (!ks_trial_seconds_left(&trial))
		return -ETIME;
	err = ks_last_good_promote(kept);
	return err ? err : ks_trial_note_remove(kept);
}

int ks_trial_left_confirm(const struct ks_instance *instance)
{
	struct ks_instance kept;
	struct ks_holder holder;
	ks_auto_fd int lock = ks_instance_lock(instance, &holder);

	if (lock < 0)
		return lock == -EWOULDBLOCK ? -EBUSY : lock;
	ks_last_good_seek(instance, &kept);
	return confirm(&kept);
}
