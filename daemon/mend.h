/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks every second if what the daemon needs outside of itself is still there, and makes it again: the runtime directory with
 * lock and control socket, the bpf file system, the pins, the backstop. Somebody may have removed files, or unmounted.
 * Programs that were taken off an interface are put back by interfaces/programs.c.
 */
#ifndef KS_DAEMON_MEND_H
#define KS_DAEMON_MEND_H

struct ks_daemon;

/* Says what was missing, and once what cannot be made again; that is tried again the next second. */
void ks_daemon_mend(struct ks_daemon *daemon);

#endif
