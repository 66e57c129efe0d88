/* SPDX-License-Identifier: BSD-2-Clause */
/* proof/assertion.c: assertions hold when the question says so, and what refutes one is shown. */
#include "proof/assertion.h"
#include "tests/unit/policy/support.h"

#define HEAD                                                                              \
	"zone lan { eth1, network 10.0.0.0/24 }\n"                                        \
	"zone wan { eth0, address 203.0.113.7 }\n"                                        \
	"set d { } dynamic\n"                                                             \
	"allow from lan to wan tcp\n"                                                     \
	"allow from wan to lan tcp port 22 source @d\n"                                   \
	"allow from lan to self udp ttl 1-9\n"                                            \
	"forward from wan destination address of wan tcp port 8022 to 10.0.0.5 port 22\n" \
	"allow from lan to self tcp port 25 flags S/SA\n"                                 \
	"allow from lan to self icmp type 8 during mon 08:00-18:00\n"

/* Runs a test of these steps; sets the result. */
static enum ks_outcome run(const char *steps, struct ks_test_result *result)
{
	struct ks_home home;
	struct ks_policy *policy;
	char text[1024];
	int err;

	snprintf(text, sizeof(text), HEAD "test \"t\" {\n%s\n}\n", steps);
	policy = load_good(text);
	assert_int_equal(ks_native_home_create(policy, &home), 0);
	home.prove = ks_assertion_prove;
	err = ks_scenario_run(policy, &policy->tests[0], &home, NULL, NULL, result);
	assert_true(err == 0 || err == -EINVAL);
	ks_native_home_destroy(&home);
	ks_policy_destroy(policy);
	return result->outcome;
}

static void test_holds(void **state)
{
	static const char *const steps[] = {
		"never wan > lan tcp port 23",
		"never lan > wan udp",
		"always lan > wan tcp port { 80, 443 } source 10.0.0.0/24",
		"always wan > lan tcp port 22 source @d",
		"never none > any",
		"never wan > self icmpv6", /* neighbours pass, but whoever does not name them means rules */
		"never wan > self icmp type 99",
		"never lan > self icmpv6 type redirect",
		"always lan > self icmpv6 type neighbour-solicitation",
		"always wan > lan family ipv4 proto igmp",
		"always lan > wan tcp", /* a rule with flags S/SA would do: others open no connection */
		"always lan > self tcp port 25",
		"never lan > self tcp port 25 flags A/SA",
		"never lan > self udp ttl 10-255",
		"always lan > self udp ttl 3-9",
		"always lan > self icmp type 8 during mon 08:00-18:00",
		"never wan > self udp\nlan 10.0.0.5:1 > wan 192.0.2.1:80 tcp syn => allow",
	};
	struct ks_test_result result;

	for (size_t i = 0; i < KS_ARRAY_SIZE(steps); i++) {
		if (run(steps[i], &result) != KS_OUTCOME_OK)
			fail_msg("%s: %s", steps[i], result.step.got);
	}
}

static void test_refuted(void **state)
{
	static const struct {
		const char *step, *got, *why;
	} list[] = {
		{ "never wan > lan tcp port 22 source @d", "source @d", "test.conf:5 allows them" },
		{ "never wan > lan tcp port 22 source not @d", "port 8022",
		  "test.conf:7 forwards them" }, /* that is forwarded there */
		{ "always lan > wan", "not from lan to wan", "no rule allows them; such as lan 10.0.0.1 > wan" },
		{ "always lan > wan destination address of wan", "no packet of this kind", "" },
		{ "always lan > wan tcp source 127.0.0.1", "comes to the rules as the first one of a connection", "" },
		{ "never wan > self icmpv6 type router-advertisement", "type 134 code 0",
		  "no rule denies them: neighbours, routers and multicast listeners pass; such as wan fe80::1 > self "
		  "ff02::1" },
		{ "never lan > self icmpv6 type { neighbour-advertisement, echo-request }", "icmpv6 type", "pass" },
		{ "always wan > lan icmp type 99", "comes to the rules as the first one of a connection", "" },
		{ "always lan > wan tcp port 0", "comes to the rules as the first one of a connection", "" },
		{ "always lan > wan tcp flags A/SA", "comes to the rules as the first one of a connection", "" },
		{ "always lan > self tcp port 25-26", "tcp port 26", "no rule allows them; such as" },
		{ "never lan > wan tcp ttl 5", "from lan to wan tcp", "test.conf:4 allows them" },
		{ "never lan > self udp", "from lan to self udp ttl 1-9", "test.conf:6 allows them" },
		{ "never lan > self udp", "ttl 1-9", "; such as lan 10.0.0.1:40000 > self 203.0.113.7:80 udp ttl 9" },
		{ "always lan > self udp", "from lan to self udp ttl not 1-9", "no rule allows them; such as" },
		{ "never lan > self icmp", "during mon 08:00-18:00", "test.conf:9 allows them" },
		{ "always lan > self icmp type 8", "type 8 during not mon 08:00-18:00", "no rule allows them" },
	};
	struct ks_test_result result;

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		if (run(list[i].step, &result) != KS_OUTCOME_FAILED || !strstr(result.step.got, list[i].got) ||
		    !strstr(result.step.why, list[i].why))
			fail_msg("%s: %s: %s", list[i].step, result.step.got, result.step.why);
	}
}

/* A home that proves nothing says so, and counts it as no failure of the policy. */
static void test_without_proofs(void **state)
{
	struct ks_policy *policy = load_good(HEAD "test \"t\" { never lan > wan tcp }\n");
	struct ks_tests_summary summary;

	assert_int_equal(ks_policy_tests_run(policy, NULL, NULL, &summary), 0);
	assert_int_equal(ks_policy_tests_run(policy, ks_assertion_prove, NULL, &summary), -EBADMSG);
	assert_int_equal(summary.failed, 1);
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_refuted),
		cmocka_unit_test(test_without_proofs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
