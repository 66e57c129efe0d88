/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proof/diff.c: what is told differs, and what differs is told, for every packet of a small world; each test that is printed
 * passes with the policy after and fails with the one before.
 */
#include "proof/diff.h"
#include "proof/assertion.h"
#include "tests/unit/proof/world.h"

#define RULES 8
#define ROUNDS 150
#define LINES 64

/* Pairs of lines that decide about one packet and deny it by the one, allow it by the other; line 0 is none. */
struct pairs {
	bool differ[LINES][LINES]; /* by a plain reading of the tables */
	bool told[LINES][LINES];
	unsigned count;
	const char *text[KS_DIFF_SIDES];
	unsigned tests;
};

static unsigned line_of(const struct ks_policy *policy, __u32 entry)
{
	return entry == KS_DECISION_DEFAULT ? 0 : policy->infos[policy->rule_info[entry]].place.line;
}

/* A packet that opens a flow, whatever else it is. */
static bool is_query(const struct world_packet *packet)
{
	return packet->proto != 1 && packet->proto != 58 ? true : packet->icmp == (packet->proto == 1 ? 8U : 128U) << 8;
}

static bool translates(const struct ks_policy *policy, __u32 entry)
{
	return entry != KS_DECISION_DEFAULT && policy->rules[entry].targets;
}

static bool allows(const struct ks_policy *policy, __u32 entry)
{
	return entry != KS_DECISION_DEFAULT && policy->rules[entry].action == KS_ALLOW;
}

/* Notes the pairs that the inspector must confirm, because nothing else can keep the packet. */
static void pairs_read(const struct ks_policy *before, const struct ks_policy *after, struct pairs *pairs)
{
	struct world_packet packet;

	for (unsigned n = 0; n < WORLD_PACKETS; n++) {
		__u32 a, b;

		if (!world_packet_get(n, &packet) || !is_query(&packet))
			continue;
		a = world_decide(before, KS_LIST_FILTER, &packet);
		b = world_decide(after, KS_LIST_FILTER, &packet);
		if (allows(before, a) == allows(after, b) || translates(before, a) || translates(after, b))
			continue;
		pairs->count += !pairs->differ[line_of(before, a)][line_of(after, b)];
		pairs->differ[line_of(before, a)][line_of(after, b)] = true;
	}
}

/* Runs the test behind the text of a policy. */
static bool test_passes(const char *text, const char *test)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	ks_auto_free char *both = NULL;
	struct ks_tests_summary summary;

	assert_true(asprintf(&both, "%s%s", text, test) > 0);
	if (ks_policy_load_text(both, strlen(both), "t", NULL, &policy, &diags))
		fail_msg("%s\n%s", both, diags.list[diags.count - 1].message);
	return ks_policy_tests_run(policy, ks_assertion_prove, NULL, &summary) == 0;
}

static int class_check(const struct ks_diff_class *class, void *arg)
{
	struct pairs *pairs = arg;
	const struct ks_diff_outcome *a = &class->outcome[KS_DIFF_BEFORE], *b = &class->outcome[KS_DIFF_AFTER];

	ks_auto_free char *text = ks_regions_text(class->space, class->region, class->regions);

	if (class->vague)
		fail_msg("perhaps %s of\n%s\n%s", text, pairs->text[KS_DIFF_BEFORE], pairs->text[KS_DIFF_AFTER]);
	assert_true(class->differs != 0);
	assert_true(class->regions > 0);
	if (class->list == KS_LIST_FILTER)
		pairs->told[line_of(a->deed.policy, a->deed.entry)][line_of(b->deed.policy, b->deed.entry)] = true;
	assert_true(class->is_lent == !class->test[0]);
	if (class->is_lent)
		return 0;
	if (!test_passes(pairs->text[KS_DIFF_AFTER], class->test))
		fail_msg("the test fails after:\n%s%s", pairs->text[KS_DIFF_AFTER], class->test);
	if (class->differs & (KS_DIFFERS_VERDICT | KS_DIFFERS_TRANSLATION) &&
	    test_passes(pairs->text[KS_DIFF_BEFORE], class->test))
		fail_msg("the test passes before:\n%s%s", pairs->text[KS_DIFF_BEFORE], class->test);
	pairs->tests++;
	return 0;
}

