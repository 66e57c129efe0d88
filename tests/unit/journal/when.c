/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/when.c: moments in and out. */
#include "tests/unit/journal/support.h"

#include <errno.h>

static void check(const char *text, int64_t expected)
{
	int64_t ms = -1;

	assert_int_equal(ks_when_read(text, &ms), 0);
	assert_int_equal(ms, expected);
}

static void test_forms(void **state)
{
	check("1970-01-01T00:00:00Z", 0);
	check("2026-11-29T10:00:00.123Z", 1795946400123);
	check("2026-11-29T10:00:00.1Z", 1795946400100);
	check("2026-11-29T11:00:00+01:00", 1795946400000);
	check("2026-11-29T05:30:00-04:30", 1795946400000);
	check("2026-11-29 10:00:00Z", 1795946400000);
	check("1795946400", 1795946400000);
	check("1795946400.25", 1795946400250);
	check("0", 0);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = { "",
					     "x",
					     "10:00",
					     "2026-11-29T10:00:00",
					     "2026-13-29T10:00:00Z",
					     "2026-11-29T24:00:00Z",
					     "2026-11-29T10:00:00Zx",
					     "2026-11-29T10:00:00+1",
					     "-5",
					     "1e9",
					     "1.2.3",
					     "99999999999999999999" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int64_t ms = 77;

		if (ks_when_read(wrong[i], &ms) != -EINVAL)
			fail_msg("%s was read", wrong[i]);
		assert_int_equal(ms, 77);
	}
}

static void test_text(void **state)
{
	char text[KS_WHEN_TEXT];

	assert_string_equal(ks_when_text(1795946400007, text), "2026-11-29T10:00:00.007Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_forms), cmocka_unit_test(test_refused),
					    cmocka_unit_test(test_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
