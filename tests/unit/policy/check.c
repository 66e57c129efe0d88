/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/check.c and policy/list.c: warnings of what is right, but hardly meant. */
#include "tests/unit/policy/complaints.h"

static void test_warnings(void **state)
{
	static const struct complaint list[] = {
		{ "set a { 10.0.0.1 }\n", 1, 5, "set 'a' is never used" },
		{ "allow source 10.0.0.1/24\n", 1, 14, "the network 10.0.0.0/24 is used" },
		{ "allow source fd00::1/64\n", 1, 14, "the network fd00::/64 is used" },
		{ "zone a { network 10.0.0.1/8 }\nallow from a\n", 1, 18, "the network 10.0.0.0/8 is used" },
		{ NAT_ZONES "nat to b to 203.0.113.17/28\n", 3, 13, "the network 203.0.113.16/28 is used" },
		{ NAT_ZONES "forward from b tcp port { 80, 81 } to 10.0.0.5 port 90\n", 3, 53,
		  "ports 80-81 become 90-91 one by one" },
		{ "\ndeny proto igmp\n", 2, 1, "no rule is asked about IGMP" },
		{ "deny icmpv6 type neighbour-solicitation\n", 1, 13, "no rule is asked about these types" },
		{ "deny icmpv6 type { 130, 133, 143 }\n", 1, 13, "no rule is asked about these types" },
	};

	check_all(list, KS_ARRAY_SIZE(list), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
