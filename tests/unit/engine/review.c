/* SPDX-License-Identifier: BSD-2-Clause */
/* engine/review.c: living flows are held against another policy. The flows are those that a policy's test leaves. */
#include <string.h>

#include "engine/review.h"
#include "policy/adopt.h"
#include "scenario/scenario.h"
#include "tests/unit/policy/support.h"

#define ZONES                                     \
	"zone lan { eth1, network 10.0.0.0/8 }\n" \
	"zone wan { eth0, address 203.0.113.1 }\n"

struct tally {
	unsigned counts[KS_REVIEW_MAX];
	const struct ks_policy *policy;
	char rule[128]; /* the text of the latest rule that denied */
};

static int count(const struct ks_reviewed *reviewed, void *arg)
{
	const struct ks_rule_info *info;
	struct tally *tally = arg;

	tally->counts[reviewed->review]++;
	info = reviewed->review == KS_REVIEW_DENIED && reviewed->decision.index != KS_DECISION_DEFAULT
		       ? ks_policy_rule(tally->policy, reviewed->decision.id)
		       : NULL;
	if (info)
		snprintf(tally->rule, sizeof(tally->rule), "%s", info->text);
	return 0;
}

static void ask(const struct ks_home *home, const struct ks_policy *before, const struct ks_policy *policy,
		struct tally *tally)
{
	const struct ks_tables now = ks_policy_tables(policy), then = ks_policy_tables(before);
	ks_auto_asked struct ks_asked asked = { 0 }, asked_before = { 0 };
	struct ks_review_table table;

	assert_int_equal(ks_asked_init(&asked, &now, NULL), 0);
	assert_int_equal(ks_asked_init(&asked_before, &then, NULL), 0);
	home->ops->table(home->self, &table);
	tally->policy = policy;
	assert_int_equal(ks_review_flows(&table, &asked, &asked_before, count, tally), 0);
}

/* Runs the only test of `before`, and reviews what it leaves by `after`. Returns the tally. */
static struct tally review(const char *before, const char *after)
{
	struct ks_policy *old = load_good(before), *new = load_good(after);
	struct ks_test_result *result = calloc(1, sizeof(*result));
	ks_auto_ids struct ks_ids ids = { 0 }, adopted = { 0 };
	struct tally tally = { 0 };
	struct ks_home home;

	assert_int_equal(ks_native_home_create(old, &home), 0);
	assert_int_equal(ks_scenario_run(old, &old->tests[0], &home, NULL, NULL, result), 0);
	if (result->outcome == KS_OUTCOME_FAILED)
		fail_msg("the test fails: expected %s, got %s", result->step.expected, result->step.got);
	assert_int_equal(ks_ids_of(old, &ids), 0);
	assert_int_equal(ks_ids_adopt(&ids, new, &adopted), 0);
	ask(&home, old, new, &tally);
	ks_native_home_destroy(&home);
	free(result);
	ks_policy_destroy(new);
	ks_policy_destroy(old);
	return tally;
}

#define TWO \
	"test \"t\" {\n lan 10.0.0.5:1000 > wan 192.0.2.1:53 udp\n lan 10.0.0.5:1001 > wan 192.0.2.1:80 tcp syn\n}\n"

static void test_rules(void **state)
{
	static const char before[] = ZONES "allow from lan to wan\n" TWO;
	struct tally tally = review(before, ZONES "allow from lan to wan\n");

	assert_int_equal(tally.counts[KS_REVIEW_ALLOWED], 2);
	tally = review(before, ZONES "deny from lan to wan tcp port 80\nallow from lan to wan\n");
	assert_int_equal(tally.counts[KS_REVIEW_ALLOWED], 1);
	assert_int_equal(tally.counts[KS_REVIEW_DENIED], 1);
	assert_string_equal(tally.rule, "deny from lan to wan tcp port 80");
	tally = review(before, ZONES "allow from wan to lan\nbypass from lan to wan udp\n");
	assert_int_equal(tally.counts[KS_REVIEW_ALLOWED], 1);
	assert_int_equal(tally.counts[KS_REVIEW_DENIED], 1);
	assert_string_equal(tally.rule, "");
	tally = review(before, ZONES "allow from lan to wan source @a\nset a { 10.0.0.0/30 }\n");
	assert_int_equal(tally.counts[KS_REVIEW_DENIED], 2);
}

