/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/settings.c: timeouts, limits, options. */
#include "tests/unit/policy/complaints.h"

static void test_defaults(void **state)
{
	struct ks_policy *policy = load_good("");

	assert_int_equal(policy->config.rules, 0);
	assert_int_equal(policy->config.sets, 1);
	assert_int_equal(policy->config.limit_states, KS_LIMIT_STATES_DEFAULT);
	assert_int_equal(policy->config.limit_half_open, KS_LIMIT_STATES_DEFAULT / 4);
	assert_int_equal(policy->config.options, KS_OPT_LOG_DROPS | KS_OPT_STATE_CHECKSUM);
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
	assert_int_equal(policy->config.options,
			 KS_OPT_PICKUP | KS_OPT_CHECKSUM | KS_OPT_STATE_CHECKSUM | KS_OPT_BYPASS_RULES);
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

static void test_journal(void **state)
{
	struct ks_policy *policy = load_good("");

	assert_int_equal(policy->config.journal, KS_JOURNAL_DEFAULT);
	assert_int_equal(policy->config.journal_age, KS_JOURNAL_AGE_DEFAULT);
	ks_policy_destroy(policy);

	policy = load_good("option journal 2G, journal-age 7d12h\n");
	assert_int_equal(policy->config.journal, 2048);
	assert_int_equal(policy->config.journal_age, 648000);
	assert_printed(policy, "option journal 2G, journal-age 7d12h\n");
	ks_policy_destroy(policy);

	policy = load_good("option journal 700M\n");
	assert_printed(policy, "option journal 700M\n");
	ks_policy_destroy(policy);

	policy = load_good("option journal off\n");
	assert_int_equal(policy->config.journal, 0);
	assert_printed(policy, "option journal off\n");
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

static void test_challenge(void **state)
{
	struct ks_policy *policy = load_good("limit challenge 10%-90%, states 4000\n");

	assert_int_equal(policy->config.challenge_low, 100);
	assert_int_equal(policy->config.challenge_high, 900);
	assert_printed(policy, "limit states 4000, challenge 10%-90%\n");
	ks_policy_destroy(policy);

	policy = load_good("limit challenge off\n");
	assert_int_equal(policy->config.challenge_high, 0);
	assert_printed(policy, "limit challenge off\n");
	ks_policy_destroy(policy);

	policy = load_good("limit half-open 77\n"); /* shares that do not come out even */
	assert_int_equal(policy->config.challenge_low, 19);
	assert_int_equal(policy->config.challenge_high, 38);
	assert_printed(policy, "limit half-open 77\n");
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

	policy = load_good("option xdp always\n");
	assert_int_equal(policy->config.xdp, KS_XDP_ALWAYS);
	assert_printed(policy, "option xdp always\n");
	ks_policy_destroy(policy);

	policy = load_good("option express on\n");
	assert_true(policy->config.options & KS_OPT_EXPRESS);
	assert_printed(policy, "option express on\n");
	ks_policy_destroy(policy);

	policy = load_good("option scrub-ttl off, mss off, scrub-df on, asymmetric on\n");
	assert_int_equal(policy->config.scrub, KS_SCRUB_NO_DF);
	assert_printed(policy, "option asymmetric on, scrub-df on\n");
	ks_policy_destroy(policy);
}

/* Three quarters of the states, unless the policy says another number. */
static void test_states_per_source(void **state)
{
	struct ks_policy *policy = load_good("limit states 1000\n");

	assert_int_equal(policy->config.limit_source_states, 750);
	assert_printed(policy, "limit states 1000\n");
	ks_policy_destroy(policy);
	policy = load_good("limit states 1000, states-per-source 1000\n");
	assert_int_equal(policy->config.limit_source_states, 1000);
	assert_printed(policy, "limit states 1000, states-per-source 1000\n");
	ks_policy_destroy(policy);
}

static void test_setting_errors(void **state)
{
	static const struct complaint list[] = {
		{ "timeout tcp.estblished 5s\n", 1, 9, "(did you mean 'tcp.established'?)" },
		{ "timeout tcp.established 5\n", 1, 25,
		  "'5' is no timeout: expected a duration such as 30s, 10m or 1h30m, 1s to 20d" },
		{ "timeout tcp.established 21d\n", 1, 25, "1s to 20d" },
		{ "timeout tcp.established 5s, udp.stream\n", 1, 39,
		  "expected a duration such as 1h30m, found the end of the line" },
		{ "timeout udp.single 5s\ntimeout udp.single 6s\n", 2, 9,
		  "timeout udp.single is already set at test.conf:1:9" },
		{ "limit states 63\n", 1, 14, "expected a number 64 to 16777216" },
		{ "limit state 64\n", 1, 7, "unknown limit 'state' (did you mean 'states'?)" },
		{ "limit half-open 300000\n", 1, 7, "limit half-open 300000 is above limit states 262144" },
		{ "limit states-per-source 31\n", 1, 25, "expected a number 32 to 16777216" },
		{ "limit states 100, states-per-source 101\n", 1, 19,
		  "limit states-per-source 101 is above limit states 100: expected it below" },
		{ "option pikup on\n", 1, 8,
		  "(did you mean 'pickup'?): expected one of pickup, checksum, state-checksum, log-drops, "
		  "source-routes" },
		{ "limit adaptive 90%-60%\n", 1, 16, "expected two shares of the states, the lower first" },
		{ "limit adaptive 60-90\n", 1, 16, "such as 60%-90%, or 'off'" },
		{ "limit challenge 60-90\n", 1, 17,
		  "expected two shares of the half-open ones, the lower first, such as 25%-50%" },
		{ "limit mappings 0\n", 1, 16, "expected a number 1 to 1048576" },
		{ "option mss 500\n", 1, 12, "'500' is no value for mss: expected a number 536 to 65495, or 'off'" },
		{ "option scrub-ttl 256\n", 1, 18, "expected a number 1 to 255" },
		{ "option pickup yes\n", 1, 15, "expected 'on' or 'off' for pickup, found 'yes'" },
		{ "option other-protocols 1\n", 1, 24, "expected 'on' or 'off' for other-protocols, found '1'" },
		{ "timeout group.answer 10\n", 1, 22, "'10' is no timeout" },
		{ "limit questions 0\n", 1, 17, "'0' is no limit for questions: expected a number 1 to 1048576" },
		{ "option xdp on\n", 1, 12, "expected 'off', 'auto' or 'always' for xdp, found 'on'" },
		{ "option pickup on off\n", 1, 18, "expected the end of the line, found 'off'" },
		{ "include other\n", 1, 9, "expected a file name in quotes, found 'other'" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),       cmocka_unit_test(test_settings),
		cmocka_unit_test(test_kinds),	       cmocka_unit_test(test_journal),
		cmocka_unit_test(test_adaptive),       cmocka_unit_test(test_states_per_source),
		cmocka_unit_test(test_challenge),      cmocka_unit_test(test_scrub),
		cmocka_unit_test(test_setting_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
