/* SPDX-License-Identifier: BSD-2-Clause */
/* What rules, zones and settings become in the tables of core/rules.h. */
#include "tests/unit/policy/support.h"

#define ZONES "zone lan { eth1 }\nzone wan { eth0 }\n"

static void test_zones(void **state)
{
	struct ks_policy *policy =
		load_good("zone lan { eth1, wg*, network 10.0.0.0/24, network fd00::/64, mac 02:00:5E:10:00:01 }\n"
			  "zone wan {\n\teth0,\n}\n");
	static const __u8 mac[6] = { 2, 0, 0x5e, 0x10, 0, 1 };

	assert_int_equal(policy->zone_count, 2);
	assert_string_equal(policy->zones[0].name, "lan");
	assert_int_equal(policy->zones[0].id, KS_ZONE_FIRST);
	assert_int_equal(policy->zones[0].interface_count, 2);
	assert_string_equal(policy->zones[0].interfaces[1], "wg*");
	assert_int_equal(policy->zones[0].network_count, 2);
	assert_int_equal(policy->zones[0].networks[1].family, KS_IPV6);
	assert_int_equal(policy->zones[0].networks[1].length, 64);
	assert_int_equal(policy->zones[0].mac_count, 1);
	assert_memory_equal(policy->zones[0].macs[0], mac, 6);
	assert_int_equal(ks_policy_zone_id(policy, "wan"), 3);
	assert_int_equal(ks_policy_zone_id(policy, "self"), KS_ZONE_SELF);
	assert_int_equal(ks_policy_zone_id(policy, "dmz"), -ENOENT);
	assert_string_equal(ks_policy_zone_name(policy, 3), "wan");
	assert_string_equal(ks_policy_zone_name(policy, 0), "none");
	assert_string_equal(ks_policy_zone_name(policy, 4), "?");
	ks_policy_destroy(policy);
}

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

static void test_defaults(void **state)
{
	struct ks_policy *policy = load_good("");

	assert_int_equal(policy->config.rules, 0);
	assert_int_equal(policy->config.sets, 1);
	assert_int_equal(policy->config.limit_states, KS_LIMIT_STATES_DEFAULT);
	assert_int_equal(policy->config.limit_half_open, KS_LIMIT_STATES_DEFAULT / 4);
	assert_int_equal(policy->config.options, KS_OPT_LOG_DROPS);
	assert_int_equal(policy->config.timeout[KS_STATE_NONE], 0);
#define X(state, seconds) assert_int_equal(policy->config.timeout[KS_STATE_##state], (seconds) * 1000);
	KS_TIMEOUT_DEFAULTS(X)
#undef X
	ks_policy_destroy(policy);
}

static void test_settings(void **state)
{
	struct ks_policy *policy = load_good("timeout tcp.established 1h30m, udp.stream 3m,\n\ttcp.syn-sent 1500ms\n"
					     "limit states 1000\n"
					     "option pickup on, log-drops off\noption checksum on\n"
					     "bypass udp port 4789\n");

	assert_int_equal(policy->config.timeout[KS_STATE_TCP_ESTABLISHED], 5400000);
	assert_int_equal(policy->config.timeout[KS_STATE_UDP_STREAM], 180000);
	assert_int_equal(policy->config.timeout[KS_STATE_TCP_SYN_SENT], 1500);
	assert_int_equal(policy->config.limit_states, 1000);
	assert_int_equal(policy->config.limit_half_open, 250);
	assert_int_equal(policy->config.options, KS_OPT_PICKUP | KS_OPT_CHECKSUM | KS_OPT_BYPASS_RULES);
	ks_policy_destroy(policy);
}

static void assert_printed(const struct ks_policy *policy, const char *text)
{
	char *printed = print_text(policy);

	assert_string_equal(printed, text);
	free(printed);
}

