/* SPDX-License-Identifier: BSD-2-Clause */
/* Capture files: pcap in both byte orders, gzip, and files that are no captures. */
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

#include "capture/capture.h"
#include "core/types.h"
#include "tests/unit/capture/image.h"

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

		image_pcap(&image, kinds[i].magic, 1);
		image_pcap_frame(&image, 5, 7, "abcd", 4);
		image_pcap_frame(&image, 6, 0, "efgh", 1500);
		capture = image_open(&image);
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

/* The time of an image's first frame. */
static uint64_t first_time(const struct image *image)
{
	struct ks_capture *capture = image_open(image);
	struct ks_capture_frame frame;

	assert_int_equal(ks_capture_next(capture, &frame), 1);
	ks_capture_close(capture);
	return frame.time;
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

		image_pcap(&image, magic, 1);
		image_pcap_frame(&image, seconds, fraction, "abcd", 4);
		assert_int_equal(first_time(&image), cases[i / 2].time);

		image_section(&ng);
		image_interface(&ng, 1, NULL, nano ? 9 : 6);
		image_packet(&ng, 0, seconds * (nano ? 1000000000ULL : 1000000ULL) + fraction, "abcd", 4, 0);
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

		image_pcap(&image, 0xa1b2c3d4, 1U << bit | 1);
		err = ks_capture_open_memory(image.data, image.size, &capture, error);
		assert_int_equal(err, bit < 26 ? -EINVAL : 0);
		assert_true(!err || strstr(error, "reserved"));
		ks_capture_close(capture);
	}
}

/* The length on the wire is never below the captured bytes, even if the file says so. */
static void test_pcap_longer_than_the_wire(void **state)
{
	struct image image = { 0 };
	struct ks_capture_frame frame;
	struct ks_capture *capture;

	image_pcap(&image, 0xa1b2c3d4, 1);
	image_pcap_frame(&image, 5, 0, "abcdefgh", 3);
	capture = image_open(&image);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_int_equal(frame.captured, 8);
	assert_int_equal(frame.length, 8);
	ks_capture_close(capture);
}

static void test_pcap_cut_file(void **state)
{
	struct image image = { 0 };

	image_pcap(&image, 0xa1b2c3d4, 1);
	image_pcap_frame(&image, 5, 0, "abcd", 4);
	image_pcap_frame(&image, 5, 0, "abcd", 4);
	image.size -= 2;
	image_expect_damaged(&image, 1, "truncated");
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

static void test_gzip(void **state)
{
	char path[] = "/tmp/keepstate-capture-XXXXXX", error[KS_CAPTURE_ERROR];
	struct image image = { 0 };
	struct ks_capture_frame frame;
	struct ks_capture *capture;
	int fd = mkstemp(path);
	gzFile gz;

	assert_true(fd >= 0);
	image_pcap(&image, 0xa1b2c3d4, 1);
	image_pcap_frame(&image, 5, 0, "abcd", 4);
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
				image_section(&image);
				image_interface(&image, numbers[i].in_files, NULL, 0xff);
				image_packet(&image, 0, 0, "abcd", 4, 0);
			} else {
				image_pcap(&image, 0xa1b2c3d4, numbers[i].in_files);
				image_pcap_frame(&image, 5, 0, "abcd", 4);
			}
			capture = image_open(&image);
			assert_int_equal(ks_capture_next(capture, &frame), 1);
			assert_int_equal(frame.link_type, numbers[i].in_programs);
			ks_capture_close(capture);
		}
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
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_link_numbers_in_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
