/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/statement.c and policy/check.c: zones, interfaces that are ignored, sets. */
#include "tests/unit/policy/complaints.h"

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

static void test_antispoof(void **state)
{
	struct ks_policy *policy = load_good("zone a { eth0 }\n"
					     "zone b { antispoof off, eth1 }\n"
					     "zone c { eth2, antispoof on }\n");

	assert_true(policy->zones[0].antispoof);
	assert_false(policy->zones[1].antispoof);
	assert_true(policy->zones[2].antispoof);
	assert_int_equal(policy->config.antispoof,
			 1ULL << KS_ZONE_NONE | 1ULL << policy->zones[0].id | 1ULL << policy->zones[2].id);
	ks_policy_destroy(policy);
}

static void test_challenge(void **state)
{
	struct ks_policy *policy = load_good("zone a { eth0 }\n"
					     "zone b { challenge never, eth1 }\n"
					     "zone c { eth2, challenge always }\n"
					     "zone d { eth3, challenge auto }\n");

	assert_int_equal(policy->zones[0].challenge, KS_CHALLENGE_AUTO);
	assert_int_equal(policy->zones[3].challenge, KS_CHALLENGE_AUTO);
	assert_int_equal(policy->config.challenge_never, 1ULL << policy->zones[1].id);
	assert_int_equal(policy->config.challenge_always, 1ULL << policy->zones[2].id);
	ks_policy_destroy(policy);
}

