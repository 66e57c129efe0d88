/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which network namespaces are gone: no process, mount or descriptor leads there. To look into another process takes
 * CAP_SYS_PTRACE over it, which containers do not have; those that could not be looked into are counted.
 */
#ifndef KS_DAEMON_NETNS_H
#define KS_DAEMON_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define KS_NETNS_NAME 64

struct ks_netns {
	unsigned long inode;
	bool found; /* something leads there */
	char name[KS_NETNS_NAME]; /* for ip-netns(8), "" without one */
};

struct ks_netns_search {
	struct ks_netns *list; /* the inodes are given */
	size_t count;
	unsigned unseen; /* processes that did not let us look */
	pid_t unseen_pid; /* one of them */
};

/* Looks at all processes that we see until something leads to each namespace. */
void ks_netns_find(struct ks_netns_search *search);

/* Returns true if we see the processes of the whole machine, not only those of a container. */
bool ks_netns_sees_machine(void);

#endif
