/* SPDX-License-Identifier: BSD-2-Clause */
/* text/memory_file.c: what is written is there, whole or not at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "text/memory_file.h"

static void test_whole(void **state)
{
	struct ks_memory_file file;
	char *text, number[8];

	assert_int_equal(ks_memory_file_open(&file), 0);
	for (unsigned i = 0; i < 10000; i++)
		fprintf(file.out, "%05u\n", i);
	text = ks_memory_file_take(&file);
	assert_non_null(text);
	assert_int_equal(strlen(text), 60000);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(number, sizeof(number), "%05u\n", i);
		assert_memory_equal(text + i * 6, number, 6);
	}
	free(text);
	ks_memory_file_fini(&file);
}

static void test_nothing(void **state)
{
	struct ks_memory_file file;
	char *text;

	assert_int_equal(ks_memory_file_open(&file), 0);
	text = ks_memory_file_take(&file);
	assert_string_equal(text, "");
	free(text);
	ks_memory_file_fini(&file);
}

/* It may end by its scope before it was taken. */
static void test_given_up(void **state)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	assert_int_equal(ks_memory_file_open(&file), 0);
	fputs("given up", file.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
