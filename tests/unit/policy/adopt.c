/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/adopt.c: rules and zones keep their ids over reloads. */
#include "tests/unit/policy/support.h"

#include "policy/adopt.h"

/* Loads a policy after those that `ids` knows. */
static struct ks_policy *adopt(struct ks_ids *ids, const char *text)
{
	struct ks_policy *policy = load_good(text);
	struct ks_ids new;

	assert_int_equal(ks_ids_adopt(ids, policy, &new), 0);
	ks_ids_fini(ids);
	*ids = new;
	return policy;
}

static __u32 rule_id(const struct ks_policy *policy, const char *part)
{
	for (size_t i = 0; i < policy->info_count; i++) {
		if (strstr(policy->infos[i].text, part))
			return policy->infos[i].id;
	}
	fail_msg("no rule '%s'", part);
	return 0;
}

#define TWO_ZONES "zone lan { eth1 }\nzone wan { eth0 }\n"

static void test_rules_keep_their_ids(void **state)
{
	struct ks_ids ids = { 0 };
	struct ks_policy *first = adopt(&ids, TWO_ZONES "allow from lan to wan tcp port 80\n"
							"allow from lan to wan tcp port 443\n");
	struct ks_policy *second = adopt(&ids, TWO_ZONES "deny from lan to wan tcp port 25\n"
							 "allow from lan to wan tcp port 443\n"
							 "allow from lan to wan tcp port 80\n");

	assert_int_equal(rule_id(first, "443"), rule_id(second, "443"));
	assert_int_equal(rule_id(first, "port 80"), rule_id(second, "port 80"));
	assert_int_not_equal(rule_id(second, "port 25"), rule_id(second, "443"));
	assert_int_not_equal(rule_id(second, "port 25"), rule_id(second, "port 80"));
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_ids_fini(&ids);
}

/* Flows of a rule that is gone still name its id: a new rule must not get it. */
static void test_ids_of_gone_rules_stay_taken(void **state)
{
	struct ks_ids ids = { 0 };
	struct ks_policy *first = adopt(&ids, TWO_ZONES "allow from lan to wan tcp port 80\n");
	struct ks_policy *second = adopt(&ids, TWO_ZONES "allow from lan to wan tcp port 81\n");
	struct ks_policy *third = adopt(&ids, TWO_ZONES "allow from lan to wan tcp port 80\n");

	assert_int_not_equal(rule_id(first, "port 80"), rule_id(second, "port 81"));
	assert_int_equal(rule_id(first, "port 80"), rule_id(third, "port 80"));
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_policy_destroy(third);
	ks_ids_fini(&ids);
}

static void test_zones_keep_their_ids(void **state)
{
	struct ks_ids ids = { 0 };
	struct ks_policy *first = adopt(&ids, TWO_ZONES "allow from lan to wan\n");
	struct ks_policy *second = adopt(&ids, "zone dmz { eth2 }\nzone wan { eth0 }\nzone lan { eth1 }\n"
					       "allow from lan to wan\n");
	int lan = ks_policy_zone_id(first, "lan"), wan = ks_policy_zone_id(first, "wan");
	int dmz = ks_policy_zone_id(second, "dmz");

	assert_int_equal(ks_policy_zone_id(second, "lan"), lan);
	assert_int_equal(ks_policy_zone_id(second, "wan"), wan);
	assert_int_not_equal(dmz, lan);
	assert_int_not_equal(dmz, wan);
	assert_true(second->rules[0].from_zones == 1ULL << lan);
	assert_true(second->rules[0].to_zones == 1ULL << wan);
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_ids_fini(&ids);
}

