/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/api/filter.c: filters of states and events from words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "daemon/api/filter.h"
#include "daemon/api/flow_event.h"

static const char policy_text[] = "zone lan { eth1 }\nzone wan { eth0 }\nallow from lan to wan\n"
				  "allow from wan to lan tcp port 80 log \"not, the web\"\n"
				  "allow from wan to self tcp port 81 log \"web\"\n"
				  "allow from wan to self tcp port 82 log \"web\"\n";

static struct ks_policy *load(void)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	assert_int_equal(
		ks_policy_load_text(policy_text, sizeof(policy_text) - 1, "etc/test.conf", ".", &policy, &diags), 0);
	ks_diags_fini(&diags);
	return policy;
}

/* A TCP flow that 10.0.0.5:40000 in zone 2 opened to 192.0.2.1:80 in zone 3, with the opener as the key's side `side`. */
static void make_flow(unsigned side, struct ks_flow_key *key, struct ks_flow *flow)
{
	static const __u8 client[4] = { 10, 0, 0, 5 }, server[4] = { 192, 0, 2, 1 };

	memset(key, 0, sizeof(*key));
	memset(flow, 0, sizeof(*flow));
	memcpy(&key->addr[side].b[12], client, 4);
	memcpy(&key->addr[!side].b[12], server, 4);
	key->port[side] = ks_be16(40000);
	key->port[!side] = ks_be16(80);
	key->proto = 6;
	key->family = KS_IPV4;
	flow->state = KS_STATE_TCP_ESTABLISHED;
	flow->flags = side ? KS_FLOW_ORIG_IS_HIGH : 0;
	flow->zone[0] = 2;
	flow->zone[1] = 3;
	flow->rule = 3;
}

static const struct ks_translation untranslated;

static int set(struct ks_filter *filter, const char *name, const char *value)
{
	struct ks_policy *policy = load();
	char complaint[2048] = "";
	int err = ks_filter_set(filter, KS_FILTER_FLOWS, policy, name, value, complaint, sizeof(complaint));

	if (err == -E2BIG) {
		assert_non_null(strstr(complaint, "more than 64"));
	} else if (err) {
		assert_non_null(strstr(complaint, name));
		assert_true(strlen(complaint) > strlen(name) + strlen(value) + 10);
	}
	ks_policy_destroy(policy);
	return err;
}

static void check_match(const char *name, const char *value, bool expected)
{
	for (unsigned side = 0; side < 2; side++) {
		struct ks_filter filter;
		struct ks_flow_key key;
		struct ks_flow flow;

		make_flow(side, &key, &flow);
		ks_filter_init(&filter);
		assert_int_equal(set(&filter, name, value), 0);
		assert_int_equal(filter.conditions, 1);
		if (ks_filter_match_flow(&filter, &key, &flow, &untranslated) != expected)
			fail_msg("%s=%s with the opener as side %u", name, value, side);
	}
}

static void test_conditions(void **state)
{
	check_match("address", "10.0.0.0/24", true);
	check_match("address", "192.0.2.1", true);
	check_match("address", "10.0.1.0/24", false);
	check_match("address", "0.0.0.0/0", true);
	check_match("address", "::/0", false);
	check_match("source", "10.0.0.5", true);
	check_match("source", "192.0.2.1", false);
	check_match("destination", "192.0.2.0/31", true);
	check_match("destination", "192.0.2.2/31", false);
	check_match("port", "80", true);
	check_match("port", "40000", true);
	check_match("port", "81", false);
	check_match("proto", "tcp", true);
	check_match("proto", "6", true);
	check_match("proto", "udp", false);
	check_match("zone", "lan", true);
	check_match("zone", "wan", true);
	check_match("zone", "self", false);
	check_match("from", "lan", true);
	check_match("from", "wan", false);
	check_match("from", "not wan", true);
	check_match("to", "wan", true);
	check_match("to", "lan", false);
	check_match("state", "established", true);
	check_match("state", "SYN_SENT", false);
	check_match("port", "80-80", true);
	check_match("port", "70-90", true);
	check_match("port", "81-39999", false);
	check_match("rule", "3", true);
	check_match("rule", "4", false);
	check_match("rule", "web", true);
	check_match("rule", "not, the web", false);
	check_match("rule", "test.conf:5", true);
	check_match("rule", "etc/test.conf:5", true);
	check_match("rule", "test.conf:6", false);
}

