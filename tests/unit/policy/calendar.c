/* SPDX-License-Identifier: BSD-2-Clause */
/* Times of the week: what they mean on the packet clock, also where the wall clock is put on or back. */
#include "tests/unit/policy/complaints.h"

#include <time.h>

#include "policy/calendar.h"
#include "policy/scenario/scenario.h"

/* Berlin, in words that need no file: summer from the last Sunday of March, 2:00, to that of October, 3:00. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"

static void use_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* Seconds since 1970 of a moment of UTC. */
static time_t utc(int year, int month, int day, int hour, int minute)
{
	struct tm tm = {
		.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute
	};

	return timegm(&tm);
}

/* The calendar of the first rule with `during` in the text. */
static const struct ks_calendar *calendar_of(const struct ks_policy *policy)
{
	assert_int_equal(policy->config.schedules, 1);
	return &policy->calendars[0];
}

/* Checks that the schedule is open from `begin` on and not before, and no longer from `end` on. */
static void check_window(const char *text, time_t before, time_t begin, time_t end)
{
	ks_auto_policy struct ks_policy *policy = load_good(text);
	const __u64 now = (__u64)before * KS_NSEC_PER_SEC;
	struct ks_schedule schedule;

	ks_calendar_windows(calendar_of(policy), now, 0, &schedule);
	assert_int_equal(ks_schedule_at(&schedule, (__u64)begin * KS_NSEC_PER_SEC - 1), KS_SCHEDULE_CLOSED);
	assert_int_equal(ks_schedule_at(&schedule, (__u64)begin * KS_NSEC_PER_SEC), KS_SCHEDULE_OPEN);
	assert_int_equal(ks_schedule_at(&schedule, (__u64)end * KS_NSEC_PER_SEC - 1), KS_SCHEDULE_OPEN);
	assert_int_equal(ks_schedule_at(&schedule, (__u64)end * KS_NSEC_PER_SEC), KS_SCHEDULE_CLOSED);
}

static void test_local_time(void **state)
{
	use_zone("UTC");
	check_window("allow during 08:00-18:00\n", utc(2026, 11, 30, 7, 0), utc(2026, 11, 30, 8, 0),
		     utc(2026, 11, 30, 18, 0));
	use_zone(BERLIN);
	check_window("allow during 08:00-18:00\n", utc(2026, 11, 30, 6, 0), utc(2026, 11, 30, 7, 0),
		     utc(2026, 11, 30, 17, 0));
	check_window("allow during mon 00:00-24:00\n", utc(2026, 11, 29, 12, 0), utc(2026, 11, 29, 23, 0),
		     utc(2026, 11, 30, 23, 0));
}

/* On 2026-03-29 it is 3:00 behind 1:59, on 2026-10-25 it is 2:00 behind 2:59 once. */
static void test_clock_changes(void **state)
{
	use_zone(BERLIN);
	check_window("allow during 08:00-18:00\n", utc(2026, 3, 28, 20, 0), utc(2026, 3, 29, 6, 0),
		     utc(2026, 3, 29, 16, 0));
	check_window("allow during sat 22:00-06:00\n", utc(2026, 3, 28, 20, 0), utc(2026, 3, 28, 21, 0),
		     utc(2026, 3, 29, 4, 0));
	check_window("allow during 02:30-04:00\n", utc(2026, 3, 28, 20, 0), utc(2026, 3, 29, 1, 0),
		     utc(2026, 3, 29, 2, 0));
	check_window("allow during 02:30-03:30\n", utc(2026, 3, 28, 20, 0), utc(2026, 3, 29, 1, 0),
		     utc(2026, 3, 29, 1, 30));
	check_window("allow during 01:00-02:30\n", utc(2026, 3, 28, 20, 0), utc(2026, 3, 29, 0, 0),
		     utc(2026, 3, 29, 1, 0));
	check_window("allow during 02:15-02:45\n", utc(2026, 3, 28, 20, 0), utc(2026, 3, 30, 0, 15),
		     utc(2026, 3, 30, 0, 45)); /* on the day behind it */
	check_window("allow during 02:30-04:00\n", utc(2026, 10, 24, 20, 0), utc(2026, 10, 25, 0, 30),
		     utc(2026, 10, 25, 3, 0));
	check_window("allow during 01:00-02:30\n", utc(2026, 10, 24, 20, 0), utc(2026, 10, 24, 23, 0),
		     utc(2026, 10, 25, 0, 30));
}

