/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A question for a host name, asked by a process of its own: it reads /etc/resolv.conf, gives up every right but to talk by
 * IP (no file can be opened, no process signalled, no other socket made), asks the servers and writes what it heard into a pipe.
 * The daemon never waits for it. What the process says is checked as if it came from the network.
 */
#ifndef KS_DAEMON_HOST_QUERY_H
#define KS_DAEMON_HOST_QUERY_H

#include <sys/types.h>

#include "daemon/host_answer.h"

enum ks_host_outcome {
	KS_HOST_FAILED, /* no usable answer came */
	KS_HOST_EMPTY, /* there is no address of this family */
	KS_HOST_FOUND,
};

#define KS_HOST_WHY 64 /* a text that says why a question failed, with its end */

/* The answer for both families: IPv4, IPv6. */
struct ks_host_answer {
	__u32 outcome[2]; /* enum ks_host_outcome */
	char why[KS_HOST_WHY]; /* one of them failed, or both are empty; "" if not */
	struct ks_host_addresses of[2];
};

/* A question that is under way; pid 0: none. */
struct ks_host_query {
	pid_t pid;
	int fd;
	__u64 deadline; /* ns on ks_kernel_clock(): then it is ended */
};

/* Begins to ask. Returns 0 or -errno. */
int ks_host_query_begin(const char *name, __u64 now, struct ks_host_query *query);

/* Returns true if the question is over; *answer says how. */
bool ks_host_query_poll(struct ks_host_query *query, __u64 now, struct ks_host_answer *answer);

/* Ends a question, whose answer nobody wants any more. */
void ks_host_query_end(struct ks_host_query *query);

#endif
