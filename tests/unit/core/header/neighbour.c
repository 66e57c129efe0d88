// SPDX-License-Identifier: BSD-2-Clause
/*
 * What neighbours say to each other: every demand of RFC 4861 on discovery
 * messages, of RFC 2710 and 3810 on listeners', of RFC 2236 and 3376 on IGMP,
 * each broken alone.
 */
#include "tests/unit/core/test_home.h"

#include "core/header/neighbour.h"
#include "core/verdict.h"

#define IP 14 /* where the network header begins */
#define SRC (IP + 8)
#define DST (IP + 24)
#define ND (IP + 40)

static __u32 parse(const struct frame *f)
{
	struct ks_packet pkt;
	__u32 reason = test_parse(f, f->len, &pkt);

	/* Whatever is wrong with it: it is never a flow's. */
	assert_true(reason != KS_REASON_OK_NEW || pkt.flags & KS_PKT_NEIGHBOUR);
	return reason;
}

#define assert_sane(f) assert_int_equal(parse(f), KS_REASON_OK_NEW)
#define assert_refused(f) assert_int_equal(parse(f), KS_REASON_NEIGHBOUR)

static void address(struct frame *f, __u32 off, __u16 first, __u8 last)
{
	memset(f->data + off, 0, 16);
	f->data[off] = first >> 8;
	f->data[off + 1] = first & 0xff;
	f->data[off + 15] = last;
}

/* --- neighbour discovery --- */

static const struct {
	__u8 type;
	__u32 fixed; /* bytes before the options */
} messages[] = { { 133, 8 }, { 134, 16 }, { 135, 24 }, { 136, 24 }, { 137, 40 } };

/* A message from fe80::1 to fd00::2 about fe80::3, with `options` bytes of nonces. */
static void discovery(struct frame *f, __u8 type, __u32 fixed, __u32 options)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x86dd, 0);
	frame_ipv6(f, KS_PROTO_ICMPV6, 1, 2, fixed + options);
	f->data[IP + 7] = 255;
	address(f, SRC, 0xfe80, 1);
	frame_put8(f, type);
	frame_zeros(f, fixed - 1);
	if (fixed >= 24)
		address(f, ND + 8, 0xfe80, 3);
	if (fixed == 40)
		address(f, ND + 24, 0x2001, 9);
	for (__u32 i = 0; i < options / 8; i++) {
		frame_put16(f, 14 << 8 | 1);
		frame_zeros(f, 6);
	}
}

#define FOR_MESSAGES(f, options) \
	for (size_t m = 0;       \
	     m < KS_ARRAY_SIZE(messages) && (discovery(f, messages[m].type, messages[m].fixed, options), true); m++)

static void test_hop_limit(void **state)
{
	struct frame f;

	FOR_MESSAGES(&f, 16)
	{
		for (unsigned hops = 0; hops < 256; hops++) {
			f.data[IP + 7] = hops;
			assert_int_equal(parse(&f), hops == 255 ? KS_REASON_OK_NEW : KS_REASON_NEIGHBOUR);
		}
	}
}

static void test_code(void **state)
{
	struct frame f;

	FOR_MESSAGES(&f, 0)
	{
		assert_sane(&f);
		f.data[ND + 1] = 1;
		assert_int_equal(parse(&f), KS_REASON_ICMP_TYPE);
	}
}

/* Every length of the message: whole options, or refused. */
static void test_lengths(void **state)
{
	for (size_t m = 0; m < KS_ARRAY_SIZE(messages); m++) {
		for (__u32 len = 8; len <= messages[m].fixed + 24; len++) {
			struct frame f;
			bool whole = len >= messages[m].fixed && (len - messages[m].fixed) % 8 == 0;

			discovery(&f, messages[m].type, messages[m].fixed, 24);
			f.data[IP + 5] = len;
			assert_int_equal(parse(&f), whole ? KS_REASON_OK_NEW : KS_REASON_NEIGHBOUR);
		}
	}
}

/* RFC 4861 4.6: nodes must discard a packet with an option of length 0. */
static void test_option_lengths(void **state)
{
	struct frame f;

	FOR_MESSAGES(&f, 24)
	{
		__u32 second = ND + messages[m].fixed + 8 + 1;

		assert_sane(&f);
		f.data[second] = 0;
		assert_refused(&f);
		f.data[second] = 2; /* over the third */
		assert_sane(&f);
		f.data[second] = 3; /* past the end */
		assert_refused(&f);
		f.data[second] = 255;
		assert_refused(&f);
	}
}

