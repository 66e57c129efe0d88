/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/events.h: when the daemon looks for events of flows that have woken nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/events.h"
#include "kernel/kernel.h"

#define NOW (1000 * KS_NSEC_PER_SEC)
#define LOOK (KS_FLOWS_LOOK_MS * KS_NSEC_PER_MSEC)

/* A CPU that has woken the daemon is quiet for a while, and what it sends then is found by the next look. */
static void test_look_behind_what_was_found(void **state)
{
	assert_int_equal(ks_events_look_again(1, 0, NOW), NOW + LOOK);
	assert_int_equal(ks_events_look_again(1, NOW + 1, NOW), NOW + LOOK);
	assert_true(LOOK > KS_FLOWS_QUIET_MS * KS_NSEC_PER_MSEC);
}

/* A drop between two flows wakes the daemon as well: it finds no flow, and must come back for the second one all the same. */
static void test_look_for_something_else(void **state)
{
	assert_int_equal(ks_events_look_again(0, NOW + LOOK, NOW + LOOK / 2), NOW + LOOK);
}

static void test_no_look_when_all_is_quiet(void **state)
{
	assert_int_equal(ks_events_look_again(0, NOW + LOOK, NOW + LOOK), 0);
	assert_int_equal(ks_events_look_again(0, 0, NOW), 0);
}

/* The rest of a storm, left for the sake of other work, is looked for at once. */
static void test_look_at_once_in_a_storm(void **state)
{
	assert_int_equal(ks_events_look_again(KS_FLOWS_TOGETHER, NOW + LOOK, NOW), NOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look_behind_what_was_found),
		cmocka_unit_test(test_look_for_something_else),
		cmocka_unit_test(test_no_look_when_all_is_quiet),
		cmocka_unit_test(test_look_at_once_in_a_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
