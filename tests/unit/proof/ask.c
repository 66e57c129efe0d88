/* SPDX-License-Identifier: BSD-2-Clause */
/* proof/ask.c: answers are those of every packet of a small world; what is forwarded, and words that are no question. */
#include "proof/ask.h"
#include "proof/condition.h"
#include "tests/unit/proof/world.h"

#define RULES 8
#define ROUNDS 60

struct told {
	unsigned classes[2]; /* refused, allowed */
	unsigned shown, unshown;
};

static int class_count(const struct ks_answer_class *class, void *arg)
{
	struct told *told = arg;

	told->classes[class->lets]++;
	told->shown += class->is_shown;
	told->unshown += !class->is_shown;
	return 0;
}

/* Asks; returns enum ks_reach. */
static enum ks_reach ask(const char *text, const char *words, struct told *told)
{
	ks_auto_policy struct ks_policy *policy = NULL, *asked = NULL;
	ks_auto_diags struct ks_diags diags = { 0 }, more = { 0 };
	enum ks_reach reach = KS_REACH_NEVER;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "t", NULL, &policy, &diags), 0);
	if (ks_question_load(policy, words, &asked, &more))
		fail_msg("%s: %s", words, more.list[0].message);
	assert_int_equal(ks_policy_ask(policy, asked, class_count, told, &reach), 0);
	return reach;
}

/* The answer by a plain reading of the tables: the question is the only rule of `asked`. */
static enum ks_reach read_answer(const struct ks_policy *policy, const struct ks_policy *asked)
{
	bool lets = false, refuses = false;
	struct world_packet packet;

	for (unsigned n = 0; n < WORLD_PACKETS; n++) {
		__u32 entry;

		if (!world_packet_get(n, &packet) ||
		    world_decide(asked, KS_LIST_FILTER, &packet) == KS_DECISION_DEFAULT)
			continue;
		entry = world_decide(policy, KS_LIST_FILTER, &packet);
		lets |= entry != KS_DECISION_DEFAULT && policy->rules[entry].action == KS_ALLOW;
		refuses |= entry == KS_DECISION_DEFAULT || policy->rules[entry].action != KS_ALLOW;
	}
	return !lets ? KS_REACH_NEVER : refuses ? KS_REACH_ONLY : KS_REACH_YES;
}

/* A policy of the world without translations. */
static char *plain_policy(uint64_t *seed)
{
	ks_auto_free char *all = world_policy(seed, RULES);
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	for (const char *line = all; *line; line = strchr(line, '\n') + 1) {
		if (strncmp(line, "nat", 3) && strncmp(line, "forward", 7))
			fprintf(out, "%.*s\n", (int)strcspn(line, "\n"), line);
	}
	fclose(out);
	return text;
}

static void test_exact(void **state)
{
	static const char *const clauses[] = { "",
					       "tcp",
					       "udp port 2",
					       "icmp",
					       "tcp source 10.0.0.0/31",
					       "source @d",
					       "source not @d",
					       "tcp port { 1, 3 }",
					       "udp destination 10.0.0.0/30",
					       "icmpv6 type 128",
					       "tcp ttl 1-9",
					       "dscp ef" };
	static const char *const zones[] = { "a", "b", "self", "none", "any" };
	unsigned answers[3] = { 0 };
	uint64_t seed = 11;

	for (int round = 0; round < ROUNDS; round++) {
		ks_auto_free char *text = plain_policy(&seed);
		ks_auto_policy struct ks_policy *policy = NULL;
		ks_auto_diags struct ks_diags diags = { 0 };

		assert_int_equal(ks_policy_load_text(text, strlen(text), "t", NULL, &policy, &diags), 0);
		for (int i = 0; i < 8; i++) {
			ks_auto_policy struct ks_policy *asked = NULL;
			ks_auto_diags struct ks_diags more = { 0 };
			struct told told = { 0 };
			enum ks_reach reach, expected;
			char words[128];

			snprintf(words, sizeof(words), "can %s reach %s %s?", zones[random_below(&seed, 5)],
				 zones[random_below(&seed, 2)], clauses[random_below(&seed, KS_ARRAY_SIZE(clauses))]);
			reach = ask(text, words, &told);
			assert_int_equal(ks_question_load(policy, words, &asked, &more), 0);
			expected = read_answer(policy, asked);
			if (reach != expected)
				fail_msg("%d instead of %d to %s\n%s", reach, expected, words, text);
			answers[reach]++;
		}
	}
	assert_true(answers[KS_REACH_NEVER] > 20 && answers[KS_REACH_ONLY] > 20 && answers[KS_REACH_YES] > 20);
}

