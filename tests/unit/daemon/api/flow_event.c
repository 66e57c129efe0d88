/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/api/flow_event.c: events of flows as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "daemon/api/flow_event.h"

#define NOW (1000 * KS_NSEC_PER_SEC)

static struct ks_policy *policy;

static int load(void **state)
{
	static const char text[] = "zone lan { eth1 }\nzone wan { eth0 }\nallow from lan to wan log \"out\"\n";
	struct ks_diags diags;
	int err = ks_policy_load_text(text, sizeof(text) - 1, "some name", ".", &policy, &diags);

	ks_diags_fini(&diags);
	return err;
}

static int unload(void **state)
{
	ks_policy_destroy(policy);
	return 0;
}

static const char *string_of(const json_t *root, const char *name)
{
	return json_string_value(json_object_get(root, name));
}

static json_int_t number_of(const json_t *root, const char *name)
{
	return json_integer_value(json_object_get(root, name));
}

/* The event of a flow as a JSON object. */
static json_t *flow_event_json(const struct ks_flow_event *event)
{
	struct ks_translation translation;
	char text[2048] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");
	json_t *root;

	assert_non_null(out);
	ks_flow_event_translation(event, &translation);
	ks_flow_event_print(out, policy, NOW, event, &translation);
	fclose(out);
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	return root;
}

static void test_flow_event_json(void **state)
{
	struct ks_flow_event event = {
		.time = NOW - KS_NSEC_PER_SEC,
		.key = { .addr = { { .b = { [12] = 10, 0, 0, 5 } }, { .b = { [12] = 192, 0, 2, 1 } } },
			 .port = { ks_be16(40000), ks_be16(80) },
			 .proto = 6,
			 .family = KS_IPV4 },
		.flow = { .state = KS_STATE_TCP_TIME_WAIT,
			  .zone = { 2, 3 },
			  .rule = 1,
			  .created = (__u32)(NOW / KS_NSEC_PER_SEC) - 10,
			  .seen = (__u32)(NOW / KS_NSEC_PER_MSEC) - 1500,
			  .packets_low = { 6, 5 },
			  .volume = { 394, 864 },
			  .flags = KS_FLOW_REPLIED | KS_FLOW_ASSURED },
		.kind = KS_EVENT_END,
		.why = KS_END_CLOSED,
		.aliases = KS_ALIAS_PRESENT << KS_REPLY,
	};
	json_t *root, *begin;

	/* The responder knows the opener as 203.0.113.1:50000. */
	event.alias[KS_REPLY] = event.key;
	event.alias[KS_REPLY].addr[0] = event.key.addr[1];
	event.alias[KS_REPLY].port[0] = event.key.port[1];
	event.alias[KS_REPLY].addr[1] = (struct ks_addr){ .b = { [12] = 203, 0, 113, 1 } };
	event.alias[KS_REPLY].port[1] = ks_be16(50000);
	event.aliases |= KS_ALIAS_ORIG_IS_HIGH << KS_REPLY;
	root = flow_event_json(&event);
	assert_string_equal(string_of(root, "event"), "end");
	assert_string_equal(string_of(root, "why"), "closed");
	assert_string_equal(string_of(root, "source"), "10.0.0.5");
	assert_int_equal(number_of(root, "destination_port"), 80);
	assert_string_equal(string_of(json_object_get(root, "nat"), "source"), "203.0.113.1");
	assert_int_equal(number_of(json_object_get(root, "nat"), "source_port"), 50000);
	assert_string_equal(string_of(root, "state"), "TIME_WAIT");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "bytes"), 1)), 864);
	assert_int_equal(number_of(root, "duration"), 8);
	assert_string_equal(string_of(json_object_get(root, "rule"), "label"), "out");
	assert_int_equal(strlen(string_of(root, "begun")), strlen("2026-01-31T12:00:00Z"));
	assert_int_equal(strlen(string_of(root, "last")), strlen("2026-01-31T12:00:00.000Z"));
	event.kind = KS_EVENT_BEGIN;
	event.why = KS_END_UNTOLD;
	begin = flow_event_json(&event);
	assert_null(json_object_get(begin, "why"));
	assert_string_equal(string_of(begin, "id"), string_of(root, "id"));
	json_decref(begin);
	event.flow.created++; /* another flow of the same ends, and one that has no rule any more */
	event.flow.rule = 999;
	begin = flow_event_json(&event);
	assert_string_not_equal(string_of(begin, "id"), string_of(root, "id"));
	assert_int_equal(number_of(json_object_get(begin, "rule"), "id"), 999);
	json_decref(begin);
	json_decref(root);
}

/* An ICMP query has an identifier, which is no name of the event. */
static void test_flow_event_of_icmp(void **state)
{
	struct ks_flow_event event = {
		.time = NOW,
		.key = { .addr = { { .b = { [12] = 10, 0, 0, 5 } }, { .b = { [12] = 192, 0, 2, 1 } } },
			 .port = { ks_be16(77), ks_be16(8 << 8) },
			 .proto = 1,
			 .family = KS_IPV4 },
		.flow = { .state = KS_STATE_ICMP_REPLIED, .zone = { 2, 3 }, .seen = (__u32)(NOW / KS_NSEC_PER_MSEC) },
		.kind = KS_EVENT_ESTABLISHED,
	};
	json_t *root = flow_event_json(&event);

	assert_string_equal(string_of(root, "event"), "established");
	assert_int_equal(number_of(root, "icmp_id"), 77);
	assert_int_equal(number_of(root, "type"), 8);
	assert_int_equal(strlen(string_of(root, "id")), 16);
	assert_null(json_object_get(root, "nat"));
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_event_json),
		cmocka_unit_test(test_flow_event_of_icmp),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
