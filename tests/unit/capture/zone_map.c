/* SPDX-License-Identifier: BSD-2-Clause */
/* The zones of captured frames: by address, MAC address and interface, and on the way out. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "capture/zone_map.h"
#include "core/network.h"

static const char policy_text[] = "zone lan { eth1, network 10.0.0.0/8, network fd00::/64, mac 02:00:00:00:00:aa }\n"
				  "zone dmz { eth2*, network 10.9.0.0/16 }\n"
				  "zone wan { eth0, address 203.0.113.1 }\n"
				  "allow from lan to wan\n";

#define LAN KS_ZONE_FIRST
#define DMZ (KS_ZONE_FIRST + 1)
#define WAN (KS_ZONE_FIRST + 2)

struct fixture {
	struct ks_policy *policy;
	struct ks_zone_map *map;
};

static int setup(void **state)
{
	ks_auto_diags struct ks_diags diags = { 0 };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(ks_policy_load_text(policy_text, strlen(policy_text), "test", NULL, &f->policy, &diags), 0);
	assert_int_equal(ks_zone_map_create(f->policy, &f->map), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ks_zone_map_destroy(f->map);
	ks_policy_destroy(f->policy);
	free(f);
	return 0;
}

/* Ethernet and IPv4 with these addresses, as far as zones look. */
static void frame_make(__u8 *data, const char *src, const char *dst, bool from_listed_mac, struct ks_frame *frame)
{
	static const __u8 mac[6] = { 2, 0, 0, 0, 0, 0xaa };

	memset(data, 0, 34);
	if (from_listed_mac)
		memcpy(data + 6, mac, sizeof(mac));
	data[12] = 8;
	data[14] = 0x45;
	assert_int_equal(inet_pton(AF_INET, src, data + 26), 1);
	assert_int_equal(inet_pton(AF_INET, dst, data + 30), 1);
	*frame = (struct ks_frame){ .data = data, .captured = 34, .length = 34, .link = KS_LINK_ETHERNET };
}

static void test_zones(void **state)
{
	static const struct {
		const char *src, *dst;
		bool mac;
		__u8 interface, way, from, to;
	} cases[] = {
		/* by address: the longest prefix; what nobody lists is outside */
		{ "10.1.0.1", "192.0.2.1", false, 0, KS_WAY_UNKNOWN, LAN, WAN },
		{ "10.9.0.1", "10.1.0.1", false, 0, KS_WAY_UNKNOWN, DMZ, LAN },
		{ "192.0.2.1", "10.255.0.1", false, 0, KS_WAY_UNKNOWN, WAN, KS_ZONE_SELF },
		{ "192.0.2.1", "203.0.113.1", false, 0, KS_WAY_UNKNOWN, WAN, KS_ZONE_SELF },
		{ "10.255.0.1", "10.9.0.1", false, 0, KS_WAY_UNKNOWN, KS_ZONE_SELF, DMZ },
		{ "10.1.0.1", "255.255.255.255", false, 0, KS_WAY_UNKNOWN, LAN, KS_ZONE_SELF },
		{ "10.255.0.1", "224.0.0.5", false, 0, KS_WAY_UNKNOWN, KS_ZONE_SELF, WAN },
		/* the MAC address before the IP address */
		{ "10.9.0.1", "192.0.2.1", true, 0, KS_WAY_UNKNOWN, LAN, WAN },
		/* the interface before both, for whence a frame came */
		{ "10.1.0.1", "10.9.0.1", false, WAN, KS_WAY_IN, WAN, DMZ },
		{ "10.9.0.1", "192.0.2.1", true, DMZ, KS_WAY_IN, DMZ, WAN },
		/* a spoofed source on its way in, though the capture does not say so */
		{ "10.1.0.1", "10.9.0.1", false, WAN, KS_WAY_UNKNOWN, WAN, DMZ },
		/* on its way out: where it goes to */
		{ "10.1.0.1", "192.0.2.1", false, WAN, KS_WAY_OUT, LAN, WAN },
		{ "10.1.0.1", "192.0.2.1", false, WAN, KS_WAY_UNKNOWN, LAN, WAN },
		{ "192.0.2.1", "10.1.0.1", false, LAN, KS_WAY_UNKNOWN, WAN, LAN },
		{ "10.255.0.1", "192.0.2.1", false, WAN, KS_WAY_UNKNOWN, KS_ZONE_SELF, WAN },
		{ "192.0.2.1", "192.0.2.2", false, DMZ, KS_WAY_UNKNOWN, DMZ, WAN },
		/* to all of its own network: the box hears it; to all of another's it does not */
		{ "10.9.0.1", "10.9.255.255", false, KS_ZONE_NONE, KS_WAY_UNKNOWN, DMZ, KS_ZONE_SELF },
		{ "10.9.0.1", "10.9.255.255", false, DMZ, KS_WAY_UNKNOWN, DMZ, KS_ZONE_SELF },
		{ "192.0.2.1", "10.9.255.255", false, WAN, KS_WAY_IN, WAN, DMZ },
		{ "10.255.0.1", "10.9.255.255", false, DMZ, KS_WAY_UNKNOWN, KS_ZONE_SELF, DMZ },
	};
	struct fixture *f = *state;
	__u8 data[34];

	assert_int_equal(ks_zone_map_add(f->map, KS_ZONE_SELF, "10.255.0.1"), 0);
	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct ks_link_info info = { .way = cases[i].way, .src_mac = data + 6, .dst_mac = data };
		struct ks_frame frame;

		frame_make(data, cases[i].src, cases[i].dst, cases[i].mac, &frame);
		ks_zone_map_assign(f->map, cases[i].interface, &info, &frame);
		if (frame.from != cases[i].from || frame.to != cases[i].to)
			fail_msg("case %zu: from %u to %u", i, frame.from, frame.to);
	}
}

