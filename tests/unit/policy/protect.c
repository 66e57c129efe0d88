/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/protect.c: what zones are protected from, its defaults, its normal form, its complaints. */
#include "policy/protect.h"
#include "tests/unit/policy/complaints.h"

static const struct ks_protection *protection_of(const struct ks_policy *policy, const char *zone)
{
	return &policy->config.protection[ks_policy_zone_id(policy, zone)];
}

static void test_defaults(void **state)
{
	struct ks_policy *policy = load_good(NAT_ZONES "protect b\n");

	assert_true(policy->config.options & KS_OPT_PROTECT);
	assert_int_equal(protection_of(policy, "a")->items, 0);
	for (unsigned item = 0; item < KS_PROTECT_MAX; item++)
		assert_int_equal(ks_protect_has(protection_of(policy, "b"), item), item != KS_PROTECT_UDP_FLOOD);
	assert_int_equal(protection_of(policy, "b")->rate[KS_PROTECT_SYN_FLOOD], 2000);
	assert_int_equal(protection_of(policy, "b")->flags, 0);
	assert_int_equal(protection_of(policy, "b")->scan_ports, 20);
	assert_int_equal(protection_of(policy, "b")->scan_marks, 20);
	assert_int_equal(protection_of(policy, "b")->scan_window, 300000);
	assert_int_equal(protection_of(policy, "b")->scan_set, 0);
	assert_int_equal(protection_of(policy, "b")->ip_options, KS_IP_OPTIONS_ALL);
	assert_int_equal(policy->zones[0].protect.line, 0);
	assert_int_equal(policy->zones[1].protect.line, 3);
	ks_policy_destroy(policy);
}

static void test_changes(void **state)
{
	struct ks_policy *policy = load_good("protect { a, { b, a } } { smurf off, ip options timestamp, fraggle,\n"
					     "  trace route off, }\n" NAT_ZONES);

	for (const char *zone = "a"; *zone <= 'b'; zone = *zone == 'a' ? "b" : "c") {
		const struct ks_protection *protection = protection_of(policy, zone);

		assert_false(ks_protect_has(protection, KS_PROTECT_SMURF));
		assert_false(ks_protect_has(protection, KS_PROTECT_TRACE_ROUTE));
		assert_true(ks_protect_has(protection, KS_PROTECT_FRAGGLE));
		assert_int_equal(protection->ip_options, 1U << KS_IP_OPTION_TIMESTAMP);
	}
	ks_policy_destroy(policy);
}

/* Where all is off nothing is asked. */
static void test_off(void **state)
{
	struct ks_policy *policy = load_good(
		NAT_ZONES "protect a { trace route off, ip options off, syn fragment off, icmp fragment off,\n"
			  "smurf off, fraggle off, unassigned protocols off, syn flood off, udp flood off,\n"
			  "icmp flood off, port scan off }\n");

	assert_int_equal(protection_of(policy, "a")->items, 0);
	assert_false(policy->config.options & KS_OPT_PROTECT);
	ks_policy_destroy(policy);
}

/* A zone that is never challenged has no threshold of SYNs that would keep newcomers out, unless it says so. */
static void test_never_challenged(void **state)
{
	struct ks_policy *policy = load_good("protect { a, b } { syn flood 7/second drop, udp flood }\n"
					     "protect c { udp flood 9/second }\n"
					     "zone a { eth0 }\nzone b { eth1, challenge never }\n"
					     "zone c { eth2, challenge never }\n");

	assert_true(ks_protect_has(protection_of(policy, "b"), KS_PROTECT_SYN_FLOOD));
	assert_int_equal(protection_of(policy, "b")->rate[KS_PROTECT_SYN_FLOOD], 7);
	assert_int_equal(protection_of(policy, "b")->flags, KS_PROTECT_SYN_DROP);
	assert_int_equal(protection_of(policy, "b")->rate[KS_PROTECT_UDP_FLOOD], 2000);
	assert_false(ks_protect_has(protection_of(policy, "c"), KS_PROTECT_SYN_FLOOD));
	assert_true(ks_protect_has(protection_of(policy, "c"), KS_PROTECT_UDP_FLOOD));
	ks_policy_destroy(policy);
}

