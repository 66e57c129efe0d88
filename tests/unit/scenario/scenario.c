/* SPDX-License-Identifier: BSD-2-Clause */
/* The test language: complaints about steps, the bytes that packets in words become, and tests that must fail. */
#include "tests/unit/policy/support.h"

#include "scenario/craft.h"
#include "scenario/scenario.h"
#include "policy/arena.h"

#define HEAD "zone lan { eth1, network 10.0.0.0/24 }\nzone wan { eth0 }\nallow from lan to wan udp log \"dns\"\n"
#define UDP "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp"

/* Loads one step in a test; returns the complaint, or NULL. Its place is in *place. The caller frees it. */
static char *complaint(const char *step, struct ks_place *place)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char text[1024], *message = NULL;
	int err;

	snprintf(text, sizeof(text), HEAD "test \"t\" {\n%s\n}\n", step);
	err = ks_policy_load_text(text, strlen(text), "test.conf", NULL, &policy, &diags);
	if (err) {
		assert_int_equal(err, -EINVAL);
		assert_int_equal(diags.errors, 1); /* never two about one line */
		message = strdup(diags.list[0].message);
		*place = diags.list[0].place;
	}
	ks_diags_fini(&diags);
	if (!err)
		ks_policy_destroy(policy);
	return message;
}