#define GATEWAY                                                       \
	"zone lan { eth1, network 10.0.0.0/24 }\n"                    \
	"zone wan { eth0, address 203.0.113.7 }\nset d { } dynamic\n" \
	"allow from lan to wan source @d\n"                           \
	"forward from wan destination address of wan tcp port 8022 to 10.0.0.5 port 22\n"

static void test_answers(void **state)
{
	static const struct {
		const char *words;
		enum ks_reach reach;
		unsigned refused, allowed;
	} list[] = {
		{ "can wan reach lan tcp port 22?", KS_REACH_ONLY, 1, 1 }, /* those that are forwarded there */
		{ "can wan reach lan tcp port 23?", KS_REACH_NEVER, 1, 0 },
		{ "wan > lan tcp port 22 destination 10.0.0.6", KS_REACH_NEVER, 1, 0 },
		{ "wan > self tcp port 8022", KS_REACH_NEVER, 2, 0 }, /* it goes elsewhere */
		{ "lan > wan", KS_REACH_ONLY, 1, 1 },
		{ "lan > wan source @d", KS_REACH_YES, 0, 1 },
		{ "can lan reach wan source not @d", KS_REACH_NEVER, 1, 0 },
		{ "can { wan, none } reach { lan } tcp port 23 ?", KS_REACH_NEVER, 1, 0 },
		{ "can not lan reach not { wan, self } udp?", KS_REACH_NEVER, 1, 0 },
		{ "{lan}>{ wan }source @d", KS_REACH_YES, 0, 1 },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		struct told told = { 0 };
		enum ks_reach reach = ask(GATEWAY, list[i].words, &told);

		if (reach != list[i].reach || told.classes[0] != list[i].refused ||
		    told.classes[1] != list[i].allowed || told.unshown)
			fail_msg("%s: %d, refused %u, allowed %u, not shown %u", list[i].words, reach, told.classes[0],
				 told.classes[1], told.unshown);
	}
}

/* More conditions than there are variables: nothing is claimed of the last one, and the answer is no 'yes'. */
static void test_many_conditions(void **state)
{
	ks_auto_free char *text = NULL;
	struct told told = { 0 };
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	fputs("zone lan { eth1 }\nzone wan { eth0 }\n", out);
	for (unsigned i = 0; i < KS_CONDITION_VARIABLES_MAX; i++)
		fprintf(out, "deny from wan udp ttl %u\n", i);
	fputs("allow from lan to wan tcp\nallow from wan to lan tcp length 100\nallow from wan to lan udp ttl 0\n",
	      out);
	fclose(out);
	assert_int_equal(ask(text, "lan > wan tcp", &told), KS_REACH_YES);
	assert_int_equal(ask(text, "wan > lan tcp", &told), KS_REACH_ONLY);
	assert_int_equal(ask(text, "wan > lan udp", &told), KS_REACH_NEVER);
	assert_int_equal(ask(text, "lan > wan tcp length 7", &told), KS_REACH_ONLY);
}

