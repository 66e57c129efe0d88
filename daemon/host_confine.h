/* SPDX-License-Identifier: BSD-2-Clause */
/* The rights of the process that asks for a host name; see host_confine.c. */
#ifndef KS_DAEMON_HOST_CONFINE_H
#define KS_DAEMON_HOST_CONFINE_H

/* Gives up, for good, all that a DNS question does not need. Returns 0 or -errno: then the process must end. */
int ks_host_confine(void);

#endif
