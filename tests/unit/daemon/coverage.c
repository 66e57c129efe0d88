/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/coverage.c: interfaces in no zone, and lists that are whole or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/coverage.h"
#include "tests/unit/daemon/interfaces/entry.h"
#include "text/scoped.h"

static void test_ignore_line(void **state)
{
	struct ks_guarded list[] = { entry("lan0", 2, KS_ROLE_GUARDED, 2),   entry("docker0", 3, KS_ROLE_GUARDED, 0),
				     entry("veth12", 4, KS_ROLE_GUARDED, 0), entry("veth9a", 5, KS_ROLE_GUARDED, 0),
				     entry("br9", 6, KS_ROLE_CARRIER, 0),    entry("eth9", 7, KS_ROLE_PORT, 0),
				     entry("odd\xff", 8, KS_ROLE_GUARDED, 0) };
	struct ks_interfaces interfaces = { .list = list, .count = KS_ARRAY_SIZE(list) };
	char *line = ks_coverage_ignore_line(&interfaces);
	json_t *none = ks_coverage_in_no_zone(&interfaces);

	assert_string_equal(line, "ignore { docker0, veth* }");
	free(line);
	assert_int_equal(json_array_size(none), 5);
	assert_string_equal(json_string_value(json_array_get(none, 3)), "eth9");
	assert_string_equal(json_string_value(json_array_get(none, 4)), "odd\\xff");
	json_decref(none);
	interfaces.count = 1;
	line = ks_coverage_ignore_line(&interfaces);
	assert_string_equal(line, "");
	free(line);
}

/* Fails the allocation that the countdown ends at. */
static long until_failure;

static void *failing_malloc(size_t size)
{
	return until_failure-- == 0 ? NULL : malloc(size);
}

static void test_without_memory_there_is_no_short_list(void **state)
{
	struct ks_guarded list[] = { entry("lan0", 2, KS_ROLE_GUARDED, 2), entry("docker0", 3, KS_ROLE_GUARDED, 0),
				     entry("veth12", 4, KS_ROLE_GUARDED, 0) };
	struct ks_interfaces interfaces = { .list = list, .count = KS_ARRAY_SIZE(list) };
	bool failed = true;

	json_set_alloc_funcs(failing_malloc, free);
	for (long n = 0; failed; n++) {
		json_t *none;

		until_failure = n;
		none = ks_coverage_in_no_zone(&interfaces);
		failed = until_failure < 0;
		assert_true(none || failed);
		assert_true(!none || json_array_size(none) == 2);
		json_decref(none);
	}
	json_set_alloc_funcs(malloc, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ignore_line),
		cmocka_unit_test(test_without_memory_there_is_no_short_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
