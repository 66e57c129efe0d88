/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hooks go from one set of programs to another: those of another build when a daemon takes over, or those of a
 * larger table when a reload needs one. kernel/takeover.c has the order of the steps.
 */
#ifndef KS_DAEMON_HANDOVER_H
#define KS_DAEMON_HANDOVER_H

#include <jansson.h>

#include "daemon/daemon.h"

/* Puts the backstop in force. To be called again every second while daemon->backstop_error says that it is not; said once. */
void ks_handover_raise_backstop(struct ks_daemon *daemon);

/* Ends the old programs, once no hook has them any more. To be called again every second while daemon->old_stays. */
void ks_handover_end_old(struct ks_daemon *daemon);

/*
 * If the table is too small for `wanted`, moves the states into a larger one under the present policy; connections go on. Returns
 * 0 or -errno with *message set; the table is the old one then, and so are the hooks.
 */
int ks_handover_grow(struct ks_daemon *daemon, const struct ks_policy *wanted, char **message);

/* The size of the table: how many states it has room for, and how many the policy wants. */
struct ks_table_size {
	__u32 capacity, limit;
};

struct ks_table_size ks_handover_size(const struct ks_daemon *daemon);

/* Adds to a change (ks_change_tell()) if the table became larger since, or stays larger than the policy wants it now. */
void ks_handover_add_size(json_t **change, const struct ks_daemon *daemon, const struct ks_table_size *before);

#endif
