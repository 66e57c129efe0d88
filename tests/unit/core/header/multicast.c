// SPDX-License-Identifier: BSD-2-Clause
/* MLD and IGMP: every demand of RFC 2710, 3810, 2236 and 3376, each broken alone. */
#include "tests/unit/core/header/neighbour_frames.h"

#define HOP (IP + 40) /* the hop-by-hop header */
#define MLD (HOP + 8)

/* A message of `len` bytes from fe80::1 to ff02::16 about ff02::5, with its router alert. */
static void listener(struct frame *f, __u8 type, __u32 len)
{
	static const __u8 alert[] = { KS_PROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0 };

	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x86dd, 0);
	frame_ipv6(f, KS_PROTO_HOPOPTS, 1, 2, 8 + len);
	f->data[IP + 7] = 1;
	address(f, SRC, 0xfe80, 1);
	address(f, DST, 0xff02, 0x16);
	frame_put(f, alert, sizeof(alert));
	frame_put8(f, type);
	frame_zeros(f, len - 1);
	if (type != 143 && len >= 24)
		address(f, MLD + 8, 0xff02, 5);
}

static void test_listener_alert(void **state)
{
	static const __u8 types[] = { 130, 131, 132, 143 };

	for (size_t i = 0; i < KS_ARRAY_SIZE(types); i++) {
		struct frame f;

		listener(&f, types[i], 28);
		assert_sane(&f);
		f.data[HOP + 2] = 1; /* padding instead */
		assert_refused(&f);
		f.data[HOP + 2] = 5;
		f.data[HOP + 5] = 1; /* for RSVP */
		assert_refused(&f);
		memcpy(f.data + HOP + 2, (const __u8[]){ 0, 0, 5, 2, 0, 0 }, 6); /* behind two bytes of padding */
		assert_sane(&f);
		memcpy(f.data + HOP + 2, (const __u8[]){ 1, 0, 0, 0, 5, 2 }, 6); /* cut by the header's end */
		assert_refused(&f);
		listener(&f, types[i], 28);
		f.data[IP + 6] = KS_PROTO_DSTOPTS; /* there, it says nothing to routers */
		assert_refused(&f);
		listener(&f, types[i], 28);
		f.data[IP + 7] = 2;
		assert_refused(&f);
	}
}

static void test_listener_sources(void **state)
{
	static const __u8 types[] = { 130, 131, 132, 143 };

	for (size_t i = 0; i < KS_ARRAY_SIZE(types); i++) {
		struct frame f;

		listener(&f, types[i], 28);
		address(&f, SRC, 0xfd00, 1);
		assert_refused(&f);
		address(&f, SRC, 0, 0); /* RFC 3590: before there is an address; but nobody routes without one */
		assert_int_equal(parse(&f), types[i] == 130 ? KS_REASON_NEIGHBOUR : KS_REASON_OK_NEW);
	}
}

static void test_listener_groups(void **state)
{
	struct frame f;

	for (__u8 type = 130; type <= 132; type++) {
		listener(&f, type, 24);
		address(&f, MLD + 8, 0xfd00, 5);
		assert_refused(&f);
		address(&f, MLD + 8, 0, 0); /* about all of them: only a query is */
		assert_int_equal(parse(&f), type == 130 ? KS_REASON_OK_NEW : KS_REASON_NEIGHBOUR);
	}
}

/* Sources and records that the message says to have must be there. */
static void test_listener_counts(void **state)
{
	struct frame f;

	for (__u32 len = 24; len <= 28; len++) {
		listener(&f, 130, len);
		assert_int_equal(parse(&f), len == 24 || len == 28 ? KS_REASON_OK_NEW : KS_REASON_NEIGHBOUR);
	}
	listener(&f, 130, 28 + 32);
	f.data[MLD + 27] = 2;
	assert_sane(&f);
	f.data[MLD + 27] = 3;
	assert_refused(&f);
	f.data[MLD + 26] = 0x10; /* 4,098 */
	assert_refused(&f);
	listener(&f, 143, 8 + 40);
	f.data[MLD + 7] = 2;
	assert_sane(&f);
	f.data[MLD + 7] = 3;
	assert_refused(&f);
}

#define IGMP (IP + 24)
#define GROUP 0xe0010203U /* 224.1.2.3 */

/* A message of `len` bytes about the group, to `dst`, with a router alert. */
static void igmp(struct frame *f, __u8 type, __u32 group, __u32 dst, __u32 len)
{
	static const __u8 alert[] = { 148, 4, 0, 0 };

	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x0800, 0);
	frame_ipv4(f, KS_PROTO_IGMP, 1, 2, 4, len);
	f->data[IP + 8] = 1;
	for (unsigned i = 0; i < 4; i++)
		f->data[IP + 16 + i] = dst >> (24 - 8 * i) & 0xff;
	memcpy(f->data + IP + 20, alert, sizeof(alert));
	frame_ipv4_checksum(f, IP);
	frame_put8(f, type);
	frame_put8(f, type == 0x11 ? 100 : 0);
	frame_put16(f, 0);
	frame_put32(f, group);
	frame_zeros(f, len - 8);
}