/* Removes a line, adds one, or moves one: `text` has the rules from line 4 on. */
static char *policy_change(const char *text, uint64_t *seed)
{
	char *made = NULL;
	size_t length;
	FILE *out = open_memstream(&made, &length);
	unsigned at = 4 + random_below(seed, RULES), how = random_below(seed, 3), line = 1;

	assert_non_null(out);
	for (const char *from = text; *from; from = strchr(from, '\n') + 1, line++) {
		if (line == at && how == 0)
			world_rule(out, seed);
		if (line == at && how == 1)
			continue;
		if (line == at && how == 2 && strchr(from, '\n')[1]) { /* swapped with the next one */
			const char *next = strchr(from, '\n') + 1;

			fprintf(out, "%.*s\n", (int)strcspn(next, "\n"), next);
			fprintf(out, "%.*s\n", (int)strcspn(from, "\n"), from);
			from = next;
			line++;
			continue;
		}
		fprintf(out, "%.*s\n", (int)strcspn(from, "\n"), from);
	}
	fclose(out);
	return made;
}

static unsigned policies_check(const char *before, const char *after, unsigned *tests)
{
	ks_auto_policy struct ks_policy *a = NULL, *b = NULL;
	ks_auto_diags struct ks_diags diags = { 0 }, more = { 0 };
	struct pairs pairs = { .text = { before, after } };
	struct ks_diff_stats stats;

	assert_int_equal(ks_policy_load_text(before, strlen(before), "t", NULL, &a, &diags), 0);
	assert_int_equal(ks_policy_load_text(after, strlen(after), "t", NULL, &b, &more), 0);
	assert_int_equal(ks_diff_policies(a, b, class_check, &pairs, &stats), 0);
	assert_false(stats.given_up);
	pairs_read(a, b, &pairs);
	for (unsigned i = 0; i < LINES; i++) {
		for (unsigned j = 0; j < LINES; j++) {
			if (pairs.differ[i][j] && !pairs.told[i][j])
				fail_msg("lines %u and %u differ, but this is not told:\n%s\n%s", i, j, before, after);
		}
	}
	*tests += pairs.tests;
	return pairs.count;
}

static void test_exact(void **state)
{
	unsigned differ = 0, tests = 0;
	uint64_t seed = 5;

	for (int round = 0; round < ROUNDS; round++) {
		ks_auto_free char *before = world_policy(&seed, RULES);
		ks_auto_free char *once = policy_change(before, &seed);
		ks_auto_free char *after = policy_change(once, &seed);

		differ += policies_check(before, after, &tests);
	}
	assert_true(differ > ROUNDS / 2 && tests > ROUNDS); /* else nothing was tried */
}

/* The only class of two policies. */
struct one {
	const char *before, *after;
	unsigned differs;
	const char *packets;
};

static int one_check(const struct ks_diff_class *class, void *arg)
{
	const struct one *one = arg;
	ks_auto_free char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	ks_regions_print(class->space, class->region, class->regions, out);
	fclose(out);
	if (class->differs != one->differs || strcmp(text, one->packets) != 0)
		fail_msg("%x %s instead of %x %s", class->differs, text, one->differs, one->packets);
	return 0;
}

#define PLAIN "zone lan { eth1 }\nzone wan { eth0 }\n"
#define ZONES "zone lan { eth1 }\nzone wan { eth0, address 203.0.113.1 }\nset d { } dynamic\nallow source @d to self\n"

