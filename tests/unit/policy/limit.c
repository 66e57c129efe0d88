/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of rules: complaints, and what is made of them. */
#include "tests/unit/policy/complaints.h"

#define SET "set bad { } dynamic\n"
#define DENY "deny source @bad\n"
#define HOUR_MS 3600000U

static void test_errors(void **state)
{
	static const struct complaint list[] = {
		{ "deny tcp limit 5/minute\n", 1, 10, "only what a rule allows has limits" },
		{ "allow tcp limit\n", 1, 16, "expected a rate of new flows such as 10/minute" },
		{ "allow tcp limit many\n", 1, 17, "'many' is no limit" },
		{ "allow tcp limit 0/minute\n", 1, 17,
		  "'0/minute' is out of bounds: expected 1 to 1000000000 new flows" },
		{ "allow tcp limit 1000000001/second\n", 1, 17,
		  "'1000000001/second' is out of bounds: expected 1 to 1000000000 new flows" },
		{ "allow tcp limit x/minute\n", 1, 17, "'x/minute' is no limit" },
		{ "allow tcp limit 5/month\n", 1, 19, "unknown time 'month': expected second, minute, hour or day" },
		{ "allow tcp limit 3/5s\n", 1, 19,
		  "a rate is so many in one second, minute, hour or day: expected one such as 36/minute" },
		{ "allow tcp limit 5 flows\n", 1, 19, "unknown unit 'flows' of a limit" },
		{ "allow tcp limit 0 connections\n", 1, 17, "expected 1 to 16777216 connections" },
		{ "allow tcp limit 5k connections\n", 1, 17, "'5k' is out of bounds" },
		{ "allow tcp limit 2000G octets/second\n", 1, 17,
		  "expected 1 to 1000000000000 octets/second, with k, M or G" },
		{ "allow tcp limit 5 connections burst 5\n", 1, 31, "'burst' cannot stand with connections" },
		{ "allow tcp limit 5/minute burst none\n", 1, 32,
		  "'none' is no burst: expected 1 to 1000000000 new flows" },
		{ "allow udp limit 5 packets/second burst 1001G\n", 1, 40,
		  "'1001G' is no burst: expected 1 to 1000000000 packets, with k, M or G for 10^3, 10^6 or 10^9" },
		{ "allow udp limit 5 octets/second burst 1001G\n", 1, 39,
		  "'1001G' is no burst: expected 1 to 1000000000000 octets, with k, M or G" },
		{ "allow tcp limit 5/minute per source burst 5\n", 1, 37,
		  "'burst' stands before 'per': expected it behind the rate, as in limit 10/minute burst 5 per "
		  "source" },
		{ SET DENY "allow tcp limit 5/minute per source overload @bad burst 5\n", 3, 51,
		  "'burst' stands before 'per'" },
		{ "allow tcp limit 5/minute per host\n", 1, 30, "'host' cannot have a limit" },
		{ "allow tcp limit 5/minute per flow\n", 1, 30, "a flow can have no limit of flows" },
		{ "allow tcp limit 5/minute per source/33\n", 1, 37,
		  "'33' is no prefix length of IPv4: expected 0 to 32" },
		{ "allow tcp limit 5/minute per source/24,129\n", 1, 40,
		  "no prefix length of IPv6: expected 0 to 128" },
		{ "allow tcp limit 5 packets/second per flow limit 6 packets/second per flow\n", 1, 43,
		  "a flow has one limit of packets: expected it once" },
		{ SET DENY "allow tcp limit 5/minute overload @bad\n", 3, 26,
		  "expected 'per source' before 'overload'" },
		{ SET DENY "allow tcp limit 5/minute per destination overload @bad\n", 3, 42,
		  "only a limit per source tells whom to put into a set" },
		{ SET DENY "allow tcp limit 5/minute per source overload bad\n", 3, 46,
		  "'bad' is no set: expected @bad" },
		{ SET DENY "allow tcp limit 5/minute per source overload @bat\n", 3, 46,
		  "unknown set '@bat' (did you mean '@bad'?)" },
		{ SET DENY "allow tcp limit 5/minute per source overload @bad for ever\n", 3, 55,
		  "'ever' is no time in a set: expected a duration such as 10m" },
		{ SET DENY "allow tcp limit 5/minute per source overload @bad end it\n", 3, 55,
		  "expected 'flows' behind 'end'" },
		{ SET DENY "allow udp limit 5/minute per source overload @bad\n", 3, 7,
		  "a limit of udp cannot put its source into a set, because the source may be forged" },
		{ "set bad { 192.0.2.1 }\n" DENY "allow tcp limit 5/minute per source overload @bad\n", 3, 46,
		  "set '@bad' cannot change while the policy is in force: expected a dynamic one, set bad { } "
		  "dynamic" },
		{ "set bad port { 22 }\nallow tcp port @bad\nallow tcp limit 5/minute per source overload @bad\n", 3,
		  46, "set '@bad' holds ports: expected a set of addresses" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_a_set_that_nobody_asks(void **state)
{
	static const struct complaint list[] = {
		{ SET "allow tcp limit 5/minute per source overload @bad\n", 1, 5,
		  "set 'bad' is filled by rules, and none asks for it" },
	};

	check_all(list, KS_ARRAY_SIZE(list), true);
}

static void test_what_is_made(void **state)
{
	static const char text[] = "set other { } dynamic\n" SET DENY "deny source @other\n"
				   "allow tcp port 22 limit 10/minute per source/24 overload @bad for 1h end flows "
				   "limit 20 connections\n";
	struct ks_policy *policy = load_good(text);
	const struct ks_limit *limit = policy->limits;

	assert_int_equal(policy->config.limits, 2);
	assert_int_equal(limit[0].amount, 10);
	assert_int_equal(limit[0].bits[0], 24);
	assert_int_equal(limit[0].bits[1], 64);
	assert_int_equal(limit[0].overload, 2); /* the second of the run-time sets */
	assert_int_equal(limit[0].hold, HOUR_MS);
	assert_int_equal(limit[0].ends, 1);
	assert_int_equal(limit[1].overload, 0);
	assert_int_equal(limit[1].rule, limit[0].rule);
	assert_string_equal(ks_policy_rule(policy, limit[0].rule)->text,
			    "allow tcp port 22 limit 10/minute per source/24 overload @bad for 1h end flows limit 20 "
			    "connections");
	/* By what it counts it keeps its id over a reload. */
	assert_string_equal(ks_policy_rule(policy, limit[0].rule)->identity,
			    "allow tcp port 22 limit flows per source/24 limit connections");
	ks_policy_destroy(policy);
}

/* The parser reads what is printed as the same. */
static void test_printed(void **state)
{
	static const char text[] = NAT_ZONES SET DENY
		"allow tcp limit 10/minute burst 5 limit 3/day burst 2 per destination/0,128 log\n"
		"allow udp limit 1M octets/second per flow limit 1001 packets/second burst 2k\n"
		"allow sctp limit 5 connections per source/24,48 overload @bad end flows\n"
		"forward from a tcp port 80 limit 7/second per source to b 192.0.2.1 limit 9 connections\n"
		"redirect from a tcp port 80 to self port 8080 limit 7/hour per source overload @bad for 10d\n";
	struct ks_policy *policy = load_good(text), *again;
	char *printed = print_text(policy);

	assert_int_equal(policy->config.limits, 8);
	again = load_good(printed);
	assert_same_tables(policy, again);
	free(printed);
	ks_policy_destroy(again);
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_a_set_that_nobody_asks),
		cmocka_unit_test(test_what_is_made),
		cmocka_unit_test(test_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
