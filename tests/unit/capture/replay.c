/* SPDX-License-Identifier: BSD-2-Clause */
/* Replay: the clock, connections, the counts of the summary. */
#include <errno.h>
#include <pcap/dlt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "scenario/craft.h"
#include "text/names.h"
#include "capture/replay.h"
#include "policy/arena.h"

static const char policy_text[] = "zone lan { eth1, network 10.0.0.0/8, network fd00::/64, mac 02:00:00:00:00:aa }\n"
				  "zone dmz { eth2*, network 10.9.0.0/16 }\n"
				  "zone wan { eth0, address 203.0.113.1 }\n"
				  "reject from wan to lan tcp port 113\n"
				  "allow from lan to wan\n";

#define LAN KS_ZONE_FIRST
#define WAN (KS_ZONE_FIRST + 2)

struct fixture {
	struct ks_policy *policy;
	struct ks_zone_map *map;
	struct ks_crafter *crafter;
	struct ks_arena *arena;
	uint8_t capture[65536]; /* a pcap file in memory */
	size_t size;
};

static int setup_policy(void **state, const char *text)
{
	static const uint32_t head[] = { 0xa1b2c3d4, 0x00040002, 0, 0, 65535, DLT_EN10MB };
	struct fixture *f = calloc(1, sizeof(*f));
	struct ks_diags diags;

	assert_non_null(f);
	assert_int_equal(ks_policy_load_text(text, strlen(text), "test", NULL, &f->policy, &diags), 0);
	ks_diags_fini(&diags);
	assert_int_equal(ks_zone_map_create(f->policy, &f->map), 0);
	assert_int_equal(ks_crafter_create(&f->crafter), 0);
	f->arena = ks_arena_create();
	memcpy(f->capture, head, sizeof(head));
	f->size = sizeof(head);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_policy(state, policy_text);
}

/* The smallest table, so that every place in it is soon taken. */
static int setup_nat(void **state)
{
	return setup_policy(state, "zone lan { eth1, network 10.0.0.0/8 }\n"
				   "zone dmz { eth2 }\n"
				   "zone wan { eth0, address 203.0.113.1 }\n"
				   "limit states 64\n"
				   "allow from lan to wan\n"
				   "nat from lan to wan masquerade\n");
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ks_arena_destroy(f->arena);
	ks_crafter_destroy(f->crafter);
	ks_zone_map_destroy(f->map);
	ks_policy_destroy(f->policy);
	free(f);
	return 0;
}

/* Adds a packet in words to the capture, of which only `keep` bytes were captured. */
static void frame_add_cut(struct fixture *f, uint32_t sec, const char *words, uint32_t keep)
{
	struct ks_diags diags = { 0 };
	struct ks_frame frame;
	struct ks_step step;
	uint32_t head[4];

	if (ks_step_parse_text(f->policy, words, f->arena, &step, &diags))
		fail_msg("%s: %s", words, diags.list[0].message);
	assert_int_equal(ks_crafter_craft(f->crafter, &step.packet, &frame), 0);
	ks_crafter_delivered(f->crafter, frame.data, frame.length, KS_ZONE_UNKNOWN);
	head[0] = sec;
	head[1] = 0;
	head[2] = KS_MIN(frame.captured, keep);
	head[3] = frame.length;
	memcpy(f->capture + f->size, head, sizeof(head));
	memcpy(f->capture + f->size + sizeof(head), frame.data, head[2]);
	f->size += sizeof(head) + head[2];
	ks_diags_fini(&diags);
}

static void frame_add(struct fixture *f, uint32_t sec, const char *words)
{
	frame_add_cut(f, sec, words, UINT32_MAX);
}

static struct ks_replay *run(struct fixture *f, const struct ks_replay_config *more)
{
	struct ks_replay_config config = *more;
	char error[KS_CAPTURE_ERROR] = "";
	struct ks_capture *capture;
	struct ks_replay *replay;

	config.policy = f->policy;
	config.zones = f->map;
	assert_int_equal(ks_replay_create(&config, &replay), 0);
	assert_int_equal(ks_capture_open_memory(f->capture, f->size, &capture, error), 0);
	if (ks_replay_capture(replay, capture, "test", error))
		fail_msg("%s", error);
	ks_capture_close(capture);
	return replay;
}

static const struct ks_replay_config plain = { .connections = 100 };

