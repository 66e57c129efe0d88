/* SPDX-License-Identifier: BSD-2-Clause */
/* Capture readers: both formats in both byte orders, every link type, and files that lie. */
#include <errno.h>
#include <pcap/dlt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "core/types.h"
#include "capture/capture.h"
#include "capture/link.h"

/* A file being made, in either byte order. */
struct image {
	uint8_t data[4096];
	size_t size;
	bool big;
};

static void put(struct image *image, const void *data, size_t size)
{
	assert_true(image->size + size <= sizeof(image->data));
	memcpy(image->data + image->size, data, size);
	image->size += size;
}

static void put16(struct image *image, uint16_t v)
{
	uint8_t little[2] = { (uint8_t)v, (uint8_t)(v >> 8) }, big[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(image, image->big ? big : little, 2);
}

static void put32(struct image *image, uint32_t v)
{
	put16(image, (uint16_t)(image->big ? v >> 16 : v));
	put16(image, (uint16_t)(image->big ? v : v >> 16));
}

static void pcap_start(struct image *image, uint32_t magic, uint32_t link)
{
	put32(image, magic);
	put16(image, 2);
	put16(image, 4);
	put32(image, 0);
	put32(image, 0);
	put32(image, 65535);
	put32(image, link);
}

static void pcap_frame(struct image *image, uint32_t sec, uint32_t fraction, const char *data, uint32_t length)
{
	uint32_t captured = (uint32_t)strlen(data);

	put32(image, sec);
	put32(image, fraction);
	put32(image, captured);
	put32(image, length);
	put(image, data, captured);
}

/* A pcapng block around a body whose size is a multiple of 4. */
static void block(struct image *image, uint32_t type, const struct image *body)
{
	uint32_t length = 12 + (uint32_t)body->size;

	put32(image, type);
	put32(image, length);
	put(image, body->data, body->size);
	put32(image, length);
}

static void section(struct image *image)
{
	struct image body = { .big = image->big };

	put32(&body, 0x1a2b3c4d);
	put16(&body, 1);
	put16(&body, 0);
	put32(&body, 0xffffffff);
	put32(&body, 0xffffffff);
	block(image, 0x0a0d0d0a, &body);
}

/* An interface; resolution 0xff leaves the option out. */
static void interface(struct image *image, uint16_t link, const char *name, uint8_t resolution)
{
	struct image body = { .big = image->big };
	char padded[64] = { 0 };

	put16(&body, link);
	put16(&body, 0);
	put32(&body, 0);
	if (name) {
		strcpy(padded, name);
		put16(&body, 2);
		put16(&body, (uint16_t)strlen(name));
		put(&body, padded, (strlen(name) + 3) & ~3UL);
	}
	if (resolution != 0xff) {
		const uint8_t value[4] = { resolution };

		put16(&body, 9);
		put16(&body, 1);
		put(&body, value, 4);
	}
	put32(&body, 0);
	block(image, 1, &body);
}

/* An enhanced packet of 4 bytes, with flags if they are not 0. */
static void packet(struct image *image, uint32_t index, uint64_t stamp, const char *data, uint32_t length,
		   uint32_t flags)
{
	struct image body = { .big = image->big };

	put32(&body, index);
	put32(&body, (uint32_t)(stamp >> 32));
	put32(&body, (uint32_t)stamp);
	put32(&body, (uint32_t)strlen(data));
	put32(&body, length);
	assert_int_equal(strlen(data) % 4, 0);
	put(&body, data, strlen(data));
	if (flags) {
		put16(&body, 2);
		put16(&body, 4);
		put32(&body, flags);
		put32(&body, 0);
	}
	block(image, 6, &body);
}

static struct ks_capture *open_image(const struct image *image)
{
	struct ks_capture *capture = NULL;
	char error[KS_CAPTURE_ERROR] = "";
	int err = ks_capture_open_memory(image->data, image->size, &capture, error);

	if (err)
		fail_msg("%s", error);
	return capture;
}

/* Expects that reading the image ends with -EINVAL after so many frames, and with such a message. */
static void expect_damaged(const struct image *image, unsigned frames, const char *message)
{
	struct ks_capture *capture = open_image(image);
	struct ks_capture_frame frame;
	unsigned count = 0;
	int err;

	while ((err = ks_capture_next(capture, &frame)) == 1)
		count++;
	assert_int_equal(err, -EINVAL);
	assert_int_equal(count, frames);
	if (!strstr(ks_capture_error(capture), message))
		fail_msg("'%s' does not say '%s'", ks_capture_error(capture), message);
	ks_capture_close(capture);
}

/* The time of an image's first frame. */
static uint64_t first_time(const struct image *image)
{
	struct ks_capture *capture = open_image(image);
	struct ks_capture_frame frame;

	assert_int_equal(ks_capture_next(capture, &frame), 1);
	ks_capture_close(capture);
	return frame.time;
}

static void test_pcap(void **state)
{
	static const struct {
		uint32_t magic;
		bool big;
		uint64_t nanoseconds; /* that a fraction of 7 stands for */
	} kinds[] = { { 0xa1b2c3d4, false, 7000 },
		      { 0xa1b2c3d4, true, 7000 },
		      { 0xa1b23c4d, false, 7 },
		      { 0xa1b23c4d, true, 7 } };

	for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
		struct image image = { .big = kinds[i].big };
		struct ks_capture_frame frame;
		struct ks_capture *capture;

		pcap_start(&image, kinds[i].magic, 1);
		pcap_frame(&image, 5, 7, "abcd", 4);
		pcap_frame(&image, 6, 0, "efgh", 1500);
		capture = open_image(&image);
		assert_int_equal(ks_capture_next(capture, &frame), 1);
		assert_int_equal(frame.time, 5000000000ULL + kinds[i].nanoseconds);
		assert_int_equal(frame.captured, 4);
		assert_int_equal(frame.length, 4);
		assert_int_equal(frame.link_type, DLT_EN10MB);
		assert_int_equal(frame.interface, KS_CAPTURE_NO_INTERFACE);
		assert_memory_equal(frame.data, "abcd", 4);
		assert_int_equal(ks_capture_next(capture, &frame), 1);
		assert_int_equal(frame.length, 1500);
		assert_int_equal(ks_capture_next(capture, &frame), 0);
		assert_int_equal(ks_capture_next(capture, &frame), 0);
		ks_capture_close(capture);
	}
}

