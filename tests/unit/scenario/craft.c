/* SPDX-License-Identifier: BSD-2-Clause */
/* scenario/craft.c: what a packet in words gets that no word says: link addresses of groups, bodies of ICMP messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenario/craft.h"
#include "policy/arena.h"

#define ETHER 14
#define IPV4_ICMP (ETHER + 20)
#define IPV6_ICMP (ETHER + 40)

struct fixture {
	struct ks_policy *policy;
	struct ks_crafter *crafter;
	struct ks_arena *arena;
	struct ks_frame frame;
};

static int setup(void **state)
{
	static const char text[] = "zone lan { eth1 }\nzone wan { eth0 }\n";
	struct fixture *f = calloc(1, sizeof(*f));
	struct ks_diags diags;

	assert_non_null(f);
	assert_int_equal(ks_policy_load_text(text, strlen(text), "test", NULL, &f->policy, &diags), 0);
	ks_diags_fini(&diags);
	assert_int_equal(ks_crafter_create(&f->crafter), 0);
	f->arena = ks_arena_create();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ks_arena_destroy(f->arena);
	ks_crafter_destroy(f->crafter);
	ks_policy_destroy(f->policy);
	free(f);
	return 0;
}

static const __u8 *craft(struct fixture *f, const char *words)
{
	struct ks_diags diags = { 0 };
	struct ks_step step;

	if (ks_step_parse_text(f->policy, words, f->arena, &step, &diags))
		fail_msg("%s: %s", words, diags.list[0].message);
	assert_int_equal(ks_crafter_craft(f->crafter, &step.packet, &f->frame), 0);
	ks_diags_fini(&diags);
	return f->frame.data;
}

static void test_link_addresses(void **state)
{
	static const struct {
		const char *words;
		__u8 mac[6];
	} list[] = {
		{ "lan 10.0.0.5:1 > self 10.0.0.1:2 udp", { 2, 0, 0, 0, 0, 2 } },
		{ "lan 0.0.0.0:68 > self 255.255.255.255:67 udp", { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ "lan 10.0.0.5:5353 > self 224.0.0.251:5353 udp", { 0x01, 0x00, 0x5e, 0, 0, 251 } },
		{ "lan 10.0.0.5:5000 > wan 239.255.1.2:5000 udp", { 0x01, 0x00, 0x5e, 0x7f, 1, 2 } },
		{ "lan 10.0.0.5:5000 > wan 240.0.0.1:5000 udp", { 2, 0, 0, 0, 0, 2 } },
		{ "lan [fe80::5]:5353 > self [ff02::fb]:5353 udp", { 0x33, 0x33, 0, 0, 0, 0xfb } },
		{ "lan fe80::5 > self ff02::1:ff12:3456 icmpv6 neighbour-solicit",
		  { 0x33, 0x33, 0xff, 0x12, 0x34, 0x56 } },
		{ "lan [fd00::5]:1 > wan [2001:db8::1]:2 udp", { 2, 0, 0, 0, 0, 2 } },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++)
		assert_memory_equal(craft(*state, list[i].words), list[i].mac, sizeof(list[i].mac));
}

static void test_router_advertisement(void **state)
{
	static const __u8 body[16] = { 134, 0, [4] = 64, 0, 0x07, 0x08 };
	struct fixture *f = *state;
	const __u8 *frame = craft(f, "wan fe80::bad > self ff02::1 icmpv6 router-advertisement");

	assert_int_equal(f->frame.length, IPV6_ICMP + sizeof(body));
	assert_int_equal(frame[ETHER + 7], 255); /* hop limit */
	assert_memory_equal(frame + IPV6_ICMP, body, 2);
	assert_memory_equal(frame + IPV6_ICMP + 4, body + 4, sizeof(body) - 4);
	frame = craft(f, "wan fe80::bad > self ff02::1 icmpv6 router-advertisement id 7 seq 9");
	assert_memory_equal(frame + IPV6_ICMP + 4, ((__u8[]){ 0, 7, 0, 9 }), 4);
}

static void test_redirect(void **state)
{
	static const __u8 body[36] = { [4] = 0xfe, 0x80, [19] = 0xfe, 0x20, 0x01, 0x0d, 0xb8, [35] = 1 };
	struct fixture *f = *state;
	const __u8 *frame = craft(f, "wan fe80::1 > self fe80::2 icmpv6 redirect");

	assert_int_equal(f->frame.length, IPV6_ICMP + 4 + sizeof(body));
	assert_int_equal(frame[ETHER + 7], 255);
	assert_int_equal(frame[IPV6_ICMP], 137);
	assert_memory_equal(frame + IPV6_ICMP + 4, body, sizeof(body));
	frame = craft(f, "wan fe80::1 > self fe80::2 icmpv6 redirect target fe80::7");
	assert_int_equal(frame[IPV6_ICMP + 23], 7);
	assert_memory_equal(frame + IPV6_ICMP + 24, body + 20, 16);
}

static void test_redirect_ipv4(void **state)
{
	static const __u8 quoted[28] = { 0x45, 0, 0,   28, 0,	0, 0,	 0,    64, 17, [12] = 10, 0,
					 0,    5, 198, 51, 100, 1, 0x9c, 0x40, 0,  53, 0,	  8 };
	struct fixture *f = *state;
	const __u8 *frame = craft(f, "wan 10.0.0.1 > self 10.0.0.5 icmp redirect host"), *ip = frame + IPV4_ICMP + 8;

	assert_int_equal(f->frame.length, IPV4_ICMP + 8 + sizeof(quoted));
	assert_memory_equal(frame + IPV4_ICMP, ((__u8[]){ 5, 1 }), 2);
	assert_memory_equal(frame + IPV4_ICMP + 4, ((__u8[]){ 10, 0, 0, 1 }), 4);
	assert_memory_equal(ip, quoted, 10);
	assert_memory_equal(ip + 12, quoted + 12, sizeof(quoted) - 12);
	frame = craft(f, "wan 10.0.0.1 > self 10.0.0.5 icmp redirect quoting self 10.0.0.5:9 > wan 192.0.2.1:7 udp");
	assert_memory_equal(frame + IPV4_ICMP + 4, ((__u8[]){ 10, 0, 0, 1 }), 4);
	assert_memory_equal(frame + IPV4_ICMP + 8 + 16, ((__u8[]){ 192, 0, 2, 1, 0, 9, 0, 7 }), 8);
	frame = craft(f, "wan 10.0.0.1 > self 10.0.0.5 icmp redirect len 0");
	assert_int_equal(f->frame.length, IPV4_ICMP + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_link_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_router_advertisement, setup, teardown),
		cmocka_unit_test_setup_teardown(test_redirect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_redirect_ipv4, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