static void test_zone_errors(void **state)
{
	static const struct complaint list[] = {
		{ "zone\n", 1, 5, "expected the name of the zone, found the end of the line" },
		{ "zone lan { }\n", 1, 6, "zone 'lan' is empty" },
		{ "zone self { eth1 }\n", 1, 6, "'self' is a word of the language and cannot name a zone" },
		{ "zone 1lan { eth1 }\n", 1, 6, "'1lan' cannot name a zone" },
		{ "zone la.n { eth1 }\n", 1, 8, "'la.n' cannot name a zone" },
		{ "zone abcdefghijklmnopqrstuvwxyzabcdef { eth1 }\n", 1, 6, "has at most 31 characters" },
		{ "zone a { eth1 }\nzone a { eth2 }\n", 2, 6, "zone 'a' is already defined at test.conf:1:6" },
		{ "zone a { eth1 }\nzone b { eth2, eth1 }\n", 2, 16,
		  "interface 'eth1' is already in zone 'a' (test.conf:1:10)" },
		{ "zone a { eth* }\nzone b { eth1, eth* }\n", 2, 16, "interface 'eth*' is already in zone 'a'" },
		{ "zone a { lo }\n", 1, 10, "'lo' is always ignored" },
		{ "zone a { sixteen-letters-x }\n", 1, 10, "at most 15 characters" },
		{ "zone a { et*h }\n", 1, 12, "'*' can only stand at the end" },
		{ "zone a { eth/1 }\n", 1, 10, "'eth/1' cannot name an interface" },
		{ "zone a { network 10.0.0.0/33 }\n", 1, 18, "'10.0.0.0/33' is no network" },
		{ "zone a { network }\n", 1, 18, "expected a network such as 10.0.0.0/24, found '}'" },
		{ "zone a { mac 02:00 }\n", 1, 14, "'02:00' is no MAC address" },
		{ "zone a { network 10.0.0.0/8 }\nzone b { network 10.0.0.0/8 }\n", 2, 18,
		  "already in zone 'a' (test.conf:1:18)" },
		{ "zone a { mac 02:00:00:00:00:01 }\nzone b { mac 02:00:00:00:00:01 }\n", 2, 14,
		  "already in zone 'a' (test.conf:1:14)" },
		{ "zone a { eth0, antispoof }\n", 1, 26, "expected 'on' or 'off' for antispoof, found '}'" },
		{ "zone a { eth0, antispoof no }\n", 1, 26, "expected 'on' or 'off' for antispoof, found 'no'" },
		{ "zone a { eth0, antispoof off, antispoof on }\n", 1, 31,
		  "antispoof is already set at test.conf:1:16" },
		{ "zone a { antispoof off }\n", 1, 6, "zone 'a' is empty" },
		{ "zone a { eth0, challenge }\n", 1, 26,
		  "expected 'auto', 'always' or 'never' for challenge, found '}'" },
		{ "zone a { eth0, challenge on }\n", 1, 26,
		  "expected 'auto', 'always' or 'never' for challenge, found 'on'" },
		{ "zone a { eth0, challenge auto, challenge auto }\n", 1, 32,
		  "challenge is already set at test.conf:1:16" },
		{ "zone challenge { eth0 }\n", 1, 6, "'challenge' is a word of the language" },
		{ "zone antispoof { eth0 }\n", 1, 6, "'antispoof' is a word of the language" },
		{ "zone lan { eth1 }\nallow from lna\n", 2, 12, "unknown zone 'lna' (did you mean 'lan'?)" },
		{ "allow from not\n", 1, 15, "expected a zone, 'self' or 'any', found the end of the line" },
		{ "allow from not any\n", 1, 16, "'not any' is no zone at all: expected zones behind 'not'" },
		{ "allow from { self, not none }\n", 1, 20,
		  "'not' stands before a whole list of zones in a condition: expected it there, such as from not { "
		  "lan," },
		{ "allow to not foo\n", 1, 14, "unknown zone 'foo'" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_ignore_errors(void **state)
{
	static const struct complaint list[] = {
		{ "ignore\n", 1, 7, "expected an interface such as docker0, or a list of them, found the end" },
		{ "ignore { }\n", 1, 1, "this list is empty: expected interfaces such as docker0 or br-*" },
		{ "ignore lo\n", 1, 8, "'lo' is always ignored" },
		{ "ignore { br-*, docker*0 }\n", 1, 22, "'*' can only stand at the end" },
		{ "ignore eth/0\n", 1, 8, "'eth/0' cannot name an interface" },
		{ "ignore docker0 docker1\n", 1, 16, "expected the end of the line, found 'docker1'" },
		{ "zone a { eth0, br-* }\nignore { docker0, br-* }\n", 2, 19,
		  "interface 'br-*' is in zone 'a' (test.conf:1:16): expected it in a zone or ignored, not both" },
		{ "ignore docker0\nzone a { docker0 }\n", 1, 8, "is in zone 'a' (test.conf:2:10)" },
		{ "ignor docker0\n", 1, 1, "unknown statement 'ignor' (did you mean 'ignore'?)" },
		{ "zone ignore { eth0 }\n", 1, 6, "'ignore' is a word of the language" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_set_errors(void **state)
{
	static const struct complaint list[] = {
		{ "set\n", 1, 4, "expected the name of the set" },
		{ "set port { 1 }\n", 1, 5, "'port' is a word of the language" },
		{ "set a { 10.0.0.300 }\nallow source @a\n", 1, 9, "'10.0.0.300' is no address" },
		{ "set a { 10.0.0.0/33 }\nallow source @a\n", 1, 18, "'33' is no prefix length: expected 0 to 32" },
		{ "set a { fd00::/129 }\nallow source @a\n", 1, 16, "expected 0 to 128" },
		{ "set a { 10.0.0.2-10.0.0.1 }\nallow source @a\n", 1, 9,
		  "is no range: expected the lower address first" },
		{ "set a { 10.0.0.2-fd00::1 }\nallow source @a\n", 1, 9, "both of one family" },
		{ "set a port { 65536 }\nallow tcp port @a\n", 1, 14, "'65536' is no port" },
		{ "set a port { 9-8 }\nallow tcp port @a\n", 1, 14,
		  "'9-8' is no range of ports: expected two numbers up to 65535, the lower first" },
		{ "set a { 10.0.0.1 }\nset a { 10.0.0.2 }\nallow source @a\n", 2, 5,
		  "set 'a' is already defined at test.conf:1:5" },
		{ "set a { @a }\nallow source @a\n", 1, 9, "set '@a' contains itself" },
		{ "set a { @b }\nset b { @a }\nallow source @a\n", 2, 9, "set '@a' contains itself" },
		{ "set admins { 10.0.0.1 }\nallow source { @admins, @admin }\n", 2, 25,
		  "unknown set '@admin' (did you mean '@admins'?)" },
		{ "set a port { 80 }\nallow source @a\n", 2, 14, "set '@a' holds ports: expected a set of addresses" },
		{ "set a { 10.0.0.1 }\nallow tcp port @a\n", 2, 16,
		  "set '@a' holds addresses: expected a set of ports" },
		{ "set a { not 192.0.2.1 }\nallow source @a\n", 1, 13,
		  "'not' takes away from the other entries of its list, and there are none: expected entries" },
		{ "set d { } dynamic\nset a { 192.0.2.0/24, not @d }\nallow source { @a, @d }\n", 2, 27,
		  "'@d' comes at run time and cannot be taken away from a list: expected a rule about it" },
		{ "set d { } dynamic\nallow source { 192.0.2.0/24, not @d }\n", 2, 34, "comes at run time" },
		{ "set a { 192.0.2.1, not { not 192.0.2.2 } }\nallow source @a\n", 1, 26, "'not' stands in 'not'" },
		{ "set a { not 192.0.2.1 } dynamic\nallow source @a\n", 1, 13, "'not' cannot stand in a dynamic set" },
		{ "allow tcp port not not 22\n", 1, 24, "expected entries, or in a rule 'not' before the list" },
		{ "set a { 192.0.2.1 } dynamic, timeout 0s\nallow source @a\n", 1, 38, "'0s' is no timeout" },
		{ "set a { 192.0.2.1 } dynamic, limit 0\nallow source @a\n", 1, 36, "'0' is no limit" },
		{ "set a file blocklist\n", 1, 12, "expected a file name in quotes, found 'blocklist'" },
		{ "set a file \"x\"\n", 1, 12, "cannot read files" },
		{ "allow source @\n", 1, 15, "'' cannot name a set" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

/* The tables have room for so many networks. */
static void test_too_many_networks(void **state)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	assert_non_null(file);
	fputs("zone a {\n", file);
	for (unsigned i = 0; i <= KS_NETWORKS_MAX; i++)
		fprintf(file, "network 10.0.%u.0/24,\n", i);
	fputs("}\n", file);
	fclose(file);
	assert_int_equal(ks_policy_load_text(text, length, "test.conf", NULL, &policy, &diags), -EINVAL);
	assert_int_equal(diags.count, 1);
	assert_int_equal(diags.list[0].place.line, KS_NETWORKS_MAX + 2);
	assert_string_equal(diags.list[0].message, "the policy's zones have more than 64 networks");
	ks_diags_fini(&diags);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_antispoof),
		cmocka_unit_test(test_challenge),
		cmocka_unit_test(test_zone_errors),
		cmocka_unit_test(test_ignore_errors),
		cmocka_unit_test(test_set_errors),
		cmocka_unit_test(test_too_many_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