/*
 * A fraction of a second or more carries over: seconds and fraction are unsigned and make one count of units, as the
 * timestamp of a pcapng packet is. libpcap before 1.10.5 took them for signed, but gives the same result here.
 */
static void test_pcap_fraction_past_its_second(void **state)
{
	static const struct {
		uint32_t magic, seconds, fraction;
		uint64_t time;
	} cases[] = {
		{ 0xa1b23c4d, 5, 999999999, 5999999999ULL },
		{ 0xa1b23c4d, 5, 1000000000, 6000000000ULL },
		{ 0xa1b23c4d, 5, 2000000001, 7000000001ULL },
		{ 0xa1b23c4d, 5, 0x7fffffff, 7147483647ULL },
		{ 0xa1b23c4d, 5, 0x80000000, 7147483648ULL },
		{ 0xa1b23c4d, 5, 0xffffffff, 9294967295ULL },
		{ 0xa1b2c3d4, 5, 999999, 5999999000ULL },
		{ 0xa1b2c3d4, 5, 1000000, 6000000000ULL },
		{ 0xa1b2c3d4, 5, 0x80000000, 2152483648000ULL },
		{ 0xa1b2c3d4, 5, 0xffffffff, 4299967295000ULL },
		{ 0xa1b2c3d4, 0x80000000, 0, 2147483648000000000ULL },
		{ 0xa1b2c3d4, 0xffffffff, 7, 4294967295000007000ULL },
	};

	for (size_t i = 0; i < 2 * KS_ARRAY_SIZE(cases); i++) {
		uint32_t magic = cases[i / 2].magic, seconds = cases[i / 2].seconds, fraction = cases[i / 2].fraction;
		bool nano = magic == 0xa1b23c4d;
		struct image image = { .big = i % 2 }, ng = { .big = i % 2 };

		pcap_start(&image, magic, 1);
		pcap_frame(&image, seconds, fraction, "abcd", 4);
		assert_int_equal(first_time(&image), cases[i / 2].time);

		section(&ng);
		interface(&ng, 1, NULL, nano ? 9 : 6);
		packet(&ng, 0, seconds * (nano ? 1000000000ULL : 1000000ULL) + fraction, "abcd", 4, 0);
		assert_int_equal(first_time(&ng), cases[i / 2].time);
	}
}

