/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capabilities of the daemon. It starts as root, because it mounts and makes directories. Once the firewall is in force it
 * keeps only those that it goes on to need, and none can come back: who gets hold of it cannot mount, load modules, trace
 * processes or read others' files for writing.
 */
#ifndef KS_DAEMON_PRIVILEGES_H
#define KS_DAEMON_PRIVILEGES_H

/* Drops the others, and reports it if that fails. For a process with one thread. */
void ks_privileges_drop(void);

#endif
