/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/list.c: braces and commas. */
#include "tests/unit/policy/complaints.h"

static void test_lists(void **state)
{
	static const struct complaint list[] = {
		{ "zone lan { eth1, eth 2 }\n", 1, 22, "expected ',' or '}', found '2'" },
		{ "zone lan { eth1\nallow\n", 2, 1,
		  "expected ',' or '}', found 'allow' (the list begins at line 1, column 10)" },
		{ "zone lan { eth1", 1, 16, "found the end of the file" },
		{ "allow { tcp { udp }\n", 1, 13, "expected ',' or '}', found '{'" },
		{ "allow {{{{{{{{{{{{{{{{{tcp}}}}}}}}}}}}}}}}}\n", 1, 23, "lists stand in lists more than 16 deep" },
		{ "allow from\n", 1, 11, "expected a zone, 'self' or 'any', found the end of the line" },
		{ "allow from {}\n", 1, 1, "an empty list of zones" },
		{ "allow tcp port {}\n", 1, 11, "this list is empty" },
		{ "allow proto {}\n", 1, 7, "this list is empty" },
		{ "allow icmp type {}\n", 1, 12, "this list is empty" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