/* The link type's field has 16 bits for the type, 6 for the frame check sequence, and 10 that must not be set. */
static void test_pcap_reserved_bits(void **state)
{
	for (unsigned bit = 16; bit < 32; bit++) {
		struct image image = { .big = bit % 2 };
		struct ks_capture *capture = NULL;
		char error[KS_CAPTURE_ERROR] = "";
		int err;

		pcap_start(&image, 0xa1b2c3d4, 1U << bit | 1);
		err = ks_capture_open_memory(image.data, image.size, &capture, error);
		assert_int_equal(err, bit < 26 ? -EINVAL : 0);
		assert_true(!err || strstr(error, "reserved"));
		ks_capture_close(capture);
	}
}

/* What was written stays below what was on the wire, whatever the file says. */
static void test_pcap_longer_than_the_wire(void **state)
{
	struct image image = { 0 };
	struct ks_capture_frame frame;
	struct ks_capture *capture;

	pcap_start(&image, 0xa1b2c3d4, 1);
	pcap_frame(&image, 5, 0, "abcdefgh", 3);
	capture = open_image(&image);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_int_equal(frame.captured, 8);
	assert_int_equal(frame.length, 8);
	ks_capture_close(capture);
}

static void test_pcap_cut_file(void **state)
{
	struct image image = { 0 };

	pcap_start(&image, 0xa1b2c3d4, 1);
	pcap_frame(&image, 5, 0, "abcd", 4);
	pcap_frame(&image, 5, 0, "abcd", 4);
	image.size -= 2;
	expect_damaged(&image, 1, "truncated");
}

static void test_no_capture(void **state)
{
	static const char *const bad[] = { "", "abc", "GIF89a, and no capture at all" };
	char error[KS_CAPTURE_ERROR];
	struct ks_capture *capture = NULL;

	for (size_t i = 0; i < KS_ARRAY_SIZE(bad); i++) {
		*error = 0;
		assert_int_equal(ks_capture_open_memory(bad[i], strlen(bad[i]), &capture, error), -EINVAL);
		assert_true(*error);
		assert_null(capture);
	}
	assert_int_equal(ks_capture_open("/nonexistent/x.pcap", &capture, error), -ENOENT);
	assert_int_equal(ks_capture_open("/", &capture, error), -EISDIR);
}