static void test_negated_conditions(void **state)
{
	check_match("address", "not 10.0.0.5", false);
	check_match("address", "not 10.0.0.6", true);
	check_match("port", "not 8000-8100", true);
	check_match("port", "not 80-8100", false);
	check_match("proto", "not udp", true);
	check_match("zone", "not wan", false);
	check_match("state", "not ESTABLISHED", false);
	check_match("rule", "not web", false);
	check_match("rule", "not 3", false);
	check_match("rule", "not not, the web", true);
}

struct said {
	const char *name, *value;
};

/* Sets all of them, up to one without a name. */
static bool matches(const struct said *said, const struct ks_translation *translation)
{
	struct ks_filter filter;
	struct ks_flow_key key;
	struct ks_flow flow;

	make_flow(0, &key, &flow);
	ks_filter_init(&filter);
	for (; said->name; said++)
		assert_int_equal(set(&filter, said->name, said->value), 0);
	return ks_filter_match_flow(&filter, &key, &flow, translation);
}

static void test_one_of_several_values_must_hold(void **state)
{
	static const struct {
		struct said said[5];
		bool expected;
	} cases[] = {
		{ { { "port", "443" }, { "port", "80" } }, true },
		{ { { "port", "443,80" } }, true },
		{ { { "port", "443,8000-9000" } }, false },
		{ { { "port", "not 443,8000-9000" } }, true },
		{ { { "port", "not 443,80" } }, false },
		{ { { "port", "443" }, { "port", "80" }, { "proto", "udp" } }, false },
		{ { { "proto", "udp" }, { "proto", "tcp" }, { "zone", "lan" }, { "zone", "self" } }, true },
		{ { { "address", "10.0.0.0/8" }, { "address", "not 10.0.0.5" } }, false },
		{ { { "address", "10.0.0.0/8" }, { "address", "not 10.0.0.6" } }, true },
		{ { { "state", "SYN_SENT,established" } }, true },
		{ { { "rule", "7" }, { "rule", "web" } }, true },
		{ { { "rule", "web" }, { "rule", "not 3" } }, false },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		if (matches(cases[i].said, NULL) != cases[i].expected)
			fail_msg("case %zu", i);
	}
}

static void test_too_many_values_are_refused(void **state)
{
	struct ks_filter filter;

	ks_filter_init(&filter);
	for (unsigned i = 0; i < KS_FILTER_CONDITIONS_MAX; i++)
		assert_int_equal(set(&filter, "port", "80"), 0);
	assert_int_equal(set(&filter, "port", "80"), -E2BIG);
	assert_int_equal(filter.conditions, KS_FILTER_CONDITIONS_MAX);
}

static void test_all_conditions_must_hold(void **state)
{
	struct ks_filter filter;
	struct ks_flow_key key;
	struct ks_flow flow;

	make_flow(0, &key, &flow);
	ks_filter_init(&filter);
	assert_true(ks_filter_match_flow(&filter, &key, &flow, &untranslated));
	set(&filter, "port", "80");
	set(&filter, "proto", "tcp");
	assert_true(ks_filter_match_flow(&filter, &key, &flow, &untranslated));
	set(&filter, "zone", "self");
	assert_false(ks_filter_match_flow(&filter, &key, &flow, &untranslated));
}

