/* SPDX-License-Identifier: BSD-2-Clause */
/* A daemon that goes to the background: the process that was started waits until the firewall is in force. */
#ifndef KS_DAEMON_BACKGROUND_H
#define KS_DAEMON_BACKGROUND_H

/*
 * Forks, and returns in the child with *ready_fd for ks_background_tell(). The parent ends when the firewall is in force, or with
 * the exit code of the child if the start fails.
 */
int ks_background_go(int *ready_fd);

/* Tells the starting process how the start ended, leaves the terminal if it went well, and closes ready_fd (-1: there is none). */
void ks_background_tell(int ready_fd, int code);

/* Messages go to syslog(3) from here on, and nothing to the terminal. */
void ks_background_leave_terminal(void);

#endif
