/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/reach.c: warnings of rules whose clauses exclude each other. */
#include "tests/unit/policy/complaints.h"

static void test_warnings(void **state)
{
	static const struct complaint list[] = {
		{ "allow family ipv6 source 10.0.0.0/8\n", 1, 1, "can never match" },
		{ "allow source fd00::1 destination 10.0.0.1\n", 1, 1, "can never match" },
		{ "allow icmp source fd00::1\n", 1, 1, "can never match" },
		{ "set a { }\nallow source @a\n", 2, 14, "set '@a' is empty, so this rule can never match" },
		{ "allow source { 10.0.0.1, not 10.0.0.0/8 }\n", 1, 16, "'not' takes away all entries of this list" },
		{ "set a { }\nset b { @a }\nallow destination { @b, @a }\n", 3, 21, "set '@b' is empty" },
		{ NAT_ZONES "nat to b source fd00::/64 to 203.0.113.7\n", 3, 1, "can never match" },
	};

	check_all(list, KS_ARRAY_SIZE(list), true);
}

/* Rules that look alike but leave packets to each other. */
static void test_no_warnings(void **state)
{
	static const char *const texts[] = {
		"allow tcp port 80\nallow udp port 80\nallow tcp port 81\nallow tcp\ndeny\n",
		"allow source 10.0.0.0/8\nallow source not 10.0.0.0/8\n",
		"zone a { eth0 }\nallow from a\nallow to a\nallow from self\n",
		"allow family ipv4\nallow tcp family ipv6\nallow family ipv6 log\n",
		"allow icmp type 8 code 0\nallow icmp type 8\n",
		"allow tcp\nallow { tcp, udp }\n",
		"allow tcp source port 80\nallow tcp port 80\n",
		"zone a { eth0 }\nallow from none to a\nallow from a to none\nallow from self to { a, none }\n",
		NAT_ZONES "forward from b tcp port 80 to 10.0.0.5\nallow from b tcp port 80\nnat to b masquerade\n",
		NAT_ZONES "nat to b source 10.0.0.1 exempt\nnat to b masquerade\nallow to b\nhelper ftp to b\n",
		NAT_ZONES "binat 10.0.0.5 to 203.0.113.5 on b\nnat to b masquerade\nhelper { ftp, tftp } to b\n",
		"allow from none\nallow to none\nallow from { none, self } to any\n",
		"allow from self to self\nallow from { none, self } to self\n",
		"allow from none to self\nallow from self to none\nallow from none to none\n",
		"deny icmpv6 type router-advertisement\nallow icmpv6 type redirect\nallow icmp type redirect\n",
		"deny icmpv6 type { neighbour-solicitation, router-advertisement }\n",
		"zone a { eth* }\nzone b { eth1, eth1* }\nzone rest { * }\nignore { eth2, docker* }\nignore docker*\n",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(texts); i++) {
		struct ks_policy *policy = NULL;
		struct ks_diags diags;

		assert_int_equal(ks_policy_load_text(texts[i], strlen(texts[i]), "t", NULL, &policy, &diags), 0);
		if (diags.count)
			fail_msg("%s: %s", texts[i], diags.list[0].message);
		ks_diags_fini(&diags);
		ks_policy_destroy(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_no_warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
