/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/api/wall_clock.c: times of one moment, however long it takes to write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "core/types.h"
#include "daemon/api/wall_clock.h"

#define NOW (1000 * KS_NSEC_PER_SEC)
#define A_WHILE 20000 /* us, while the wall clock goes on */

static void test_a_moment_has_one_time(void **state)
{
	char first[KS_WALL_TEXT], later[KS_WALL_TEXT];

	ks_wall_text(NOW, NOW, true, first);
	usleep(A_WHILE);
	assert_string_equal(ks_wall_text(NOW, NOW, true, later), first);
}

static void test_what_was_before_is_not_later(void **state)
{
	char before[KS_WALL_TEXT], now[KS_WALL_TEXT];

	ks_wall_text(NOW, NOW, true, now);
	usleep(A_WHILE);
	assert_true(strcmp(ks_wall_text(NOW, NOW - KS_NSEC_PER_MSEC, true, before), now) < 0);
}

static void test_another_moment_has_another_time(void **state)
{
	char first[KS_WALL_TEXT], later[KS_WALL_TEXT];

	ks_wall_text(NOW, NOW, true, first);
	usleep(A_WHILE);
	assert_true(strcmp(ks_wall_text(NOW + 1, NOW + 1, true, later), first) > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_moment_has_one_time),
		cmocka_unit_test(test_what_was_before_is_not_later),
		cmocka_unit_test(test_another_moment_has_another_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
