/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/variable.c: variables, and what they cannot be. */
#include "tests/unit/policy/complaints.h"

static void test_variables(void **state)
{
	struct ks_policy *policy =
		load_good("$server = 192.0.2.7\n$label = \"x, y\"\n$if = { eth0, eth1 }\n"
			  "$ports = { 80, { 443 } }\n$more = { $ports, 8080, }\n"
			  "zone lan $if\n"
			  "allow from lan tcp port { $more, 22 } source { $server, $server/25 } log $label \\\n"
			  "      family ipv4\n");

	assert_string_equal(policy->infos[0].text,
			    "allow from lan family ipv4 tcp port { 22, 80, 443, 8080 } source 192.0.2.0/25");
	assert_string_equal(policy->infos[0].label, "x, y");
	assert_int_equal(policy->zones[0].interface_count, 2);
	ks_policy_destroy(policy);
}

static void test_variable_errors(void **state)
{
	static const struct complaint list[] = {
		{ "$x 5\n", 1, 4, "expected '=' and a value, found '5'" },
		{ "$x =\n", 1, 5, "expected a value" },
		{ "$x = 1\n$x = 2\n", 2, 1, "variable '$x' is already defined at test.conf:1:1" },
		{ "$1x = 1\n", 1, 2, "'1x' cannot name a variable" },
		{ "$dns = 9.9.9.9\nallow source $dsn\n", 2, 14, "unknown variable '$dsn' (did you mean '$dns'?)" },
		{ "allow source $\n", 1, 15, "expected the name of a variable after '$'" },
		{ "$x = foo\nallow source $x\n", 2, 14, "'foo' is no address: expected an address, a prefix" },
		{ "$x = foo\nallow source $x\n", 2, 14, "(in the value of $x)" },
		{ "$x = { 10.0.0.1 }\nallow source $x/8\n", 2, 14, "'/8' cannot stand behind $x" },
		{ "$x = { 10.0.0.1\n", 2, 1, "the '{' at line 1 is not closed" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_variable_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