static void test_complaints(void **state)
{
	static const struct {
		const char *step;
		unsigned column;
		const char *part; /* of the message */
	} bad[] = {
		{ "lna 10.0.0.5:40000 > wan 192.0.2.1:53 udp", 1, "expected a zone" },
		{ "lan 10.0.0.5:40000 wan 192.0.2.1:53 udp", 20, "expected '>'" },
		{ "lan 10.0.0.5:40000 > 192.0.2.1:53 udp", 22, "which zone" },
		{ "lan 10.0.0.5:40000 > wan 192.0.2.1 udp", 36, "both ends need a port" },
		{ "lan 10.0.0.5:40000 > wan [2001:db8::1]:53 udp", 26, "one end is IPv4" },
		{ "lan 10.0.0.5 > wan 192.0.2.1 icmpv6", 30, "does not go with these addresses" },
		{ "lan 10.0.0.5 > wan 192.0.2.1 xyz", 30, "expected a protocol" },
		{ UDP " syn", 43, "has no meaning" },
		{ UDP " 77", 43, "expected a word" },
		{ UDP " win 5", 43, "has no meaning" },
		{ UDP " ttl 256", 47, "a number, 0 to 255" },
		{ UDP " ttl", 46, "found the end of the line" },
		{ UDP " trunkate 5", 43, "did you mean 'truncate'" },
		{ UDP " => allwo", 46, "expected allow, deny, reject, bypass or hold" },
		{ UDP " => deny mark 77", 51, "'mark' says how a packet leaves, and behind 'deny' none does" },
		{ UDP " => reject answer icmp same", 65, "'same' says how a packet leaves, and behind 'reject'" },
		{ UDP " => hold ttl 5", 51, "expected it behind allow or bypass only" },
		{ UDP " => deny \"no sate\"", 51, "did you mean \"no state\"" },
		{ UDP " => allow state OPEN", 58, "the name of a state" },
		{ "after 10m later", 11, "expected the end of the line" },
		{ "after soon", 7, "a duration" },
		{ "expect flows 3", 8, "states N" },
		{ "expect records flows 3", 16, "aliases, mappings" },
		{ "listen icmp 7", 8, "tcp or udp" },
		{ "listen udp 0", 12, "a port" },
		{ UDP " => allow as 203.0.113.1", 66, "expected '>'" },
		{ UDP " => allow as 203.0.113 > *", 55, "an end such as" },
		{ UDP " => allow as *:70000 > *", 55, "an end such as" },
		{ "lan 10.0.0.5:1 > wan 192.0.2.1:2 sctp vtag 1 win 5", 46, "has no meaning" },
		{ "lan 10.0.0.5:1 > wan 192.0.2.1:2 tcp shutdown", 38, "has no meaning" },
		{ "expect state OPEN for c", 14, "the name of a state" },
		{ "fill 0 " UDP, 6, "how many flows" },
		{ "lan = " UDP, 1, "is a zone" },
		{ "lan > wan frame hex \"0x\"", 21, "is no hexadecimal digit" },
		{ "lan > wan frame hex \"012\"", 21, "half an octet" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ks_place place = { 0 };
		char *message = complaint(bad[i].step, &place);

		if (!message || !strstr(message, bad[i].part) || place.line != 5 || place.column != bad[i].column)
			fail_msg("\"%s\": %s at %u:%u; expected \"%s\" at 5:%u", bad[i].step,
				 message ? message : "no complaint", place.line, place.column, bad[i].part,
				 bad[i].column);
		free(message);
	}
}

static void test_zone_by_network(void **state)
{
	struct ks_place place;

	assert_null(complaint("10.0.0.5:40000 > wan 192.0.2.1:53 udp", &place));
}

/* Runs the only test of a text; returns the outcome. */
static enum ks_outcome outcome_of(const char *head, const char *steps, struct ks_test_result *result)
{
	struct ks_policy *policy;
	struct ks_home home;
	char text[1024];
	int err;

	snprintf(text, sizeof(text), "%stest \"t\" {\n%s\n}\n", head, steps);
	policy = load_good(text);
	assert_int_equal(ks_native_home_create(policy, &home), 0);
	err = ks_scenario_run(policy, &policy->tests[0], &home, NULL, NULL, result);
	assert_true(err == 0 || err == -EINVAL);
	ks_native_home_destroy(&home);
	ks_policy_destroy(policy);
	result->step.step = NULL; /* gone with the policy */
	return result->outcome;
}

static enum ks_outcome outcome(const char *steps, struct ks_test_result *result)
{
	return outcome_of(HEAD, steps, result);
}

/* Every kind of expectation must be able to fail. */
static void test_failures(void **state)
{
	static const char *const failing[] = {
		UDP " => deny",
		UDP " => allow established",
		UDP " => allow \"established\"",
		UDP " => allow state UDP_STREAM",
		UDP " => allow reply",
		UDP " => allow rule default",
		UDP " => allow rule 2",
		UDP " => allow rule \"web\"",
		UDP " => allow answer icmp",
		"lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack => deny \"no rule\" resumes 1",
		UDP " mark 5 truncate 40 => allow mark 6",
		UDP " truncate 40 => allow ttl 64",
		UDP " truncate 40 => allow same",
		"lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack => deny \"no rule\"",
		"lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn",
		"expect states 1",
		"expect half-open 1",
		UDP "\nexpect no state for " UDP,
		UDP "\nexpect state UDP_STREAM for " UDP,
		UDP "\nexpect packets 2 0 for " UDP,
		"expect packets 1 0 for " UDP,
		"fill 3 lan 10.0.0.5:65535 > wan 192.0.2.1:53 udp\nexpect states 2",
		UDP "\nafter 31s\nexpect states 1",
		"wan 192.0.2.1 > lan 10.0.0.5 icmp unreachable quoting last",
		"reload \"no such file\"",
	};
	static struct ks_test_result result;

	for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
		if (outcome(failing[i], &result) != KS_OUTCOME_FAILED)
			fail_msg("passed: %s", failing[i]);
		if (!result.step.got[0])
			fail_msg("failed without a word: %s", failing[i]);
	}
}

#define NAT_HEAD                                                                                                 \
	"zone lan { eth1 }\nzone wan { eth0, address 203.0.113.1 }\nallow from lan to wan\nnat from lan to wan " \
	"masquerade\n"
#define AS " as 203.0.113.1:40000 > 192.0.2.1:53"