static void test_pcapng(void **state)
{
	for (int big = 0; big <= 1; big++) {
		struct image image = { .big = big };
		struct ks_capture_frame frame;
		struct ks_capture *capture;

		section(&image);
		interface(&image, 1, "eth0", 0xff);
		interface(&image, 101, NULL, 9);
		packet(&image, 0, 1500000, "abcd", 4, 1);
		packet(&image, 1, 1500000000ULL, "efgh", 99, 2);
		capture = open_image(&image);
		assert_int_equal(ks_capture_next(capture, &frame), 1);
		assert_int_equal(frame.time, 1500000000ULL); /* microseconds by default */
		assert_int_equal(frame.link_type, DLT_EN10MB);
		assert_int_equal(frame.way, KS_WAY_IN);
		assert_string_equal(ks_capture_interface(capture, frame.interface), "eth0");
		assert_int_equal(ks_capture_next(capture, &frame), 1);
		assert_int_equal(frame.time, 1500000000ULL);
		assert_int_equal(frame.link_type, DLT_RAW);
		assert_int_equal(frame.way, KS_WAY_OUT);
		assert_int_equal(frame.captured, 4);
		assert_int_equal(frame.length, 99);
		assert_string_equal(ks_capture_interface(capture, frame.interface), "");
		assert_string_equal(ks_capture_interface(capture, 7), "");
		assert_int_equal(ks_capture_next(capture, &frame), 0);
		ks_capture_close(capture);
	}
}

/* Resolutions of powers of two and ten, at the edges of what 64 bits hold. */
static void test_pcapng_resolutions(void **state)
{
	static const struct {
		uint8_t resolution;
		uint64_t stamp, time;
	} cases[] = {
		{ 0, 3, 3000000000ULL },
		{ 3, 1500, 1500000000ULL },
		{ 12, 2500000000000ULL, 2500000000ULL },
		{ 19, 10000000000000000000ULL, 1000000000ULL },
		{ 0x80, 3, 3000000000ULL },
		{ 0x80 | 10, 1536, 1500000000ULL },
		{ 0x80 | 63, 3ULL << 62, 1500000000ULL },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		struct image image = { 0 };
		struct ks_capture_frame frame;
		struct ks_capture *capture;

		section(&image);
		interface(&image, 1, NULL, cases[i].resolution);
		packet(&image, 0, cases[i].stamp, "abcd", 4, 0);
		capture = open_image(&image);
		assert_int_equal(ks_capture_next(capture, &frame), 1);
		assert_int_equal(frame.time, cases[i].time);
		ks_capture_close(capture);
	}
}

/* A new section forgets the interfaces and may turn the byte order. */
static void test_pcapng_sections(void **state)
{
	struct image image = { 0 };
	struct ks_capture_frame frame;
	struct ks_capture *capture;

	section(&image);
	interface(&image, 1, "eth0", 0xff);
	image.big = true;
	section(&image);
	interface(&image, 1, "eth9", 0xff);
	packet(&image, 0, 0, "abcd", 4, 0);
	capture = open_image(&image);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_string_equal(ks_capture_interface(capture, 0), "eth9");
	ks_capture_close(capture);

	section(&image);
	packet(&image, 0, 0, "abcd", 4, 0);
	expect_damaged(&image, 1, "interface 0 was not described");
}

static void test_pcapng_simple_packet(void **state)
{
	struct image image = { 0 }, body = { 0 };
	struct ks_capture_frame frame;
	struct ks_capture *capture;

	section(&image);
	interface(&image, 1, "eth0", 0xff);
	put32(&body, 3);
	put(&body, "abc\0", 4);
	block(&image, 3, &body);
	capture = open_image(&image);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_int_equal(frame.captured, 3);
	assert_int_equal(frame.time, 0);
	ks_capture_close(capture);
}

static void test_pcapng_lies(void **state)
{
	struct image image = { 0 };
	uint32_t length;

	section(&image);
	interface(&image, 1, NULL, 20); /* finer than 64 bits */
	expect_damaged(&image, 0, "resolution");

	image.size = 0;
	section(&image);
	interface(&image, 1, NULL, 0xff);
	packet(&image, 0, 0, "abcd", 4, 0);
	memset(image.data + image.size - 4 - 4 - 8, 0xff, 4); /* captured bytes: more than the block has */
	expect_damaged(&image, 0, "octets of packet");

	for (size_t i = 0; i < 3; i++) {
		static const uint32_t lengths[] = { 8, 33, 0xfffffff0 };

		image.size = 0;
		section(&image);
		length = lengths[i];
		put32(&image, 5);
		put32(&image, length);
		put32(&image, 0);
		expect_damaged(&image, 0, "block length");
	}

	image.size = 0;
	section(&image);
	put32(&image, 5);
	put32(&image, 4096);
	put32(&image, 0);
	expect_damaged(&image, 0, "ends inside a block");
}