static void set_ip8(struct frame *f, __u32 off, __u8 v)
{
	f->data[IP + off] = v;
	frame_ipv4_checksum(f, IP);
}

#define assert_igmp(f, sane) assert_int_equal(parse(f), (sane) ? KS_REASON_OK_NEW : KS_REASON_IGMP)

static void test_igmp_messages(void **state)
{
	static const struct {
		__u8 type;
		__u32 group, dst;
		__u32 len;
		bool sane;
	} cases[] = {
		{ 0x11, 0, 0xe0000001, 8, true }, /* a general query */
		{ 0x11, 0, GROUP, 8, false },	       { 0x11, GROUP, GROUP, 8, true }, /* about one group */
		{ 0x11, GROUP, 0xe0000001, 8, false }, { 0x11, 0x0a000001, 0xe0000001, 8, false }, /* about no group */
		{ 0x11, 0, 0x0a000005, 8, false }, /* to one host: version 3 only */
		{ 0x11, 0, 0x0a000005, 12, true },     { 0x11, 0, 0xe0000001, 12, true },
		{ 0x11, 0, 0xe0000002, 12, false },    { 0x11, 0, 0xe0000001, 9, false }, /* of no version */
		{ 0x11, 0, 0xe0000001, 11, false },    { 0x12, GROUP, GROUP, 8, true },
		{ 0x12, GROUP, GROUP + 1, 8, false },  { 0x16, GROUP, GROUP, 8, true },
		{ 0x16, GROUP, 0xe0000002, 8, false }, { 0x16, 0, 0, 8, false },
		{ 0x17, GROUP, 0xe0000002, 8, true },  { 0x17, 0x0a000001, 0xe0000002, 8, false },
		{ 0x17, GROUP, 0x0a000001, 8, false }, { 0x22, 0, 0xe0000016, 8, true },
		{ 0x22, 0, 0x0a000001, 8, false },     { 0x13, GROUP, GROUP, 8, false }, /* DVMRP */
		{ 0x00, GROUP, GROUP, 8, false },      { 0xff, GROUP, GROUP, 8, false },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct frame f;

		igmp(&f, cases[i].type, cases[i].group, cases[i].dst, cases[i].len);
		assert_igmp(&f, cases[i].sane);
	}
}

static void test_igmp_counts(void **state)
{
	struct frame f;

	igmp(&f, 0x11, GROUP, GROUP, 12 + 8);
	f.data[IGMP + 11] = 2;
	assert_igmp(&f, true);
	f.data[IGMP + 11] = 3;
	assert_igmp(&f, false);
	igmp(&f, 0x22, 0, 0xe0000016, 8 + 16);
	f.data[IGMP + 7] = 2;
	assert_igmp(&f, true);
	f.data[IGMP + 7] = 3;
	assert_igmp(&f, false);
}

static void test_igmp_ttl_and_alert(void **state)
{
	struct frame f;

	for (unsigned ttl = 0; ttl < 256; ttl++) {
		igmp(&f, 0x16, GROUP, GROUP, 8);
		set_ip8(&f, 8, (__u8)ttl);
		assert_igmp(&f, ttl == 1);
	}
	igmp(&f, 0x16, GROUP, GROUP, 8);
	set_ip8(&f, 20, 7); /* record route */
	assert_igmp(&f, false);
	igmp(&f, 0x16, GROUP, GROUP, 8);
	set_ip8(&f, 23, 1); /* a value that is not "every router" */
	assert_igmp(&f, false);
	igmp(&f, 0x12, GROUP, GROUP, 8);
	set_ip8(&f, 20, 0); /* version 1 is older than the option */
	assert_igmp(&f, true);
	igmp(&f, 0x11, 0, 0xe0000001, 8);
	set_ip8(&f, 20, 0);
	assert_igmp(&f, false);
	f.data[IGMP + 1] = 0;
	assert_igmp(&f, true);
}

static void test_igmp_lengths(void **state)
{
	for (__u32 len = 0; len < 8; len++) {
		struct frame f;

		igmp(&f, 0x16, GROUP, GROUP, 8);
		set_ip8(&f, 3, (__u8)(24 + len));
		assert_igmp(&f, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listener_alert),	   cmocka_unit_test(test_listener_sources),
		cmocka_unit_test(test_listener_groups),	   cmocka_unit_test(test_listener_counts),
		cmocka_unit_test(test_igmp_messages),	   cmocka_unit_test(test_igmp_counts),
		cmocka_unit_test(test_igmp_ttl_and_alert), cmocka_unit_test(test_igmp_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
