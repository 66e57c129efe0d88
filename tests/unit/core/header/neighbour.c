// SPDX-License-Identifier: BSD-2-Clause
/* Neighbour discovery: every demand of RFC 4861, each broken alone. */
#include "tests/unit/core/header/neighbour_frames.h"

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
			f.data[IP + 7] = (__u8)hops;
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
		for (__u8 len = 8; len <= messages[m].fixed + 24; len++) {
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

/* Options beyond the inspected head, as in long advertisements, are left to the receiver; none before it. */
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

/* A host without an address may look for routers and for the owner of an address, but not name its link address. */
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