static void test_classes(void **state)
{
	static const struct one list[] = {
		{ ZONES "allow from lan to wan tcp port 1-100\n", ZONES "allow from lan to wan tcp port 1-99\n",
		  KS_DIFFERS_VERDICT, "from lan to wan tcp port 100" },
		{ ZONES "allow from lan to wan tcp port 22\n", ZONES "allow from lan to wan tcp port 22 log\n",
		  KS_DIFFERS_LOG, "from lan to wan tcp port 22" },
		{ ZONES "allow from lan to wan tcp port 22 limit 5/second\n",
		  ZONES "allow from lan to wan tcp port 22 limit 6/second\n", KS_DIFFERS_LIMITS,
		  "from lan to wan tcp port 22" },
		{ ZONES "allow from lan to wan udp timeout 1h\n", ZONES "allow from lan to wan udp timeout 2h\n",
		  KS_DIFFERS_TIMEOUT, "from lan to wan udp" },
		{ ZONES "deny from wan to lan tcp\n", ZONES "deny from wan to lan tcp add source to @d for 1h\n",
		  KS_DIFFERS_SETS, "from wan to lan tcp" },
		{ "set d { } dynamic\nset e { } dynamic\n" PLAIN "allow from lan to wan udp add source to @d\n",
		  "set e { } dynamic\nset d { } dynamic\n" PLAIN "allow from lan to wan udp add source to @e\n",
		  KS_DIFFERS_SETS, "from lan to wan udp" },
		{ "set d { } dynamic\nset e { } dynamic\n" PLAIN "allow from lan to wan udp add source to @d\n",
		  "set e { } dynamic\nset d { } dynamic\n" PLAIN "allow from lan to wan udp add source to @d\n", 0,
		  "" },
		{ ZONES "allow from lan to wan\nhelper ftp from lan to wan\n",
		  ZONES "allow from lan to wan\nhelper ftp from lan to wan tcp port 2121\n"
			"helper ftp from lan to wan\n",
		  KS_DIFFERS_HELPER, "from lan to wan tcp port 2121" },
		{ ZONES "allow from lan to wan\nnat from lan to wan masquerade\n",
		  ZONES "allow from lan to wan\nnat from lan to wan source 10.0.0.0/8 exempt\n"
			"nat from lan to wan masquerade\n",
		  KS_DIFFERS_TRANSLATION, "from lan to wan family ipv4 source 10.0.0.0/8" },
		{ ZONES "allow from lan to wan tcp ttl 1-9\n", ZONES "allow from lan to wan tcp ttl 1-8\n",
		  KS_DIFFERS_VERDICT, "from lan to wan tcp ttl 1-9 ttl not 1-8" },
		{ ZONES "allow from lan to wan udp length 1-200\n", ZONES "allow from lan to wan udp\n",
		  KS_DIFFERS_VERDICT, "from lan to wan udp length not 1-200" },
		{ ZONES "allow from lan to wan udp\n", ZONES "deny udp mark 7\nallow from lan to wan udp\n",
		  KS_DIFFERS_VERDICT, "from lan to wan udp mark 0x7" },
		{ ZONES "allow from lan to wan\nnat from lan to wan masquerade\n",
		  ZONES "allow from lan to wan\nnat from lan to wan source 10.0.0.0/8 dscp ef exempt\n"
			"nat from lan to wan masquerade\n",
		  KS_DIFFERS_TRANSLATION, "from lan to wan family ipv4 source 10.0.0.0/8 dscp ef" },
		{ "set x { 1.2.3.4 }\n" ZONES "allow from lan to wan tcp ttl 1-9 mac 02:00:00:00:00:09\n"
		  "deny source @x ttl 3\n",
		  ZONES "allow from lan to wan tcp mac 02:00:00:00:00:09 ttl 1-9\n", 0, "" },
		{ ZONES "allow from wan to self tcp port 22 source @d\n", ZONES "deny from wan to self tcp port 22\n",
		  0, "" },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		ks_auto_policy struct ks_policy *a = NULL, *b = NULL;
		ks_auto_diags struct ks_diags diags = { 0 }, more = { 0 };
		struct ks_diff_stats stats;

		assert_int_equal(ks_policy_load_text(list[i].before, strlen(list[i].before), "a", NULL, &a, &diags), 0);
		if (ks_policy_load_text(list[i].after, strlen(list[i].after), "b", NULL, &b, &more))
			fail_msg("%s", more.list[0].message);
		assert_int_equal(ks_diff_policies(a, b, one_check, (void *)&list[i], &stats), 0);
		if (stats.classes != (list[i].differs != 0))
			fail_msg("%u classes, %u not shown, of\n%s\n%s", stats.classes, stats.unshown, list[i].before,
				 list[i].after);
	}
}

/* Compares two policies of the same zones, with a rule each. Returns how many classes differ. */
static unsigned rules_compare(const char *zones, const char *before, const char *after, ks_diff_fn *fn, const void *arg)
{
	const char *rules[KS_DIFF_SIDES] = { before, after };
	struct ks_policy *policies[KS_DIFF_SIDES] = { NULL };
	struct ks_diff_stats stats;

	for (int side = 0; side < KS_DIFF_SIDES; side++) {
		ks_auto_diags struct ks_diags diags = { 0 };
		ks_auto_free char *text = NULL;

		assert_true(asprintf(&text, "%s%s\n", zones, rules[side]) > 0);
		if (ks_policy_load_text(text, strlen(text), "t", NULL, &policies[side], &diags))
			fail_msg("%s\n%s", text, diags.list[0].message);
	}
	assert_int_equal(ks_diff_policies(policies[KS_DIFF_BEFORE], policies[KS_DIFF_AFTER], fn, (void *)arg, &stats),
			 0);
	for (int side = 0; side < KS_DIFF_SIDES; side++)
		ks_policy_destroy(policies[side]);
	return stats.classes;
}

