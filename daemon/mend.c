/* SPDX-License-Identifier: BSD-2-Clause */
/* See mend.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon/api/api.h"
#include "daemon/daemon.h"
#include "daemon/mend.h"
#include "daemon/report.h"

/* Makes the directories and the lock file. Returns 1 if they were missing, 0, or -errno. */
static int mend_lock(struct ks_daemon *daemon)
{
	struct ks_holder other;
	int fd, err;

	if (ks_instance_is_current(&daemon->instance, daemon->lock_fd))
		return 0;
	err = ks_instance_prepare(&daemon->instance);
	if (err < 0)
		return err;
	fd = ks_instance_lock(&daemon->instance, &other);
	if (fd < 0)
		return fd;
	close(daemon->lock_fd);
	daemon->lock_fd = fd;
	ks_daemon_sign(daemon);
	daemon->ledger.changed = true; /* it lay beside */
	return 1;
}

static int mend_socket(struct ks_daemon *daemon)
{
	return ks_api_mend(daemon->api, KS_DOOR_CONTROL);
}

static int mend_read_socket(struct ks_daemon *daemon)
{
	return ks_api_mend(daemon->api, KS_DOOR_READ);
}

/* The ledger without which the next daemon gives rules new ids. */
static int mend_ledger(struct ks_daemon *daemon)
{
	if (!access(daemon->instance.ledger, F_OK) || errno != ENOENT || daemon->ledger.changed)
		return 0;
	ks_daemon_write_ledger(daemon);
	return daemon->ledger.changed ? -EIO : 1;
}

static int mend_pins(struct ks_daemon *daemon)
{
	int err;

	if (ks_kernel_is_pinned(daemon->kernel))
		return 0;
	err = ks_instance_prepare(&daemon->instance);
	if (err >= 0)
		err = ks_kernel_pin_again(daemon->kernel);
	return err ? err : 1;
}

static int mend_backstop(struct ks_daemon *daemon)
{
	bool raised = ks_kernel_control(daemon->kernel)->flags & KS_CONTROL_BACKSTOP;
	int err;

	if (daemon->backstop_error) /* nobody removed it, and it is tried again every second anyway */
		return 0;
	if (!raised || ks_kernel_backstop(daemon->kernel))
		return 0;
	err = ks_kernel_raise_backstop(daemon->kernel);
	daemon->backstop_error = err; /* programs that were told it is down do not remember that it was up */
	return err ? err : 1;
}

static const struct mend {
	const char *what;
	int (*mend)(struct ks_daemon *daemon);
} mends[KS_MENDS] = {
	{ "its runtime directory with the lock", mend_lock },
	{ "its control socket", mend_socket },
	{ "its read-only socket", mend_read_socket },
	{ "its file of rule numbers", mend_ledger },
	{ "its pins, without which states would not outlive the daemon", mend_pins },
	{ "the backstop", mend_backstop },
};

void ks_daemon_mend(struct ks_daemon *daemon)
{
	for (unsigned i = 0; i < KS_MENDS; i++) {
		int err = mends[i].mend(daemon);

		if (err > 0)
			ks_report_error("somebody removed %s; made again", mends[i].what);
		if (err < 0 && err != daemon->mend_errors[i])
			ks_report_error("somebody removed %s, and it cannot be made again: %s; trying every second",
					mends[i].what, strerror(-err));
		daemon->mend_errors[i] = err < 0 ? err : 0;
	}
}
