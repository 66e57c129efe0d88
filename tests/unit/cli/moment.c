/* SPDX-License-Identifier: BSD-2-Clause */
/* cli/moment.c: moments as people say them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cli/moment.h"

static void check(const char *text, const char *expected)
{
	char seconds[KS_MOMENT_TEXT] = "";

	if (ks_moment_read(text, seconds) || strcmp(seconds, expected))
		fail_msg("%s: %s", text, seconds);
}

static void test_dates(void **state)
{
	check("2026-11-29T10:00:00Z", "1795946400");
	check("2026-11-29T10:00:00.123Z", "1795946400.123");
	check("2026-11-29 10:00", "1795942800");
	check("2026-11-29 10:00:30", "1795942830");
	check("2026-11-29T10:00:30.5", "1795942830.5");
	check("2026-11-29", "1795906800");
	check("2026-07-01 00:00", "1782856800"); /* summer time */
}

static void test_relative(void **state)
{
	char seconds[KS_MOMENT_TEXT];
	time_t now = time(NULL);

	assert_int_equal(ks_moment_read("5m", seconds), 0);
	assert_in_range(now + 2 - 300 - atoll(seconds), 0, 4);
	assert_int_equal(ks_moment_read("now", seconds), 0);
	assert_in_range(atoll(seconds) - now, 0, 2);
}

/* A time of day is that of today, or of yesterday if it has not come yet. */
static void test_time_of_day(void **state)
{
	static const char *const texts[] = { "00:00", "10:00", "23:59:59" };
	char seconds[KS_MOMENT_TEXT];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(ks_moment_read(texts[i], seconds), 0);
		assert_in_range(time(NULL) - atoll(seconds), 0, 25 * 3600);
	}
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {
		"",    "yesterday", "25:00",	  "10:00:",	      "2026-11-29 10:00 x",  "2026-02-30x",
		"-5m", "5",	    "2026-11-31", "2026-02-29 10:00", "2026-02-30T10:00:00Z"
	};
	char seconds[KS_MOMENT_TEXT] = "kept";

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (!ks_moment_read(wrong[i], seconds))
			fail_msg("'%s' was read", wrong[i]);
		assert_string_equal(seconds, "kept");
	}
}

static void test_local(void **state)
{
	char text[KS_MOMENT_TEXT];

	assert_string_equal(ks_moment_local("2026-11-29T10:00:00.123Z", text), "2026-11-29 11:00:00.123");
	assert_string_equal(ks_moment_local("nothing", text), "nothing");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_dates), cmocka_unit_test(test_relative),
					    cmocka_unit_test(test_time_of_day), cmocka_unit_test(test_refused),
					    cmocka_unit_test(test_local) };

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
