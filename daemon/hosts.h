/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host names in the sets of the policy in force: they are resolved in the background, again and again, and what they resolve
 * to is in the sets. A change makes no rule again.
 *
 * Overview. Each name is asked for when its answer has run out: after its TTL, 30 s to an hour, and 30 s after a failure. The
 * last good answer stays until there is another one. Each outcome brings every set in line with what is known
 * (host_sets.c): addresses of the last good answers live for a day from now, those that are in none go after ten minutes.
 *
 * Restart. Entries of an earlier daemon are the last good answers. They stay while no name of their set is answered, live out
 * their day while some are, and go when all are and none has them.
 */
#ifndef KS_DAEMON_HOSTS_H
#define KS_DAEMON_HOSTS_H

#include <stdbool.h>
#include <time.h>

#include <jansson.h>

#include "daemon/host_query.h"

struct ks_daemon;

/* A host name of the policy in force. */
struct ks_host {
	char name[KS_HOST_NAME_MAX + 1];
	bool answered; /* by this daemon, once at least */
	time_t resolved, failed; /* the last good answer, 0 without one, and the failure after it, 0 without one */
	char why[KS_HOST_WHY]; /* it failed */
	__u32 ttl; /* seconds, as bounded */
	__u64 next; /* when it is asked for again, ns on ks_kernel_clock() */
	struct ks_prefix *address[2]; /* the last good answer */
	__u32 count[2];
	struct ks_prefix *gone[2]; /* the answer before, if the last outcome was another one */
	__u32 gone_count[2];
	struct ks_host_query query;
};

struct ks_hosts {
	struct ks_host *list;
	size_t count;
	__u32 generation; /* of the policy that it follows, 0 at first */
};

/* To be called when a policy is in force: asks for its names, and no others. */
void ks_hosts_follow(struct ks_daemon *daemon);

/* To be called every second: takes answers, and asks. Never waits. */
void ks_hosts_second(struct ks_daemon *daemon);

/* Takes an answer; part of ks_hosts_second(). */
void ks_host_take(struct ks_host *host, const struct ks_host_answer *answer, __u64 now);

const struct ks_host *ks_hosts_find(const struct ks_hosts *hosts, const char *name);

/* For the API: each name of a set, when it was resolved, to how many addresses, and what failed. NULL without memory. */
json_t *ks_hosts_json(const struct ks_daemon *daemon, const struct ks_set_info *info);

/* Adds a sentence for each name that cannot be resolved. */
void ks_hosts_add_warnings(const struct ks_daemon *daemon, json_t *warnings);

void ks_hosts_fini(struct ks_hosts *hosts);

/* Brings a set in line with what is known of its names (host_sets.c). */
void ks_host_set_fill(struct ks_daemon *daemon, const struct ks_set_info *info);

#endif
