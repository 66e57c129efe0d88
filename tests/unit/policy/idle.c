/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/idle.c: warnings of clauses that no packet meets, that each one meets, or that do nothing. */
#include "tests/unit/policy/complaints.h"

#define REST "allow from self\nallow to self\n"

static void test_warnings(void **state)
{
	static const struct complaint list[] = {
		{ "deny tcp flags SF/SF\n" REST, 1, 10, "a packet with SYN and FIN or RST is dropped before" },
		{ "deny tcp flags SR/SRA\n" REST, 1, 10, "no other one matches this rule" },
		{ "deny tcp length 0-39\n" REST, 1, 17, "its headers have 40 octets" },
		{ "deny tcp length { 100, 59 } family ipv6\n" REST, 1, 24, "its headers have 60 octets" },
		{ "deny udp length 27\n" REST, 1, 17, "its headers have 28 octets" },
		{ "deny length 0-19\n" REST, 1, 13, "its headers have 20 octets" },
		{ "allow mac { 33:33:00:00:00:01, 02:00:00:00:00:01 }\n" REST, 1, 13, "the address of a group" },
		{ "deny from self mac 02:00:00:00:00:01\n" REST, 1, 16, "has come by no link" },
		{ "deny during mon-sun\n" REST, 1, 6, "these are all times of the week: 'during' says nothing here" },
		{ "deny during { 08:00-18:00, 18:00-08:00 }\n" REST, 1, 6, "'during' says nothing" },
		{ "deny during not { fri 22:00-06:00, sat 06:00-24:00, sun-fri }\n" REST, 1, 6,
		  "so that this rule never matches" },
		{ "allow udp mss 1400\n" REST, 1, 1, "only TCP has an MSS, and this rule is for other protocols" },
		{ "allow icmp type echo-request mss mtu\n" REST, 1, 1, "'mss' does nothing here" },
	};

	check_all(list, KS_ARRAY_SIZE(list), true);
}

/* Clauses that say something. */
static void test_no_warnings(void **state)
{
	static const char *const list[] = {
		"deny tcp flags S/SFR\n",
		"deny tcp flags F/SF\n",
		"deny tcp length 40\n",
		"deny length not 0-19\n",
		"deny udp length 0-28\n",
		"deny mac not 02:00:00:00:00:01\n",
		"deny mac 33:33:00:00:00:01\n",
		"deny during mon-sat\n",
		"deny during 00:00-23:59\n",
		"deny during { mon-sat, sun 00:01-24:00 }\n",
		"allow mss 1400\n",
		"allow { tcp, udp } mss 1400\n",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		ks_auto_policy struct ks_policy *policy = NULL;
		ks_auto_diags struct ks_diags diags = { 0 };
		char text[256];

		snprintf(text, sizeof(text), "%s" REST, list[i]);
		assert_int_equal(ks_policy_load_text(text, strlen(text), "t", NULL, &policy, &diags), 0);
		if (diags.count)
			fail_msg("%s: %s", list[i], diags.list[0].message);
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
