/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/api/forms.c: states as JSON and as /proc/net/nf_conntrack, events as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "daemon/api/flow_forms.h"
#include "daemon/api/forms.h"

#define NOW (1000 * KS_NSEC_PER_SEC)

static struct ks_policy *policy;

static int load(void **state)
{
	static const char text[] = "zone lan { eth1 }\nzone wan { eth0 }\nallow from lan to wan log \"out\"\n";
	struct ks_diags diags;
	int err = ks_policy_load_text(text, sizeof(text) - 1, "some \"odd\" name", ".", &policy, &diags);

	ks_diags_fini(&diags);
	return err;
}

static int unload(void **state)
{
	ks_policy_destroy(policy);
	return 0;
}

/* 10.0.0.5 is the higher of the two in the key when `high`. */
static void make_flow(unsigned proto, unsigned st, bool high, struct ks_flow_key *key, struct ks_flow *flow)
{
	static const __u8 client[4] = { 10, 0, 0, 5 }, server[4] = { 192, 0, 2, 1 };

	memset(key, 0, sizeof(*key));
	memcpy(&key->addr[high].b[12], client, 4);
	memcpy(&key->addr[!high].b[12], server, 4);
	key->port[high] = ks_be16(40000);
	key->port[!high] = ks_be16(80);
	key->proto = (__u8)proto;
	key->family = KS_IPV4;
	*flow = (struct ks_flow){ .state = (__u8)st,
				  .flags = high ? KS_FLOW_ORIG_IS_HIGH : 0,
				  .zone = { 2, 3 },
				  .seen = (__u32)(NOW / KS_NSEC_PER_MSEC) - 10000,
				  .timeout = 60000,
				  .created = 900,
				  .rule = 1,
				  .packets_low = { 5, 4 },
				  .volume = { 500, 400 } };
}

static char *translated_line(const struct ks_flow_key *key, const struct ks_flow *flow,
			     const struct ks_translation *translation)
{
	const struct ks_listed_flow listed = { .key = key, .flow = flow, .translation = translation };
	struct ks_line line;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ks_line_begin(&line, out);
	ks_flow_print_conntrack(&line, NOW, &listed);
	ks_line_flush(&line);
	fclose(out);
	return text;
}

static const struct ks_translation untranslated;

static char *conntrack_line(const struct ks_flow_key *key, const struct ks_flow *flow)
{
	return translated_line(key, flow, &untranslated);
}

/* The client 10.0.0.5 goes to 203.0.113.9, which is 192.0.2.1, and is 203.0.113.1 there. */
static const struct ks_translation translated = {
	.present = { true, true },
	.addr = { { .b = { [12] = 203, 0, 113, 9 } }, { .b = { [12] = 203, 0, 113, 1 } } },
	.port = { __builtin_bswap16(443), __builtin_bswap16(50000) },
};

/* conntrack's tools take each direction as it is on the wire. */
static void test_conntrack_translated(void **state)
{
	struct ks_flow_key key;
	struct ks_flow flow;
	char *line;

	make_flow(6, KS_STATE_TCP_ESTABLISHED, false, &key, &flow);
	flow.flags |= KS_FLOW_REPLIED | KS_FLOW_ASSURED;
	line = translated_line(&key, &flow, &translated);
	assert_string_equal(line, "ipv4     2 tcp      6 50 ESTABLISHED src=10.0.0.5 dst=203.0.113.9 sport=40000 "
				  "dport=443 packets=5 bytes=500 src=192.0.2.1 dst=203.0.113.1 sport=80 "
				  "dport=50000 packets=4 bytes=400 [ASSURED] mark=0 zone=0 use=1\n");
	free(line);
}

static void test_conntrack_tcp(void **state)
{
	for (unsigned high = 0; high < 2; high++) {
		struct ks_flow_key key;
		struct ks_flow flow;
		char *line;

		make_flow(6, KS_STATE_TCP_ESTABLISHED, high, &key, &flow);
		flow.flags |= KS_FLOW_REPLIED | KS_FLOW_ASSURED;
		line = conntrack_line(&key, &flow);
		assert_string_equal(line, "ipv4     2 tcp      6 50 ESTABLISHED src=10.0.0.5 dst=192.0.2.1 sport=40000 "
					  "dport=80 packets=5 bytes=500 src=192.0.2.1 dst=10.0.0.5 sport=80 "
					  "dport=40000 packets=4 bytes=400 [ASSURED] mark=0 zone=0 use=1\n");
		free(line);
	}
}

