/* SPDX-License-Identifier: BSD-2-Clause */
/* A replay for which memory runs out, at each of its allocations in turn: it is an error, never another verdict. */
#include <pcap/dlt.h>

#include "capture/replay.h"
#include "policy/arena.h"
#include "scenario/craft.h"
#include "tests/unit/shortage.h"

static const char policy_text[] = "zone lan { eth1, network 10.0.0.0/8, mac 02:00:00:00:00:aa }\n"
				  "zone wan { eth0, address 203.0.113.1 }\n"
				  "allow from lan to wan\n"
				  "nat from lan to wan masquerade\n";

static struct ks_policy *policy;
static uint8_t image[4096]; /* a pcap file */
static size_t image_size;

static void image_add(const void *data, size_t size)
{
	assert_true(image_size + size <= sizeof(image));
	memcpy(image + image_size, data, size);
	image_size += size;
}

/* A frame that is translated, and one in the middle of a connection. */
static void image_make(void)
{
	static const char *const packets[] = { "lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp",
					       "wan 192.0.2.1:80 > lan 10.0.0.5:40001 tcp ack" };
	const uint32_t head[] = { 0xa1b2c3d4, 0x00040002, 0, 0, 65535, DLT_EN10MB };
	ks_auto_arena struct ks_arena *arena = ks_arena_create();
	ks_auto_crafter struct ks_crafter *crafter = NULL;

	assert_int_equal(ks_crafter_create(&crafter), 0);
	image_add(head, sizeof(head));
	for (size_t i = 0; i < KS_ARRAY_SIZE(packets); i++) {
		ks_auto_diags struct ks_diags diags = { 0 };
		struct ks_frame frame;
		struct ks_step step;

		assert_int_equal(ks_step_parse_text(policy, packets[i], arena, &step, &diags), 0);
		assert_int_equal(ks_crafter_craft(crafter, &step.packet, &frame), 0);
		image_add((const uint32_t[]){ 100 + (uint32_t)i, 0, frame.captured, frame.length }, 16);
		image_add(frame.data, frame.captured);
	}
}

static int replay_image(char **print)
{
	ks_auto_zone_map struct ks_zone_map *map = NULL;
	ks_auto_replay struct ks_replay *replay = NULL;
	ks_auto_capture struct ks_capture *capture = NULL;
	struct ks_replay_config config = { .policy = policy, .connections = 16 };
	const struct ks_replay_totals *totals;
	char error[KS_CAPTURE_ERROR] = "";
	int err = ks_zone_map_create(policy, &map);

	config.zones = map;
	if (!err)
		err = ks_replay_create(&config, &replay);
	if (!err)
		err = ks_capture_open_memory(image, image_size, &capture, error);
	if (!err) {
		*error = '\0';
		err = ks_replay_capture(replay, capture, "image", error);
	}
	/* libpcap says it in words only. */
	if (err == -EINVAL && (strstr(error, "out of memory") || strstr(error, "malloc")))
		err = -ENOMEM;
	if (err)
		return err;
	totals = ks_replay_totals(replay);
	memory_pause(true);
	assert_true(asprintf(print, "%llu frames, %llu allowed, %llu denied, %llu midstream", totals->frames,
			     totals->actions[KS_ALLOW], totals->actions[KS_DENY], totals->midstream_flows) > 0);
	memory_pause(false);
	return 0;
}

static void test_replay(void **state)
{
	ks_auto_free char *print = NULL;

	print = do_well(replay_image, 0);
	assert_string_equal(print, "2 frames, 1 allowed, 1 denied, 1 midstream");
	check_deed(replay_image, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_replay) };
	ks_auto_diags struct ks_diags diags = { 0 };

	if (ks_policy_load_text(policy_text, strlen(policy_text), "test", NULL, &policy, &diags))
		return 1;
	image_make();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
