/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All instances of the machine: those of other network namespaces too, by what they have below /run/keepstate. A namespace that
 * was deleted without `keepstate stop` leaves its pins behind, which keep its table, and the namespace itself, in the kernel's memory.
 */
#ifndef KS_DAEMON_INSTANCES_H
#define KS_DAEMON_INSTANCES_H

#include "daemon/instance.h"
#include "daemon/netns.h"

enum ks_instance_state {
	KS_INSTANCE_RUNNING, /* a daemon lives */
	KS_INSTANCE_LEFT, /* no daemon; programs guard */
	KS_INSTANCE_GONE, /* no process, mount or descriptor leads to its network namespace */
	KS_INSTANCE_UNKNOWN, /* nothing leads to it that we see, but we do not see everything */
};

struct ks_instance_entry {
	struct ks_instance instance;
	enum ks_instance_state state;
	char netns[KS_NETNS_NAME]; /* its name for ip-netns(8), "" without one */
	struct ks_holder holder; /* of its lock, now or last */
	unsigned unseen; /* for KS_INSTANCE_UNKNOWN: so many processes hide their namespaces and files from us */
	pid_t unseen_pid; /* one of them */
};

/* Calls fn for every instance, in no order. Returns 0 or -errno. */
int ks_instances_each(void (*fn)(const struct ks_instance_entry *entry, void *arg), void *arg);

/* Removes what an instance left whose network namespace is gone, its persistent directory too. Returns 0 or -errno. */
int ks_instance_remove_gone(const struct ks_instance *instance);

#endif
