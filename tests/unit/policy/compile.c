/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/compile.c: what rules become in the tables of core/rules.h. */
#include "tests/unit/policy/support.h"

#define ZONES "zone lan { eth1 }\nzone wan { eth0 }\n"

static void test_masks(void **state)
{
	struct ks_policy *policy = load_good(ZONES "allow from lan to self\n"
						   "allow from { lan, wan } to any\n"
						   "allow tcp\n"
						   "allow to { none, { any, lan } } udp\n");

	assert_true(policy->rules[0].from_zones == 1ULL << 2);
	assert_true(policy->rules[0].to_zones == 1ULL << KS_ZONE_SELF);
	assert_true(policy->rules[1].from_zones == (1ULL << 2 | 1ULL << 3));
	assert_true(policy->rules[1].to_zones == KS_ZONES_ANY);
	assert_true(policy->rules[2].from_zones == KS_ZONES_ANY && policy->rules[2].to_zones == KS_ZONES_ANY);
	assert_true(policy->rules[3].to_zones == KS_ZONES_ANY);
	ks_policy_destroy(policy);
}

static void assert_number_range(const struct ks_policy *policy, __u32 set, __u32 at, __u64 low, __u64 high)
{
	const struct ks_range *range = &policy->ranges[policy->sets[set].first4 + at];

	assert_int_not_equal(set, KS_SET_ANY);
	assert_true(at < policy->sets[set].count4);
	assert_true(range->lo[0] == 0 && range->hi[0] == 0 && range->lo[1] == low && range->hi[1] == high);
}

static void test_rule(void **state)
{
	struct ks_policy *policy =
		load_good("reject log \"no\" destination not 192.0.2.0/24 source 10.0.0.1 port { 80, 443 } "
			  "source port not 1024-65535 tcp family ipv4\n");
	const struct ks_rule *rule = &policy->rules[0];

	assert_int_equal(policy->config.rules, 1);
	assert_int_equal(rule->action, KS_REJECT);
	assert_int_equal(rule->flags, KS_RULE_LOG | KS_RULE_NOT_DST | KS_RULE_NOT_SPORT);
	assert_int_equal(rule->proto, 6);
	assert_int_equal(rule->family, KS_IPV4);
	assert_int_equal(rule->id, 1);
	assert_int_equal(rule->icmp_set, KS_SET_ANY);
	assert_number_range(policy, rule->src_set, 0, 0x0a000001, 0x0a000001);
	assert_number_range(policy, rule->dst_set, 0, 0xc0000200, 0xc00002ff);
	assert_number_range(policy, rule->dport_set, 0, 80, 80);
	assert_number_range(policy, rule->dport_set, 1, 443, 443);
	assert_number_range(policy, rule->sport_set, 0, 1024, 65535);
	assert_string_equal(policy->infos[0].text, "reject family ipv4 tcp source port not 1024-65535 port { 80, 443 } "
						   "source 10.0.0.1 destination not 192.0.2.0/24");
	assert_string_equal(policy->infos[0].label, "no");
	assert_true(policy->infos[0].log);
	assert_int_equal(policy->infos[0].place.line, 1);
	assert_string_equal(policy->infos[0].place.file, "test.conf");
	ks_policy_destroy(policy);
}

static void test_protocols(void **state)
{
	struct ks_policy *policy = load_good("allow { tcp, udp, tcp } port 53\n"
					     "allow proto 47\n"
					     "deny\n");
	static const __u8 protos[] = { 6, 17, 47, 0 };
	static const __u32 ids[] = { 1, 1, 2, 3 };

	assert_int_equal(policy->config.rules, 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(policy->rules[i].proto, protos[i]);
		assert_int_equal(policy->rules[i].id, ids[i]);
		assert_int_equal(policy->rule_info[i], ids[i] - 1);
		assert_int_equal(!!(policy->rules[i].flags & KS_RULE_ANY_PROTO), i == 3);
	}
	assert_int_equal(policy->rules[0].dport_set, policy->rules[1].dport_set);
	assert_int_equal((uintptr_t)policy->rules % sizeof(struct ks_rule), 0);
	ks_policy_destroy(policy);
}

static void test_icmp(void **state)
{
	struct ks_policy *policy = load_good("allow icmp type { echo-request, 3 code 4, port-unreachable, 11 }\n"
					     "allow { icmp, icmpv6 } type { echo-request, packet-too-big }\n");

	assert_int_equal(policy->config.rules, 3);
	assert_number_range(policy, policy->rules[0].icmp_set, 0, 0x303, 0x304);
	assert_number_range(policy, policy->rules[0].icmp_set, 1, 0x800, 0x8ff);
	assert_number_range(policy, policy->rules[0].icmp_set, 2, 0xb00, 0xbff);
	assert_number_range(policy, policy->rules[1].icmp_set, 0, 0x800, 0x8ff);
	assert_int_equal(policy->sets[policy->rules[1].icmp_set].count4, 1);
	assert_number_range(policy, policy->rules[2].icmp_set, 0, 0x200, 0x2ff);
	assert_number_range(policy, policy->rules[2].icmp_set, 1, 0x8000, 0x80ff);
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_icmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
