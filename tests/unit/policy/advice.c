/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/advice.c: what `keepstate check` says of rules that are missing. */
#include "tests/unit/policy/support.h"

#define ZONES "zone lan { eth1 }\nzone wan { eth0 }\n"
#define ASKS "allow from self to wan\n"
#define SSH "allow from lan to self tcp port 22\n"

/* How many warnings a policy gets, and whether one of them says this (NULL: no matter). */
static size_t advise(const char *text, const char *says)
{
	struct ks_policy *policy = load_good(text);
	struct ks_diags diags = { 0 };
	bool said = !says;
	size_t count;

	assert_int_equal(ks_policy_advise(policy, &diags), 0);
	for (size_t i = 0; i < diags.count; i++) {
		assert_true(diags.list[i].warning);
		assert_string_equal(diags.list[i].place.file, "test.conf");
		said |= says && strstr(diags.list[i].message, says);
	}
	if (!said)
		fail_msg("no warning '%s' about\n%s", says, text);
	assert_int_equal(diags.errors, 0);
	count = diags.count;
	ks_diags_fini(&diags);
	ks_policy_destroy(policy);
	return count;
}

static void test_nothing_from_self(void **state)
{
	static const char *const texts[] = {
		ZONES SSH,
		ZONES SSH "deny from self\n",
		ZONES SSH "allow from lan to wan\nallow from none to wan\n",
		ZONES SSH "nat from self to wan masquerade\n",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(texts); i++)
		assert_int_equal(advise(texts[i], "no rule allows anything from self"), 1);
}

static void test_no_way_in(void **state)
{
	static const char *const texts[] = {
		ZONES ASKS,
		ZONES ASKS "allow from lan to self udp port 67\n",
		ZONES ASKS "allow from lan to wan tcp\n",
		ZONES ASKS "allow from self to self tcp\n",
		ZONES ASKS "reject from lan to self tcp port 22\n",
		ZONES ASKS "forward from wan tcp port 22 to lan 10.0.0.5\n",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(texts); i++)
		assert_int_equal(advise(texts[i], "nobody can administer the box"), 1);
}

static void test_enough(void **state)
{
	static const char *const texts[] = {
		ZONES ASKS SSH,
		"allow\n",
		ZONES "allow from { lan, self }\n",
		ZONES ASKS "allow from lan to self\n",
		ZONES "bypass from any to any\n",
		ZONES ASKS "allow from lan to self { udp, tcp } port @p\nset p port { 1-1000 }\n",
		ZONES ASKS "redirect from lan tcp port 2222 to self port 22\n",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(texts); i++)
		assert_int_equal(advise(texts[i], NULL), 0);
	assert_int_equal(advise(ZONES, NULL), 2);
}

static void test_a_policy_has_a_zone(void **state)
{
	static const char *const empty[] = { "", "# nothing\n", "allow\n", "option log-drops on\n" };
	struct ks_policy *good = load_good("zone lan { eth1 }\n");
	struct ks_diags diags = { 0 };

	assert_int_equal(ks_policy_require_zones(good, &diags), 0);
	assert_int_equal(diags.count, 0);
	ks_policy_destroy(good);
	for (size_t i = 0; i < KS_ARRAY_SIZE(empty); i++) {
		struct ks_policy *policy = load_good(empty[i]);

		assert_int_equal(ks_policy_require_zones(policy, &diags), -EINVAL);
		assert_int_equal(diags.errors, 1);
		assert_non_null(strstr(diags.list[0].message, "no zone"));
		ks_diags_fini(&diags);
		diags = (struct ks_diags){ 0 };
		ks_policy_destroy(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_from_self),
		cmocka_unit_test(test_no_way_in),
		cmocka_unit_test(test_enough),
		cmocka_unit_test(test_a_policy_has_a_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
