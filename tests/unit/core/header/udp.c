// SPDX-License-Identifier: BSD-2-Clause
/* UDP and UDP-Lite headers at their exact boundaries. */
#include "tests/unit/core/header/frames.h"

#define L4 34

static void test_udp(void **state)
{
	FOR_SHAPES(shape)
	{
		for (__u8 len = 0; len < 20; len++) {
			struct frame f;

			udp_frame(&f, shape, 4);
			f.data[l4_off(shape) + 5] = len;
			if (len >= 8 && len <= 12)
				assert_parses(&f);
			else
				assert_refused(&f, UDP_HEADER);
		}
		{
			struct frame f;

			udp_frame(&f, shape, 4);
			memset(f.data + l4_off(shape), 0, 2); /* the source port may be 0 (RFC 768) */
			assert_parses(&f);
			memset(f.data + l4_off(shape), 0, 4);
			assert_refused(&f, UDP_PORT);
		}
	}
}

static void test_udplite(void **state)
{
	for (__u32 len = 0; len < 24; len++) {
		for (__u8 covered = 0; covered < 32; covered++) {
			__u8 data[24] = { 0x9c, 0x40, 0x13, 0x8c, 0, covered, 0, 1 };
			bool fits = covered == 0 || (covered >= 8 && covered <= len);
			struct ks_packet pkt;
			struct frame f;

			frame_packet(&f, KS_PROTO_UDPLITE, 1, 2, data, len);
			assert_int_equal(test_parse(&f, f.len, &pkt), len < 8 ? KS_REASON_UDP_HEADER
								      : fits  ? KS_REASON_OK_NEW
									      : KS_REASON_UDPLITE_COVERAGE);
			if (len < 8 || !fits)
				continue;
			assert_int_equal(ks_be16(pkt.tuple.sport), 40000);
			assert_int_equal(ks_be16(pkt.tuple.dport), 5004);
			assert_int_equal(pkt.payload_len, len - 8);
			f.data[L4 + 7] = 0;
			assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_UDPLITE_CHECKSUM);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_udplite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
