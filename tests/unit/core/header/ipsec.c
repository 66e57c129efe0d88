// SPDX-License-Identifier: BSD-2-Clause
/* ESP and AH headers at their exact boundaries. */
#include "tests/unit/core/header/frames.h"

static void test_ipsec(void **state)
{
	for (__u32 len = 0; len < 40; len++) {
		for (unsigned words = 0; words < 256; words++) {
			__u8 ah[40] = { 6, (__u8)words, 0, 0, 0, 0, 1, 0 }, esp[40] = { 0, 0, 1, 0 };
			__u32 header = (words + 2) * 4;
			struct ks_packet pkt;
			struct frame f;

			frame_packet(&f, KS_PROTO_AH, 1, 2, ah, len);
			assert_int_equal(test_parse(&f, f.len, &pkt), len >= 12 && header >= 12 && header <= len
									      ? KS_REASON_OK_NEW
									      : KS_REASON_IPSEC_HEADER);
			frame_packet(&f, KS_PROTO_ESP, 1, 2, esp, len);
			assert_int_equal(test_parse(&f, f.len, &pkt),
					 len >= 8 ? KS_REASON_OK_NEW : KS_REASON_IPSEC_HEADER);
			esp[2] = 0;
			frame_packet(&f, KS_PROTO_ESP, 1, 2, esp, len);
			assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_IPSEC_HEADER);
			ah[6] = 0;
			frame_packet(&f, KS_PROTO_AH, 1, 2, ah, len);
			assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_IPSEC_HEADER);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipsec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
