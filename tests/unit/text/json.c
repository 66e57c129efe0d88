/* SPDX-License-Identifier: BSD-2-Clause */
/* text/json.c: lists that are whole or nothing, and texts that are no UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/json.h"
#include "text/scoped.h"

static void test_names_of_interfaces(void **state)
{
	char text[KS_NAME_TEXT];

	assert_string_equal(ks_name_text("eth0", text), "eth0");
	assert_string_equal(ks_name_text("b\xc3\xbcro", text), "b\xc3\xbcro");
	assert_string_equal(ks_name_text("b\xfcro", text), "b\\xfcro");
	assert_string_equal(ks_name_text("e\033[31mx", text), "e\\x1b[31mx");
	assert_string_equal(ks_name_text("\xc3\xbc\xc2\x9b"
					 "1m",
					 text),
			    "\xc3\xbc\\xc2\\x9b1m"); /* C1 */
	assert_string_equal(ks_name_text("\xe2\x80\xae"
					 "0hte",
					 text),
			    "\\xe2\\x80\\xae0hte"); /* to the left */
	assert_string_equal(ks_name_text("\xfc\033", text), "\\xfc\\x1b");
	assert_string_equal(ks_name_text("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", text),
			    "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff");
}

static void check_text(const char *text, const char *wanted)
{
	ks_auto_json json_t *value = ks_json_text(text);

	assert_string_equal(json_string_value(value), wanted);
}

static void test_texts(void **state)
{
	check_text("", "");
	check_text("allow from lan", "allow from lan");
	check_text("b\xc3\xbcro", "b\xc3\xbcro");
	check_text("\xff", "\xef\xbf\xbd");
	check_text("# caf\xe9 \xc3\xbc", "# caf\xef\xbf\xbd \xc3\xbc");
	assert_null(ks_json_text(NULL));
}

static void test_a_list_without_an_entry_is_none(void **state)
{
	json_t *list = json_array();

	ks_json_append(&list, json_integer(1));
	assert_int_equal(json_array_size(list), 1);
	ks_json_append(&list, NULL); /* as without memory */
	assert_null(list);
	ks_json_append(&list, json_integer(2)); /* and is freed */
	assert_null(list);
}

static void test_an_object_without_a_member_is_none(void **state)
{
	json_t *object = json_object();

	ks_json_set(&object, "a", json_integer(1));
	assert_int_equal(json_object_size(object), 1);
	ks_json_set(&object, "b", NULL);
	assert_null(object);
	ks_json_set(&object, "c", json_integer(3));
	assert_null(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_interfaces),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_a_list_without_an_entry_is_none),
		cmocka_unit_test(test_an_object_without_a_member_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
