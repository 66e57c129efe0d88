/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/network.c: the networks of the zones in the tables. */
#include "tests/unit/policy/support.h"

/* The longest comes first; a zone is outside in a family of which it has no network, or one of everything. */
static void test_networks(void **state)
{
	struct ks_policy *policy = load_good("zone lan { eth1, network 10.0.0.0/8, network fd00::/64 }\n"
					     "zone dmz { eth2, network 10.9.0.0/16, network 10.8.0.0/24 }\n"
					     "zone dsl { ppp0, network 0.0.0.0/0 }\n"
					     "zone wan { eth0, network 203.0.113.0/24 }\n");
	static const __u8 bits[] = { 64, 24, 24, 16, 8, 0 };
	const struct ks_config *config = &policy->config;
	__u64 lan = 1ULL << 2, dmz = 1ULL << 3, outside = 1ULL << 4 | 1ULL << 5 | 1ULL << KS_ZONE_NONE;

	assert_int_equal(config->networks, KS_ARRAY_SIZE(bits));
	for (size_t i = 0; i < KS_ARRAY_SIZE(bits); i++)
		assert_int_equal(config->network[i].bits, bits[i]);
	assert_int_equal(config->network[0].zone, 2);
	assert_int_equal(config->network[3].zone, 3);
	assert_true((config->outside[0] & (lan | dmz | outside)) == outside);
	assert_true((config->outside[1] & (lan | dmz | outside)) == (dmz | outside));
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
