/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The beacon: an abstract unix socket that a daemon holds as long as it lives. Its name belongs to the network namespace and
 * to no file system, so nobody can take it away by removing files, and the kernel takes it away with the process. So it
 * tells that a daemon lives here, and which process it is, where the lock file and the control socket are gone. The watcher of a
 * trial (trial.h) has another one.
 *
 * Any user may bind an abstract name, so only a beacon of root counts. A stranger's is said, and harmless: the lock decides then.
 */
#ifndef KS_DAEMON_BEACON_H
#define KS_DAEMON_BEACON_H

#include <sys/types.h>

enum ks_beacon {
	KS_BEACON_DAEMON,
	KS_BEACON_WATCHER,
};

/*
 * Lights it. Returns its descriptor, to be kept open; -EADDRINUSE with the holder's process in *pid if another such process
 * of this network namespace lives, -EPERM with it if the name is a stranger's, or another -errno.
 */
int ks_beacon_light(enum ks_beacon beacon, pid_t *pid);

/* Returns the process that lives in this network namespace, 0 if there is none. */
pid_t ks_beacon_see(enum ks_beacon beacon);

#endif