static void test_connection(void **state)
{
	struct fixture *f = *state;
	const struct ks_replay_connection *list;
	struct ks_replay *replay;
	size_t count;

	frame_add(f, 100, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp len 100");
	frame_add(f, 101, "wan 192.0.2.1:53 > lan 10.0.0.5:40000 udp len 200");
	frame_add(f, 102, "wan 192.0.2.9:53 > lan 10.0.0.5:40000 udp");
	replay = run(f, &plain);
	list = ks_replay_connections(replay, &count);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].packets[KS_ORIGINAL], 1);
	assert_int_equal(list[0].packets[KS_REPLY], 1);
	assert_int_equal(list[0].bytes[KS_ORIGINAL], 128);
	assert_int_equal(list[0].bytes[KS_REPLY], 228);
	assert_int_equal(list[0].state, KS_STATE_UDP_STREAM);
	assert_int_equal(list[0].first, 0);
	assert_int_equal(list[0].last, KS_NSEC_PER_SEC);
	assert_int_equal(list[0].from, LAN);
	assert_int_equal(list[0].to, WAN);
	assert_int_equal(ks_policy_rule(f->policy, list[0].rule)->place.line, 5);
	assert_int_equal(ks_replay_totals(replay)->frames, 3);
	assert_int_equal(ks_replay_totals(replay)->actions[KS_ALLOW], 2);
	assert_int_equal(ks_replay_totals(replay)->actions[KS_DENY], 1);
	assert_int_equal(ks_engine_reasons(ks_replay_engine(replay))[KS_REASON_NO_RULE].packets, 1);
	ks_replay_destroy(replay);
}

/* Each is one connection under its true ends, and as many fit as the policy's limit says. */
static void test_translated(void **state)
{
	struct fixture *f = *state;
	const struct ks_replay_connection *list;
	struct ks_replay *replay;
	char words[80];
	size_t count;

	for (unsigned i = 0; i < 60; i++) {
		snprintf(words, sizeof(words), "lan 10.0.0.%u:40000 > wan 192.0.2.1:9999 udp len 100", i + 1);
		frame_add(f, 100, words);
	}
	frame_add(f, 101, "wan 192.0.2.1:9999 > self 203.0.113.1:40000 udp len 200");
	replay = run(f, &plain);
	list = ks_replay_connections(replay, &count);
	assert_int_equal(count, 60);
	assert_int_equal(list[0].packets[KS_ORIGINAL], 1);
	assert_int_equal(list[0].packets[KS_REPLY], 1);
	assert_int_equal(list[59].packets[KS_REPLY], 0);
	assert_int_equal(ks_replay_totals(replay)->actions[KS_ALLOW], 61);
	ks_replay_destroy(replay);
}

