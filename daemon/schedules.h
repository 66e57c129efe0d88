/* SPDX-License-Identifier: BSD-2-Clause */
/* The schedules of the policy (core/schedule.h): the programs are told of them, and flows end with them if the policy says so. */
#ifndef KS_DAEMON_SCHEDULES_H
#define KS_DAEMON_SCHEDULES_H

#include <jansson.h>
#include <stdbool.h>

#include "core/types.h"

struct ks_daemon;

/* The latest that the programs were told. */
struct ks_schedules_told {
	__u32 generation; /* of the policy that all below is about; 0: nothing was told */
	__s64 wall; /* that was added to the packet clock */
	__u64 when; /* on the packet clock, ns */
	__u64 open; /* a bit for each schedule that was open when it was looked at last */
};

/* To be called every second, and when the policy has changed. */
void ks_schedules_follow(struct ks_daemon *daemon);

/* A list of them, for `status`; NULL without any. */
json_t *ks_schedules_json(const struct ks_daemon *daemon);

#endif