/* 203.0.113.9:443 is what the opener takes the server for, 203.0.113.1:50000 what the server takes the opener for. */
static void test_translated_flows_match_as_any_side_sees_them(void **state)
{
	static const struct ks_translation translated = {
		.present = { true, true },
		.addr = { { .b = { [12] = 203, 0, 113, 9 } }, { .b = { [12] = 203, 0, 113, 1 } } },
		.port = { __builtin_bswap16(443), __builtin_bswap16(50000) },
	};
	static const struct {
		const char *name, *value;
		bool expected;
	} cases[] = {
		{ "source", "10.0.0.5", true },
		{ "source", "203.0.113.1", true },
		{ "source", "203.0.113.9", false },
		{ "destination", "192.0.2.1", true },
		{ "destination", "203.0.113.9", true },
		{ "destination", "203.0.113.1", false },
		{ "address", "203.0.113.0/24", true },
		{ "port", "443", true },
		{ "port", "50000", true },
		{ "port", "80", true },
		{ "port", "444", false },
	};
	struct ks_flow_key key;
	struct ks_flow flow;

	make_flow(0, &key, &flow);
	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct ks_filter filter;

		ks_filter_init(&filter);
		assert_int_equal(set(&filter, cases[i].name, cases[i].value), 0);
		if (ks_filter_match_flow(&filter, &key, &flow, &translated) != cases[i].expected)
			fail_msg("%s=%s", cases[i].name, cases[i].value);
	}
	/* A flow whose outside shows another address is still one of the inside's. */
	assert_false(matches((struct said[]){ { "address", "not 10.0.0.5" }, { 0 } }, &translated));
	assert_false(matches((struct said[]){ { "address", "not 203.0.113.1" }, { 0 } }, &translated));
	assert_true(matches((struct said[]){ { "address", "not 203.0.113.2" }, { 0 } }, &translated));
	/* The wanted ends must be those of one face. */
	assert_false(matches((struct said[]){ { "source", "203.0.113.1" }, { "destination", "203.0.113.9" }, { 0 } },
			     &translated));
}

static void test_wrong_values_are_refused(void **state)
{
	static const char *const wrong[][2] = {
		{ "address", "" },
		{ "address", "10.0.0" },
		{ "address", "10.0.0.0/33" },
		{ "address", "10.0.0.0/" },
		{ "address", "10.0.0.0/-1" },
		{ "address", "::/129" },
		{ "address", "10.0.0.0/8x" },
		{ "address", "localhost" },
		{ "port", "65536" },
		{ "port", "" },
		{ "port", "-1" },
		{ "port", "80x" },
		{ "port", " 80" },
		{ "port", "80-" },
		{ "port", "-80" },
		{ "port", "90-80" },
		{ "port", "80-65536" },
		{ "port", "80,," },
		{ "port", "not " },
		{ "port", "not not 80" },
		{ "rule", "" },
		{ "rule", "other" },
		{ "rule", "test.conf:1" },
		{ "rule", "65536" },
		{ "proto", "256" },
		{ "proto", "tcpx" },
		{ "zone", "dmz" },
		{ "zone", "" },
		{ "state", "OPEN" },
		{ "state", "NONE" },
		{ "state", "" },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(wrong); i++) {
		struct ks_filter filter;

		ks_filter_init(&filter);
		if (set(&filter, wrong[i][0], wrong[i][1]) != -EINVAL)
			fail_msg("%s=%s is accepted", wrong[i][0], wrong[i][1]);
	}
}

static void test_unknown_names_are_refused(void **state)
{
	struct ks_filter filter;

	ks_filter_init(&filter);
	assert_int_equal(set(&filter, "colour", "red"), -ENOENT);
	assert_int_equal(set(&filter, "verdict", "deny"), -ENOENT); /* of events, not of flows */
}

