/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proof/shadow.c: rules that never decide are found exactly, held against every packet of a small world; each is shown by a
 * packet that the inspector has judged; and what is said about them.
 */
#include "proof/shadow.h"
#include "tests/unit/proof/world.h"

#define RULES 12
#define FIRST_LINE 4
#define LARGE 10000

static void decide_all(const struct ks_policy *policy, bool decided[RULES])
{
	struct world_packet packet;

	for (unsigned n = 0; n < WORLD_PACKETS; n++) {
		if (!world_packet_get(n, &packet))
			continue;
		for (int list = 0; list <= KS_LIST_SOURCE; list++) {
			__u32 entry = world_decide(policy, (enum ks_list)list, &packet);

			if (entry != KS_DECISION_DEFAULT)
				decided[policy->rule_info[entry]] = true;
		}
	}
}

static bool is_told_of(const struct ks_diags *diags, unsigned line)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (diags->list[i].place.line == line && (strstr(diags->list[i].message, "is never reached") ||
							  strstr(diags->list[i].message, "can never match")))
			return true;
	}
	return false;
}

/* Looks at one policy; returns how many rules never decide. */
static unsigned policy_check(const char *text, struct ks_shadow_stats *stats)
{
	const struct ks_shadow_wish wish = { .notes = true };
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	bool decided[RULES] = { false };
	unsigned never = 0;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "t", NULL, &policy, &diags), 0);
	assert_int_equal(ks_shadow_check(policy, &wish, &diags, stats), 0);
	decide_all(policy, decided);
	for (unsigned i = 0; i < RULES; i++) {
		if (is_told_of(&diags, FIRST_LINE + i) == decided[i])
			fail_msg("the rule in line %u %s, but this is not said:\n%s", FIRST_LINE + i,
				 decided[i] ? "decides" : "never decides", text);
		never += !decided[i];
	}
	assert_int_equal(stats->given_up, 0);
	return never;
}

/* Both ways: what is told never decides, and what never decides is told. */
static void test_exact(void **state)
{
	unsigned never = 0, witnesses = 0, doubts = 0, notes = 0;
	uint64_t seed = 99;

	for (int round = 0; round < 60; round++) {
		ks_auto_free char *text = world_policy(&seed, RULES);
		struct ks_shadow_stats stats;

		never += policy_check(text, &stats);
		witnesses += stats.witnesses;
		doubts += stats.doubts;
		notes += stats.notes;
	}
	assert_true(never > 60 && notes > 60); /* else nothing was tried */
	if (doubts)
		fail_msg("%u packets show what is claimed, and %u do not", witnesses, doubts);
	assert_true(witnesses > (never + notes) / 2);
}

/* A text, and the complaint about it: the only one, unless `says` is empty. */
struct told {
	const char *text;
	unsigned line;
	const char *says;
};

#define ZONES "zone a { eth0 }\nzone b { eth1, address 203.0.113.1 }\n" /* rules begin at line 3 */

static void told_check(const struct told *told, bool notes)
{
	const struct ks_shadow_wish wish = { .notes = notes };
	struct ks_shadow_stats stats;
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };

	assert_int_equal(ks_policy_load_text(told->text, strlen(told->text), "t", NULL, &policy, &diags), 0);
	assert_int_equal(ks_shadow_check(policy, &wish, &diags, &stats), 0);
	if (stats.doubts)
		fail_msg("the inspector doubts\n%s", told->text);
	if (!told->says) {
		if (diags.count)
			fail_msg("%s: %s", told->text, diags.list[0].message);
		return;
	}
	if (diags.count != 1)
		fail_msg("%zu complaints about\n%s\n%s\n%s", diags.count, told->text,
			 diags.count ? diags.list[0].message : "", diags.count ? diags.list[1].message : "");
	if (!strstr(diags.list[0].message, told->says))
		fail_msg("'%s' instead of '%s' for\n%s", diags.list[0].message, told->says, told->text);
	assert_int_equal(diags.list[0].place.line, told->line);
	assert_int_equal(diags.list[0].note, notes);
	assert_non_null(diags.list[0].excerpt);
}

