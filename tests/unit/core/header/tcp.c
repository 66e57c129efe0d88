// SPDX-License-Identifier: BSD-2-Clause
/* TCP headers: flags, lengths, ports and options at their exact boundaries. */
#include "tests/unit/core/header/frames.h"

/* RFC 9293: a segment has SYN, or RST, or ACK; SYN with neither FIN nor RST, FIN with ACK. PSH goes with any, URG not with RST. */
static bool flags_expected(unsigned flags)
{
	bool syn = flags & KS_TCP_SYN, fin = flags & KS_TCP_FIN, rst = flags & KS_TCP_RST, ack = flags & KS_TCP_ACK;
	bool urg = flags & KS_TCP_URG;

	if (syn + fin + rst > 1 || !(syn || rst || ack))
		return false;
	if (fin && !ack)
		return false;
	return !(urg && (rst || (syn && ack)));
}

static void test_tcp_flags(void **state)
{
	FOR_SHAPES(shape)
	{
		for (unsigned flags = 0; flags < 256; flags++) {
			struct frame f;

			tcp_frame(&f, shape, (__u8)flags);
			if (flags_expected(flags))
				assert_parses(&f);
			else
				assert_refused(&f, TCP_FLAGS);
		}
	}
}

static void test_tcp_header(void **state)
{
	FOR_SHAPES(shape)
	{
		struct frame f;

		/* 30 bytes: offsets 5, 6 and 7 fit. */
		for (unsigned off = 0; off < 16; off++) {
			tcp_frame(&f, shape, KS_TCP_ACK);
			f.data[l4_off(shape) + 12] = (__u8)(off << 4);
			if (off >= 5 && off <= 7)
				assert_parses(&f);
			else
				assert_refused(&f, TCP_HEADER);
		}
		begin(&f, shape, KS_PROTO_TCP, 19);
		frame_zeros(&f, 19);
		assert_refused(&f, TCP_HEADER);
		for (unsigned port = 0; port < 2; port++) {
			tcp_frame(&f, shape, KS_TCP_ACK);
			memset(f.data + l4_off(shape) + 2 * port, 0, 2);
			assert_refused(&f, TCP_PORT);
		}
	}
}

static __u32 parse_tcp_options(__u8 flags, const __u8 *options, __u32 len, struct ks_packet *pkt)
{
	__u32 padded = (len + 3) & ~3U;
	struct frame f;

	begin(&f, IP4, KS_PROTO_TCP, 20 + padded);
	frame_tcp(&f, 1234, 80, 1, 1000, flags, 100);
	f.data[34 + 12] = (__u8)((20 + padded) / 4 << 4);
	frame_put(&f, options, len);
	frame_zeros(&f, padded - len);
	return test_parse(&f, f.len, pkt);
}

static void test_tcp_options(void **state)
{
	static const struct {
		__u8 bytes[40];
		__u32 len;
		__u8 opts, wscale;
		bool good;
	} cases[] = {
		{ { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7 },
		  20,
		  KS_TCP_SACK_PERM | KS_TCP_WSCALE,
		  7,
		  true }, /* as Linux sends it */
		{ { 3, 3, 14 }, 3, KS_TCP_WSCALE, 14, true },
		{ { 3, 3, 15 }, 3, KS_TCP_WSCALE, 14, true }, /* RFC 7323 2.3: taken as 14 */
		{ { 3, 3, 255 }, 3, KS_TCP_WSCALE, 14, true },
		{ { 3, 3, 0 }, 3, KS_TCP_WSCALE, 0, true },
		{ { 3, 4, 7, 0 }, 4, 0, 0, true }, /* of another length: not that option */
		{ { 4, 3, 0 }, 3, 0, 0, true },
		{ { 0, 3, 3, 7 }, 4, 0, 0, true }, /* behind the end */
		{ { 1, 1, 4, 2 }, 4, KS_TCP_SACK_PERM, 0, true },
		{ { 2, 4, 5, 0xb4, 3, 0 }, 6, 0, 0, false },
		{ { 2, 1 }, 2, 0, 0, false },
		{ { 2, 5, 0, 0 }, 4, 0, 0, false }, /* past the header */
		{ { 1, 1, 1, 3 }, 4, 0, 0, false }, /* no room for its length */
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct ks_packet pkt;

		assert_int_equal(parse_tcp_options(KS_TCP_SYN, cases[i].bytes, cases[i].len, &pkt),
				 cases[i].good ? KS_REASON_OK_NEW : KS_REASON_TCP_OPTIONS);
		if (cases[i].good) {
			assert_int_equal(pkt.tcp_opts, cases[i].opts);
			assert_int_equal(pkt.wscale, cases[i].wscale);
		}
		/* Elsewhere they are the receiver's business, and offer nothing. */
		assert_int_equal(parse_tcp_options(KS_TCP_ACK, cases[i].bytes, cases[i].len, &pkt), KS_REASON_OK_NEW);
		assert_int_equal(pkt.tcp_opts, 0);
	}
}

static void test_tcp_sack_blocks(void **state)
{
	/* Blocks 1100-1200, 1500-1600, 900-950 (a duplicate, RFC 2883); the acknowledgement is 1000. */
	static const __u8 blocks[] = {
		1, 1, 5, 26, 0, 0, 4, 0x4c, 0, 0, 4, 0xb0, 0, 0, 5, 0xdc, 0, 0, 6, 0x40, 0, 0, 3, 0x84, 0, 0, 3, 0xb6,
	};
	struct ks_packet pkt;
	__u8 cut[sizeof(blocks)];

	assert_int_equal(parse_tcp_options(KS_TCP_ACK, blocks, sizeof(blocks), &pkt), KS_REASON_OK_NEW);
	assert_int_equal(pkt.sack, 1600);
	assert_int_equal(pkt.ack, 1000);
	/* Only whole blocks count. */
	memcpy(cut, blocks, sizeof(cut));
	cut[3] = 2 + 8 + 7;
	assert_int_equal(parse_tcp_options(KS_TCP_ACK, cut, 19, &pkt), KS_REASON_OK_NEW);
	assert_int_equal(pkt.sack, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_flags),
		cmocka_unit_test(test_tcp_header),
		cmocka_unit_test(test_tcp_options),
		cmocka_unit_test(test_tcp_sack_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