static void test_conntrack_unreplied(void **state)
{
	struct ks_flow_key key;
	struct ks_flow flow;
	char *line;

	make_flow(17, KS_STATE_UDP_SINGLE, false, &key, &flow);
	flow.packets_low[1] = 0;
	flow.volume[1] = 0;
	line = conntrack_line(&key, &flow);
	assert_string_equal(line, "ipv4     2 udp      17 50 src=10.0.0.5 dst=192.0.2.1 sport=40000 dport=80 packets=5 "
				  "bytes=500 [UNREPLIED] src=192.0.2.1 dst=10.0.0.5 sport=80 dport=40000 packets=0 "
				  "bytes=0 mark=0 zone=0 use=1\n");
	free(line);
}

static void test_conntrack_icmpv6(void **state)
{
	struct ks_flow_key key = { .addr = { { .b = { 0x20, 1, 0xd, 0xb8 } }, { .b = { 0xfd } } },
				   .proto = 58,
				   .family = KS_IPV6 };
	struct ks_flow flow;
	struct ks_flow_key unused;
	char *line;

	make_flow(58, KS_STATE_ICMP_REPLIED, false, &unused, &flow);
	flow.flags |= KS_FLOW_REPLIED;
	key.port[0] = ks_be16(77);
	key.port[1] = ks_be16(128 << 8);
	line = conntrack_line(&key, &flow);
	assert_string_equal(line, "ipv6     10 icmpv6   58 50 src=2001:0db8:0000:0000:0000:0000:0000:0000 "
				  "dst=fd00:0000:0000:0000:0000:0000:0000:0000 type=128 code=0 id=77 packets=5 "
				  "bytes=500 src=fd00:0000:0000:0000:0000:0000:0000:0000 "
				  "dst=2001:0db8:0000:0000:0000:0000:0000:0000 type=129 code=0 id=77 packets=4 "
				  "bytes=400 mark=0 zone=0 use=1\n");
	free(line);
}

static const char *string_of(const json_t *root, const char *name)
{
	return json_string_value(json_object_get(root, name));
}

static json_int_t number_of(const json_t *root, const char *name)
{
	return json_integer_value(json_object_get(root, name));
}

static void print_json(FILE *out, const struct ks_listed_flow *listed)
{
	struct ks_line line;

	ks_line_begin(&line, out);
	ks_flow_print_json(&line, policy, NOW, listed);
	ks_line_flush(&line);
}

static void test_flow_json(void **state)
{
	struct ks_flow_key key;
	struct ks_flow flow;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	const json_t *rule;
	json_t *root;

	make_flow(6, KS_STATE_TCP_SYN_SENT, true, &key, &flow);
	print_json(out, &(struct ks_listed_flow){ .key = &key, .flow = &flow, .translation = &untranslated });
	fclose(out);
	root = json_loads(text, 0, NULL);
	assert_non_null(root);
	assert_string_equal(string_of(root, "source"), "10.0.0.5");
	assert_string_equal(string_of(root, "destination"), "192.0.2.1");
	assert_int_equal(number_of(root, "source_port"), 40000);
	assert_string_equal(string_of(root, "state"), "SYN_SENT");
	assert_string_equal(string_of(root, "from"), "lan");
	assert_string_equal(string_of(root, "to"), "wan");
	assert_int_equal(number_of(root, "age"), 100);
	assert_true(json_real_value(json_object_get(root, "timeout")) == 50.0);
	rule = json_object_get(root, "rule");
	assert_string_equal(string_of(rule, "file"), "some \"odd\" name");
	assert_int_equal(number_of(rule, "line"), 3);
	json_decref(root);
	free(text);
}

