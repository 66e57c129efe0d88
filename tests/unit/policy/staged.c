/* SPDX-License-Identifier: BSD-2-Clause */
/* Staged rules: complaints, their list, their normal form, and ids over a reload. */
#include "tests/unit/policy/complaints.h"

#include "policy/adopt.h"

static void test_errors(void **state)
{
	static const struct complaint list[] = {
		{ "staged\n", 1, 7, "expected 'allow', 'deny' or 'reject'" },
		{ "staged bypass\n", 1, 8, "'bypass' cannot be staged: expected 'allow', 'deny' or 'reject'" },
		{ "staged forward tcp to 10.0.0.1\n", 1, 8, "'forward' cannot be staged" },
		{ "staged deny limit 1/minute\n", 1, 13, "only what a rule allows has limits" },
		{ "stage deny\n", 1, 1, "unknown statement 'stage' (did you mean 'staged'?)" },
		{ "deny staged\n", 1, 6,
		  "unknown word 'staged' in a rule: expected it before the rule, such as 'staged deny'" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_what_is_made(void **state)
{
	ks_auto_policy struct ks_policy *policy =
		load_good("staged deny udp\nallow { tcp, udp }\nstaged allow { tcp, udp } port 1 log \"x\"\ndeny\n");
	const struct ks_rule_list *list = &policy->config.list[KS_LIST_STAGED];
	const struct ks_rule *staged = policy->rules + list->first;

	assert_int_equal(policy->config.rules, 3);
	assert_int_equal(list->count, 3);
	assert_int_equal(staged[0].before, 0);
	assert_int_equal(staged[0].id, 1);
	assert_int_equal(staged[0].action, KS_DENY);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(staged[i].before, 2);
		assert_int_equal(staged[i].id, 3);
		assert_int_equal(staged[i].flags & KS_RULE_LOG, KS_RULE_LOG);
	}
	assert_string_equal(policy->infos[0].text, "staged deny udp");
	assert_true(policy->infos[0].staged);
	assert_false(policy->infos[1].staged);
	assert_int_equal(policy->infos[0].place.column, 1);
}

/* A rule that is put in force is another one: it counts anew. */
static void test_ids_over_a_reload(void **state)
{
	ks_auto_policy struct ks_policy *old = load_good("staged deny udp\nstaged deny tcp\nallow\n");
	ks_auto_policy struct ks_policy *new = load_good("deny udp\nstaged deny tcp\nallow\n");
	ks_auto_ids struct ks_ids before = { 0 }, after = { 0 };

	assert_int_equal(ks_ids_of(old, &before), 0);
	assert_int_equal(ks_ids_adopt(&before, new, &after), 0);
	assert_int_equal(new->infos[0].id, 4);
	assert_int_equal(new->infos[1].id, 2);
	assert_int_equal(new->rules[new->config.list[KS_LIST_STAGED].first].id, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_what_is_made),
		cmocka_unit_test(test_ids_over_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