static void test_gzip(void **state)
{
	char path[] = "/tmp/keepstate-capture-XXXXXX", error[KS_CAPTURE_ERROR];
	struct image image = { 0 };
	struct ks_capture_frame frame;
	struct ks_capture *capture;
	int fd = mkstemp(path);
	gzFile gz;

	assert_true(fd >= 0);
	pcap_start(&image, 0xa1b2c3d4, 1);
	pcap_frame(&image, 5, 0, "abcd", 4);
	gz = gzdopen(fd, "wb");
	assert_int_equal(gzwrite(gz, image.data, (unsigned)image.size), image.size);
	assert_int_equal(gzclose(gz), Z_OK);
	assert_int_equal(ks_capture_open(path, &capture, error), 0);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_memory_equal(frame.data, "abcd", 4);
	assert_int_equal(ks_capture_next(capture, &frame), 0);
	ks_capture_close(capture);
	unlink(path);
}

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
		uint8_t size, header; /* bytes of it; of which link header */
		uint8_t link; /* what it becomes */
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

		assert_true(ks_link_is_known(cases[i].type));
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
	uint8_t link; /* what it becomes */
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

		assert_true(ks_link_is_known(wan->type));
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

/* Files number a few link types otherwise than programs do, in pcapng as in pcap. */
static void test_link_numbers_in_files(void **state)
{
	static const struct {
		uint16_t in_files, in_programs;
	} numbers[] = { { 9, DLT_PPP },		 { 100, DLT_ATM_RFC1483 }, { 101, DLT_RAW },
			{ 102, DLT_SLIP_BSDOS }, { 106, DLT_ATM_CLIP },	   { 123, DLT_SUNATM } };

	for (size_t i = 0; i < KS_ARRAY_SIZE(numbers); i++) {
		for (int ng = 0; ng <= 1; ng++) {
			struct image image = { 0 };
			struct ks_capture_frame frame;
			struct ks_capture *capture;

			if (ng) {
				section(&image);
				interface(&image, numbers[i].in_files, NULL, 0xff);
				packet(&image, 0, 0, "abcd", 4, 0);
			} else {
				pcap_start(&image, 0xa1b2c3d4, numbers[i].in_files);
				pcap_frame(&image, 5, 0, "abcd", 4);
			}
			capture = open_image(&image);
			assert_int_equal(ks_capture_next(capture, &frame), 1);
			assert_int_equal(frame.link_type, numbers[i].in_programs);
			ks_capture_close(capture);
		}
	}
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

	assert_false(ks_link_is_known(DLT_USER0));
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
		cmocka_unit_test(test_pcap),
		cmocka_unit_test(test_pcap_fraction_past_its_second),
		cmocka_unit_test(test_pcap_reserved_bits),
		cmocka_unit_test(test_pcap_longer_than_the_wire),
		cmocka_unit_test(test_pcap_cut_file),
		cmocka_unit_test(test_no_capture),
		cmocka_unit_test(test_pcapng),
		cmocka_unit_test(test_pcapng_resolutions),
		cmocka_unit_test(test_pcapng_sections),
		cmocka_unit_test(test_pcapng_simple_packet),
		cmocka_unit_test(test_pcapng_lies),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_links_wan),
		cmocka_unit_test(test_links_wan_cut),
		cmocka_unit_test(test_link_wifi_addresses),
		cmocka_unit_test(test_link_pppoe_length),
		cmocka_unit_test(test_link_slip_bsdos),
		cmocka_unit_test(test_link_numbers_in_files),
		cmocka_unit_test(test_link_unknown),
		cmocka_unit_test(test_link_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
