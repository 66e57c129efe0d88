/* SPDX-License-Identifier: BSD-2-Clause */
/* The control groups that the policy's rules ask for (policy/cgroup.h): the programs are told which exist, and when one is made anew. */
#ifndef KS_DAEMON_CGROUPS_H
#define KS_DAEMON_CGROUPS_H

#include <jansson.h>

#include "core/types.h"

struct ks_daemon;

/* The latest that the programs were told. All zeroes: nothing. */
struct ks_cgroups_told {
	__u32 generation; /* of the policy that all below is about */
	__u64 exist; /* a bit for each that exists */
	int news_fd; /* folders that are made among them, valid if the policy has any */
};

/* To be called every second, when the policy has changed, and when there is news. */
void ks_cgroups_follow(struct ks_daemon *daemon);

/* A descriptor that is readable when there is news, -1 without any. */
int ks_cgroups_fd(const struct ks_daemon *daemon);

void ks_cgroups_fini(struct ks_cgroups_told *told);

/* A list of them, for `status`; NULL without any. */
json_t *ks_cgroups_json(const struct ks_daemon *daemon);

#endif
