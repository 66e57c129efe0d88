/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See schedules.h. The programs know the windows of the coming days. They are told again every minute, and at once when the wall
 * clock was set: the windows are on the packet clock, which never is.
 */
#include "daemon/schedules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/denied.h"
#include "daemon/report.h"
#include "policy/calendar.h"
#include "text/json.h"
#include "text/plural.h"

#define TELL_NS (60 * KS_NSEC_PER_SEC)
#define WALL_STEP_NS ((__s64)KS_NSEC_PER_SEC / 2) /* a wall clock that moved more than this against the other was set */

static bool is_due(const struct ks_daemon *daemon, __u32 generation, __s64 wall, __u64 now)
{
	const struct ks_schedules_told *told = &daemon->schedules;

	return told->generation != generation || now - told->when >= TELL_NS || llabs(wall - told->wall) > WALL_STEP_NS;
}

/* Ends the states that the policy does not allow at this time. */
static void end_denied(struct ks_daemon *daemon)
{
	const struct ks_denied_search search = { .policy = daemon->policy,
						 .before = daemon->policy,
						 .ids_before = &daemon->ledger.ids,
						 .ids = &daemon->ledger.ids,
						 .interfaces = &daemon->interfaces };
	ks_auto_denied struct ks_denied denied = { 0 };
	long ended = ks_denied_find(daemon, &search, &denied) ?: ks_denied_end(daemon, &denied, true);

	if (ended < 0)
		ks_report_error("states that a schedule does not allow any more go on: %s", strerror((int)-ended));
	else if (ended)
		ks_report("%ld state%s ended with a schedule", ended, ks_plural((unsigned long long)ended));
}

static void note_changes(struct ks_daemon *daemon, __u64 open)
{
	const struct ks_policy *policy = daemon->policy;
	__u64 changed = open ^ daemon->schedules.open;

	for (__u32 i = 0; i < policy->config.schedules; i++) {
		if (changed >> i & 1)
			ks_report("%s %s", policy->calendars[i].text, open >> i & 1 ? "begins" : "ends");
	}
	if (changed && policy->config.schedule_end != KS_SCHEDULE_END_KEEP)
		end_denied(daemon);
}

void ks_schedules_follow(struct ks_daemon *daemon)
{
	struct ks_schedules_told *told = &daemon->schedules;
	const __u32 count = daemon->policy->config.schedules;
	const __u32 generation = ks_kernel_config(daemon->kernel)->generation;
	__u64 now = ks_kernel_now(daemon->kernel), open;
	__s64 wall;

	if (!count)
		return;
	wall = ks_kernel_wall(daemon->kernel);
	if (is_due(daemon, generation, wall, now)) {
		ks_kernel_tell_schedules(daemon->kernel, daemon->policy);
		told->wall = wall;
		told->when = now;
	}
	open = ks_schedules_open(ks_kernel_schedules(daemon->kernel), count, now);
	if (told->generation == generation)
		note_changes(daemon, open);
	else if (!told->generation && daemon->took_over && daemon->policy->config.schedule_end != KS_SCHEDULE_END_KEEP)
		end_denied(daemon); /* one may have ended without a daemon */
	told->generation = generation;
	told->open = open;
}

/* The moment, seconds since 1970, at which a schedule begins or ends next; 0 if that is not known yet. */
static json_int_t next_change(const struct ks_schedule *schedule, __u64 now, __s64 wall)
{
	__u64 next = ks_schedule_next(schedule, now);

	return next == ~0ULL ? 0 : (json_int_t)(((__s64)next + wall) / (__s64)KS_NSEC_PER_SEC);
}

json_t *ks_schedules_json(const struct ks_daemon *daemon)
{
	const struct ks_policy *policy = daemon->policy;
	const struct ks_schedule *list = ks_kernel_schedules(daemon->kernel);
	__u64 now = ks_kernel_now(daemon->kernel);
	__s64 wall = ks_kernel_wall(daemon->kernel);
	json_t *json = policy->config.schedules ? json_array() : NULL;

	for (__u32 i = 0; json && i < policy->config.schedules; i++)
		ks_json_append(&json, json_pack("{s:s, s:b, s:I}", "during", policy->calendars[i].text, "open",
						ks_schedule_at(&list[i], now) == KS_SCHEDULE_OPEN, "until",
						next_change(&list[i], now, wall)));
	return json;
}
