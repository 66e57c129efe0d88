/* SPDX-License-Identifier: BSD-2-Clause */
/* See calendar.h. */
#include "policy/calendar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTES 60U
#define DAY_HOURS 24
#define DAYS_BEFORE 1 /* a span may have begun on the day before */
#define SUNDAY_LAST 6 /* tm_wday counts from Sunday, a calendar from Monday */
#define WINDOWS_MAX (KS_CALENDAR_SPANS_MAX * (KS_CALENDAR_DAYS + DAYS_BEFORE + 1))

static const char *const days_short[KS_WEEK_DAYS] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* --- text --- */

static int day_of(const char *text, size_t length)
{
	for (unsigned i = 0; i < KS_WEEK_DAYS; i++) {
		if (length == strlen(days_short[i]) && memcmp(text, days_short[i], length) == 0)
			return (int)i;
	}
	return -EINVAL;
}

int ks_calendar_days(const char *text, __u8 *days)
{
	const char *dash = strchr(text, '-');
	int first = day_of(text, dash ? (size_t)(dash - text) : strlen(text));
	int last = dash ? day_of(dash + 1, strlen(dash + 1)) : first;

	if (first < 0 || last < 0)
		return -EINVAL;
	*days = 0;
	for (int day = first;; day = (day + 1) % (int)KS_WEEK_DAYS) {
		*days |= (__u8)(1U << day);
		if (day == last)
			return 0;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int ks_calendar_time(const char *text, size_t length, __u16 *minutes)
{
	unsigned hour, minute;

	if (length != strlen("00:00") || !is_digit(text[0]) || !is_digit(text[1]) || text[2] != ':' ||
	    !is_digit(text[3]) || !is_digit(text[4]))
		return -EINVAL;
	hour = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
	minute = (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0');
	if (minute >= MINUTES || hour * MINUTES + minute > KS_DAY_MINUTES)
		return -EINVAL;
	*minutes = (__u16)(hour * MINUTES + minute);
	return 0;
}

int ks_calendar_hours(const char *text, __u16 *begin, __u16 *end)
{
	const char *dash = strchr(text, '-');

	if (!dash || ks_calendar_time(text, (size_t)(dash - text), begin) ||
	    ks_calendar_time(dash + 1, strlen(dash + 1), end))
		return -EINVAL;
	return *begin == KS_DAY_MINUTES || *begin == *end ? -EINVAL : 0;
}

/* Writes "mon-fri" for a run of days. */
static size_t days_text(__u8 days, char *buf, size_t size)
{
	unsigned first = 0, last;

	while (!(days >> first & 1) || days >> (first + KS_WEEK_DAYS - 1) % KS_WEEK_DAYS & 1)
		first++;
	for (last = first; days >> (last + 1) % KS_WEEK_DAYS & 1;)
		last = (last + 1) % KS_WEEK_DAYS;
	return (size_t)snprintf(buf, size, first == last ? "%s" : "%s-%s", days_short[first], days_short[last]);
}

const char *ks_calendar_span_text(const struct ks_calendar_span *span, char buf[KS_SPAN_TEXT])
{
	size_t used = span->days == KS_EVERY_DAY ? 0 : days_text(span->days, buf, KS_SPAN_TEXT);

	if (used && !span->begin && span->end == KS_DAY_MINUTES)
		return buf;
	snprintf(buf + used, KS_SPAN_TEXT - used, "%s%02u:%02u-%02u:%02u", used ? " " : "", span->begin / MINUTES,
		 span->begin % MINUTES, span->end / MINUTES, span->end % MINUTES);
	return buf;
}

static unsigned week_day(const struct tm *tm)
{
	return ((unsigned)tm->tm_wday + SUNDAY_LAST) % KS_WEEK_DAYS;
}

const char *ks_calendar_moment_text(time_t when, char buf[KS_MOMENT_TEXT])
{
	struct tm tm = { 0 };
	char text[KS_MOMENT_TEXT - 4];

	if (!localtime_r(&when, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		text[0] = '\0';
	snprintf(buf, KS_MOMENT_TEXT, "%s %s", days_short[week_day(&tm)], text);
	return buf;
}

/* --- minutes of the week --- */

/* The minutes of a span, which may go on in the next day. */
static unsigned span_length(const struct ks_calendar_span *span)
{
	return (span->end + KS_DAY_MINUTES - span->begin - 1) % KS_DAY_MINUTES + 1;
}

unsigned ks_calendar_span_end(const struct ks_calendar_span *span, unsigned day)
{
	return (day * KS_DAY_MINUTES + span->begin + span_length(span)) % KS_WEEK_MINUTES;
}

bool ks_calendar_has_minute(const struct ks_calendar *calendar, unsigned minute)
{
	for (size_t i = 0; i < calendar->count; i++) {
		const struct ks_calendar_span *span = &calendar->spans[i];

		for (unsigned day = 0; day < KS_WEEK_DAYS; day++) {
			const unsigned begin = day * KS_DAY_MINUTES + span->begin;

			if (span->days >> day & 1 &&
			    (minute + KS_WEEK_MINUTES - begin) % KS_WEEK_MINUTES < span_length(span))
				return true;
		}
	}
	return false;
}

/* --- windows --- */

struct windows {
	struct ks_window list[WINDOWS_MAX]; /* seconds since 1970 */
	size_t count;
};

/* A time as it is shown in summer, or in winter. Returns true if the clock shows it at the moment that is found. */
static bool moment_try(const struct tm *want, int is_summer, time_t *moment)
{
	struct tm made = *want, shown;

	made.tm_isdst = is_summer;
	*moment = mktime(&made);
	if (!localtime_r(moment, &shown))
		return false;
	return shown.tm_hour == want->tm_hour % DAY_HOURS && shown.tm_min == want->tm_min;
}

static long offset_at(time_t when)
{
	struct tm shown = { 0 };

	return localtime_r(&when, &shown) ? shown.tm_gmtoff : 0;
}

/* The moment behind `before`, up to `after`, at which the clock is put forward: it shows another zone's time from then on. */
static time_t moment_of_change(time_t before, time_t after)
{
	const long last = offset_at(after);

	while (after - before > 1) {
		time_t middle = before + (after - before) / 2;

		if (offset_at(middle) == last)
			after = middle;
		else
			before = middle;
	}
	return after;
}

/* The moment of a minute on the day of *date, `later` days behind it. */
static time_t moment_of(const struct tm *date, int later, unsigned minute)
{
	const struct tm want = { .tm_year = date->tm_year,
				 .tm_mon = date->tm_mon,
				 .tm_mday = date->tm_mday + later,
				 .tm_hour = (int)(minute / MINUTES),
				 .tm_min = (int)(minute % MINUTES) };
	time_t summer, winter;
	bool in_summer = moment_try(&want, 1, &summer), in_winter = moment_try(&want, 0, &winter);

	if (in_summer && in_winter)
		return KS_MIN(summer, winter);
	if (in_summer || in_winter)
		return in_summer ? summer : winter;
	return moment_of_change(KS_MIN(summer, winter), KS_MAX(summer, winter));
}

time_t ks_calendar_moment(const struct tm *date, unsigned minute)
{
	return moment_of(date, 0, minute);
}

static void window_add(struct windows *windows, time_t begin, time_t end, time_t now)
{
	if (end > now && end > begin && windows->count < WINDOWS_MAX)
		windows->list[windows->count++] =
			(struct ks_window){ .begin = (__u64)KS_MAX(begin, (time_t)0), .end = (__u64)end };
}

static void windows_of_day(const struct ks_calendar *calendar, const struct tm *date, unsigned day, time_t now,
			   struct windows *windows)
{
	for (size_t i = 0; i < calendar->count && i < KS_CALENDAR_SPANS_MAX; i++) {
		const struct ks_calendar_span *span = &calendar->spans[i];

		if (span->days >> day & 1)
			window_add(windows, moment_of(date, 0, span->begin),
				   moment_of(date, span->end <= span->begin, span->end), now);
	}
}

static int window_order(const void *a, const void *b)
{
	const struct ks_window *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Sorts them, and makes one of those that touch. */
static void windows_merge(struct windows *windows)
{
	size_t last = 0;

	qsort(windows->list, windows->count, sizeof(windows->list[0]), window_order);
	for (size_t i = 1; i < windows->count; i++) {
		if (windows->list[i].begin <= windows->list[last].end)
			windows->list[last].end = KS_MAX(windows->list[last].end, windows->list[i].end);
		else
			windows->list[++last] = windows->list[i];
	}
	windows->count = windows->count ? last + 1 : 0;
}

/* The windows of the days around `now`. Returns until when they are all. */
static time_t windows_find(const struct ks_calendar *calendar, time_t now, struct windows *windows)
{
	struct tm today = { 0 };

	windows->count = 0;
	if (!localtime_r(&now, &today))
		return 0;
	for (int day = -DAYS_BEFORE; day <= (int)KS_CALENDAR_DAYS; day++) {
		struct tm date = today, shown = { 0 };
		time_t noon;

		date.tm_mday += day;
		noon = moment_of(&date, 0, KS_DAY_MINUTES / 2);
		if (localtime_r(&noon, &shown))
			windows_of_day(calendar, &shown, week_day(&shown), now, windows);
	}
	windows_merge(windows);
	return moment_of(&today, KS_CALENDAR_DAYS, 0);
}

/* A moment since 1970 on the packet clock. */
static __u64 clock_of(__u64 seconds, __s64 wall)
{
	__s64 when = (__s64)(seconds * KS_NSEC_PER_SEC) - wall;

	return when > 0 ? (__u64)when : 0;
}

void ks_calendar_windows(const struct ks_calendar *calendar, __u64 now, __s64 wall, struct ks_schedule *schedule)
{
	time_t when = (time_t)(((__s64)now + wall) / (__s64)KS_NSEC_PER_SEC);
	struct windows windows;
	time_t known = windows_find(calendar, when, &windows);

	*schedule = (struct ks_schedule){ 0 };
	if (windows.count > KS_SCHEDULE_WINDOWS)
		known = KS_MIN(known, (time_t)windows.list[KS_SCHEDULE_WINDOWS].begin);
	schedule->known = clock_of((__u64)known, wall);
	for (size_t i = 0; i < windows.count && i < KS_SCHEDULE_WINDOWS; i++)
		schedule->window[i] = (struct ks_window){ .begin = clock_of(windows.list[i].begin, wall),
							  .end = clock_of(windows.list[i].end, wall) };
}

__u64 ks_calendars_tell(const struct ks_calendar *calendars, __u32 count, __u64 now, __s64 wall,
			struct ks_schedule list[KS_SCHEDULES_MAX])
{
	__u64 known = ~0ULL;

	for (__u32 i = 0; i < count && i < KS_SCHEDULES_MAX; i++) {
		ks_calendar_windows(&calendars[i], now, wall, &list[i]);
		known = KS_MIN(known, list[i].known);
	}
	return known;
}

__u64 ks_schedule_next(const struct ks_schedule *schedule, __u64 now)
{
	__u64 next = ~0ULL;

	for (unsigned i = 0; i < KS_SCHEDULE_WINDOWS; i++) {
		const struct ks_window *window = &schedule->window[i];

		if (window->begin > now)
			next = KS_MIN(next, window->begin);
		else if (window->end > now)
			next = KS_MIN(next, window->end);
	}
	return next < schedule->known ? next : ~0ULL;
}

__u64 ks_calendars_next(const struct ks_calendar *calendars, __u32 count, __u64 now, __s64 wall)
{
	__u64 next = ~0ULL;

	for (__u32 i = 0; i < count && i < KS_SCHEDULES_MAX; i++) {
		struct ks_schedule schedule;

		ks_calendar_windows(&calendars[i], now, wall, &schedule);
		next = KS_MIN(next, ks_schedule_next(&schedule, now));
	}
	return next;
}

__u64 ks_schedules_open(const struct ks_schedule *list, __u32 count, __u64 now)
{
	__u64 open = 0;

	for (__u32 i = 0; i < count && i < KS_SCHEDULES_MAX; i++)
		open |= (__u64)(ks_schedule_at(&list[i], now) == KS_SCHEDULE_OPEN) << i;
	return open;
}
