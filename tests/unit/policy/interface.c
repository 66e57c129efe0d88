/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/interface.c: the longest pattern decides, also between zones and `ignore`. */
#include "tests/unit/policy/support.h"

static void check(const struct ks_policy *policy, const char *name, const char *zone, bool ignored)
{
	bool is_ignored = !ignored;
	__u32 id = ks_policy_interface_zone(policy, name, &is_ignored);

	if (strcmp(ks_policy_zone_name(policy, id), zone))
		fail_msg("'%s' is in zone %s, not in %s", name, ks_policy_zone_name(policy, id), zone);
	if (is_ignored != ignored)
		fail_msg("'%s' is %signored", name, is_ignored ? "" : "not ");
	assert_int_equal(ks_policy_interface_zone(policy, name, NULL), id);
}

static void test_without_patterns(void **state)
{
	struct ks_policy *policy = load_good("zone lan { eth1, eth2 }\nzone wan { eth0 }\n");

	check(policy, "eth1", "lan", false);
	check(policy, "eth2", "lan", false);
	check(policy, "eth0", "wan", false);
	check(policy, "eth", "none", false);
	check(policy, "eth10", "none", false);
	check(policy, "", "none", false);
	check(policy, "lo", "none", true);
	ks_policy_destroy(policy);
}

static void test_longest_pattern(void **state)
{
	struct ks_policy *policy = load_good("zone rest { * }\n"
					     "zone a { eth* }\n"
					     "zone b { eth1*, eth }\n"
					     "zone c { eth1, eth12* }\n");

	check(policy, "eth0", "a", false);
	check(policy, "eth", "b", false);
	check(policy, "eth10", "b", false);
	check(policy, "eth1", "c", false);
	check(policy, "eth12", "c", false);
	check(policy, "eth123", "c", false);
	check(policy, "wlan0", "rest", false);
	check(policy, "", "none", false);
	check(policy, "lo", "none", true);
	ks_policy_destroy(policy);
}

static void test_ignore(void **state)
{
	struct ks_policy *policy = load_good("ignore { docker0, br-* }\n"
					     "zone lan { br-lan, d* }\n"
					     "ignore { veth*, lo* }\n"
					     "zone rest { * }\n"
					     "ignore br-*\n");

	assert_int_equal(policy->ignore_count, 4);
	check(policy, "docker0", "none", true);
	check(policy, "docker1", "lan", false);
	check(policy, "br-1f00", "none", true);
	check(policy, "br-lan", "lan", false);
	check(policy, "br0", "rest", false);
	check(policy, "veth12", "none", true);
	check(policy, "lo0", "none", true);
	check(policy, "lo", "none", true);
	ks_policy_destroy(policy);
}

/* `ignore *` beside zones: only what they name is guarded. */
static void test_ignore_the_rest(void **state)
{
	struct ks_policy *policy = load_good("zone lan { eth1, wg* }\nignore *\n");

	check(policy, "eth1", "lan", false);
	check(policy, "wg7", "lan", false);
	check(policy, "eth0", "none", true);
	check(policy, "", "none", false);
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_patterns),
		cmocka_unit_test(test_longest_pattern),
		cmocka_unit_test(test_ignore),
		cmocka_unit_test(test_ignore_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
