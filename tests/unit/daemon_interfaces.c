/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/interfaces.c: which zone an interface is in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/interfaces.h"

static void check(const struct ks_policy *policy, const char *name, const char *zone)
{
	const char *found = ks_policy_zone_name(policy, ks_interfaces_zone_of(policy, name));

	if (strcmp(found, zone))
		fail_msg("%s is in zone %s, not in %s", name, found, zone);
}

static void test_exact_names_and_patterns(void **state)
{
	static const char text[] = "zone lan { eth*, br0 }\n"
				   "zone wan { wan0, ppp* }\n"
				   "allow from lan to wan\n";
	struct ks_policy *policy;
	struct ks_diags diags;

	assert_int_equal(ks_policy_load_text(text, sizeof(text) - 1, "test", ".", &policy, &diags), 0);
	ks_diags_fini(&diags);
	check(policy, "eth0", "lan");
	check(policy, "eth", "lan");
	check(policy, "br0", "lan");
	check(policy, "br01", "none");
	check(policy, "br", "none");
	check(policy, "wan0", "wan");
	check(policy, "wan", "none");
	check(policy, "xeth0", "none");
	check(policy, "ppp0", "wan");
	check(policy, "lo", "none");
	check(policy, "", "none");
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_exact_names_and_patterns) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
