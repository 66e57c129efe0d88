/* SPDX-License-Identifier: BSD-2-Clause */
/* Further conditions of rules: complaints, what is made of them, and their normal form. */
#include "tests/unit/policy/complaints.h"

#include "core/protection.h"
#include "policy/calendar.h"

static void test_errors(void **state)
{
	static const struct complaint list[] = {
		{ "allow tcp flags\n", 1, 16, "expected TCP flags such as S/SA" },
		{ "allow tcp flags S\n", 1, 17, "'S' says no TCP flags: expected the flags that are set" },
		{ "allow tcp flags S/\n", 1, 17, "'S/' says no TCP flags" },
		{ "allow tcp flags s/sa\n", 1, 17, "'s/sa' says no TCP flags" },
		{ "allow tcp flags SR/SA\n", 1, 17,
		  "'SR/SA' can never hold: each flag before the slash must stand behind it, too" },
		{ "allow tcp flags S/SA flags S/SA\n", 1, 22, "'flags' stands twice in this rule" },
		{ "allow udp flags S/SA\n", 1, 11, "only TCP has these flags: expected tcp" },
		{ "allow flags S/SA\n", 1, 7, "only TCP has these flags" },
		{ "allow { tcp, udp } flags S/SA\n", 1, 20, "only TCP has these flags" },
		{ "allow not tcp\n", 1, 11, "'not' stands behind the word that it negates" },
		{ "allow not fragment fragment\n", 1, 20, "'fragment' stands twice in this rule" },
		{ "allow ttl 256\n", 1, 11,
		  "'256' is no TTL or hop limit: expected a number 0 to 255, or a range such as 1-5" },
		{ "allow ttl\n", 1, 10, "expected a TTL such as 1" },
		{ "allow ttl { }\n", 1, 7, "this list is empty: expected at least one entry behind 'ttl'" },
		{ "allow length 65536\n", 1, 14,
		  "'65536' is no length: expected octets of the packet with its IP header" },
		{ "allow length not { }\n", 1, 7, "this list is empty: expected at least one entry behind 'length'" },
		{ "allow dscp eef\n", 1, 12,
		  "unknown code point 'eef' (did you mean 'ef'?): expected a name such as ef" },
		{ "allow dscp 64\n", 1, 12, "unknown code point '64'" },
		{ "allow dscp { }\n", 1, 7, "this list is empty: expected at least one entry behind 'dscp'" },
		{ "allow mark red\n", 1, 12, "'red' is no mark: expected a number such as 16 or 0x10" },
		{ "allow mark 1/0\n", 1, 14, "'0' is no mask of a mark: expected 1 to 0xffffffff" },
		{ "allow mark 0x10/0xf\n", 1, 12, "'0x10/0xf' can never hold: it has bits outside of its mask" },
		{ "allow mark { 1/0xf, 2 }\n", 1, 21,
		  "the marks of a list have one mask: expected 0xf, as of the first one" },
		{ "allow mark { }\n", 1, 7, "this list is empty" },
		{ "allow mac 02:00:5e\n", 1, 11,
		  "'02:00:5e' is no MAC address: expected one such as 02:00:5e:10:00:01" },
		{ "allow mac 00:00:00:00:00:00\n", 1, 11, "no card has this MAC address" },
		{ "allow mac { }\n", 1, 7, "this list is empty: expected at least one entry behind 'mac'" },
		{ "allow from self user nobody-of-this-host\n", 1, 22,
		  "this host has no user 'nobody-of-this-host': expected the name of a user, a number" },
		{ "allow from self user 4294967295\n", 1, 22, "this host has no user '4294967295'" },
		{ "allow from self user { }\n", 1, 17,
		  "this list is empty: expected at least one entry behind 'user'" },
		{ "allow from self cgroup nginx.service\n", 1, 24,
		  "expected a control group in quotes, such as \"system.slice/nginx.service\"" },
		{ "allow from self cgroup \"\"\n", 1, 24, "'' is no control group: expected its path in quotes" },
		{ "allow from self cgroup \"//\"\n", 1, 24, "is no control group" },
		{ "allow from self cgroup { \"a\", \"a//b\" }\n", 1, 31, "'a//b' is no control group" },
		{ "allow from self cgroup \"a/../b\"\n", 1, 24, "'a/../b' is no control group" },
		{ "allow from self cgroup \"./a\"\n", 1, 24, "'./a' is no control group" },
		{ "allow from self cgroup { }\n", 1, 17,
		  "this list is empty: expected at least one entry behind 'cgroup'" },
		{ "allow during\n", 1, 13, "expected days and hours such as mon-fri 08:00-18:00" },
		{ "allow during monday\n", 1, 14, "'monday' says no time: expected days such as mon or mon-fri" },
		{ "allow during 8:00-18:00\n", 1, 14, "'8:00-18:00' says no time" },
		{ "allow ttl 5-1\n", 1, 11, "'5-1' is no range: expected two numbers, the lower first" },
		{ "allow tcp syn\n", 1, 11, "expected 'flags S/SA', or nothing" },
		{ "allow icmp echo-request\n", 1, 12,
		  "unknown word 'echo-request' in a rule: expected 'type' before it" },
		{ "allow tos 0x10\n", 1, 7, "unknown word 'tos' in a rule: expected 'dscp'" },
		{ "allow from self uid 7\n", 1, 17, "expected 'user'" },
		{ "allow from self cgroupv2 \"a\"\n", 1, 17, "expected 'cgroup' and a path in quotes" },
		{ "allow weekdays mon\n", 1, 7, "expected 'during' and days and hours" },
		{ "allow tcp port 22, source 10.0.0.1\n", 1, 18,
		  "the clauses of a rule have no commas between them: expected 'source'" },
		{ "allow length { 100-5 }\n", 1, 16, "'100-5' is no range" },
		{ "allow ttl 300-1\n", 1, 11, "'300-1' is no TTL or hop limit" },
		{ "allow during 08:00-18:00 mon\n", 1, 26,
		  "days stand before their hours: expected 'mon 08:00-18:00'" },
		{ "allow during { 08:00-18:00 mon-fri }\n", 1, 28, "expected 'mon-fri 08:00-18:00'" },
		{ "allow during mon 8-18\n", 1, 18, "'8-18' are no hours of a day: expected days such as mon" },
		{ "allow during 08:00-08:00\n", 1, 14, "says no time" },
		{ "allow during 24:00-08:00\n", 1, 14, "says no time" },
		{ "allow during mon-fri 18:00-24:01\n", 1, 22, "are no hours of a day" },
		{ "allow during { }\n", 1, 7, "this list is empty: expected at least one entry behind 'during'" },
		{ "allow ip-option loose\n", 1, 17, "unknown IP option 'loose'" },
		{ "allow ip-option { }\n", 1, 17, "this list is empty: expected IP options" },
		{ "allow ip-option\n", 1, 16, "expected 'any', 'none' or an IP option such as record-route" },
		{ "allow tlt 5\n", 1, 7, "unknown word 'tlt' in a rule (did you mean 'ttl'?)" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_warnings(void **state)
{
	static const struct complaint list[] = {
		{ "deny user 0\nallow from self\nallow to self\n", 1, 6,
		  "only what the firewall's own host sends is of one of its users, and nothing else matches this rule: "
		  "expected 'from self'" },
		{ "deny cgroup \"a\"\nallow from self\nallow to self\n", 1, 6,
		  "only what the firewall's own host sends is of one of its control groups" },
	};

	check_all(list, KS_ARRAY_SIZE(list), true);
}

static void test_a_rule_that_may_miss(void **state)
{
	ks_auto_policy struct ks_policy *policy = load_good("deny tcp ttl 5\nallow tcp\nallow tcp ttl 6\n");

	assert_int_equal(policy->rules[0].flags & KS_RULE_MAY_MISS, KS_RULE_MAY_MISS);
	assert_int_equal(policy->rules[1].flags & KS_RULE_MAY_MISS, 0);
	assert_int_equal(policy->rules[1].conditions, 0);
}

static void test_what_is_made(void **state)
{
	ks_auto_policy struct ks_policy *policy = load_good("allow tcp flags S/SA ttl not { 1, 2-5 } mark 0x10/0xf0 "
							    "dscp { ef, 0 } ip-option router-alert not fragment\n"
							    "deny tcp ttl 7\n"
							    "allow { udp, icmp } ip-option none length 0-128\n"
							    "nat from any mark 3 masquerade\n"
							    "allow udp ttl 7\n");
	const struct ks_conditions *all = &policy->conditions[policy->rules[0].conditions];
	const struct ks_conditions *none = &policy->conditions[policy->rules[2].conditions];

	assert_int_equal(policy->config.conditions, 5);
	assert_int_equal(all->asks, KS_CONDITION_BIT(KS_CONDITION_FLAGS) | KS_CONDITION_BIT(KS_CONDITION_TTL) |
					    KS_CONDITION_BIT(KS_CONDITION_MARK) | KS_CONDITION_BIT(KS_CONDITION_DSCP) |
					    KS_CONDITION_BIT(KS_CONDITION_IP_OPTION) |
					    KS_CONDITION_BIT(KS_CONDITION_FRAGMENT));
	assert_int_equal(all->nots, KS_CONDITION_BIT(KS_CONDITION_TTL) | KS_CONDITION_BIT(KS_CONDITION_FRAGMENT));
	assert_int_equal(all->tcp_flags, 0x02);
	assert_int_equal(all->tcp_mask, 0x12);
	assert_int_equal(all->mark_mask, 0xf0);
	assert_int_equal(all->dscp, 1ULL << 46 | 1);
	assert_int_equal(all->ip_options, 1U << KS_IP_OPTION_ROUTER_ALERT);
	assert_int_equal(policy->sets[all->ttl_set].count4, 1);
	assert_int_equal(none->ip_options, 0);
	assert_int_equal(policy->rules[2].conditions, policy->rules[3].conditions);
	assert_int_equal(policy->rules[1].conditions, policy->rules[4].conditions);
	assert_int_equal(policy->config.asks & KS_CONDITIONS_HOME, KS_CONDITION_BIT(KS_CONDITION_MARK));
}

static void test_schedules(void **state)
{
	ks_auto_policy struct ks_policy *policy = load_good("allow tcp during { mon, tue 08:00-09:00 }\n"
							    "allow udp during not { tue 08:00-09:00, mon, mon }\n"
							    "allow udp during mon ttl 7\n");

	assert_int_equal(policy->config.schedules, 2);
	assert_int_equal(policy->conditions[policy->rules[0].conditions].schedule, 0);
	assert_int_equal(policy->conditions[policy->rules[1].conditions].schedule, 0);
	assert_int_equal(policy->conditions[policy->rules[2].conditions].schedule, 1);
	assert_string_equal(policy->calendars[0].text, "{ mon, tue 08:00-09:00 }");
	assert_int_equal(policy->rules[0].flags & KS_RULE_MAY_MISS, KS_RULE_MAY_MISS);
}

/* The clock answers for flows that live, too, so that no rule behind it may have decided instead. */
static void test_schedules_that_end_flows(void **state)
{
	ks_auto_policy struct ks_policy *policy =
		load_good("option schedule-end end\nallow tcp during mon\nallow udp during mon ttl 7\n");

	assert_int_equal(policy->rules[0].flags & KS_RULE_MAY_MISS, 0);
	assert_int_equal(policy->rules[1].flags & KS_RULE_MAY_MISS, KS_RULE_MAY_MISS);
}

static void test_normal_form(void **state)
{
	static const char *const lines[][2] = {
		{ "allow tcp not fragment flags AS/SAR", "allow tcp flags SA/SRA not fragment" },
		{ "allow ip-option { timestamp, record-route }", "allow ip-option { record-route, timestamp }" },
		{ "allow ip-option not any", "allow ip-option not any" },
		{ "allow ip-option none", "allow ip-option none" },
		{ "allow ttl { 5, 1-3, 4 } source 10.0.0.1", "allow source 10.0.0.1 ttl 1-5" },
		{ "allow length not { 100, 5 }", "allow length not { 5, 100 }" },
		{ "allow dscp { 46, af11, 63, 0 }", "allow dscp { default, af11, ef, 63 }" },
		{ "allow mark not 16", "allow mark not 0x10" },
		{ "allow mac { 02:00:00:00:00:02, 02:00:00:00:00:01 }",
		  "allow mac { 02:00:00:00:00:01, 02:00:00:00:00:02 }" },
		{ "allow mac not FF:00:00:00:00:02", "allow mac not ff:00:00:00:00:02" },
		{ "allow mark { 2/0xff, 0x10-0x1f/255 }", "allow mark { 0x2/0xff, 0x10-0x1f/0xff }" },
		{ "allow from self user { 1001, root, 1000, 5 }", "allow from self user { 0, 5, 1000-1001 }" },
		{ "allow from self cgroup { \"b\", \"/a b/\\\"c/\", \"b/\" }",
		  "allow from self cgroup { \"a b/\\\"c\", \"b\" }" },
		{ "allow from self cgroup not \"...a/.b/c..\"", "allow from self cgroup not \"...a/.b/c..\"" },
		{ "allow during mon 08:00-18:00", "allow during mon 08:00-18:00" },
		{ "allow during not { sun-sat 10:00-12:00, fri, 09:00-08:00, fri }",
		  "allow during not { fri, 09:00-08:00, 10:00-12:00 }" },
		{ "allow during { sat-mon, tue-fri 00:00-24:00 }", "allow during { tue-fri, sat-mon }" },
		{ "nat fragment masquerade", "nat family ipv4 fragment masquerade" },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(lines); i++) {
		ks_auto_policy struct ks_policy *policy = load_good(lines[i][0]), *again = NULL;

		assert_string_equal(policy->infos[0].text, lines[i][1]);
		again = load_good(lines[i][1]);
		assert_same_tables(policy, again);
		assert_memory_equal(policy->conditions, again->conditions,
				    policy->config.conditions * sizeof(*policy->conditions));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_a_rule_that_may_miss),
		cmocka_unit_test(test_what_is_made),
		cmocka_unit_test(test_schedules),
		cmocka_unit_test(test_schedules_that_end_flows),
		cmocka_unit_test(test_normal_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