/* Everything in the tables that names a zone by its number follows: addresses, places of targets, rules of every list. */
static void test_translations_follow_their_zones(void **state)
{
	struct ks_ids ids = { 0 };
	struct ks_policy *first = adopt(&ids, TWO_ZONES "allow from lan to wan\n");
	struct ks_policy *second =
		adopt(&ids, "zone dmz { eth2, challenge always }\n"
			    "zone wan { eth0, address 203.0.113.1, antispoof off, challenge never }\n"
			    "zone lan { eth1, network 10.0.0.0/8 }\n"
			    "protect wan\n"
			    "forward from wan tcp port 80 to 10.0.0.5\n"
			    "redirect from lan tcp port 80 to self\n"
			    "nat from lan to wan masquerade\n");
	int lan = ks_policy_zone_id(second, "lan"), wan = ks_policy_zone_id(second, "wan");
	int dmz = ks_policy_zone_id(second, "dmz");
	const struct ks_rule *nat = &second->rules[second->config.list[KS_LIST_SOURCE].first];

	assert_int_equal(lan, ks_policy_zone_id(first, "lan"));
	assert_int_equal(ks_be32(second->config.address[wan][0].w[3]), 0xcb007101);
	assert_int_equal(second->config.address[lan][0].w[3], 0);
	assert_int_equal(second->config.address[dmz][0].w[3], 0);
	assert_int_equal(second->config.antispoof, 1ULL << KS_ZONE_NONE | 1ULL << lan | 1ULL << dmz);
	assert_int_equal(second->config.challenge_never, 1ULL << wan);
	assert_int_not_equal(second->config.protection[wan].items, 0);
	assert_int_equal(second->config.protection[lan].items | second->config.protection[dmz].items, 0);
	assert_int_equal(second->config.challenge_always, 1ULL << dmz);
	assert_int_equal(second->config.networks, 1);
	assert_int_equal(second->config.network[0].zone, lan);
	assert_true(second->config.outside[0] == ~(1ULL << lan) && second->config.outside[1] == ~0ULL);
	assert_int_equal(second->targets[second->rules[0].target].zone, lan);
	assert_int_equal(second->targets[second->rules[1].target].zone, KS_ZONE_SELF);
	assert_int_equal(second->targets[nat->target].zone, KS_ZONE_UNKNOWN);
	assert_true(nat->from_zones == 1ULL << lan && nat->to_zones == 1ULL << wan);
	assert_int_equal(nat->id, second->infos[2].id);
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_ids_fini(&ids);
}

static void test_any_zone_stays_any_zone(void **state)
{
	struct ks_ids ids = { 0 };
	struct ks_policy *first = adopt(&ids, "zone a { eth0 }\nzone b { eth1 }\nallow tcp port 80\n");
	__u64 from = first->rules[0].from_zones;
	struct ks_policy *second = adopt(&ids, "zone c { eth2 }\nzone b { eth1 }\nallow tcp port 80\n");

	for (unsigned i = KS_ZONE_SELF; i < 5; i++)
		assert_int_equal(from >> i & 1, second->rules[0].from_zones >> i & 1);
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_ids_fini(&ids);
}

/* Equal texts take their ids in their order; ids of others stay with them. */
static void test_texts_pair_in_order(void **state)
{
	struct ks_rule_id rules[] = {
		{ .id = 7, .text = "allow tcp" },
		{ .id = 3, .text = "allow udp" },
		{ .id = 1, .text = "deny proto gre" },
		{ .id = 12, .text = "allow tcp" },
	};
	static const __u32 expected[] = { 2, 3, 4, 7, 12 };
	const struct ks_ids old = { .rules = rules, .rule_count = KS_ARRAY_SIZE(rules) };
	struct ks_policy *policy = load_good("deny proto ah\nallow udp\ndeny proto esp\nallow tcp log\nallow tcp\n");
	struct ks_ids new;

	assert_int_equal(ks_ids_adopt(&old, policy, &new), 0);
	assert_int_equal(new.rule_count, 6);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(policy->infos[i].id, expected[i]);
		assert_int_equal(policy->rules[i].id, expected[i]);
		assert_int_equal(new.rules[i].id, expected[i]);
		assert_int_equal(new.rules[i].is_new, expected[i] == 2 || expected[i] == 4);
		assert_ptr_equal(ks_policy_rule(policy, expected[i]), &policy->infos[i]);
	}
	assert_int_equal(new.rules[5].id, 1);
	assert_string_equal(new.rules[5].text, "deny proto gre");
	assert_null(ks_policy_rule(policy, 0));
	assert_null(ks_policy_rule(policy, 1));
	assert_null(ks_policy_rule(policy, 70000));
	ks_ids_fini(&new);
	ks_policy_destroy(policy);
}

