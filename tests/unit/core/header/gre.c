// SPDX-License-Identifier: BSD-2-Clause
/* GRE: every set of flags with every length, and keys that must meet from both ends. */
#include "tests/unit/core/header/frames.h"

#include "core/header/gre.h"

#define L4 34

/* The headers that RFC 2784, 2890 and 2637 allow, derived in another way than the parser does it. */
static __u32 expected_header(unsigned flags, unsigned type)
{
	bool key = flags >> 13 & 1, seq = flags >> 12 & 1, ack = flags >> 7 & 1;

	switch (flags & 7) {
	case 0: /* C, K, S and five reserved bits that are ignored */
		return flags & 0x4f00 ? 0 : 4 + (flags >> 15) * 4 + key * 4 + seq * 4;
	case 1: /* K, perhaps S and A, nothing else */
		return key && !(flags & 0xcf78) && type == 0x880b ? 8 + seq * 4 + ack * 4 : 0;
	default:
		return 0;
	}
}

static void test_headers(void **state)
{
	for (unsigned flags = 0; flags < 65536; flags++) {
		for (unsigned ppp = 0; ppp < 2; ppp++) {
			__u32 type = ppp ? 0x880b : 0x0800, header = expected_header(flags, type);
			__u8 data[20] = { flags >> 8 & 0xff, flags & 0xff, type >> 8 & 0xff, type & 0xff };

			for (__u32 len = header ? header - 1 : 16; len <= (header ? header : 16); len++) {
				struct ks_packet pkt;
				struct frame f;

				frame_packet(&f, KS_PROTO_GRE, 1, 2, data, len);
				assert_int_equal(test_parse(&f, f.len, &pkt),
						 header && len >= header ? KS_REASON_OK_NEW : KS_REASON_GRE_HEADER);
				if (header && len == header)
					assert_int_equal(pkt.payload_off, L4 + header);
			}
		}
	}
}

static void test_short(void **state)
{
	static const __u8 data[4] = { 0, 0, 8, 0 };

	for (__u32 len = 0; len < 4; len++) {
		struct ks_packet pkt;
		struct frame f;

		frame_packet(&f, KS_PROTO_GRE, 1, 2, data, len);
		assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_GRE_HEADER);
	}
}

static void keyed(struct frame *f, bool back, bool checksum, __u32 key)
{
	__u8 data[12] = { checksum ? 0xa0 : 0x20, 0, 8, 0 };

	for (unsigned i = 0; i < 4; i++)
		data[(checksum ? 8 : 4) + i] = key >> (24 - 8 * i) & 0xff;
	frame_packet(f, KS_PROTO_GRE, back ? 2 : 1, back ? 1 : 2, data, checksum ? 12 : 8);
}

/* Both directions have one key in the table; two keys of 16 bits never have, and no key has none's. */
static void test_keys(void **state)
{
	static const __u32 keys[] = { 0, 1, 100, 65534, 0x00010002, 0x00020004, 0x80000000 };

	for (size_t i = 0; i < KS_ARRAY_SIZE(keys); i++) {
		for (size_t j = 0; j < KS_ARRAY_SIZE(keys); j++) {
			struct ks_flow_key there, back;
			struct ks_packet pkt;
			struct frame f;

			keyed(&f, false, false, keys[i]);
			assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
			assert_false(ks_gre_is_call(&pkt.tuple));
			assert_true(pkt.tuple.sport);
			if (keys[i] && keys[i] < 65536)
				assert_int_equal(ks_be16(pkt.tuple.sport), keys[i]);
			assert_int_equal(ks_flow_key_make(&pkt.tuple, &there), 0);
			keyed(&f, true, true, keys[j]);
			assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
			assert_int_equal(ks_flow_key_make(&pkt.tuple, &back), 1);
			assert_int_equal(memcmp(&there, &back, sizeof(there)) == 0, i == j);
		}
	}
}

static void test_calls(void **state)
{
	for (unsigned back = 0; back < 2; back++) {
		static const __u8 data[8] = { 0x20, 0x01, 0x88, 0x0b, 0x12, 0x34, 0xbe, 0xef };
		struct ks_packet pkt;
		struct frame f;

		frame_packet(&f, KS_PROTO_GRE, back ? 2 : 1, back ? 1 : 2, data, sizeof(data));
		assert_int_equal(test_parse(&f, f.len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(pkt.tuple.sport, 0);
		assert_int_equal(ks_be16(pkt.tuple.dport), 0xbeef);
		assert_true(ks_gre_is_call(&pkt.tuple));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
