/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader of pcapng reads what the writer writes; comments are where the format wants them. */
#include <errno.h>
#include <pcap/dlt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "capture/capture.h"
#include "capture/pcapng_write.h"
#include "core/types.h"

#define TIME 1790000000123456789ULL

struct file {
	char *bytes;
	size_t size;
};

/* Two interfaces, and a packet of each. */
static struct file file_make(const char *comment)
{
	struct ks_pcapng_packet packet = { .interface = 1,
					   .time = TIME,
					   .data = (const __u8 *)"abcde",
					   .captured = 5,
					   .length = 99,
					   .comment = comment };
	struct file file = { 0 };
	FILE *out = open_memstream(&file.bytes, &file.size);

	assert_non_null(out);
	assert_int_equal(ks_pcapng_write_section(out, "keepstate"), 0);
	assert_int_equal(ks_pcapng_write_interface(out, 1, 256), 0);
	assert_int_equal(ks_pcapng_write_interface(out, 101, 256), 0);
	assert_int_equal(ks_pcapng_write_packet(out, &packet), 0);
	packet.interface = 0;
	packet.captured = packet.length = 4;
	assert_int_equal(ks_pcapng_write_packet(out, &packet), 0);
	fclose(out);
	return file;
}

static void assert_file(const struct file *file)
{
	struct ks_capture_frame frame;
	struct ks_capture *capture;
	char error[KS_CAPTURE_ERROR];

	assert_int_equal(ks_capture_open_memory(file->bytes, file->size, &capture, error), 0);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_int_equal(frame.time, TIME);
	assert_int_equal(frame.link_type, DLT_RAW);
	assert_int_equal(frame.captured, 5);
	assert_int_equal(frame.length, 99);
	assert_memory_equal(frame.data, "abcde", 5);
	assert_int_equal(ks_capture_next(capture, &frame), 1);
	assert_int_equal(frame.link_type, DLT_EN10MB);
	assert_int_equal(frame.captured, 4);
	assert_int_equal(ks_capture_next(capture, &frame), 0);
	ks_capture_close(capture);
}

static void test_what_is_written_is_read(void **state)
{
	static const char *const comments[] = { NULL, "", "a", "deny, no rule", "deny, rule: \"label\"" };

	for (size_t i = 0; i < sizeof(comments) / sizeof(*comments); i++) {
		struct file file = file_make(comments[i]);

		assert_file(&file);
		assert_int_equal(file.size % 4, 0);
		if (comments[i] && *comments[i])
			assert_non_null(memmem(file.bytes, file.size, comments[i], strlen(comments[i])));
		free(file.bytes);
	}
}

/* A comment that is longer than an option can be loses its end, and the file stays whole. */
static void test_a_long_comment(void **state)
{
	char *comment = malloc(100000);
	struct file file;

	assert_non_null(comment);
	memset(comment, 'x', 99999);
	comment[99999] = '\0';
	file = file_make(comment);
	assert_file(&file);
	free(file.bytes);
	free(comment);
}

static void test_a_stream_that_fails(void **state)
{
	FILE *out = fopen("/dev/full", "w");

	assert_non_null(out);
	setvbuf(out, NULL, _IONBF, 0);
	assert_int_equal(ks_pcapng_write_section(out, "keepstate"), -EIO);
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_a_long_comment),
		cmocka_unit_test(test_a_stream_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