static void test_the_originator_is_asked_about(void **state)
{
	static const char before[] = ZONES "allow from lan to wan\ntest \"t\" {\n"
					   " c = lan 10.0.0.5:1000 > wan 192.0.2.1:80 tcp\n c open\n"
					   " lan 10.0.0.5 > wan 192.0.2.1 icmp type 8 id 7\n}\n";
	struct tally tally = review(before, ZONES "allow from wan to lan\nallow from lan to wan tcp port 80\n"
						  "allow from lan to wan icmp type echo-request\n");

	assert_int_equal(tally.counts[KS_REVIEW_ALLOWED], 2);
	tally = review(before, ZONES "allow from wan to lan\nallow from lan to wan icmp type timestamp-request\n");
	assert_int_equal(tally.counts[KS_REVIEW_DENIED], 2);
}

static void test_sources(void **state)
{
	static const char plain[] = ZONES "allow from lan to wan\n" TWO;
	static const char masqueraded[] = ZONES "allow from lan to wan\nnat from lan to wan masquerade\n" TWO;
	static const char pool[] = ZONES "allow from lan to wan\nnat from lan to wan to 203.0.113.8-203.0.113.15\n" TWO;

	assert_int_equal(review(plain, masqueraded).counts[KS_REVIEW_RENAMED], 2);
	assert_int_equal(review(masqueraded, plain).counts[KS_REVIEW_RENAMED], 2);
	assert_int_equal(review(masqueraded, masqueraded).counts[KS_REVIEW_ALLOWED], 2);
	assert_int_equal(review(masqueraded, pool).counts[KS_REVIEW_RENAMED], 2);
	assert_int_equal(review(pool, pool).counts[KS_REVIEW_ALLOWED], 2);
	assert_int_equal(review(pool, ZONES "allow from lan to wan\nnat from lan to wan to 203.0.113.8-203.0.113.31\n")
				 .counts[KS_REVIEW_ALLOWED],
			 2);
	assert_int_equal(
		review(pool, ZONES "allow from lan to wan\nnat from lan to wan exempt\n" TWO).counts[KS_REVIEW_RENAMED],
		2);
}

static void test_destinations(void **state)
{
	static const char before[] = ZONES "forward from wan tcp port 80 to lan 10.0.0.5\ntest \"t\" {\n"
					   " wan 192.0.2.1:1000 > self 203.0.113.1:80 tcp syn\n}\n";

	assert_int_equal(
		review(before, ZONES "forward from wan tcp port 80 to lan 10.0.0.5\n").counts[KS_REVIEW_ALLOWED], 1);
	assert_int_equal(
		review(before, ZONES "forward from wan tcp port 80 to lan 10.0.0.6\n").counts[KS_REVIEW_RETARGETED], 1);
	assert_int_equal(review(before, ZONES "allow from wan to self\n").counts[KS_REVIEW_REDIRECTED], 1);
	assert_int_equal(review(before, ZONES "allow from wan to lan\n").counts[KS_REVIEW_DENIED], 1);
	assert_int_equal(review(before, ZONES "forward from wan source 192.0.2.9 tcp port 80 to lan 10.0.0.5\n")
				 .counts[KS_REVIEW_DENIED],
			 1);
	assert_int_equal(
		review(ZONES
		       "allow from wan to self\ntest \"t\" {\n wan 192.0.2.1:1 > self 203.0.113.1:80 tcp syn\n}\n",
		       ZONES "forward from wan tcp port 80 to lan 10.0.0.5\n")
			.counts[KS_REVIEW_REDIRECTED],
		1);
}