static void test_zone_options(void **state)
{
	static const char *const bad[] = {
		"", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/8x", "::1/129", "lan"
	};
	struct fixture *f = *state;
	const struct ks_link_info info = { 0 };
	struct ks_frame frame;
	__u8 data[34];

	for (size_t i = 0; i < KS_ARRAY_SIZE(bad); i++)
		assert_int_equal(ks_zone_map_add(f->map, LAN, bad[i]), -EINVAL);
	/* Of two equal networks the later one counts: a command line overrides the policy. */
	assert_int_equal(ks_zone_map_add(f->map, DMZ, "10.0.0.0/8"), 0);
	ks_zone_map_set_outside(f->map, KS_ZONE_NONE);
	frame_make(data, "10.1.0.1", "192.0.2.1", false, &frame);
	ks_zone_map_assign(f->map, KS_ZONE_NONE, &info, &frame);
	assert_int_equal(frame.from, DMZ);
	assert_int_equal(frame.to, KS_ZONE_NONE);
	assert_int_equal(ks_zone_map_interface(f->map, "eth1"), LAN);
	assert_int_equal(ks_zone_map_interface(f->map, "eth2.7"), DMZ);
	assert_int_equal(ks_zone_map_interface(f->map, "eth10"), KS_ZONE_NONE);
	assert_int_equal(ks_zone_map_interface(f->map, ""), KS_ZONE_NONE);
}

/* An engine believes sources by the networks of the policy and of the command line. */
static void test_zone_networks(void **state)
{
	struct fixture *f = *state;
	struct ks_config config = f->policy->config;
	const struct ks_network *network;
	const struct ks_addr addr = { .w[3] = ks_be32(0x0a090001) };
	char text[sizeof("172.16.255.0/24")];

	assert_int_equal(ks_zone_map_add(f->map, KS_ZONE_SELF, "10.255.0.1"), 0);
	assert_int_equal(ks_zone_map_add(f->map, WAN, "10.9.0.0/16"), 0);
	ks_zone_map_set_outside(f->map, DMZ);
	ks_zone_map_networks(f->map, &config);
	assert_int_equal(config.networks, f->policy->config.networks + 1);
	network = ks_network_find(&config, &addr, KS_IPV4);
	assert_non_null(network);
	assert_int_equal(network->zone, WAN);
	assert_true(config.outside[0] >> DMZ & 1);
	assert_false(config.outside[0] >> LAN & 1);
	for (__u32 i = config.networks; i < KS_NETWORKS_MAX; i++) {
		snprintf(text, sizeof(text), "172.16.%u.0/24", i);
		assert_int_equal(ks_zone_map_add(f->map, LAN, text), 0);
	}
	assert_int_equal(ks_zone_map_add(f->map, LAN, "172.17.0.0/24"), -ENOSPC);
	assert_int_equal(ks_zone_map_add(f->map, KS_ZONE_SELF, "10.255.0.2"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_zones),
		TEST(test_zone_options),
		TEST(test_zone_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