/* When every id was given out, those of rules that are gone are given again; their counters begin anew. */
static void test_all_ids_are_known(void **state)
{
	struct ks_rule_id *rules = calloc(KS_RULE_ID_MAX, sizeof(*rules));
	const struct ks_ids old = { .rules = rules, .rule_count = KS_RULE_ID_MAX - 1 };
	struct ks_policy *policy = load_good("allow tcp\nallow udp\n");
	struct ks_ids new;

	assert_non_null(rules);
	for (__u32 id = 1; id < KS_RULE_ID_MAX; id++)
		rules[id - 1] = (struct ks_rule_id){ .id = id, .text = id == 1 ? "allow udp" : "gone" };
	assert_int_equal(ks_ids_adopt(&old, policy, &new), 0);
	assert_int_equal(policy->infos[0].id, 2);
	assert_int_equal(policy->infos[1].id, 1);
	assert_true(new.rules[0].is_new);
	assert_false(new.rules[1].is_new);
	assert_int_equal(new.rule_count, 2 + KS_IDS_GONE_MAX);
	assert_int_equal(new.rules[2].id, 3);
	ks_ids_fini(&new);
	ks_policy_destroy(policy);
	free(rules);
}

/* Flows name their zones by id: a new zone must not get that of one that is gone, which may come back. */
static void test_ids_of_gone_zones_stay_taken(void **state)
{
	struct ks_ids ids = { 0 };
	struct ks_policy *first = adopt(&ids, "zone lan { eth1 }\nzone wan { eth0 }\nzone opt { eth2 }\n");
	struct ks_policy *second = adopt(&ids, "zone wan { eth0 }\nzone foo { eth3 }\n");
	__u64 gone = ks_ids_gone_zones(&ids, second);
	struct ks_policy *third = adopt(&ids, "zone opt { eth2 }\nzone lan { eth1 }\nzone wan { eth0 }\n");
	int lan = ks_policy_zone_id(first, "lan"), opt = ks_policy_zone_id(first, "opt");

	assert_int_equal(gone, 1ULL << lan | 1ULL << opt);
	assert_int_equal(ks_policy_zone_id(second, "foo"), KS_ZONE_FIRST + 3);
	assert_int_equal(ks_policy_zone_id(third, "lan"), lan);
	assert_int_equal(ks_policy_zone_id(third, "opt"), opt);
	assert_int_equal(ks_policy_zone_id(third, "wan"), ks_policy_zone_id(first, "wan"));
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_policy_destroy(third);
	ks_ids_fini(&ids);
}

/* A policy as it was loaded is the first that a test's `reload` adopts from. */
static void test_ids_of_a_loaded_policy(void **state)
{
	struct ks_policy *policy = load_good(TWO_ZONES "allow from lan to wan\n");
	struct ks_ids ids;

	assert_int_equal(ks_ids_of(policy, &ids), 0);
	assert_int_equal(ids.rule_count, 1);
	assert_int_equal(ids.rules[0].id, policy->infos[0].id);
	assert_string_equal(ids.rules[0].text, "allow from lan to wan");
	assert_string_equal(ids.zones[ks_policy_zone_id(policy, "lan")], "lan");
	assert_string_equal(ids.zones[ks_policy_zone_id(policy, "wan")], "wan");
	assert_int_equal(ks_ids_gone_zones(&ids, policy), 0);
	ks_ids_fini(&ids);
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_keep_their_ids),	cmocka_unit_test(test_ids_of_gone_rules_stay_taken),
		cmocka_unit_test(test_texts_pair_in_order),	cmocka_unit_test(test_all_ids_are_known),
		cmocka_unit_test(test_zones_keep_their_ids),	cmocka_unit_test(test_translations_follow_their_zones),
		cmocka_unit_test(test_any_zone_stays_any_zone), cmocka_unit_test(test_ids_of_gone_zones_stay_taken),
		cmocka_unit_test(test_ids_of_a_loaded_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