/* Rules that are added, of which only some packets come to them: each is shown by one of those. */
static const struct shown {
	const char *wan, *rule, *packet;
} shown[] = {
	{ "203.0.113.1", "allow to lan source 203.0.113.1", "self 203.0.113.1" }, /* the box's own, from nowhere else */
	{ "2001:db8:1::1", "allow from lan to wan family ipv6",
	  "lan [2001:db8:1::2]" }, /* the usual example is the box's */
	{ "2001:db8:1::1", "allow from lan to wan family ipv6 destination 2001:db8:2::/64", "> wan [2001:db8:2:" },
	{ "203.0.113.1", "allow from wan to lan source { ::/0, not 2001:db8::/32 }", "wan [2" },
	{ "203.0.113.1", "allow from wan to lan source { ::/8, fd00::/8 }", "wan [fd00::1]" },
	{ "203.0.113.1", "allow from wan to lan source ::/8", "wan [" },
	{ "203.0.113.1", "allow from wan to lan source { 0.0.0.0/1, 203.0.113.1 }", "wan 1.0.0.0" },
	{ "203.0.113.1", "allow from wan to lan source { 127.0.0.0/8, 8.8.8.8 }", "wan 8.8.8.8" },
	{ "203.0.113.1", "redirect from { lan, wan } udp port 53 to port 3128",
	  "lan 198.51.100.1" }, /* lan is lent an address */
	{ "203.0.113.1", "deny from wan icmpv6 type router-advertisement",
	  "wan fe80::1 > self ff02::1 icmpv6 type 134" },
	{ "203.0.113.1", "allow from lan to self icmpv6 type redirect", "lan fe80::1 > self fe80::2 icmpv6 type 137" },
};

static int shown_check(const struct ks_diff_class *class, void *arg)
{
	const struct shown *one = arg;

	if (class->vague || !strstr(class->witness.text, one->packet))
		fail_msg("%s: %s", one->rule, class->witness.text);
	return 0;
}

static void test_shown(void **state)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(shown); i++) {
		ks_auto_free char *zones = NULL;
		unsigned classes;

		assert_true(asprintf(&zones, "zone lan { eth1 }\nzone wan { eth0, address %s }\n", shown[i].wan) > 0);
		classes = rules_compare(zones, "", shown[i].rule, shown_check, &shown[i]);
		if (classes != 1)
			fail_msg("%s: %u classes", shown[i].rule, classes);
	}
}

/* Rules that are taken away: the sets of their addresses are only in the policy before. */
static void test_removed(void **state)
{
	static const char *const rules[] = {
		"forward from { wan, lan } destination address of wan tcp port 443 to 10.0.0.5",
		"allow from self source address of wan",
		"allow from wan to self tcp port 22 destination address of wan",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(rules); i++) {
		const struct shown some = { .rule = rules[i], .packet = "203.0.113.1" };

		assert_int_equal(rules_compare(ZONES, rules[i], "", shown_check, &some), 1);
	}
}

/* A difference that only a forged source makes is told without a packet; a translation by an address that is not said, without a test. */
static int perhaps_check(const struct ks_diff_class *class, void *arg)
{
	const bool *is_lent = arg;

	assert_int_equal(class->vague, !*is_lent);
	assert_int_equal(class->is_lent, *is_lent);
	assert_string_equal(class->test, "");
	if (*is_lent)
		assert_int_equal(class->outcome[KS_DIFF_AFTER].action, KS_ALLOW);
	return 0;
}

static void test_not_said(void **state)
{
	static const char *const zones =
		"zone lan { eth1, network 10.0.0.0/24 }\nzone dmz { eth2, network 10.0.2.0/24 }\n"
		"zone wan { eth0 }\nallow from lan to wan\n";
	static const char *const rules[] = { "allow from dmz to lan source 10.0.0.0/24",
					     "nat from lan to wan masquerade" };

	for (int i = 0; i < 2; i++) {
		const bool is_lent = i;

		assert_int_equal(rules_compare(zones, "", rules[i], perhaps_check, &is_lent), 1);
	}
}

/* No packet comes to these, whatever they say. */
static void test_nobody(void **state)
{
	static const char *const rules[] = {
		"allow from wan source 203.0.113.1",
		"allow from wan to lan source { 127.0.0.1, ::1, ::ffff:0:0/96 }",
		"allow from self to self",
		"allow icmp type 99",
		"allow icmpv6 type 200",
		"deny icmpv6 type neighbour-solicitation",
		"allow icmpv6 type redirect source 2001:db8::/32",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(rules); i++) {
		const struct shown none = { .rule = rules[i], .packet = "none" };

		assert_int_equal(rules_compare(ZONES, "", rules[i], shown_check, &none), 0);
	}
}