static void test_warnings(void **state)
{
	static const struct told list[] = {
		{ "allow tcp port 80\ndeny tcp port 80\n", 2,
		  "this rule is never reached: the rule at t:1 takes all of its packets, and allows what this one "
		  "would "
		  "deny (such as" },
		{ "allow tcp port { 80, 81 } log\nallow tcp port 80-81\n", 2,
		  "takes all of its packets, and differs in log" },
		{ "allow tcp port 1-1023\nallow tcp port 22\n", 2,
		  "the rule at t:1 takes all of its packets and does the same with them (such as" },
		{ "allow tcp port 1-1023\nallow tcp port 1024-65535\ndeny tcp port 1000-2000\n", 3,
		  "the rules at t:1 and t:2 take all of its packets between them, and the one at t:1 allows" },
		{ "deny from any\nallow tcp\n", 2, "the rule at t:1 takes all of its packets, and denies" },
		{ "allow { tcp, udp }\ndeny udp family ipv6\n", 2, "the rule at t:1 takes all" },
		{ "allow tcp\nallow udp\ndeny { udp, tcp } source 10.0.0.1\n", 3, "the rules at t:1 and t:2 take all" },
		{ "deny source not 10.0.0.0/8\ndeny tcp source 192.0.2.0/24\n", 2, "takes all of its packets" },
		{ "deny source 10.0.0.0/9\ndeny source 10.128.0.0/9\nallow source 10.0.0.0/8 tcp\n", 3,
		  "the rules at t:1 and t:2" },
		{ "allow icmp type 8\nallow family ipv4 icmp type echo-request\n", 2, "takes all of its packets" },
		{ "set d { } dynamic\nallow source @d\ndeny tcp source @d\n", 3, "the rule at t:2 takes all" },
		{ "set d { } dynamic\nallow source @d\nallow source not @d\ndeny tcp port 1\n", 4,
		  "the rules at t:2 and t:3" },
		{ "allow tcp limit 5/second\nallow tcp port 22\n", 2, "and differs in limits" },
		{ "bypass udp port 53\nallow udp port 53\n", 2, "bypasses what this one would allow" },
		{ ZONES "allow from b\nforward from b tcp port 80 to 10.0.0.5\n", 4,
		  "allows what this one would forward (such as" },
		{ ZONES "allow from a to self tcp port 80\nforward from a destination address of b tcp port 80 to "
			"10.0.0.5\n",
		  4,
		  "is never reached: the rule at t:3 takes all of its packets, and allows what this one would "
		  "forward" },
		{ ZONES "allow from a to self tcp port 80\nforward from { a, b } destination address of b tcp port 80 "
			"to 10.0.0.5\n",
		  4, "this rule never decides about packets from zone a: the rule at t:3 takes all of them" },
		{ ZONES "deny udp from a\nallow from a { tcp, udp } port 53\n", 4,
		  "never decides about packets of protocol udp" },
		{ ZONES "forward from b tcp port 80 to 10.0.0.5\nforward from b tcp port 80 to 10.0.0.6\n", 4,
		  "and differs in translation" },
		{ ZONES "nat to b masquerade\nnat from a to b family ipv4 exempt\n", 4, "takes all of its packets" },
		{ ZONES "nat to b masquerade\nbinat 10.0.0.5 to 203.0.113.5 on b\n", 4,
		  "the outbound direction of this rule is never reached: the rule at t:3" },
		{ ZONES "helper ftp from a\nhelper ftp from a to b\n", 4, "takes all of its packets" },
		{ "zone a { eth0, address 192.0.2.1 }\nallow from a source 192.0.2.1\n", 2,
		  "or, from others, its own" },
		{ "zone a { eth0, address 192.0.2.1 }\nallow from self\nallow tcp source 192.0.2.1\n", 3,
		  "the rule at t:2 takes all" },
		{ "allow from self to self\n", 1, "what the firewall sends to itself" },
		{ ZONES "allow from a tcp port 0\n", 3, "or a port 0 is dropped before" },
		{ "allow tcp\ndeny tcp port 22 ttl 1-5\n", 2, "the rule at t:1 takes all" },
		{ "allow tcp ttl 1-5\nallow tcp port 22 ttl 2-3 dscp ef\n", 2, "and does the same with them (such as" },
		{ "allow tcp ttl 1-5\nallow tcp ttl not 1-5\ndeny tcp port 1\n", 3, "the rules at t:1 and t:2" },
		{ "allow tcp ttl 1-99\nallow tcp ttl 90-200\ndeny tcp ttl 20-150\n", 3, "the rules at t:1 and t:2" },
		{ "allow tcp mac 02:00:00:00:00:07\nallow tcp port 22 mac 02:00:00:00:00:07\n", 2,
		  "and does the same with them (such as" },
		{ "allow from self tcp user 7\ndeny from self tcp port 22 user 7\n", 2,
		  "allows what this one would deny (such as" },
		{ "allow tcp during mon-fri 08:00-18:00\nallow tcp port 22 during mon-fri 08:00-18:00\n", 2,
		  "and does the same with them: this one can go" },
		{ "allow tcp during mon 08:00-18:00\nallow tcp during mon 08:00-17:00\n", 2,
		  "and does the same with them: this one can go" },
		{ "deny tcp during { mon, tue }\ndeny tcp port 1 during mon-tue 22:00-24:00\n", 2,
		  "and does the same with them: this one can go" },
		{ "deny tcp ttl not 0-255\n", 1, "is never reached: no packet meets all of its conditions" },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++)
		told_check(&list[i], false);
}

/* A rule behind another one with the same condition never decides, and a packet that meets it shows that. */
static void test_conditions(void **state)
{
	static const char *const list[] = { "ttl 1-5",	     "length 1-100", "length not 1-100", "dscp ef",
					    "mark not 3",    "fragment",     "mark 0x10/0xf0",	 "flags S/SA",
					    "dscp not 0",    "not fragment", "flags /R",	 "flags SEW/SAEW",
					    "ip-option none" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		struct told told = { .line = 2,
				     .says = "takes all of its packets, and allows what this one would deny (such as" };
		ks_auto_free char *text = NULL;

		assert_true(asprintf(&text, "allow tcp %s\ndeny tcp port 22 %s\n", list[i], list[i]) > 0);
		told.text = text;
		told_check(&told, false);
	}
}

