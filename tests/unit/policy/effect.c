/* SPDX-License-Identifier: BSD-2-Clause */
/* Effects of rules: complaints, what is made of them, their normal form, and ids over a reload. */
#include "tests/unit/policy/complaints.h"

#include "policy/adopt.h"

#define SET "set knock { } dynamic\n"
#define DENY "deny source @knock\n"

static void test_errors(void **state)
{
	static const struct complaint list[] = {
		{ "deny add\n", 1, 9, "expected 'source' or 'destination'" },
		{ "deny add port to @knock\n", 1, 10, "'port' cannot be added to a set" },
		{ "deny add source @knock\n", 1, 17, "expected 'to' and a set, as in add source to @knock" },
		{ "deny add source to knock\n", 1, 20, "'knock' is no set: expected one such as @knock" },
		{ SET DENY "deny add source to @nock\n", 3, 20, "unknown set '@nock' (did you mean '@knock'?)" },
		{ SET DENY "deny add source to @knock for ever\n", 3, 31, "'ever' is no time in a set" },
		{ SET DENY "deny add source to @knock add source to @knock\n", 3, 38,
		  "'add source' stands twice in this rule" },
		{ "set knock { 192.0.2.1 }\n" DENY "deny add source to @knock\n", 3, 20,
		  "set '@knock' cannot change while the policy is in force: expected a dynamic one" },
		{ "nat from any add source to @knock masquerade\n", 1, 14, "'add' cannot stand in a nat rule" },
		{ "helper ftp timeout 1h\n", 1, 12, "'timeout' cannot stand in a helper rule" },
		{ "deny timeout 1h\n", 1, 6, "only flows have a timeout: expected it in 'allow'" },
		{ "allow timeout\n", 1, 14, "expected a duration such as 1h" },
		{ "allow timeout soon\n", 1, 15,
		  "'soon' is no timeout: expected a duration such as 10m or 1h30m, 1s to 20d" },
		{ "allow timeout 21d\n", 1, 15, "'21d' is no timeout" },
		{ "allow mss 12\n", 1, 11, "'12' is no MSS: expected octets of a segment, 536 to 65495, or 'mtu'" },
		{ "allow mss mtu mss 1400\n", 1, 15, "'mss' stands twice in this rule" },
		{ "deny mss 1400\n", 1, 6, "only flows have an MSS: expected it in 'allow', 'forward' or 'redirect'" },
		{ "allow set\n", 1, 10, "expected 'mark' or 'dscp' behind 'set'" },
		{ "allow set reply ttl 5\n", 1, 17, "expected 'mark' or 'dscp' behind 'set'" },
		{ "allow set mark 1-5\n", 1, 16, "'1-5' is no mark: expected a number such as 16 or 0x10" },
		{ "allow set mark 0x10/0\n", 1, 16, "'0x10/0' is no mark" },
		{ "allow set mark 0x10/0xf\n", 1, 16, "'0x10/0xf' has bits outside of its mask" },
		{ "allow set reply mark 1 set reply mark 2\n", 1, 34, "'set reply mark' stands twice in this rule" },
		{ "allow set dscp af44\n", 1, 16, "unknown code point 'af44' (did you mean 'af41'?)" },
		{ "bypass set dscp ef\n", 1, 8, "only packets of flows are changed" },
		{ "reject asymmetric\n", 1, 8, "only flows are asymmetric" },
		{ "allow asymmetric asymmetric\n", 1, 18, "'asymmetric' stands twice in this rule" },
		{ "nat masquerade set mark 1\n", 1, 16, "'set' cannot stand behind the translation" },
		{ "zone wan { eth0, mss 1400, mss mtu }\n", 1, 28, "this zone has an mss already: expected one" },
		{ "zone wan { eth0, mtu 100 }\n", 1, 22, "'100' is no MTU: expected a number 576 to 65535" },
		{ "allow timeout 1h timeout 2h\n", 1, 18, "'timeout' stands twice in this rule" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_what_is_made(void **state)
{
	ks_auto_policy struct ks_policy *policy =
		load_good("set other { } dynamic\n" SET "allow source { @knock, @other }\n"
			  "deny tcp add destination to @knock for 5s add source to @other\n"
			  "allow udp\nallow { tcp, icmp } timeout 90s\n");

	assert_int_equal(policy->config.effects, 5);
	assert_int_equal(policy->rules[0].effects, 0);
	assert_int_equal(policy->rules[1].effects, KS_EFFECT_ADD);
	assert_int_equal(policy->rules[3].effects, KS_EFFECT_TIMEOUT);
	assert_int_equal(policy->rules[4].effects, KS_EFFECT_TIMEOUT);
	assert_int_equal(policy->effects[2].add[KS_EFFECT_SOURCE].set, 1);
	assert_int_equal(policy->effects[2].add[KS_EFFECT_SOURCE].hold, 0);
	assert_int_equal(policy->effects[2].add[KS_EFFECT_DESTINATION].set, 2);
	assert_int_equal(policy->effects[2].add[KS_EFFECT_DESTINATION].hold, 5000);
	assert_int_equal(policy->effects[3].timeout, 0);
	assert_int_equal(policy->effects[4].timeout, 90000);
	assert_string_equal(policy->infos[1].text, "deny tcp add source to @other add destination to @knock for 5s");
	assert_string_equal(policy->infos[3].text, "allow { tcp, icmp } timeout 1m30s");
}

static void test_what_changes_packets(void **state)
{
	ks_auto_policy struct ks_policy *policy =
		load_good("zone wan { eth0, mss mtu, mtu 1492 }\nzone lan { eth1 }\nallow asymmetric\n"
			  "allow set reply dscp 34 mss 1400 set mark 16/0xf0 set dscp 0 set reply mark 0\n");
	const struct ks_effects *effects = &policy->effects[2];

	assert_int_equal(policy->config.options & KS_OPT_ASYMMETRIC_RULES, KS_OPT_ASYMMETRIC_RULES);
	assert_int_equal(policy->config.alters, KS_ALTER_ZONES | KS_ALTER_RULES);
	assert_int_equal(policy->config.mss[policy->zones[0].id], KS_MSS_OF_MTU);
	assert_int_equal(policy->config.mtu[policy->zones[0].id], 1492);
	assert_int_equal(policy->config.mss[policy->zones[1].id], 0);
	assert_int_equal(policy->rules[0].effects, KS_EFFECT_ASYMMETRIC);
	assert_int_equal(policy->rules[1].effects, KS_EFFECTS_ALTER);
	assert_int_equal(policy->effects[1].flags, KS_EFFECT_ASYMMETRIC);
	assert_int_equal(effects->flags, KS_EFFECTS_ALTER);
	assert_int_equal(effects->mss, 1400);
	assert_int_equal(effects->mark[KS_ORIGINAL], 16);
	assert_int_equal(effects->mark_mask[KS_ORIGINAL], 0xf0);
	assert_int_equal(effects->mark_mask[KS_REPLY], 0xffffffff);
	assert_int_equal(effects->dscp[KS_ORIGINAL], 1);
	assert_int_equal(effects->dscp[KS_REPLY], 35);
	assert_string_equal(policy->infos[1].text,
			    "allow mss 1400 set mark 0x10/0xf0 set dscp default set reply mark 0x0 "
			    "set reply dscp af41");
}

/* A policy without such words, or with staged ones only, makes nobody look. */
static void test_what_changes_nothing(void **state)
{
	ks_auto_policy struct ks_policy *policy =
		load_good("zone wan { eth0, mtu 1400 }\nallow timeout 1h\nstaged allow set dscp ef asymmetric\n");

	assert_int_equal(policy->config.alters, 0);
	assert_int_equal(policy->config.options & KS_OPT_ASYMMETRIC_RULES, 0);
}

/* Another timeout is no other rule, and effects follow their rule to its id. */
static void test_ids_over_a_reload(void **state)
{
	ks_auto_policy struct ks_policy *old = load_good("allow udp\nallow tcp timeout 1h\n");
	ks_auto_policy struct ks_policy *new = load_good("allow tcp timeout 2h\nallow icmp timeout 5s\nallow udp\n");
	ks_auto_ids struct ks_ids before = { 0 }, after = { 0 };

	assert_int_equal(ks_ids_of(old, &before), 0);
	assert_int_equal(ks_ids_adopt(&before, new, &after), 0);
	assert_int_equal(new->infos[0].id, 2);
	assert_int_equal(new->infos[1].id, 3);
	assert_int_equal(new->infos[2].id, 1);
	assert_int_equal(new->config.effects, 4);
	assert_int_equal(new->effects[1].timeout, 0);
	assert_int_equal(new->effects[2].timeout, 7200000);
	assert_int_equal(new->effects[3].timeout, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_what_is_made),
		cmocka_unit_test(test_what_changes_packets),
		cmocka_unit_test(test_what_changes_nothing),
		cmocka_unit_test(test_ids_over_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