static void test_translated_json(void **state)
{
	struct ks_flow_key key;
	struct ks_flow flow;
	const json_t *nat;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *root;

	make_flow(6, KS_STATE_TCP_ESTABLISHED, false, &key, &flow);
	print_json(out, &(struct ks_listed_flow){ .key = &key, .flow = &flow, .translation = &translated });
	fclose(out);
	root = json_loads(text, 0, NULL);
	assert_string_equal(string_of(root, "source"), "10.0.0.5");
	assert_string_equal(string_of(root, "destination"), "192.0.2.1");
	nat = json_object_get(root, "nat");
	assert_string_equal(string_of(nat, "source"), "203.0.113.1");
	assert_int_equal(number_of(nat, "source_port"), 50000);
	assert_string_equal(string_of(nat, "destination"), "203.0.113.9");
	assert_int_equal(number_of(nat, "destination_port"), 443);
	json_decref(root);
	free(text);
}

/* A zone that a reload took away. */
static void test_flow_of_a_zone_that_is_gone(void **state)
{
	struct ks_flow_key key;
	struct ks_flow flow;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *root;

	make_flow(6, KS_STATE_TCP_ESTABLISHED, false, &key, &flow);
	flow.zone[1] = 40;
	print_json(out, &(struct ks_listed_flow){ .key = &key, .flow = &flow, .translation = &untranslated });
	fclose(out);
	root = json_loads(text, 0, NULL);
	assert_string_equal(string_of(root, "from"), "lan");
	assert_string_equal(string_of(root, "to"), "gone");
	json_decref(root);
	free(text);
}

static void test_event_without_protocol(void **state)
{
	struct ks_event event = { .time = NOW,
				  .tuple = { .src = { .b = { [12] = 192, 0, 2, 1 } },
					     .dst = { .b = { [12] = 10, 0, 0, 5 } },
					     .family = KS_IPV4 },
				  .action = KS_DENY,
				  .reason = KS_REASON_FRAGMENT,
				  .from = 3,
				  .to = KS_ZONE_NONE };
	json_t *root = ks_event_json(policy, NOW, &event);

	assert_string_equal(string_of(root, "packet"), "wan 192.0.2.1 > none 10.0.0.5 ip");
	assert_string_equal(string_of(root, "proto"), "ip");
	json_decref(root);
	event.reason = KS_REASON_NO_STATE; /* then it was read: protocol 0 it is */
	root = ks_event_json(policy, NOW, &event);
	assert_string_equal(string_of(root, "proto"), "0");
	json_decref(root);
	event.reason = KS_REASON_TRUNCATED;
	event.tuple.family = 0;
	event.to = KS_ZONE_UNKNOWN;
	root = ks_event_json(policy, NOW, &event);
	assert_string_equal(string_of(root, "packet"), "wan > ip");
	json_decref(root);
}

static void test_time_left_never_wraps(void **state)
{
	struct ks_flow_key key;
	struct ks_flow flow;
	char *line;

	make_flow(17, KS_STATE_UDP_STREAM, false, &key, &flow);
	flow.seen = (__u32)(NOW / KS_NSEC_PER_MSEC) + 5;
	line = conntrack_line(&key, &flow);
	assert_non_null(strstr(line, " 17 60 src="));
	free(line);
}