static void test_kinds(void **state)
{
	struct ks_policy *policy = load_good("limit mappings 100, fragments 20, helpers 30\nlimit expectations 40\n");

	assert_int_equal(policy->config.limit_kind[KS_KIND_MAPPING_OUT], 100);
	assert_int_equal(policy->config.limit_kind[KS_KIND_MAPPING_IN], 100);
	assert_int_equal(policy->config.limit_kind[KS_KIND_PERMIT], KS_LIMIT_PERMITS_DEFAULT);
	assert_int_equal(policy->config.limit_kind[KS_KIND_EXPECT], 40);
	assert_int_equal(policy->config.limit_kind[KS_KIND_FRAGMENT], 20);
	assert_int_equal(policy->config.limit_kind[KS_KIND_HELPER_ORIGINAL], 30);
	assert_int_equal(policy->config.limit_kind[KS_KIND_HELPER_REPLY], 30);
	assert_printed(policy, "limit mappings 100, expectations 40, fragments 20, helpers 30\n");
	ks_policy_destroy(policy);
}

static void test_adaptive(void **state)
{
	struct ks_policy *policy = load_good("limit adaptive 50%-100%, states 1000\n");

	assert_int_equal(policy->config.adaptive_low, 500);
	assert_int_equal(policy->config.adaptive_high, 1000);
	assert_printed(policy, "limit states 1000, adaptive 50%-100%\n");
	ks_policy_destroy(policy);

	policy = load_good("limit adaptive off\n");
	assert_int_equal(policy->config.adaptive_high, 0);
	assert_printed(policy, "limit adaptive off\n");
	ks_policy_destroy(policy);

	policy = load_good("limit states 77\n"); /* shares that do not come out even */
	assert_int_equal(policy->config.adaptive_low, 46);
	assert_int_equal(policy->config.adaptive_high, 69);
	assert_printed(policy, "limit states 77\n");
	ks_policy_destroy(policy);
}

static void test_scrub(void **state)
{
	struct ks_policy *policy = load_good("option scrub-ttl 64, mss 1400, scrub-id on, source-routes on\n");

	assert_int_equal(policy->config.scrub, KS_SCRUB_TTL | KS_SCRUB_MSS | KS_SCRUB_RANDOM_ID);
	assert_int_equal(policy->config.min_ttl, 64);
	assert_int_equal(policy->config.max_mss, 1400);
	assert_true(policy->config.options & KS_OPT_SOURCE_ROUTES);
	assert_printed(policy, "option source-routes on, scrub-id on, scrub-ttl 64, mss 1400\n");
	ks_policy_destroy(policy);

	policy = load_good("option scrub-ttl off, mss off, scrub-df on, asymmetric on\n");
	assert_int_equal(policy->config.scrub, KS_SCRUB_NO_DF);
	assert_printed(policy, "option asymmetric on, scrub-df on\n");
	ks_policy_destroy(policy);
}

static void test_variables(void **state)
{
	struct ks_policy *policy =
		load_good("$server = 192.0.2.7\n$label = \"x, y\"\n$if = { eth0, eth1 }\n"
			  "$ports = { 80, { 443 } }\n$more = { $ports, 8080, }\n"
			  "zone lan $if\n"
			  "allow from lan tcp port { $more, 22 } source { $server, $server/25 } log $label \\\n"
			  "      family ipv4\n");

	assert_string_equal(policy->infos[0].text,
			    "allow from lan family ipv4 tcp port { 22, 80, 443, 8080 } source 192.0.2.0/25");
	assert_string_equal(policy->infos[0].label, "x, y");
	assert_int_equal(policy->zones[0].interface_count, 2);
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks), cmocka_unit_test(test_zones),	   cmocka_unit_test(test_masks),
		cmocka_unit_test(test_rule),	 cmocka_unit_test(test_protocols), cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_settings),  cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_adaptive), cmocka_unit_test(test_scrub),	   cmocka_unit_test(test_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
