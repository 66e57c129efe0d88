/* SPDX-License-Identifier: BSD-2-Clause */
/* Guards as they are in the kernel, kept to be put back when what was begun fails. */
#ifndef KS_DAEMON_INTERFACES_KEPT_GUARDS_H
#define KS_DAEMON_INTERFACES_KEPT_GUARDS_H

#include "kernel/kernel.h"

struct ks_kept_guards {
	struct ks_kept_guard {
		unsigned ifindex;
		struct ks_guard guard;
	} *list;
	size_t count, room;
	bool no_memory;
};

/* Returns 0 or -ENOMEM. */
int ks_kept_guards_take(const struct ks_kernel *kernel, struct ks_kept_guards *kept);

/* Puts them back. Returns 0, or the error of the first that the kernel refused. */
int ks_kept_guards_restore(struct ks_kernel *kernel, const struct ks_kept_guards *kept);

void ks_kept_guards_fini(struct ks_kept_guards *kept);

KS_SCOPED_STRUCT(ks_auto_kept_guards, struct ks_kept_guards, ks_kept_guards_fini)
#define ks_auto_kept_guards ks_scoped(ks_auto_kept_guards)

#endif