static void test_event_json(void **state)
{
	struct ks_event event = { .time = NOW - KS_NSEC_PER_SEC,
				  .tuple = { .src = { .b = { [12] = 192, 0, 2, 1 } },
					     .dst = { .b = { [12] = 10, 0, 0, 5 } },
					     .sport = ks_be16(53),
					     .dport = ks_be16(40000),
					     .proto = 6,
					     .family = KS_IPV4 },
				  .length = 74,
				  .action = KS_DENY,
				  .reason = KS_REASON_NO_STATE,
				  .from = 3,
				  .to = KS_ZONE_UNKNOWN,
				  .tcp_flags = 0x12,
				  .seq = 4000000000U };
	json_t *root = ks_event_json(policy, NOW, &event);

	assert_non_null(root);
	assert_string_equal(string_of(root, "verdict"), "deny");
	assert_string_equal(string_of(root, "reason"), "no state");
	assert_string_equal(string_of(root, "packet"), "wan 192.0.2.1:53 > 10.0.0.5:40000 tcp syn ack");
	assert_string_equal(string_of(root, "to"), "unknown");
	assert_int_equal(number_of(root, "seq"), 4000000000U);
	assert_true(json_is_null(json_object_get(root, "rule")));
	json_decref(root);
	event.sent = event.tuple;
	root = ks_event_json(policy, NOW, &event);
	assert_string_equal(string_of(root, "event"), "drop");
	assert_null(json_object_get(root, "nat"));
	json_decref(root);
	event.sent.dst.b[15] = 9;
	event.sent.dport = ks_be16(80);
	event.reason = KS_REASON_OK_NEW;
	root = ks_event_json(policy, NOW, &event);
	assert_string_equal(string_of(root, "event"), "pass");
	assert_string_equal(string_of(json_object_get(root, "nat"), "destination"), "10.0.0.9");
	assert_int_equal(number_of(json_object_get(root, "nat"), "destination_port"), 80);
	assert_null(json_object_get(json_object_get(root, "nat"), "source"));
	json_decref(root);
	event.to = KS_ZONE_UNDECIDED; /* its route is not known before it leaves */
	root = ks_event_json(policy, NOW, &event);
	assert_string_equal(string_of(root, "packet"), "wan 192.0.2.1:53 > 10.0.0.5:40000 tcp syn ack");
	assert_string_equal(string_of(root, "to"), "unknown");
	json_decref(root);
	event.to = KS_ZONE_ASTRAY;
	root = ks_event_json(policy, NOW, &event);
	assert_string_equal(string_of(root, "to"), "nowhere");
	json_decref(root);
	event.rule = 1;
	root = ks_event_json(policy, NOW, &event);
	assert_string_equal(string_of(json_object_get(root, "rule"), "label"), "out");
	json_decref(root);
	event.rule = 999; /* of a policy that was replaced */
	root = ks_event_json(policy, NOW, &event);
	assert_int_equal(number_of(json_object_get(root, "rule"), "id"), 999);
	json_decref(root);
}

/* Fails the allocation that the countdown ends at. */
static long until_failure;

static void *failing_malloc(size_t size)
{
	return until_failure-- == 0 ? NULL : malloc(size);
}

/* Each allocation fails once: the event is whole or nothing. */
static void test_event_without_memory(void **state)
{
	const struct ks_event event = { .time = NOW,
					.tuple = { .proto = 6, .family = KS_IPV4 },
					.action = KS_DENY,
					.rule = 1,
					.to = KS_ZONE_UNKNOWN };
	json_t *whole = ks_event_json(policy, NOW, &event);
	size_t members = json_object_size(whole);
	bool failed = true;

	assert_non_null(whole);
	json_decref(whole);
	json_set_alloc_funcs(failing_malloc, free);
	for (long n = 0; failed; n++) {
		json_t *root;

		until_failure = n;
		root = ks_event_json(policy, NOW, &event);
		failed = until_failure < 0;
		assert_true(!root || json_object_size(root) == members);
		assert_true(root || failed);
		json_decref(root);
	}
	json_set_alloc_funcs(malloc, free);
}

static void test_flow_of_a_file_that_is_not_utf8(void **state)
{
	struct ks_policy *standard = policy;
	static const char text[] = "zone lan { eth1 }\nzone wan { eth0 }\nallow from lan to wan\n";
	struct ks_diags diags;
	struct ks_flow_key key;
	struct ks_flow flow;
	const struct ks_listed_flow listed = { .key = &key, .flow = &flow, .translation = &untranslated };
	char line[1024] = "";
	FILE *out = fmemopen(line, sizeof(line), "w");

	assert_int_equal(ks_policy_load_text(text, sizeof(text) - 1, "odd\xff", ".", &policy, &diags), 0);
	ks_diags_fini(&diags);
	make_flow(6, KS_STATE_TCP_ESTABLISHED, false, &key, &flow);
	print_json(out, &listed);
	fclose(out);
	assert_non_null(strstr(line, "\"file\":\"odd\xef\xbf\xbd\""));
	ks_policy_destroy(policy);
	policy = standard;
}

static char *csv_text(const char *columns, const struct ks_listed_flow *listed)
{
	char complaint[1024], *text = NULL;
	struct ks_line line;
	struct ks_csv csv;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(ks_csv_parse(columns, &csv, complaint, sizeof(complaint)), 0);
	ks_line_begin(&line, out);
	ks_csv_print_titles(&line, &csv);
	ks_flow_print_csv(&line, &csv, policy, NOW, listed);
	ks_line_flush(&line);
	fclose(out);
	return text;
}

