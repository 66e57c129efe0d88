/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The start as root: directory, lock, socket; and then the two halves, neither of which can get any right back.
 *
 *   the opener   root without capabilities (opener.h)
 *   the keeper   another user, without capabilities, in an empty root: the directory of the file
 */
#ifndef KS_JOURNAL_START_H
#define KS_JOURNAL_START_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/instance.h"

#define KS_JOURNAL_FILE "journal.db"
#define KS_JOURNAL_USER "keepstate-journal" /* made by the package (sysusers.d); without it, the user nobody */
#define KS_JOURNAL_GROUP "keepstate" /* its members may ask the journal, as they may read the state of the daemon */

struct ks_start {
	const char *directory; /* that was named, or NULL */
	const char *user; /* likewise */
	struct ks_instance instance;
	char path[4096]; /* the directory */
	char socket[KS_INSTANCE_PATH];
	uid_t uid;
	gid_t gid;
	int directory_fd, listen_fd, opener_fd;
	int lock_fd; /* both halves' */
};

/* Finds and makes what is needed. Returns 0, -EBUSY if a journal of this instance runs, or another -errno; complains. */
int ks_start_prepare(struct ks_start *start);

/* Forks. Returns 0 in the keeper, with opener_fd, confined; the opener does not return but ends the process with *code set to 1 and its exit code. */
int ks_start_split(struct ks_start *start, bool *is_opener, int *code);

#endif
