/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Schedules as people say them, in local time, and the windows of the packet clock that they mean (core/schedule.h).
 *
 * Local time is what the C library takes it to be: TZ, else /etc/localtime. A time that the clock shows twice, because it was
 * put back, is the first of the two; one that it skips is the moment at which it skips. So moments have the order of the
 * minutes that they are, and schedules have in common what their minutes have in common (proof/condition.c).
 */
#ifndef KS_POLICY_CALENDAR_H
#define KS_POLICY_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "core/schedule.h"
#include "core/types.h"

#define KS_WEEK_DAYS 7U
#define KS_DAY_MINUTES (24U * 60U)
#define KS_WEEK_MINUTES (KS_WEEK_DAYS * KS_DAY_MINUTES)
#define KS_CALENDAR_SPANS_MAX 64U
#define KS_CALENDAR_DAYS 8U /* that windows are told ahead, at most */

/* A time of the day on some days of the week. If it does not end behind its beginning, it ends on the next day. */
struct ks_calendar_span {
	__u8 days; /* bit 0: Monday */
	__u8 zero;
	__u16 begin, end; /* minutes of the day; `end` up to KS_DAY_MINUTES */
};

struct ks_calendar {
	const struct ks_calendar_span *spans; /* sorted, each once */
	size_t count;
	const char *text; /* "mon-fri 08:00-18:00" */
};

#define KS_EVERY_DAY 0x7fU

/* Reads "mon", "mon-fri", "fri-mon". Returns 0 or -EINVAL. */
int ks_calendar_days(const char *text, __u8 *days);

/* Reads "08:00", up to "24:00". Returns 0 or -EINVAL. */
int ks_calendar_time(const char *text, size_t length, __u16 *minutes);

/* Reads "08:00-18:00". Returns 0 or -EINVAL. */
int ks_calendar_hours(const char *text, __u16 *begin, __u16 *end);

/* The moment at which the clock of the day of *date shows a minute, up to KS_DAY_MINUTES. */
time_t ks_calendar_moment(const struct tm *date, unsigned minute);

/* The minute of the week at which a span that begins on a day is over. */
unsigned ks_calendar_span_end(const struct ks_calendar_span *span, unsigned day);

/* Returns true if the minute of the week is one of a calendar. */
bool ks_calendar_has_minute(const struct ks_calendar *calendar, unsigned minute);

/* "mon-fri 08:00-18:00". Returns buf. */
#define KS_SPAN_TEXT 64
const char *ks_calendar_span_text(const struct ks_calendar_span *span, char buf[KS_SPAN_TEXT]);

/* "mon 2026-11-30 07:59". Returns buf. */
#define KS_MOMENT_TEXT 32
const char *ks_calendar_moment_text(time_t when, char buf[KS_MOMENT_TEXT]);

/*
 * Tells the windows of a calendar that have not ended yet. `now` is the packet clock, `wall` what is to be added to it for
 * nanoseconds since 1970.
 */
void ks_calendar_windows(const struct ks_calendar *calendar, __u64 now, __s64 wall, struct ks_schedule *schedule);

/* The same for all of a policy. Returns until when they are good. */
__u64 ks_calendars_tell(const struct ks_calendar *calendars, __u32 count, __u64 now, __s64 wall,
			struct ks_schedule list[KS_SCHEDULES_MAX]);

/* The moment at which a schedule begins or ends next; ~0 if none does as long as it is known. */
__u64 ks_schedule_next(const struct ks_schedule *schedule, __u64 now);

/* The same of all of a policy. */
__u64 ks_calendars_next(const struct ks_calendar *calendars, __u32 count, __u64 now, __s64 wall);

/* A bit for each schedule that is open. */
__u64 ks_schedules_open(const struct ks_schedule *list, __u32 count, __u64 now);

#endif
