/* SPDX-License-Identifier: BSD-2-Clause */
/* Link types: what each becomes for the core, whole and cut. */
#include <errno.h>
#include <pcap/dlt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "capture/link.h"
#include "core/types.h"

/* The first bytes of an IPv4 and an IPv6 packet: enough for the link layer. */
#define IP4 "\x45\0\0\x14"
#define IP6 "\x60\0\0\0"
#define MAC "\2\0\0\0\0\1"
#define MAC2 "\2\0\0\0\0\2"
#define PAD15 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define PAD8 "\0\0\0\0\0\0\0\0"
#define SNAP "\xaa\xaa\3\0\0\0"
#define BRIDGED "\xaa\xaa\3\0\x80\xc2\0\7\0\0"

static void test_links(void **state)
{
	static const struct {
		uint16_t type;
		const char *data;
		uint8_t size, header; /* bytes of it; bytes of its link header */
		uint8_t link; /* of the frame that it becomes */
		uint16_t ethertype; /* of the Ethernet frame that it becomes */
		uint8_t way;
	} cases[] = {
		{ DLT_RAW, IP4, 4, 0, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
		{ DLT_IPV4, IP4, 4, 0, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
		{ DLT_IPV4, IP6, 4, 0, KS_LINK_ETHERNET, 0x0800, KS_WAY_UNKNOWN },
		{ DLT_IPV6, IP6, 4, 0, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
		{ DLT_NULL, "\2\0\0\0" IP4, 8, 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
		{ DLT_NULL, "\0\0\0\x1e" IP6, 8, 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
		{ DLT_NULL, "\7\0\0\0" IP4, 8, 4, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
		{ DLT_LOOP, "\0\0\0\x18" IP6, 8, 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
		{ DLT_LINUX_SLL, "\0\0\0\1\0\6" MAC "\0\0\x08\0" IP4, 20, 16, KS_LINK_IP, 0, KS_WAY_IN },
		{ DLT_LINUX_SLL, "\0\4\0\1\0\6" MAC "\0\0\x86\xdd" IP6, 20, 16, KS_LINK_IP, 0, KS_WAY_OUT },
		{ DLT_LINUX_SLL, "\0\0\0\1\0\6" MAC "\0\0\x08\6" IP4, 20, 16, KS_LINK_ETHERNET, 0x0806, KS_WAY_IN },
		{ DLT_LINUX_SLL2, "\x08\0\0\0\0\0\0\3\0\1\4\6" MAC "\0\0" IP4, 24, 20, KS_LINK_IP, 0, KS_WAY_OUT },
		{ DLT_LINUX_SLL2, "\x81\0\0\0\0\0\0\3\0\1\0\6" MAC "\0\0\0\1\x08\0" IP4, 28, 20, KS_LINK_ETHERNET,
		  0x8100, KS_WAY_IN },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		const struct ks_capture_frame in = { .data = (const __u8 *)cases[i].data,
						     .captured = cases[i].size,
						     .length = cases[i].size + 100U,
						     .link_type = cases[i].type };
		__u32 left = (__u32)(cases[i].size - cases[i].header);
		struct ks_link_scratch scratch = { 0 };
		struct ks_link_info info;
		struct ks_frame out;

		assert_int_equal(ks_link_frame(&in, &scratch, &out, &info), 0);
		assert_int_equal(out.link, cases[i].link);
		assert_int_equal(info.way, cases[i].way);
		if (cases[i].ethertype) {
			assert_int_equal(out.data[12] << 8 | out.data[13], cases[i].ethertype);
			left += 14;
		}
		assert_int_equal(out.captured, left);
		assert_int_equal(out.length, left + 100);
		if (cases[i].type == DLT_LINUX_SLL || cases[i].type == DLT_LINUX_SLL2)
			assert_memory_equal(info.src_mac, MAC, 6);
		if (cases[i].type == DLT_LINUX_SLL2)
			assert_int_equal(info.ifindex, 3);
		ks_link_scratch_fini(&scratch);
	}
}

#define FRAME(bytes) bytes, sizeof(bytes) - 1

/* Where IP begins behind the headers of serial lines, ATM and 802.11, and what becomes of frames that carry none. */
static const struct wan_case {
	uint16_t type;
	const char *data;
	uint32_t size, header; /* bytes of it; of which link header */
	uint8_t link; /* of the frame that it becomes */
	uint16_t ethertype; /* of the Ethernet frame that it becomes; 0 if it was one already */
	uint8_t way;
} wan_cases[] = {
	{ 14, FRAME(IP4), 0, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_SLIP, FRAME("\0" PAD15 IP4), 16, KS_LINK_IP, 0, KS_WAY_IN },
	{ DLT_SLIP, FRAME("\1" PAD15 IP6), 16, KS_LINK_IP, 0, KS_WAY_OUT },
	{ DLT_SLIP, FRAME("\x81" PAD15 IP4), 16, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_SLIP_BSDOS, FRAME("\0" PAD15 PAD8 IP4), 24, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_PPP, FRAME("\xff\3\0\x21" IP4), 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_PPP, FRAME("\0\x21" IP4), 2, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_PPP, FRAME("\x57" IP6), 1, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_PPP, FRAME("\xff\3\x21" IP4), 3, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_PPP, FRAME("\xff\3\xc0\x21" IP4), 4, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_PPP, FRAME("\0\x2d" IP4), 2, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_PPP, FRAME("\x02\x81" IP4), 2, KS_LINK_ETHERNET, 0x8847, KS_WAY_UNKNOWN },
	{ DLT_PPP, FRAME("\0\x57" IP4), 2, KS_LINK_ETHERNET, 0x86dd, KS_WAY_UNKNOWN },
	{ DLT_PPP_SERIAL, FRAME("\xff\3\0\x57" IP6), 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_PPP_SERIAL, FRAME("\x0f\0\x08\0" IP4), 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_PPP_SERIAL, FRAME("\x8f\0\x20\0" IP4), 4, KS_LINK_ETHERNET, 0x2000, KS_WAY_UNKNOWN },
	{ DLT_PPP_PPPD, FRAME("\0\3\0\x21" IP4), 4, KS_LINK_IP, 0, KS_WAY_IN },
	{ DLT_PPP_PPPD, FRAME("\1\3\x21" IP4), 3, KS_LINK_IP, 0, KS_WAY_OUT },
	{ DLT_PPP_WITH_DIR, FRAME("\1\xff\3\0\x21" IP4), 5, KS_LINK_IP, 0, KS_WAY_OUT },
	{ DLT_PPP_ETHER, FRAME("\x11\x09\0\0\0\4" IP4), 6, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_C_HDLC, FRAME("\x0f\0\x86\xdd" IP6), 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_FRELAY, FRAME("\x18\x41\3\xcc" IP4), 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_FRELAY, FRAME("\x18\x40\2\x11\3\0\x8e" IP6), 7, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_FRELAY, FRAME("\x18\x41\3\0\x80\0\0\0\x08\0" IP4), 10, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_FRELAY, FRAME("\x18\x41\3\xcf\0\x21" IP4), 6, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_FRELAY, FRAME("\x18\x41\x08\0" IP4), 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_FRELAY, FRAME("\x19\x41\3\xcc" IP4), 1, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_FRELAY, FRAME("\0\0\0\0\1\3\xcc" IP4), 4, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_ATM_RFC1483, FRAME(SNAP "\x08\0" IP4), 8, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_ATM_RFC1483, FRAME(SNAP "\x08\6" IP4), 8, KS_LINK_ETHERNET, 0x0806, KS_WAY_UNKNOWN },
	{ DLT_ATM_RFC1483, FRAME("\x06\x06\3" IP4), 3, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_ATM_RFC1483, FRAME("\xfe\xfe\3\xcc" IP4), 4, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_ATM_RFC1483, FRAME("\xfe\xfe\3\xcf\0\x57" IP6), 6, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_ATM_RFC1483, FRAME("\xfe\xfe\3\x83" IP4), 4, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_ATM_RFC1483, FRAME("\x42\x42\3" IP4), 3, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_ATM_RFC1483, FRAME(BRIDGED MAC2 MAC "\x08\0" IP4), 10, KS_LINK_ETHERNET, 0, KS_WAY_UNKNOWN },
	{ DLT_ATM_CLIP, FRAME(IP4), 0, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_ATM_CLIP, FRAME(SNAP "\x86\xdd" IP6), 8, KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_SUNATM, FRAME("\x82\0\0\x64" SNAP "\x08\0" IP4), 12, KS_LINK_IP, 0, KS_WAY_OUT },
	{ DLT_SUNATM, FRAME("\1\0\0\x64\0\5" MAC2 MAC "\x08\0" IP4), 6, KS_LINK_ETHERNET, 0, KS_WAY_IN },
	{ DLT_SUNATM, FRAME("\1\0\0\x64\xff\0" IP4), 6, KS_LINK_ETHERNET, 0xffff, KS_WAY_IN },
	{ DLT_SUNATM, FRAME("\6\0\0\5" IP4), 4, KS_LINK_ETHERNET, 0xffff, KS_WAY_IN },
	{ DLT_IEEE802_11, FRAME("\x08\1\0\0" MAC MAC MAC2 "\0\0" SNAP "\x08\0" IP4), 32, KS_LINK_IP, 0,
	  KS_WAY_UNKNOWN },
	{ DLT_IEEE802_11, FRAME("\x88\2\0\0" MAC2 MAC MAC "\0\0\0\0" SNAP "\x86\xdd" IP6), 34, KS_LINK_IP, 0,
	  KS_WAY_UNKNOWN },
	{ DLT_IEEE802_11, FRAME("\x88\x83\0\0" MAC MAC MAC2 "\0\0" MAC "\0\0\0\0\0\0" SNAP "\x08\0" IP4), 44,
	  KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_IEEE802_11, FRAME("\x08\x41\0\0" MAC MAC MAC2 "\0\0" IP4), 24, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_IEEE802_11, FRAME("\x88\1\0\0" MAC MAC MAC2 "\0\0\x80\0" IP4), 26, KS_LINK_ETHERNET, 0xffff,
	  KS_WAY_UNKNOWN },
	{ DLT_IEEE802_11, FRAME("\xd4\0\0\0" MAC), 0, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
	{ DLT_IEEE802_11_RADIO, FRAME("\0\0\x0a\0\0\0\0\0\0\0\x08\0\0\0" MAC2 MAC MAC2 "\0\0" SNAP "\x08\0" IP4), 42,
	  KS_LINK_IP, 0, KS_WAY_UNKNOWN },
	{ DLT_IEEE802_11_RADIO, FRAME("\0\0\3\0" IP4), 4, KS_LINK_ETHERNET, 0xffff, KS_WAY_UNKNOWN },
};

/* Gives a copy that ends with its last byte, so that a sanitizer sees whatever is read beyond. */
static int wan_frame(const struct wan_case *wan, uint32_t captured, struct ks_link_scratch *scratch, __u8 **copy,
		     struct ks_frame *out, struct ks_link_info *info)
{
	struct ks_capture_frame in = { .captured = captured, .length = wan->size + 100, .link_type = wan->type };

	*copy = malloc(captured ? captured : 1);
	memcpy(*copy, wan->data, captured);
	in.data = *copy;
	return ks_link_frame(&in, scratch, out, info);
}

static void test_links_wan(void **state)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(wan_cases); i++) {
		const struct wan_case *wan = &wan_cases[i];
		uint32_t left = wan->size - wan->header + (wan->ethertype ? 14 : 0);
		struct ks_link_scratch scratch = { 0 };
		struct ks_link_info info;
		struct ks_frame out;
		__u8 *copy;

		assert_int_equal(wan_frame(wan, wan->size, &scratch, &copy, &out, &info), 0);
		if (out.link != wan->link || out.captured != left || out.length != left + 100 || info.way != wan->way)
			fail_msg("case %zu: link %u, %u of %u octets, way %u", i, out.link, out.captured, out.length,
				 info.way);
		if (wan->ethertype)
			assert_int_equal(out.data[12] << 8 | out.data[13], wan->ethertype);
		if (out.link == KS_LINK_ETHERNET && !wan->ethertype)
			assert_memory_equal(info.src_mac, MAC, 6);
		ks_link_scratch_fini(&scratch);
		free(copy);
	}
}

/* However short the capture cut a frame, nothing is read beyond its end and no byte is made up. */
static void test_links_wan_cut(void **state)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(wan_cases); i++) {
		for (uint32_t captured = 0; captured < wan_cases[i].size; captured++) {
			struct ks_link_scratch scratch = { 0 };
			struct ks_link_info info;
			struct ks_frame out;
			__u8 *copy;

			assert_int_equal(wan_frame(&wan_cases[i], captured, &scratch, &copy, &out, &info), 0);
			assert_in_range(out.captured, 0, captured + 14);
			assert_in_range(out.captured, 0, out.length);
			if (captured && captured < wan_cases[i].header)
				assert_int_equal(out.link, KS_LINK_ETHERNET);
			ks_link_scratch_fini(&scratch);
			free(copy);
		}
	}
}

/* Addresses of 802.11 stand in different places, by the way through the access point. */
static void test_link_wifi_addresses(void **state)
{
	static const struct {
		uint8_t ds;
		const char *from, *to;
	} cases[] = {
		{ 0, "bbbbbb", "aaaaaa" },
		{ 1, "bbbbbb", "cccccc" },
		{ 2, "cccccc", "aaaaaa" },
		{ 3, "dddddd", "cccccc" },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		__u8 data[] = "\x08\0\0\0aaaaaabbbbbbcccccc\0\0dddddd\xaa\xaa\3\0\0\0\x08\0\x45";
		const struct ks_capture_frame in = {
			.data = data, .captured = sizeof(data), .length = sizeof(data), .link_type = DLT_IEEE802_11
		};
		struct ks_link_scratch scratch = { 0 };
		struct ks_link_info info;
		struct ks_frame out;

		data[1] = cases[i].ds;
		assert_int_equal(ks_link_frame(&in, &scratch, &out, &info), 0);
		assert_memory_equal(info.src_mac, cases[i].from, 6);
		assert_memory_equal(info.dst_mac, cases[i].to, 6);
		ks_link_scratch_fini(&scratch);
	}
}

/* A session's length ends the packet: what follows is padding. One that says less than its protocol field holds none. */
static void test_link_pppoe_length(void **state)
{
	static const struct {
		char length;
		uint32_t captured, on_wire;
	} cases[] = { { 6, 4, 4 }, { 4, 2, 2 }, { 1, 0, 0 }, { 100, 8, 12 } };

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		__u8 data[] = "\x11\0\0\1\0\0\0\x21" IP4 "padd";
		const struct ks_capture_frame in = { .data = data,
						     .captured = sizeof(data) - 1,
						     .length = sizeof(data) + 3,
						     .link_type = DLT_PPP_ETHER };
		struct ks_link_scratch scratch = { 0 };
		struct ks_link_info info;
		struct ks_frame out;
		__u32 ether;

		data[5] = (__u8)cases[i].length;
		assert_int_equal(ks_link_frame(&in, &scratch, &out, &info), 0);
		ether = out.link == KS_LINK_ETHERNET ? 14 : 0;
		assert_int_equal(out.captured, cases[i].captured + ether);
		assert_int_equal(out.length, cases[i].on_wire + ether);
		ks_link_scratch_fini(&scratch);
	}
}

/* Where tcpdump expects IP in SLIP of BSD/OS, if a packet that ends with the frame stands there. */
static void test_link_slip_bsdos(void **state)
{
	__u8 data[16 + 20] = { [16] = 0x45, [19] = 20 };
	struct ks_capture_frame in = {
		.data = data, .captured = sizeof(data), .length = sizeof(data), .link_type = DLT_SLIP_BSDOS
	};
	struct ks_link_scratch scratch = { 0 };
	struct ks_link_info info;
	struct ks_frame out;

	assert_int_equal(ks_link_frame(&in, &scratch, &out, &info), 0);
	assert_ptr_equal(out.data, data + 16);
	in.length++;
	assert_int_equal(ks_link_frame(&in, &scratch, &out, &info), 0);
	assert_ptr_equal(out.data, data + 24);
}

static void test_link_unknown(void **state)
{
	const struct ks_capture_frame in = {
		.data = (const __u8 *)IP4, .captured = 4, .length = 4, .link_type = DLT_USER0
	};
	struct ks_link_scratch scratch = { 0 };
	char supported[KS_LINK_SUPPORTED];
	struct ks_link_info info;
	struct ks_frame out;

	assert_int_equal(ks_link_frame(&in, &scratch, &out, &info), -EOPNOTSUPP);
	assert_string_equal(ks_link_name(DLT_FDDI), "FDDI");
	ks_link_supported(supported);
	assert_non_null(strstr(supported, "Ethernet (1), raw IP (12), "));
	assert_non_null(strstr(supported, ", 802.11 with radiotap (127)")); /* the last one: nothing was cut off */
}

/* A frame that ends inside its link header is one, and reads nothing beyond. */
static void test_link_cut(void **state)
{
	static const uint16_t types[] = { DLT_NULL, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_EN10MB, DLT_RAW };

	for (size_t i = 0; i < KS_ARRAY_SIZE(types); i++) {
		__u8 *data = malloc(1);
		const struct ks_capture_frame in = { .data = data, .captured = 0, .length = 60, .link_type = types[i] };
		struct ks_link_scratch scratch = { 0 };
		struct ks_link_info info;
		struct ks_frame out;

		assert_int_equal(ks_link_frame(&in, &scratch, &out, &info), 0);
		assert_int_equal(out.captured, 0);
		assert_null(info.src_mac);
		ks_link_scratch_fini(&scratch);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_links_wan),
		cmocka_unit_test(test_links_wan_cut),
		cmocka_unit_test(test_link_wifi_addresses),
		cmocka_unit_test(test_link_pppoe_length),
		cmocka_unit_test(test_link_slip_bsdos),
		cmocka_unit_test(test_link_unknown),
		cmocka_unit_test(test_link_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