/* Every expectation of how a packet leaves must be able to fail. */
static void test_leaving_failures(void **state)
{
	static const char *const failing[] = {
		UDP " => allow same",
		UDP " => allow as 203.0.113.2:40000 > 192.0.2.1:53",
		UDP " => allow as 203.0.113.1:40001 > 192.0.2.1:53",
		UDP " => allow as 203.0.113.1:!40000 > 192.0.2.1:53",
		UDP " => allow as 203.0.113.1:1-39999 > 192.0.2.1:53",
		UDP " => allow as 203.0.113.2-203.0.113.9 > *",
		UDP " => allow as 203.0.112.0/24 > *",
		UDP " => allow as * > 192.0.2.2",
		UDP " => allow as * > *:54",
		UDP " => allow as 2001:db8::/32 > *",
		UDP " => allow as * > * id 7",
		UDP " => allow quoting * > *",
		UDP " data \"abc\" => allow payload \"abd\"",
		UDP " data \"abc\" => allow payload \"ab\"",
		UDP " ttl 7 => allow ttl 8",
		UDP " df => allow no-df",
		UDP " => allow resumes 1",
		UDP " => hold",
		UDP " ip-id 7 => allow ip-id 8",
		"lan 10.0.0.5:1 > wan 192.0.2.1:80 tcp syn mss 1460 => allow mss 1400",
		"lan 10.0.0.5 > wan 192.0.2.1 icmp echo-request id 7 => allow as * > * id 8",
		UDP "\nexpect records aliases 2",
		UDP "\nexpect records aliases 0",
		"listen udp 40000\n" UDP " => allow" AS,
		UDP "\nwan 192.0.2.1 > lan 203.0.113.1 icmp unreachable quoting 203.0.113.1:40000 > 192.0.2.1:53 udp "
		    "=> allow quoting 203.0.113.1:40000 > *",
		/* no expectation is needed: the quotation shows a packet that its receiver has not sent */
		"c = " UDP "\nc >\nwan 192.0.2.1 > lan 203.0.113.1 icmp unreachable quoting sent c >",
	};
	static struct ks_test_result result;

	for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
		if (outcome_of(NAT_HEAD, failing[i], &result) != KS_OUTCOME_FAILED)
			fail_msg("passed: %s", failing[i]);
		if (!result.step.got[0])
			fail_msg("failed without a word: %s", failing[i]);
	}
}

static void test_leaving_successes(void **state)
{
	static const char *const good[] = {
		UDP " => allow" AS,
		UDP " => allow as 203.0.113.0/24:* > 192.0.2.1",
		UDP " => allow as 203.0.113.1:1024-65535 > *:53",
		UDP " => allow as 203.0.113.1:!40001 > *",
		UDP " data \"a\\r\\nb\\\\\" => allow payload hex \"610d0a62 5c\"",
		UDP " data \"\\x01\\xzz\" => allow payload hex \"01 5c787a7a\"",
		UDP " ttl 7 ip-id 9 df => allow ttl 7 ip-id 9 df",
		"lan 10.0.0.5:1 > wan 192.0.2.1:80 tcp syn wscale 7 sackok mss 1460 => allow mss 1460",
		"lan 10.0.0.5 > wan 192.0.2.1 icmp echo-request id 7 => allow as 203.0.113.1 > * id 7",
		UDP "\nexpect records aliases 1",
		"listen udp 40000\n" UDP " => allow as 203.0.113.1:!40000 > *",
		/* the other side answers what it has seen */
		"c = " UDP "\nc > => allow" AS "\nc < => allow as 192.0.2.1:53 > 10.0.0.5:40000",
	};
	static struct ks_test_result result;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (outcome_of(NAT_HEAD, good[i], &result) != KS_OUTCOME_OK)
			fail_msg("failed: %s: got %s, because %s", good[i], result.step.got, result.step.why);
	}
}

static void test_successes(void **state)
{
	static struct ks_test_result result;

	assert_int_equal(
		outcome(UDP " => allow new \"new\" state UDP_SINGLE original rule \"dns\" answer none", &result),
		KS_OUTCOME_OK);
	assert_int_equal(outcome(UDP " => allow rule 3", &result), KS_OUTCOME_OK);
	/* "no state" is the older name of "no rule", not the other way round: see test_failures(). */
	assert_int_equal(outcome("wan 192.0.2.1:53 > lan 10.0.0.5:40000 udp => deny \"no rule\"", &result),
			 KS_OUTCOME_OK);
	assert_int_equal(outcome("wan 192.0.2.1:53 > lan 10.0.0.5:40000 udp => deny \"no state\"", &result),
			 KS_OUTCOME_OK);
	assert_int_equal(outcome("lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack => deny \"no state\"", &result),
			 KS_OUTCOME_OK);
	assert_int_equal(outcome("fill 3 lan 10.0.0.5:65535 > wan 192.0.2.1:53 udp\nexpect states 3", &result),
			 KS_OUTCOME_OK);
}