static void test_scanners(void **state)
{
	struct ks_policy *policy = load_good("protect a { port scan 1000 ports in 1h into @bad for 2d except @good }\n"
					     "protect b { port scan into @bad }\n" NAT_ZONES
					     "set other { } dynamic\nset bad { } dynamic\nset good { 192.0.2.0/24 }\n"
					     "deny source @other\n");
	const struct ks_protection *a = protection_of(policy, "a"), *b = protection_of(policy, "b");

	assert_int_equal(a->scan_ports, 1000);
	assert_int_equal(a->scan_marks, 440);
	assert_int_equal(a->scan_window, 3600000);
	assert_int_equal(a->scan_set, 2);
	assert_int_equal(a->scan_hold, 2 * 24 * 3600 * 1000);
	assert_int_equal(a->scan_except, policy->set_infos[2].set);
	assert_int_equal(b->scan_set, 2);
	assert_int_equal(b->scan_hold, 0);
	assert_int_equal(b->scan_except, KS_SET_ANY);
	ks_policy_destroy(policy);
}

static void check_printed(const char *text, const char *line)
{
	struct ks_policy *policy = load_good(text), *again;
	char *first = print_text(policy), *second;

	if (!strstr(first, line))
		fail_msg("no '%s' in\n%s", line, first);
	again = load_good(first);
	second = print_text(again);
	assert_string_equal(first, second);
	assert_memory_equal(policy->config.protection, again->config.protection, sizeof(again->config.protection));
	free(first);
	free(second);
	ks_policy_destroy(policy);
	ks_policy_destroy(again);
}

static void test_normal_form(void **state)
{
	check_printed(NAT_ZONES "protect a { smurf, trace route }\n",
		      "\nprotect a\n# For packets that come from zone a");
	check_printed(NAT_ZONES "protect b { ip options { other, timestamp }, smurf off }\n",
		      "\nprotect b { ip options { timestamp, other }, smurf off }\n");
	check_printed(NAT_ZONES "protect b { ip options off }\n", "#   ip options: off\n");
	check_printed(NAT_ZONES "protect b { ip options other }\n",
		      "#   ip options { other }: refused is a packet with one of");
	check_printed(
		NAT_ZONES "protect b { syn flood 2000/second per destination drop, icmp flood 9/second }\n",
		"\nprotect b { syn flood 2000/second per destination drop, icmp flood 9/second per destination }\n");
	check_printed(NAT_ZONES "set s { } dynamic\nset t { 192.0.2.1 }\n"
				"protect b { port scan into @s for 1h except @t }\n",
		      "\nprotect b { port scan 20 ports in 5m into @s for 1h except @t }\n");
	check_printed(NAT_ZONES "protect b { port scan 5 ports in 1m }\n", "protect b { port scan 5 ports in 1m }\n");
	check_printed(NAT_ZONES "protect b { udp flood }\n", "protect b { udp flood 2000/second per destination }\n");
	check_printed("zone c { eth2, challenge never }\nprotect c\n", "\nprotect c\n");
	check_printed("zone c { eth2, challenge never }\nprotect c\n", "#   syn flood: off\n");
	check_printed(NAT_ZONES "protect b\n", "; counted as \"challenged\"\n");
	check_printed(NAT_ZONES "protect b\n", "; counted as \"trace route\"\n");
	check_printed(NAT_ZONES "protect b\n", "#   ping of death: counted as \"fragment too long\"\n");
}

/* Each item has a reason of its own, which names it again. */
static void test_reasons(void **state)
{
	__u64 items = 0;

	for (unsigned reason = 0; reason < KS_REASON_MAX; reason++) {
		int item = ks_protect_item_of(reason);

		if (item >= 0)
			items |= 1ULL << item;
	}
	assert_int_equal(items, (1ULL << KS_PROTECT_MAX) - 1);
	assert_string_equal(ks_protect_name(KS_PROTECT_MAX), "?");
	assert_string_equal(ks_protect_means(KS_PROTECT_MAX), "?");
	assert_string_equal(ks_ip_option_name(KS_IP_OPTION_MAX), "?");
}

