/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/lex.c: characters that belong nowhere. */
#include "tests/unit/policy/complaints.h"

static void test_characters(void **state)
{
	static const struct complaint list[] = {
		{ "allow log \"never ends\nallow\n", 1, 11, "this string has no end" },
		{ "allow \001\n", 1, 7, "a control character (0x01)" },
		{ "allow \\ tcp\n", 1, 7, "'\\' can only stand in a string" },
		{ "}\n", 1, 1, "expected a statement such as 'allow' or 'zone', found '}'" },
		{ "\n\n  alow\n", 3, 3, "unknown statement 'alow' (did you mean 'allow'?)" },
		{ "deny log \"caf\xe9\"\n", 1, 14, "this string is not UTF-8 (byte 0xe9)" },
		{ "include \"a\\\\\xff\"\n", 1, 13, "this string is not UTF-8 (byte 0xff)" },
		{ "deny log \"a\xc2\x9b"
		  "2J\"\n",
		  1, 12, "this string has a control character" },
		{ "deny log \"\xe2\x80\xae\"\n", 1, 11, "this string has a control character" },
		{ "\"zone\" lan\n", 1, 1, "found the string \"zone\"" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