static void test_over_midnight(void **state)
{
	use_zone("UTC");
	check_window("allow during fri 22:00-06:00\n", utc(2026, 11, 27, 12, 0), utc(2026, 11, 27, 22, 0),
		     utc(2026, 11, 28, 6, 0));
	check_window("allow during { sun 20:00-24:00, mon 00:00-04:00 }\n", utc(2026, 11, 28, 0, 0),
		     utc(2026, 11, 29, 20, 0), utc(2026, 11, 30, 4, 0));
	check_window("allow during sat-sun\n", utc(2026, 11, 27, 12, 0), utc(2026, 11, 28, 0, 0),
		     utc(2026, 11, 30, 0, 0));
}

/* The packet clock may begin anywhere. */
static void test_packet_clock(void **state)
{
	ks_auto_policy struct ks_policy *policy = load_good("allow during 08:00-18:00\n");
	const __u64 now = 1000 * KS_NSEC_PER_SEC;
	struct ks_schedule schedule;
	__s64 wall;

	use_zone("UTC");
	wall = (__s64)utc(2026, 11, 30, 7, 0) * (__s64)KS_NSEC_PER_SEC - (__s64)now;
	ks_calendar_windows(calendar_of(policy), now, wall, &schedule);
	assert_int_equal(schedule.window[0].begin, now + 3600 * KS_NSEC_PER_SEC);
	assert_int_equal(ks_schedule_next(&schedule, now), now + 3600 * KS_NSEC_PER_SEC);
	ks_calendar_windows(calendar_of(policy), now, wall + 4 * 3600 * (__s64)KS_NSEC_PER_SEC, &schedule);
	assert_int_equal(schedule.window[0].begin, 0); /* before the clock began */
	assert_int_equal(ks_schedule_at(&schedule, now), KS_SCHEDULE_OPEN);
}

/* Nobody has said what comes behind that. */
static void test_known(void **state)
{
	ks_auto_policy struct ks_policy *policy =
		load_good("allow during { 01:00-02:00, 03:00-04:00, 05:00-06:00 }\nallow during sat\n");
	const __u64 day = 24 * 3600 * KS_NSEC_PER_SEC, now = (__u64)utc(2026, 11, 30, 0, 0) * KS_NSEC_PER_SEC;
	struct ks_schedule often, seldom;

	use_zone("UTC");
	ks_calendar_windows(&policy->calendars[0], now, 0, &often);
	ks_calendar_windows(&policy->calendars[1], now, 0, &seldom);
	assert_int_equal(seldom.known, now + 8 * day);
	assert_int_equal(often.known, now + 2 * day + 5 * 3600 * KS_NSEC_PER_SEC);
	assert_int_equal(ks_schedule_at(&often, often.known - 1), KS_SCHEDULE_CLOSED);
	assert_int_equal(ks_schedule_at(&often, often.known), KS_SCHEDULE_UNKNOWN);
	assert_int_equal(ks_calendars_next(policy->calendars, 2, now, 0), now + 3600 * KS_NSEC_PER_SEC);
}

/* A test that says a time which the clock shows twice means the one that schedules mean. */
static void test_clock_of_tests(void **state)
{
	static const struct {
		const char *moment;
		int hour, minute; /* of UTC */
	} list[] = { { "2026-10-25 01:59", -1, 59 },
		     { "2026-10-25 02:00", 0, 0 },
		     { "2026-10-25 02:30", 0, 30 },
		     { "2026-10-25 03:00", 2, 0 },
		     { "2026-10-25 24:00", 23, 0 } };

	use_zone(BERLIN);
	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		char text[128];
		ks_auto_policy struct ks_policy *policy = NULL;

		snprintf(text, sizeof(text), "allow\ntest \"t\" {\n\tclock %s\n\texpect states 0\n}\n", list[i].moment);
		policy = load_good(text);
		assert_int_equal(policy->tests[0].steps[0].number, utc(2026, 10, 25, list[i].hour, list[i].minute));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local_time),    cmocka_unit_test(test_clock_changes),
		cmocka_unit_test(test_over_midnight), cmocka_unit_test(test_packet_clock),
		cmocka_unit_test(test_known),	      cmocka_unit_test(test_clock_of_tests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