/* A value for each name of an event, and whether an end, an establishment and a dropped packet of the same ends fit. */
static void test_events(void **state)
{
	static const struct {
		const char *name, *value;
		bool end, established, packet;
	} cases[] = {
		{ "address", "10.0.0.5", true, true, true },
		{ "port", "81", false, false, false },
		{ "zone", "lan", true, true, true },
		{ "rule", "3", true, true, true },
		{ "why", "expired", true, false, false },
		{ "why", "killed", false, false, false },
		{ "why", "not killed", true, true, true },
		{ "state", "ESTABLISHED", true, true, false },
		{ "verdict", "deny", false, false, true },
		{ "reason", "no rule", false, false, true },
		{ "reason", "not no state", true, true, true },
		{ "destination", "192.0.2.77", false, false, true }, /* as the packet leaves */
	};
	const unsigned kinds = KS_FILTER_EVENTS | KS_FILTER_TOLD;
	struct ks_flow_event told = { .why = KS_END_EXPIRED };
	struct ks_event packet;
	char complaint[512];

	make_flow(0, &told.key, &told.flow);
	packet = (struct ks_event){ .tuple = { .src = told.key.addr[0],
					       .dst = told.key.addr[1],
					       .sport = told.key.port[0],
					       .dport = told.key.port[1],
					       .proto = told.key.proto,
					       .family = KS_IPV4 },
				    .action = KS_DENY,
				    .reason = KS_REASON_NO_RULE,
				    .from = told.flow.zone[0],
				    .to = told.flow.zone[1],
				    .rule = told.flow.rule };
	packet.sent = packet.tuple;
	packet.sent.dst.b[15] = 77;
	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct ks_policy *policy = load();
		struct ks_filter filter;

		ks_filter_init(&filter);
		assert_int_equal(ks_filter_set(&filter, kinds, policy, cases[i].name, cases[i].value, complaint,
					       sizeof(complaint)),
				 0);
		told.kind = KS_EVENT_END;
		if (ks_filter_match_told(&filter, &told, &untranslated) != cases[i].end)
			fail_msg("the end, %s=%s", cases[i].name, cases[i].value);
		told.kind = KS_EVENT_ESTABLISHED;
		if (ks_filter_match_told(&filter, &told, &untranslated) != cases[i].established)
			fail_msg("the establishment, %s=%s", cases[i].name, cases[i].value);
		if (ks_filter_match_event(&filter, &packet) != cases[i].packet)
			fail_msg("the packet, %s=%s", cases[i].name, cases[i].value);
		ks_policy_destroy(policy);
	}
}

/* The number of one flow: it, and no other one. */
static void test_one_flow(void **state)
{
	char number[KS_FLOW_NUMBER_DIGITS + 1], other[sizeof(number) + 4];
	struct ks_flow_key key;
	struct ks_flow flow;
	struct ks_filter filter;

	make_flow(0, &key, &flow);
	snprintf(number, sizeof(number), "%016llx", ks_flow_number(&key, flow.created));
	ks_filter_init(&filter);
	assert_int_equal(set(&filter, "flow", number), 0);
	assert_true(ks_filter_is_of_flows(&filter));
	assert_true(ks_filter_match_flow(&filter, &key, &flow, &untranslated));
	flow.created++;
	assert_false(ks_filter_match_flow(&filter, &key, &flow, &untranslated));
	flow.created--;
	key.port[0]++;
	assert_false(ks_filter_match_flow(&filter, &key, &flow, &untranslated));
	key.port[0]--;
	snprintf(other, sizeof(other), "not %s", number);
	ks_filter_init(&filter);
	assert_int_equal(set(&filter, "flow", other), 0);
	assert_false(ks_filter_match_flow(&filter, &key, &flow, &untranslated));
	number[3] = '\0';
	assert_int_equal(set(&filter, "flow", number), -EINVAL);
}

static void test_host_bits_are_cleared(void **state)
{
	struct ks_prefix prefix;
	struct ks_addr address = { 0 };

	assert_int_equal(ks_prefix_parse("2001:db8::ffff/33", &prefix), 0);
	assert_int_equal(prefix.length, 33);
	assert_int_equal(prefix.addr.b[15], 0);
	address.b[0] = 0x20, address.b[1] = 0x01, address.b[2] = 0x0d, address.b[3] = 0xb8;
	address.b[4] = 0x7f;
	assert_true(ks_prefix_contains(&prefix, &address, KS_IPV6));
	address.b[4] = 0x80;
	assert_false(ks_prefix_contains(&prefix, &address, KS_IPV6));
	assert_false(ks_prefix_contains(&prefix, &address, KS_IPV4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_all_conditions_must_hold),
		cmocka_unit_test(test_negated_conditions),
		cmocka_unit_test(test_one_of_several_values_must_hold),
		cmocka_unit_test(test_too_many_values_are_refused),
		cmocka_unit_test(test_translated_flows_match_as_any_side_sees_them),
		cmocka_unit_test(test_wrong_values_are_refused),
		cmocka_unit_test(test_unknown_names_are_refused),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_one_flow),
		cmocka_unit_test(test_host_bits_are_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
