/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/helper.c: helpers that cannot be. */
#include "tests/unit/policy/complaints.h"

static void test_helpers(void **state)
{
	static const struct complaint list[] = {
		{ "helper ftpp\n", 1, 8,
		  "unknown helper 'ftpp' (did you mean 'ftp'?): expected ftp, tftp, sip, irc, pptp or rtsp" },
		{ "helper tftp tcp port 69\n", 1, 13, "helper tftp does not work over tcp: expected udp" },
		{ "helper { ftp, irc } tcp port 21\n", 1, 25, "several helpers cannot share a port" },
		{ "helper {}\n", 1, 1, "this list of helpers is empty" },
		{ "helper ftp log\n", 1, 12, "'log' cannot stand in a helper rule" },
		{ "helper from a\n", 1, 8, "unknown helper 'from'" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
