/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of the policy in force, as the daemon names it. */
#ifndef KS_PAGE_NAMED_H
#define KS_PAGE_NAMED_H

#include <limits.h>
#include <stdbool.h>

/*
 * Asks the daemon by a connection to one of its sockets, which stays the caller's. *on_trial: it waits to be confirmed. Returns 0, -ENOENT if the policy was not named by
 * an absolute path, or another -errno.
 */
int ks_named_policy(int fd, char path[PATH_MAX], bool *on_trial);

#endif
