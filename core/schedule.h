/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Schedules: when rules with `during` hold.
 *
 * Overview. The core knows no calendar. Whoever knows one (policy/calendar.h) says for each schedule in which windows of the
 * packet clock it is open, some days ahead, and until when that is known. So a schedule begins and ends to the moment, and goes
 * on without the daemon for a while; behind that nobody knows, and the condition cannot be answered (core/match.h).
 *
 * Writers. Natively the engine, between packets. In the kernel the daemon: it fills the half of the table that is not in use,
 * and one store switches. It does so seldom enough that no packet still reads the half which it fills.
 */
#ifndef KS_CORE_SCHEDULE_H
#define KS_CORE_SCHEDULE_H

#include "core/types.h"

#define KS_SCHEDULES_MAX 64U /* of a policy; a power of two: their numbers are masked */
#define KS_SCHEDULE_WINDOWS 8U
#define KS_SCHEDULE_HALVES 2U

/* From `begin` to before `end`, ns on the packet clock; both 0: none. */
struct ks_window {
	__u64 begin, end;
};

struct ks_schedule {
	__u64 known; /* the windows are those until then */
	struct ks_window window[KS_SCHEDULE_WINDOWS];
};

/* `option schedule-end`: what becomes of flows that a schedule does not allow any more. */
enum ks_schedule_end { KS_SCHEDULE_END_KEEP, KS_SCHEDULE_END_END, KS_SCHEDULE_ENDS };

enum ks_schedule_state { KS_SCHEDULE_CLOSED, KS_SCHEDULE_OPEN, KS_SCHEDULE_UNKNOWN };

static ks_inline __u32 ks_schedule_at(const struct ks_schedule *schedule, __u64 now)
{
	if (now >= schedule->known)
		return KS_SCHEDULE_UNKNOWN;
	for (__u32 i = 0; i < KS_SCHEDULE_WINDOWS; i++) {
		if (now >= schedule->window[i].begin && now < schedule->window[i].end)
			return KS_SCHEDULE_OPEN;
	}
	return KS_SCHEDULE_CLOSED;
}

#endif