/* The clock is the capture's: after half an hour the same ports are another connection, and an answer is late. */
static void test_clock(void **state)
{
	struct fixture *f = *state;
	struct ks_replay *replay;
	size_t count;

	frame_add(f, 100, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp");
	frame_add(f, 1900, "wan 192.0.2.1:53 > lan 10.0.0.5:40000 udp");
	frame_add(f, 1901, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp");
	frame_add(f, 50, "wan 192.0.2.1:53 > lan 10.0.0.5:40000 udp"); /* an earlier time does not turn it back */
	replay = run(f, &plain);
	ks_replay_connections(replay, &count);
	assert_int_equal(count, 2);
	assert_int_equal(ks_replay_totals(replay)->actions[KS_DENY], 1);
	assert_int_equal(ks_replay_totals(replay)->backwards, 1);
	assert_int_equal(ks_replay_totals(replay)->last, 1901 * KS_NSEC_PER_SEC);
	ks_replay_destroy(replay);
}

static void test_midstream(void **state)
{
	const struct ks_replay_config pickup = { .connections = 100, .options_set = KS_OPT_PICKUP };
	struct fixture *f = *state;
	struct ks_replay *replay;

	frame_add(f, 100, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp ack len 10");
	frame_add(f, 101, "wan 192.0.2.1:80 > lan 10.0.0.5:40000 tcp ack len 10");
	frame_add(f, 102, "lan 10.0.0.5:40001 > wan 192.0.2.1:80 tcp ack len 10");
	replay = run(f, &plain);
	assert_int_equal(ks_replay_totals(replay)->midstream, 3);
	assert_int_equal(ks_replay_totals(replay)->midstream_flows, 2);
	ks_replay_destroy(replay);
	replay = run(f, &pickup);
	assert_int_equal(ks_replay_totals(replay)->midstream, 0);
	assert_int_equal(ks_replay_totals(replay)->actions[KS_ALLOW], 3);
	ks_replay_destroy(replay);
}

static void test_cut_frames(void **state)
{
	struct fixture *f = *state;
	const struct ks_replay_connection *list;
	struct ks_replay *replay;
	size_t count;

	frame_add_cut(f, 100, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp len 1000", 14 + 20 + 8);
	frame_add_cut(f, 101, "lan 10.0.0.6:40000 > wan 192.0.2.1:53 udp len 1000", 14 + 20 + 7);
	replay = run(f, &plain);
	list = ks_replay_connections(replay, &count);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].bytes[KS_ORIGINAL], 1028);
	assert_int_equal(ks_replay_totals(replay)->cut, 2);
	assert_int_equal(ks_engine_reasons(ks_replay_engine(replay))[KS_REASON_TRUNCATED].packets, 1);
	ks_replay_destroy(replay);
}

static void test_limits(void **state)
{
	const struct ks_replay_config few = { .connections = 2 }, none = { .connections = 0 };
	struct fixture *f = *state;
	struct ks_replay *replay;
	size_t count;

	for (unsigned i = 0; i < 5; i++) {
		char words[80];

		snprintf(words, sizeof(words), "lan 10.0.0.%u:1000 > wan 192.0.2.1:53 udp", i + 1);
		frame_add(f, 100, words);
		frame_add(f, 100, words);
	}
	replay = run(f, &few);
	ks_replay_connections(replay, &count);
	assert_int_equal(count, 2);
	assert_int_equal(ks_replay_totals(replay)->forgotten, 3);
	ks_replay_destroy(replay);
	replay = run(f, &none);
	ks_replay_connections(replay, &count);
	assert_int_equal(count, 0);
	assert_int_equal(ks_replay_totals(replay)->forgotten, 0);
	assert_int_equal(ks_replay_totals(replay)->actions[KS_ALLOW], 10);
	ks_replay_destroy(replay);
}

static int stop_at_two(const struct ks_replay_frame *frame, void *arg)
{
	assert_string_equal(frame->path, "test");
	assert_int_equal(frame->number, ++*(__u64 *)arg);
	return frame->number == 2 ? 7 : 0;
}

/* The function that is called for each frame may end the replay. */
static void test_callback(void **state)
{
	__u64 seen = 0;
	struct fixture *f = *state;
	const struct ks_replay_config config = {
		.policy = f->policy, .zones = f->map, .each = stop_at_two, .arg = &seen
	};
	char error[KS_CAPTURE_ERROR] = "";
	struct ks_capture *capture;
	struct ks_replay *replay;

	for (unsigned i = 0; i < 3; i++)
		frame_add(f, 100, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp");
	assert_int_equal(ks_replay_create(&config, &replay), 0);
	assert_int_equal(ks_capture_open_memory(f->capture, f->size, &capture, error), 0);
	assert_int_equal(ks_replay_capture(replay, capture, "test", error), 7);
	assert_int_equal(seen, 2);
	ks_capture_close(capture);
	ks_replay_destroy(replay);
}

static void test_unknown_link_type(void **state)
{
	struct fixture *f = *state;
	const struct ks_replay_config config = { .policy = f->policy, .zones = f->map };
	const uint32_t type = DLT_USER0;
	char error[KS_CAPTURE_ERROR] = "";
	struct ks_capture *capture;
	struct ks_replay *replay;

	memcpy(f->capture + 20, &type, sizeof(type));
	frame_add(f, 100, "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp");
	assert_int_equal(ks_replay_create(&config, &replay), 0);
	assert_int_equal(ks_capture_open_memory(f->capture, f->size, &capture, error), 0);
	assert_int_equal(ks_replay_capture(replay, capture, "test", error), -EINVAL);
	assert_non_null(strstr(error, "frame 1: link type 147"));
	ks_capture_close(capture);
	ks_replay_destroy(replay);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connection),
		TEST(test_clock),
		TEST(test_midstream),
		TEST(test_cut_frames),
		TEST(test_limits),
		TEST(test_callback),
		TEST(test_unknown_link_type),
		cmocka_unit_test_setup_teardown(test_translated, setup_nat, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