/* Crafts a packet in words and compares it with bytes known from elsewhere. */
static void assert_crafts(struct ks_crafter *crafter, const char *words, const __u8 *bytes, size_t length)
{
	struct ks_policy *policy = load_good(HEAD);
	struct ks_arena *arena = ks_arena_create();
	struct ks_diags diags = { 0 };
	struct ks_frame frame;
	struct ks_step step;

	assert_int_equal(ks_step_parse_text(policy, words, arena, &step, &diags), 0);
	assert_int_equal(ks_crafter_craft(crafter, &step.packet, &frame), 0);
	ks_crafter_delivered(crafter, frame.data, frame.length, KS_ZONE_UNKNOWN);
	assert_int_equal(frame.length, length);
	assert_memory_equal(frame.data, bytes, length);
	ks_diags_fini(&diags);
	ks_arena_destroy(arena);
	ks_policy_destroy(policy);
}

static void test_bytes_ipv4(void **state)
{
	/* RFC 791 and 768: 192.0.2.1:7 to 192.0.2.2:9, "hi"; the sums by their definition: all words add up to ffff */
	__u8 expected[] = { 0x45, 0,   0, 30, 0, 1, 0, 0, 64, 17, 0,  0, 192, 0,   2,
			    1,	  192, 0, 2,  2, 0, 7, 0, 9,  0,  10, 0, 0,   'h', 'i' };
	struct ks_crafter *crafter;
	__u32 sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (__u32)expected[i] << 8 | expected[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	expected[10] = (__u8)(~sum >> 8);
	expected[11] = (__u8)~sum;
	sum = 17 + 10;
	for (int i = 12; i < 30; i += 2)
		sum += (__u32)expected[i] << 8 | expected[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	expected[26] = (__u8)(~sum >> 8);
	expected[27] = (__u8)~sum;
	assert_int_equal(ks_crafter_create(&crafter), 0);
	assert_crafts(crafter, "wan 192.0.2.1:7 > wan 192.0.2.2:9 udp data \"hi\" layer3", expected, sizeof(expected));
	ks_crafter_destroy(crafter);
}

/* The sequence numbers of a crafted TCP segment. */
static void assert_numbers(struct ks_crafter *crafter, const char *words, __u32 seq, __u32 ack)
{
	struct ks_policy *policy = load_good(HEAD);
	struct ks_arena *arena = ks_arena_create();
	struct ks_diags diags = { 0 };
	struct ks_frame frame;
	struct ks_step step;
	__u32 have[2];

	assert_int_equal(ks_step_parse_text(policy, words, arena, &step, &diags), 0);
	assert_int_equal(ks_crafter_craft(crafter, &step.packet, &frame), 0);
	ks_crafter_delivered(crafter, frame.data, frame.length, KS_ZONE_UNKNOWN);
	memcpy(have, frame.data + 14 + 20 + 4, sizeof(have));
	assert_int_equal(ks_be32(have[0]), seq);
	assert_int_equal(ks_be32(have[1]), ack);
	ks_diags_fini(&diags);
	ks_arena_destroy(arena);
	ks_policy_destroy(policy);
}

#define ASK "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp "
#define TELL "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp "

static void test_sequence_numbers(void **state)
{
	struct ks_crafter *crafter;

	assert_int_equal(ks_crafter_create(&crafter), 0);
	assert_numbers(crafter, ASK "syn", 1000, 0);
	assert_numbers(crafter, TELL "syn ack", 5000, 1001);
	assert_numbers(crafter, ASK "ack", 1001, 5001);
	assert_numbers(crafter, ASK "psh ack len 100", 1001, 5001);
	assert_numbers(crafter, TELL "ack", 5001, 1101);
	assert_numbers(crafter, TELL "ack 1 seq next+5", 5006, 1001);
	assert_numbers(crafter, ASK "fin ack =7", 1101, 7);
	assert_numbers(crafter, TELL "ack seq -1", 4999, 1102);
	assert_numbers(crafter, ASK "syn isn 4294967295", 4294967295U, 0);
	assert_numbers(crafter, TELL "ack", 5006, 0);
	ks_crafter_destroy(crafter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complaints),	 cmocka_unit_test(test_zone_by_network),
		cmocka_unit_test(test_failures),	 cmocka_unit_test(test_successes),
		cmocka_unit_test(test_bytes_ipv4),	 cmocka_unit_test(test_sequence_numbers),
		cmocka_unit_test(test_leaving_failures), cmocka_unit_test(test_leaving_successes),
	};

	return cmocka_run_group_tests_name("scenario", tests, NULL, NULL);
}