/* How policies are written: these are no faults. */
static void test_no_warnings(void **state)
{
	static const struct told list[] = {
		{ "allow tcp port 80\nallow udp port 80\nallow tcp port 81\nallow tcp\ndeny\n", 0, NULL },
		{ ZONES "deny from a to b source 10.0.0.1\nallow from a to b\nallow from { a, b } to self\n", 0, NULL },
		{ "allow source 10.0.0.0/8\nallow source not 10.0.0.0/8\n", 0, NULL },
		{ "allow tcp port 1-1022\ndeny tcp port 1-1023\n", 0, NULL },
		{ "allow tcp ttl 1-5\ndeny tcp port 22\n", 0, NULL },
		{ "allow tcp ttl 1-5\ndeny tcp port 22 ttl 1-6\n", 0, NULL },
		{ "allow tcp mark 1\ndeny tcp mark 2\n", 0, NULL },
		{ "allow tcp mac 02:00:00:00:00:07\ndeny tcp port 22 mac 02:00:00:00:00:07\n", 0,
		  NULL }, /* where a router had the packet, the second one matches */
		{ "allow tcp mac 02:00:00:00:00:07\nallow tcp mac not 02:00:00:00:00:07\ndeny tcp\n", 0,
		  NULL }, /* frames that have no source */
		{ "allow tcp during mon 08:00-18:00\nallow tcp during mon 08:00-18:01\n", 0, NULL },
		{ "allow tcp during mon\ndeny tcp during mon 08:00-09:00\n", 0,
		  NULL }, /* when nobody knows the time, the second one matches */
		{ "set d { } dynamic\nallow source @d\ndeny source 10.0.0.1\nallow source not @d\n", 0, NULL },
		{ "set d { 10.0.0.0/8 } dynamic\nallow source @d\ndeny source 10.0.0.1\n", 0, NULL },
		{ ZONES "deny from a tcp port 25\nallow from { a, b } tcp\n", 0, NULL },
		{ ZONES "allow from a tcp port 25\nallow from { a, b } tcp port 25\n", 0,
		  NULL }, /* redundant in part */
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++)
		told_check(&list[i], false);
}

static void test_notes(void **state)
{
	static const struct told list[] = {
		{ "deny tcp port 22 source 10.0.0.0/8\nallow tcp port 22\n", 2,
		  "this rule decides less than it says: the rule at t:1 takes a part of its packets (t:1 denies '" },
		{ ZONES "allow from a tcp port 1-1023\ndeny from a to b tcp port 1000-2000\n", 4,
		  "what is left: from a to b tcp port 1024-2000" },
		{ "deny tcp port 22 ttl 1-5\nallow tcp port 22\n", 2,
		  "; what is left: from none tcp port 22 ttl not 1-5; from self tcp port 22 ttl not 1-5" },
		{ "deny tcp port 22 ttl 1-5\nallow tcp port 22 ttl 6-9\n", 0, NULL },
		{ "deny tcp port 22 mark 1/3\nallow tcp port 22 mark 2/3\n", 0, NULL },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++)
		told_check(&list[i], true);
}

static bool is_given_up(const struct ks_diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		if (strstr(diags->list[i].message, "was not found out in"))
			return true;
	}
	return false;
}

/* Ten thousand rules cost steps that are bounded; rules that all overlap are given up, and this is said. */
static void many_check(const char *format, unsigned steps_most, bool is_hostile)
{
	const struct ks_shadow_wish wish = { .steps = is_hostile ? 1000000 : 0 };
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	ks_auto_free char *text = NULL;
	struct ks_shadow_stats stats;
	uint64_t seed = 7;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	for (unsigned i = 0; i < LARGE; i++)
		fprintf(out, format, random_below(&seed, 256), random_below(&seed, 256), random_below(&seed, 60000),
			random_below(&seed, 5000));
	fputs("deny from any\nallow tcp\n", out);
	fclose(out);
	assert_int_equal(ks_policy_load_text(text, length, "t", NULL, &policy, &diags), 0);
	assert_int_equal(ks_shadow_check(policy, &wish, &diags, &stats), 0);
	if (is_hostile) {
		assert_true(stats.given_up > 0);
		assert_true(is_given_up(&diags));
		return;
	}
	assert_int_equal(stats.given_up, 0);
	assert_true(stats.never >= 1);
	if (stats.steps > steps_most)
		fail_msg("%llu steps", stats.steps);
}

static void test_many(void **state)
{
	many_check("allow tcp source 10.%u.%u.0/24 port %u # %u\n", 30000000, false);
	many_check("allow tcp source 10.0.%u.%u port %u # %u\n", 30000000, false);
	many_check("allow tcp source 10.%u.%u.0-10.255.255.0 port %u-65535 source port %u-65535\n", 0, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warnings), cmocka_unit_test(test_conditions), cmocka_unit_test(test_no_warnings),
		cmocka_unit_test(test_notes),	 cmocka_unit_test(test_exact),	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
