/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the firewall in this network namespace, found out without the daemon's help: for commands that get no
 * answer. One sentence for each case is here too, so that all commands say the same.
 */
#ifndef KS_DAEMON_PRESENCE_H
#define KS_DAEMON_PRESENCE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "daemon/instance.h"

enum ks_presence_kind {
	KS_PRESENCE_NONE, /* nothing guards */
	KS_PRESENCE_STARTING, /* a daemon lives, and its control socket is not there yet */
	KS_PRESENCE_RUNNING,
	KS_PRESENCE_SUSPENDED, /* SIGSTOP, or a debugger */
	KS_PRESENCE_LEFT, /* programs guard, and no daemon lives */
	KS_PRESENCE_HIDDEN, /* only root may see it */
};

struct ks_presence {
	enum ks_presence_kind kind;
	pid_t pid; /* of the daemon that lives, 0 if there is none */
	struct ks_holder last; /* as the lock file says: of the daemon that lives or was the last */
	bool guards; /* programs of this instance are in the kernel */
	long long guarded_since; /* seconds of the epoch, 0: not known */
};

void ks_presence_find(const struct ks_instance *instance, struct ks_presence *presence);

/* Returns true if a process does not run because of SIGSTOP or a debugger. */
bool ks_process_is_suspended(pid_t pid);

/* Writes a sentence or two about it, without a newline, and says what can be done. */
void ks_presence_describe(const struct ks_presence *presence, const struct ks_instance *instance, FILE *out);

#endif