static void test_errors(void **state)
{
	static const struct complaint list[] = {
		{ NAT_ZONES "protect\n", 3, 8, "expected a zone, 'self' or 'any', found the end of the line" },
		{ NAT_ZONES "protect { }\n", 3, 1, "this list is empty: expected zones" },
		{ NAT_ZONES "protect a { land, trace route, land }\n", 3, 32, "'land' stands twice: expected it once" },
		{ NAT_ZONES "protect not a\n", 3, 9,
		  "expected it there, such as from not { lan, dmz }, or the zones that are meant" },
		{ NAT_ZONES "protect c\n", 3, 9, "unknown zone 'c': expected a or b" },
		{ NAT_ZONES "protect sel\n", 3, 9, "unknown zone 'sel': expected a or b" },
		{ NAT_ZONES "protect self\n", 3, 9, "'self' cannot be protected: expected a zone of this policy" },
		{ NAT_ZONES "protect { a, any }\n", 3, 14, "'any' cannot be protected" },
		{ NAT_ZONES "protect a\nprotect { b, a }\n", 4, 14,
		  "zone 'a' is already protected at test.conf:3:1: expected it once" },
		{ NAT_ZONES "protect a { }\n", 3, 11, "this list is empty: expected what is to be different" },
		{ NAT_ZONES "protect a { traceroute }\n", 3, 13,
		  "unknown protection 'traceroute' (did you mean 'trace route'?): expected one of " },
		{ NAT_ZONES "protect a { trace root }\n", 3, 13,
		  "unknown protection 'trace root' (did you mean 'trace route'?)" },
		{ NAT_ZONES "protect a { smurf, smurf off }\n", 3, 20,
		  "'smurf' is already said at test.conf:3:13: expected it once" },
		{ NAT_ZONES "protect a { smurf on }\n", 3, 19, "expected ',' or '}', found 'on'" },
		{ NAT_ZONES "protect a { ip options { } }\n", 3, 24, "this list is empty: expected IP options" },
		{ NAT_ZONES "protect a { ip options recordroute }\n", 3, 24,
		  "unknown IP option 'recordroute' (did you mean 'record-route'?): expected record-route, " },
		{ NAT_ZONES "protect a { ping of death off }\n", 3, 13,
		  "'ping of death' cannot be off: it holds in every zone, counted as \"fragment too long\"" },
		{ NAT_ZONES "protect a { syn flood 0/second }\n", 3, 23,
		  "'0/second' is no threshold: expected a number 1 to 1000000 a second, such as 2000/second" },
		{ NAT_ZONES "protect a { udp flood 5/minute }\n", 3, 23, "'5/minute' is no threshold" },
		{ NAT_ZONES "protect a { udp flood 5/second drop }\n", 3, 32, "expected ',' or '}', found 'drop'" },
		{ NAT_ZONES "protect a { udp flood 5/second per source }\n", 3, 36,
		  "expected 'destination': thresholds are of each" },
		{ "zone c { eth2, challenge never }\nprotect c { syn flood }\n", 2, 13,
		  "zone 'c' is never challenged, so nothing lets newcomers in beyond this threshold" },
		{ NAT_ZONES "protect a { port scan 2 ports in 5m }\n", 3, 23,
		  "'2' is no number of ports: expected 3 to 1000, as in 'port scan 20 ports in 5m'" },
		{ NAT_ZONES "protect a { port scan 20 in 5m }\n", 3, 26, "expected 'ports in' and a duration" },
		{ NAT_ZONES "protect a { port scan 20 ports in 2d }\n", 3, 35,
		  "'2d' is no duration for 'port scan': expected 1s to 1d" },
		{ NAT_ZONES "protect a { port scan into bad }\n", 3, 28,
		  "'bad' is no set: expected a dynamic set such as" },
		{ NAT_ZONES "protect a { port scan into @bad }\n", 3, 28, "unknown set '@bad'" },
		{ NAT_ZONES "set bad { }\nprotect a { port scan into @bad }\n", 4, 28,
		  "set 'bad' is not dynamic, so nothing comes into it while the policy is in force" },
		{ NAT_ZONES "protect a { port scan except @bad }\n", 3, 23, "'except' is no number of ports" },
		{ "zone protect { eth0 }\n", 1, 6, "'protect' is a word of the language" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_warnings(void **state)
{
	static const struct complaint list[] = {
		{ NAT_ZONES "protect a { land }\n", 3, 13,
		  "'land' needs no mention: it holds in every zone, counted as \"land\"" },
	};

	check_all(list, KS_ARRAY_SIZE(list), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),    cmocka_unit_test(test_changes),
		cmocka_unit_test(test_off),	    cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_normal_form), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_warnings),    cmocka_unit_test(test_never_challenged),
		cmocka_unit_test(test_scanners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