/* What lies beyond the inspected head is the receiver's, as long advertisements have it; nothing before it. */
static void test_many_options(void **state)
{
	struct frame f;

	discovery(&f, 134, 16, 320);
	assert_sane(&f);
	f.data[ND + 16 + 256 + 1] = 0;
	assert_sane(&f);
	f.data[ND + 16 + 168 + 1] = 0;
	assert_refused(&f);
}

static void test_sources(void **state)
{
	struct frame f;

	FOR_MESSAGES(&f, 8)
	{
		bool router = messages[m].type == 134 || messages[m].type == 137;

		address(&f, SRC, 0xfebf, 1); /* fe80::/10 */
		assert_sane(&f);
		address(&f, SRC, 0xfec0, 1);
		assert_int_equal(parse(&f), router ? KS_REASON_NEIGHBOUR : KS_REASON_OK_NEW);
		address(&f, SRC, 0xfd00, 1);
		assert_int_equal(parse(&f), router ? KS_REASON_NEIGHBOUR : KS_REASON_OK_NEW);
	}
}

/* Who has no address yet may look for routers and for the owner of an address; nobody could answer its link layer. */
static void test_unspecified_source(void **state)
{
	struct frame f;

	FOR_MESSAGES(&f, 8)
	{
		address(&f, SRC, 0, 0);
		assert_int_equal(parse(&f), messages[m].type == 133 ? KS_REASON_OK_NEW : KS_REASON_NEIGHBOUR);
	}
	discovery(&f, 133, 8, 8);
	address(&f, SRC, 0, 0);
	f.data[ND + 8] = 1;
	assert_refused(&f);
	discovery(&f, 135, 24, 8);
	address(&f, SRC, 0, 0);
	address(&f, DST, 0xff02, 5); /* ff02::1:ff00:5 */
	f.data[DST + 11] = 1;
	f.data[DST + 12] = 0xff;
	assert_sane(&f);
	f.data[ND + 24] = 1;
	assert_refused(&f);
	f.data[ND + 24] = 14;
	f.data[DST + 12] = 0xfe;
	assert_refused(&f);
	f.data[DST + 12] = 0xff;
	f.data[DST + 11] = 2;
	assert_refused(&f);
}

static void test_targets(void **state)
{
	struct frame f;

	for (__u8 type = 135; type <= 136; type++) {
		discovery(&f, type, 24, 0);
		address(&f, ND + 8, 0xff02, 1);
		assert_refused(&f);
	}
	/* An advertisement to all was not asked for by one. */
	discovery(&f, 136, 24, 0);
	address(&f, DST, 0xff02, 1);
	assert_sane(&f);
	f.data[ND + 4] = 0x40;
	assert_refused(&f);
	address(&f, DST, 0xfe80, 2);
	assert_sane(&f);
	/* A redirect is to a router's link-local address, or to the destination itself. */
	discovery(&f, 137, 40, 0);
	address(&f, ND + 8, 0x2001, 9);
	assert_sane(&f);
	address(&f, ND + 8, 0x2001, 8);
	assert_refused(&f);
	address(&f, ND + 8, 0xfe80, 3);
	address(&f, ND + 24, 0xff0e, 9);
	assert_refused(&f);
}

/* --- multicast listeners --- */

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

/* --- IGMP --- */

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
		f->data[IP + 16 + i] = dst >> (24 - 8 * i);
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
		set_ip8(&f, 8, ttl);
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
		set_ip8(&f, 3, 24 + len);
		assert_igmp(&f, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hop_limit),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_option_lengths),
		cmocka_unit_test(test_many_options),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_unspecified_source),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_listener_alert),
		cmocka_unit_test(test_listener_sources),
		cmocka_unit_test(test_listener_groups),
		cmocka_unit_test(test_listener_counts),
		cmocka_unit_test(test_igmp_messages),
		cmocka_unit_test(test_igmp_counts),
		cmocka_unit_test(test_igmp_ttl_and_alert),
		cmocka_unit_test(test_igmp_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