/* No rule allows a data connection: it stands with the control connection that announced it. */
static void test_announced(void **state)
{
	static const char before[] = ZONES
		"allow from lan to wan tcp port 21\nhelper ftp from lan to wan tcp port 21\ntest \"t\" {\n"
		" c = lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp\n c open\n c < psh ack data \"220 welcome\\r\\n\"\n"
		" c > psh ack data \"USER anonymous\\r\\n\"\n c < psh ack data \"230 come in\\r\\n\"\n"
		" c > psh ack data \"PORT 10,0,0,5,4,1\\r\\n\"\n wan 192.0.2.1:20 > lan 10.0.0.5:1025 tcp syn => allow "
		"related\n}\n";
	struct tally tally = review(before, before);

	assert_int_equal(tally.counts[KS_REVIEW_ALLOWED], 2);
	tally = review(before, ZONES "deny from wan\nallow from lan to wan tcp port 21\n");
	assert_int_equal(tally.counts[KS_REVIEW_ALLOWED], 2);
	tally = review(before, ZONES "allow from lan to wan tcp port 22\n");
	assert_int_equal(tally.counts[KS_REVIEW_DENIED], 2);
}

/* A connection of the same two that a rule allowed is no announced one. */
static void test_beside_a_control_connection(void **state)
{
	static const char before[] =
		ZONES "allow from lan to wan tcp\nhelper ftp from lan to wan tcp port 21\ntest \"t\" {\n"
		      " c = lan 10.0.0.5:40000 > wan 192.0.2.1:21 tcp\n c open\n lan 10.0.0.5:40001 > wan 192.0.2.1:80 "
		      "tcp syn\n}\n";
	struct tally tally =
		review(before, ZONES "allow from lan to wan tcp port 21\nhelper ftp from lan to wan tcp port 21\n");

	assert_int_equal(tally.counts[KS_REVIEW_ALLOWED], 1);
	assert_int_equal(tally.counts[KS_REVIEW_DENIED], 1);
}

static void test_mapped(void **state)
{
#define NAT "nat from lan to wan masquerade endpoint-independent filtering endpoint-independent\n"
	static const char before[] = ZONES "allow from lan to wan\n" NAT "test \"t\" {\n"
					   " lan 10.0.0.5:4000 > wan 192.0.2.1:3478 udp\n"
					   " wan 192.0.2.7:9 > self 203.0.113.1:4000 udp => allow related\n}\n";

	assert_int_equal(review(before, before).counts[KS_REVIEW_ALLOWED], 2);
	assert_int_equal(review(before, ZONES "allow from lan to wan tcp\n" NAT).counts[KS_REVIEW_DENIED], 2);
#undef NAT
}

/* One address for one, both ways. */
static void test_prefixes(void **state)
{
#define PREFIX_ZONES \
	"zone lan { eth1, network 10.0.0.0/8, network fd00:1::/48 }\nzone wan { eth0, address 203.0.113.1 }\n"
#define PREFIX_RULES "allow from lan to wan\nallow from wan to lan tcp port 80\n"
#define BINAT "binat 10.0.0.5 to 203.0.113.5 on wan\nnptv6 fd00:1::/48 to 2001:db8:1::/48 on wan\n"
	static const char before[] = PREFIX_ZONES BINAT PREFIX_RULES
		"test \"t\" {\n lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn => allow new as 203.0.113.5:40000 > "
		"192.0.2.1:80\n"
		" wan 192.0.2.1:50000 > lan 203.0.113.5:80 tcp syn => allow new as 192.0.2.1:50000 > 10.0.0.5:80\n"
		" lan [fd00:1::5]:40000 > wan [2001:db8:f::1]:80 tcp syn => allow new\n}\n";
	struct tally tally = review(before, before);

	assert_int_equal(tally.counts[KS_REVIEW_ALLOWED], 3);
	tally = review(before, PREFIX_ZONES "binat 10.0.0.6 to 203.0.113.5 on wan\n" PREFIX_RULES);
	assert_int_equal(tally.counts[KS_REVIEW_RENAMED], 2);
	assert_int_equal(tally.counts[KS_REVIEW_RETARGETED], 1);
#undef BINAT
#undef PREFIX_RULES
#undef PREFIX_ZONES
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),	  cmocka_unit_test(test_the_originator_is_asked_about),
		cmocka_unit_test(test_sources),	  cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_announced), cmocka_unit_test(test_beside_a_control_connection),
		cmocka_unit_test(test_mapped),	  cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