/* Schedules have in common what their minutes have: what no minute of the week meets is not asked about. */
static void test_times(void **state)
{
	static const struct {
		const char *rule, *words;
		enum ks_reach reach;
	} list[] = {
		{ "allow from lan to wan tcp port 80 during sat", "lan > wan tcp port 80 during sun", KS_REACH_NEVER },
		{ "allow from lan to wan tcp port 80 during sat", "lan > wan tcp port 80 during sat", KS_REACH_YES },
		{ "allow from lan to wan during sat", "lan > wan during fri-sat", KS_REACH_ONLY },
		{ "allow from lan to wan during mon-fri 08:00-18:00", "lan > wan during tue 08:00-08:01",
		  KS_REACH_YES },
		{ "allow from lan to wan during mon-fri 08:00-18:00", "lan > wan during tue 17:59-18:01",
		  KS_REACH_ONLY },
		{ "allow from lan to wan during mon-fri 08:00-18:00", "lan > wan during not mon-fri 08:00-18:00",
		  KS_REACH_NEVER },
		{ "allow from lan to wan during sun 22:00-06:00", "lan > wan during mon 05:00-05:30", KS_REACH_YES },
		{ "allow from lan to wan during sun 22:00-06:00", "lan > wan during mon 06:00-24:00", KS_REACH_NEVER },
		{ "allow from lan to wan during { mon-wed, thu-sun 00:00-24:00 }", "lan > wan during mon-sun",
		  KS_REACH_YES },
		{ "deny from lan during sat\nallow from lan to wan", "lan > wan during sat", KS_REACH_NEVER },
		{ "deny from lan during sat\nallow from lan to wan", "lan > wan during not sat", KS_REACH_YES },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		struct told told = { 0 };
		enum ks_reach reach;
		char text[256];

		snprintf(text, sizeof(text), "zone lan { eth1 }\nzone wan { eth0 }\n%s\n", list[i].rule);
		reach = ask(text, list[i].words, &told);
		if (reach != list[i].reach)
			fail_msg("%s: %d of %s", list[i].words, reach, list[i].rule);
	}
}

/* A rule with flags decides about all packets that open a connection, unless others may pass, too. */
static void test_flags(void **state)
{
	static const char *const more[] = { "", "option pickup on\n", "option asymmetric on\n",
					    "bypass from wan to lan tcp flags A/SA\n",
					    "allow from wan to lan tcp port 9 asymmetric\n" };
	struct told told = { 0 };

	for (size_t i = 0; i < KS_ARRAY_SIZE(more); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "zone lan { eth1 }\nzone wan { eth0 }\n%sallow from lan to wan tcp flags S/SA\n", more[i]);
		assert_int_equal(ask(text, "lan > wan tcp port 80", &told), i ? KS_REACH_ONLY : KS_REACH_YES);
		assert_int_equal(ask(text, "lan > wan tcp port 80 flags A/SA", &told), KS_REACH_NEVER);
	}
	assert_int_equal(ask("allow from self tcp flags SE/SAE\n", "self > none tcp", &told), KS_REACH_ONLY);
}

static void test_no_questions(void **state)
{
	static const struct {
		const char *words, *says;
	} list[] = {
		{ "", "expected two zones" },
		{ "wan lan", "expected two zones" },
		{ "can wan reach", "expected two zones" },
		{ "can wan find lan?", "expected two zones" },
		{ "wan > dmz", "unknown zone 'dmz'" },
		{ "wan > lan port 22", "a port needs" },
		{ "wan > lan\ndeny", "expected two zones" },
		{ "{ wan > lan", "expected two zones" },
		{ "wan > { lan", "the list begins" },
		{ "wan > lan tcp port 22 log", "expected conditions only" },
		{ "wan > lan tcp limit 5/second", "expected conditions only" },
		{ "wan > lan tcp set mark 5", "expected conditions only" },
		{ "wan > lan tcp timeout 5m", "expected conditions only" },
		{ "wan > lan tcp add source to @d for 1m", "expected conditions only" },
	};
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };

	assert_int_equal(ks_policy_load_text(GATEWAY, strlen(GATEWAY), "t", NULL, &policy, &diags), 0);
	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		ks_auto_policy struct ks_policy *asked = NULL;
		ks_auto_diags struct ks_diags more = { 0 };

		assert_int_equal(ks_question_load(policy, list[i].words, &asked, &more), -EINVAL);
		if (!strstr(more.list[0].message, list[i].says))
			fail_msg("'%s' instead of '%s'", more.list[0].message, list[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_many_conditions), cmocka_unit_test(test_times),
		cmocka_unit_test(test_flags),	cmocka_unit_test(test_no_questions),	cmocka_unit_test(test_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
