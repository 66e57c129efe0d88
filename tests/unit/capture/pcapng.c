/* SPDX-License-Identifier: BSD-2-Clause */
/* pcapng: both byte orders, sections, resolutions, and files that lie. */
#include <errno.h>
#include <pcap/dlt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "capture/capture.h"
#include "core/types.h"
#include "tests/unit/capture/image.h"

static void test_pcapng(void **state)
{
	for (int big = 0; big <= 1; big++) {
		struct image image = { .big = big };
		struct ks_capture_frame frame;
		struct ks_capture *capture;

		image_section(&image);
		image_interface(&image, 1, "eth0", 0xff);
		image_interface(&image, 101, NULL, 9);
		image_packet(&image, 0, 1500000, "abcd", 4, 1);
		image_packet(&image, 1, 1500000000ULL, "efgh", 99, 2);
		capture = image_open(&image);
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

		image_section(&image);
		image_interface(&image, 1, NULL, cases[i].resolution);
		image_packet(&image, 0, cases[i].stamp, "abcd", 4, 0);
		capture = image_open(&image);
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

	image_section(&image);
	image_interface(&image, 1, "eth0", 0xff);
	image.big = true;
	image_section(&image);
	image_interface(&image, 1, "eth9", 0xff);
	image_packet(&image, 0, 0, "abcd", 4, 0);
	capture = image_open(&image);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_string_equal(ks_capture_interface(capture, 0), "eth9");
	ks_capture_close(capture);

	image_section(&image);
	image_packet(&image, 0, 0, "abcd", 4, 0);
	image_expect_damaged(&image, 1, "interface 0 was not described");
}

static void test_pcapng_simple_packet(void **state)
{
	struct image image = { 0 }, body = { 0 };
	struct ks_capture_frame frame;
	struct ks_capture *capture;

	image_section(&image);
	image_interface(&image, 1, "eth0", 0xff);
	image_put32(&body, 3);
	image_put(&body, "abc\0", 4);
	image_block(&image, 3, &body);
	capture = image_open(&image);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_int_equal(frame.captured, 3);
	assert_int_equal(frame.time, 0);
	ks_capture_close(capture);
}

static void test_pcapng_lies(void **state)
{
	struct image image = { 0 };
	uint32_t length;

	image_section(&image);
	image_interface(&image, 1, NULL, 20); /* finer than 64 bits */
	image_expect_damaged(&image, 0, "resolution");

	image.size = 0;
	image_section(&image);
	image_interface(&image, 1, NULL, 0xff);
	image_packet(&image, 0, 0, "abcd", 4, 0);
	memset(image.data + image.size - 4 - 4 - 8, 0xff, 4); /* captured bytes: more than the block has */
	image_expect_damaged(&image, 0, "octets of packet");

	for (size_t i = 0; i < 3; i++) {
		static const uint32_t lengths[] = { 8, 33, 0xfffffff0 };

		image.size = 0;
		image_section(&image);
		length = lengths[i];
		image_put32(&image, 5);
		image_put32(&image, length);
		image_put32(&image, 0);
		image_expect_damaged(&image, 0, "block length");
	}

	image.size = 0;
	image_section(&image);
	image_put32(&image, 5);
	image_put32(&image, 4096);
	image_put32(&image, 0);
	image_expect_damaged(&image, 0, "ends inside a block");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcapng),		cmocka_unit_test(test_pcapng_resolutions),
		cmocka_unit_test(test_pcapng_sections), cmocka_unit_test(test_pcapng_simple_packet),
		cmocka_unit_test(test_pcapng_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
