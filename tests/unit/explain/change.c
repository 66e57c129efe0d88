/* SPDX-License-Identifier: BSD-2-Clause */
/* The sentences about a reload: explain/change.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "explain/change.h"

static char told[1024];

static void take_line(bool warning, const char *line)
{
	size_t used = strlen(told);

	snprintf(told + used, sizeof(told) - used, "%s%s\n", warning ? "WARNING " : "", line);
}

static void check(json_t *change, const char *expected)
{
	told[0] = '\0';
	ks_change_tell(change, take_line);
	assert_string_equal(told, expected);
	json_decref(change);
}

static void test_the_table(void **state)
{
	check(json_pack("{s:i}", "table_grown", 60000),
	      "the table of states is larger now, made for 60000; all states are in it\n");
	check(json_pack("{s:i}", "table_kept", 20000),
	      "the table of states stays as it is, made for 20000, until the firewall is stopped and started\n");
}

static void test_names_and_warnings(void **state)
{
	check(json_pack("{s:[s, s], s:[], s:[s]}", "now_guarded", "lan0", "wan0", "no_longer_guarded", "warnings",
			"no zone"),
	      "now guarded: lan0, wan0\nWARNING no zone\n");
}

static void test_states_of_lost_zones(void **state)
{
	check(json_pack("{s:i, s:[s]}", "states_cut", 1, "zones_cut", "dmz"),
	      "WARNING 1 live state belongs to a zone that the policy does not have (dmz): what comes from there is "
	      "dropped\n");
}

static void test_nothing(void **state)
{
	check(json_object(), "");
	ks_change_tell(NULL, take_line);
	assert_string_equal(told, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_table),
		cmocka_unit_test(test_names_and_warnings),
		cmocka_unit_test(test_states_of_lost_zones),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