static void test_csv(void **state)
{
	static const char wanted[] =
		"source,nat_source,nat_source_port,nat_destination,destination_port,state,from,to,bytes_in,"
		"left,rate_out,rate_in,assured,file,label,id";
	struct ks_flow_key key;
	struct ks_flow flow;
	struct ks_listed_flow listed = { .key = &key, .flow = &flow, .translation = &translated };
	char *text, expected[512];

	make_flow(6, KS_STATE_TCP_ESTABLISHED, true, &key, &flow);
	text = csv_text(wanted, &listed);
	snprintf(expected, sizeof(expected), "%s\n%s", wanted,
		 "10.0.0.5,203.0.113.1,50000,203.0.113.9,80,ESTABLISHED,lan,wan,400,50.000,,,false,"
		 "\"some \"\"odd\"\" name\",out,\n");
	assert_string_equal(text, expected);
	free(text);
	listed.rates = listed.rate_known = true;
	listed.rate[1] = 17;
	text = csv_text("rate_out,rate_in,age", &listed);
	assert_string_equal(text, "rate_out,rate_in,age\n0,17,100\n");
	free(text);
	make_flow(1, KS_STATE_ICMP_REPLIED, false, &key, &flow);
	listed.translation = &untranslated;
	text = csv_text("id,source_port,nat_source", &listed);
	assert_string_equal(text, "id,source_port,nat_source\n40000,,\n");
	free(text);
}

/* As many commas in a line as in the titles, whatever the flow has not. */
static void test_csv_of_all_columns(void **state)
{
	struct ks_flow_key key;
	struct ks_flow flow;
	const struct ks_listed_flow listed = { .key = &key, .flow = &flow, .translation = &untranslated };
	char *text;
	unsigned commas[2] = { 0 }, line = 0;

	make_flow(1, KS_STATE_ICMP_REQUEST, false, &key, &flow);
	text = csv_text(NULL, &listed);
	for (const char *c = text; *c; c++) {
		line += *c == '\n';
		if (line < 2)
			commas[line] += *c == ',';
	}
	assert_int_equal(line, 2);
	assert_int_equal(commas[0], commas[1]);
	assert_true(commas[0] > 30);
	free(text);
}

static void test_columns_that_are_none(void **state)
{
	static const char *const wrong[] = { "", "colour", "source,", ",source", "source,,id", "Source" };
	char complaint[1024];
	struct ks_csv csv;

	for (size_t i = 0; i < KS_ARRAY_SIZE(wrong); i++) {
		assert_int_equal(ks_csv_parse(wrong[i], &csv, complaint, sizeof(complaint)), -EINVAL);
		assert_non_null(strstr(complaint, "bytes_out"));
	}
}

static void test_flow_json_has_label_and_rates(void **state)
{
	struct ks_flow_key key;
	struct ks_flow flow;
	struct ks_listed_flow listed = { .key = &key, .flow = &flow, .translation = &untranslated, .rates = true };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	json_t *root;

	make_flow(6, KS_STATE_TCP_ESTABLISHED, false, &key, &flow);
	print_json(out, &listed);
	fflush(out);
	root = json_loads(text, 0, NULL);
	assert_string_equal(string_of(json_object_get(root, "rule"), "label"), "out");
	assert_true(json_is_null(json_object_get(root, "rate")));
	json_decref(root);
	rewind(out);
	listed.rate_known = true;
	listed.rate[0] = 1234;
	print_json(out, &listed);
	fclose(out);
	root = json_loads(text, 0, NULL);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "rate"), 0)), 1234);
	json_decref(root);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_csv_of_all_columns),
		cmocka_unit_test(test_columns_that_are_none),
		cmocka_unit_test(test_flow_json_has_label_and_rates),
		cmocka_unit_test(test_flow_of_a_file_that_is_not_utf8),
		cmocka_unit_test(test_event_without_memory),
		cmocka_unit_test(test_conntrack_tcp),
		cmocka_unit_test(test_conntrack_unreplied),
		cmocka_unit_test(test_conntrack_icmpv6),
		cmocka_unit_test(test_conntrack_translated),
		cmocka_unit_test(test_translated_json),
		cmocka_unit_test(test_flow_json),
		cmocka_unit_test(test_time_left_never_wraps),
		cmocka_unit_test(test_event_json),
		cmocka_unit_test(test_flow_of_a_zone_that_is_gone),
		cmocka_unit_test(test_event_without_protocol),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