/* Two policies, and how many classes of them have no packet. */
struct perhaps {
	const char *before, *after;
	unsigned vague;
};

static int vague_count(const struct ks_diff_class *class, void *arg)
{
	unsigned *vague = arg;

	assert_true(class->differs != 0);
	assert_true(class->regions > 0);
	if (class->vague)
		assert_string_equal(class->test, "");
	*vague += class->vague;
	return 0;
}

/* Rules differ in conditions that no packet in words can meet. */
static void test_perhaps(void **state)
{
	static const struct perhaps list[] = {
		{ ZONES "allow from lan to wan during mon\n", ZONES "allow from lan to wan during sat\n", 2 },
		{ ZONES "allow from lan to wan ttl 5\n", ZONES, 0 }, /* a packet shows it */
		{ ZONES "allow from lan to wan\n", ZONES "deny from lan to wan during mon\nallow from lan to wan\n",
		  1 },
		{ ZONES "deny from lan mark 1\nallow from lan\n", ZONES "allow from lan\ndeny from lan mark 1\n", 0 },
		{ ZONES "deny from lan mark 1\nallow from lan\n", ZONES "deny from lan mark 1\nallow from lan log\n",
		  0 },
		{ ZONES "allow from lan during mon\n", ZONES "allow from lan during mon\n", 0 },
		{ ZONES "allow from lan to wan\nnat from lan to wan ttl 5 masquerade\n",
		  ZONES "allow from lan to wan\n", 0 },
		{ ZONES "nat from lan to wan ttl 5 masquerade\n", ZONES, 0 },
		{ ZONES "allow from wan to lan destination suffix ::10/64\n",
		  ZONES "allow from wan to lan destination suffix ::11/64\n", 2 },
		{ ZONES "allow from wan to lan destination suffix ::10/64\n",
		  ZONES "allow from wan to lan destination suffix ::10/64\n", 0 },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		ks_auto_policy struct ks_policy *a = NULL, *b = NULL;
		ks_auto_diags struct ks_diags diags = { 0 }, more = { 0 };
		unsigned vague = 0;

		assert_int_equal(ks_policy_load_text(list[i].before, strlen(list[i].before), "a", NULL, &a, &diags), 0);
		assert_int_equal(ks_policy_load_text(list[i].after, strlen(list[i].after), "b", NULL, &b, &more), 0);
		assert_int_equal(ks_diff_policies(a, b, vague_count, &vague, NULL), 0);
		if (vague != list[i].vague)
			fail_msg("%u classes without a packet, of\n%s\n%s", vague, list[i].before, list[i].after);
	}
}

/* Tests for people to paste, whatever is in the packet and by whatever port it leaves; what chance chooses is no difference. */
static int pasted_check(const struct ks_diff_class *class, void *arg)
{
	const char *after = arg;

	assert_int_equal(class->differs & KS_DIFFERS_TRANSLATION, 0);
	if (!test_passes(after, class->test))
		fail_msg("the test fails after:\n%s%s", after, class->test);
	return 0;
}

static void test_pasted(void **state)
{
	static const char *const rules[][2] = {
		{ "allow from self cgroup \"a/b\"\n", "deny from self cgroup \"a/b\"\n" },
		{ "allow from lan to wan\nnat from lan to wan masquerade random-port\n",
		  "allow from lan to wan limit 5/second\nnat from lan to wan masquerade random-port\n" },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(rules); i++) {
		ks_auto_policy struct ks_policy *a = NULL, *b = NULL;
		ks_auto_diags struct ks_diags diags = { 0 }, more = { 0 };
		ks_auto_free char *before = NULL, *after = NULL;
		struct ks_diff_stats stats;

		assert_true(asprintf(&before, ZONES "%s", rules[i][0]) > 0);
		assert_true(asprintf(&after, ZONES "%s", rules[i][1]) > 0);
		assert_int_equal(ks_policy_load_text(before, strlen(before), "a", NULL, &a, &diags), 0);
		assert_int_equal(ks_policy_load_text(after, strlen(after), "b", NULL, &b, &more), 0);
		assert_int_equal(ks_diff_policies(a, b, pasted_check, after, &stats), 0);
		assert_true(stats.classes > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes), cmocka_unit_test(test_shown),	 cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_removed), cmocka_unit_test(test_not_said), cmocka_unit_test(test_perhaps),
		cmocka_unit_test(test_exact),	cmocka_unit_test(test_pasted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
