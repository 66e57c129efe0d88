/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/ledger.c: rules and zones keep their ids over reloads and over the daemon's death. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "daemon/ledger.h"

static struct ks_policy *load(const char *text)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "test", ".", &policy, &diags), 0);
	ks_diags_fini(&diags);
	return policy;
}

/* Adopts into a policy of `text` what `ledger` knows, and replaces the ledger. */
static struct ks_policy *adopt(struct ks_ledger *ledger, const char *text)
{
	struct ks_policy *policy = load(text);
	struct ks_ledger new;

	assert_int_equal(ks_ledger_adopt(ledger, policy, &new), 0);
	ks_ledger_fini(ledger);
	*ledger = new;
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
	struct ks_ledger ledger = { 0 };
	struct ks_policy *first = adopt(&ledger, TWO_ZONES "allow from lan to wan tcp port 80\n"
							   "allow from lan to wan tcp port 443\n");
	struct ks_policy *second = adopt(&ledger, TWO_ZONES "deny from lan to wan tcp port 25\n"
							    "allow from lan to wan tcp port 443\n"
							    "allow from lan to wan tcp port 80\n");

	assert_int_equal(rule_id(first, "443"), rule_id(second, "443"));
	assert_int_equal(rule_id(first, "port 80"), rule_id(second, "port 80"));
	assert_int_not_equal(rule_id(second, "port 25"), rule_id(second, "443"));
	assert_int_not_equal(rule_id(second, "port 25"), rule_id(second, "port 80"));
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_ledger_fini(&ledger);
}

/* Flows of a rule that is gone still name its id: a new rule must not get it. */
static void test_ids_of_gone_rules_stay_taken(void **state)
{
	struct ks_ledger ledger = { 0 };
	struct ks_policy *first = adopt(&ledger, TWO_ZONES "allow from lan to wan tcp port 80\n");
	struct ks_policy *second = adopt(&ledger, TWO_ZONES "allow from lan to wan tcp port 81\n");
	struct ks_policy *third = adopt(&ledger, TWO_ZONES "allow from lan to wan tcp port 80\n");

	assert_int_not_equal(rule_id(first, "port 80"), rule_id(second, "port 81"));
	assert_int_equal(rule_id(first, "port 80"), rule_id(third, "port 80"));
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_policy_destroy(third);
	ks_ledger_fini(&ledger);
}

static void test_zones_keep_their_ids(void **state)
{
	struct ks_ledger ledger = { 0 };
	struct ks_policy *first = adopt(&ledger, TWO_ZONES "allow from lan to wan\n");
	struct ks_policy *second = adopt(&ledger, "zone dmz { eth2 }\nzone wan { eth0 }\nzone lan { eth1 }\n"
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
	ks_ledger_fini(&ledger);
}

/* What else stands in the tables by the number of a zone goes with it: addresses, where targets are, rules of every list. */
static void test_translations_follow_their_zones(void **state)
{
	struct ks_ledger ledger = { 0 };
	struct ks_policy *first = adopt(&ledger, TWO_ZONES "allow from lan to wan\n");
	struct ks_policy *second = adopt(&ledger, "zone dmz { eth2 }\n"
						  "zone wan { eth0, address 203.0.113.1, antispoof off }\n"
						  "zone lan { eth1, network 10.0.0.0/8 }\n"
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
	ks_ledger_fini(&ledger);
}

static void test_any_zone_stays_any_zone(void **state)
{
	struct ks_ledger ledger = { 0 };
	struct ks_policy *first = adopt(&ledger, "zone a { eth0 }\nzone b { eth1 }\nallow tcp port 80\n");
	__u64 from = first->rules[0].from_zones;
	struct ks_policy *second = adopt(&ledger, "zone c { eth2 }\nzone b { eth1 }\nallow tcp port 80\n");

	for (unsigned i = KS_ZONE_SELF; i < 5; i++)
		assert_int_equal(from >> i & 1, second->rules[0].from_zones >> i & 1);
	ks_policy_destroy(first);
	ks_policy_destroy(second);
	ks_ledger_fini(&ledger);
}

static void test_file_round_trip(void **state)
{
	char path[] = "/tmp/keepstate-record-XXXXXX";
	struct ks_ledger ledger = { .since = 1234, .cookie = 77 }, read;
	struct ks_policy *policy = adopt(&ledger, TWO_ZONES "allow from lan to wan  log \"a \\\"label\\\"\"\n");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(ks_ledger_add_qdisc(&ledger, 7), 0);
	assert_int_equal(ks_ledger_add_qdisc(&ledger, 9), 0);
	assert_int_equal(ks_ledger_add_qdisc(&ledger, 7), 0);
	ks_ledger_drop_qdisc(&ledger, 9);
	assert_int_equal(ks_ledger_write(&ledger, path), 0);
	assert_int_equal(ks_ledger_read(path, &read), 0);
	assert_int_equal(read.since, 1234);
	assert_int_equal(read.cookie, 77);
	assert_int_equal(read.rule_count, 1);
	assert_int_equal(read.rules[0].id, policy->infos[0].id);
	assert_string_equal(read.rules[0].text, policy->infos[0].text);
	assert_string_equal(read.zones[ks_policy_zone_id(policy, "wan")], "wan");
	assert_int_equal(read.qdisc_count, 1);
	assert_true(ks_ledger_has_qdisc(&read, 7));
	ks_ledger_fini(&read);
	ks_ledger_fini(&ledger);
	ks_policy_destroy(policy);
	unlink(path);
}

static void test_damaged_files_are_refused(void **state)
{
	static const char *const damaged[] = {
		"",
		"{",
		"{\"rules\": [{\"id\": 0, \"text\": \"x\"}]}",
		"{\"rules\": [{\"id\": 65536, \"text\": \"x\"}]}",
		"{\"rules\": [{\"id\": 1}]}",
		"{\"rules\": [7]}",
		"{\"rules\": [], \"zones\": [{\"id\": 1, \"name\": \"x\"}]}",
		"{\"rules\": [], \"zones\": [{\"id\": 64, \"name\": \"x\"}]}",
		"{\"rules\": [], \"zones\": [{\"id\": 2, \"name\": \"x\"}, {\"id\": 2, \"name\": \"y\"}]}",
	};
	struct ks_ledger ledger;

	assert_int_equal(ks_ledger_read("/nonexistent/record", &ledger), -ENOENT);
	for (size_t i = 0; i < KS_ARRAY_SIZE(damaged); i++) {
		char path[] = "/tmp/keepstate-record-XXXXXX";
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, damaged[i], strlen(damaged[i])), (ssize_t)strlen(damaged[i]));
		close(fd);
		if (ks_ledger_read(path, &ledger) != -EINVAL)
			fail_msg("accepted: %s", damaged[i]);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_keep_their_ids),
		cmocka_unit_test(test_ids_of_gone_rules_stay_taken),
		cmocka_unit_test(test_zones_keep_their_ids),
		cmocka_unit_test(test_any_zone_stays_any_zone),
		cmocka_unit_test(test_translations_follow_their_zones),
		cmocka_unit_test(test_file_round_trip),
		cmocka_unit_test(test_damaged_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
