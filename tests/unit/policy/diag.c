/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/diag.c: all errors in one run, in order, bounded, printed with a caret. */
#include "tests/unit/policy/support.h"

/* One run reports all errors, in the order of the text. */
static void test_many(void **state)
{
	static const char text[] = "zone lan { eth1, bad name, et*h, wlan0 }\n"
				   "alow from lan\n"
				   "set a { 10.0.0.300,\n"
				   "        10.0.0.1, # good\n"
				   "        10.0.0.301 }\n"
				   "allow from wan source @a\n"
				   "deny tcp port 99999\n"
				   "zone wan { eth2\n"
				   "option pickup maybe\n";
	static const unsigned lines[] = { 1, 2, 3, 5, 7, 9, 9 };
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "test.conf", NULL, &policy, &diags), -EINVAL);
	assert_null(policy);
	assert_int_equal(diags.errors, KS_ARRAY_SIZE(lines));
	for (size_t i = 0; i < KS_ARRAY_SIZE(lines); i++)
		assert_int_equal(diags.list[i].place.line, lines[i]);
	ks_diags_fini(&diags);
}

static void test_print(void **state)
{
	static const char text[] = "\tallow\tsource 10.0.0.300\n";
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char *out = NULL;
	size_t length;
	FILE *file = open_memstream(&out, &length);

	assert_non_null(file);
	assert_int_equal(ks_policy_load_text(text, strlen(text), "test.conf", NULL, &policy, &diags), -EINVAL);
	ks_diags_print(&diags, file, false);
	fclose(file);
	assert_string_equal(out,
			    "test.conf:1:15: error: '10.0.0.300' is no address: expected an address, a prefix such as "
			    "10.0.0.0/24, a range such as 192.0.2.5-192.0.2.9, or @set\n"
			    "    \tallow\tsource 10.0.0.300\n"
			    "    \t     \t       ^\n");
	free(out);
	ks_diags_fini(&diags);
}

/* However many errors there are, the list is bounded and the count true. */
static void test_bounds(void **state)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fputs("nonsense\n", file);
	fclose(file);
	assert_int_equal(ks_policy_load_text(text, length, "test.conf", NULL, &policy, &diags), -EINVAL);
	assert_int_equal(diags.errors, 1000);
	assert_int_equal(diags.count, 200);
	ks_diags_fini(&diags);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
