/* SPDX-License-Identifier: BSD-2-Clause */
/* Capture files made in memory, in either format and byte order. */
#ifndef KS_TESTS_UNIT_CAPTURE_IMAGE_H
#define KS_TESTS_UNIT_CAPTURE_IMAGE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "capture/capture.h"

/* A file being made, in either byte order. */
struct image {
	uint8_t data[4096];
	size_t size;
	bool big;
};

static inline void image_put(struct image *image, const void *data, size_t size)
{
	assert_true(image->size + size <= sizeof(image->data));
	memcpy(image->data + image->size, data, size);
	image->size += size;
}

static inline void image_put16(struct image *image, uint16_t v)
{
	uint8_t little[2] = { (uint8_t)v, (uint8_t)(v >> 8) }, big[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	image_put(image, image->big ? big : little, 2);
}

static inline void image_put32(struct image *image, uint32_t v)
{
	image_put16(image, (uint16_t)(image->big ? v >> 16 : v));
	image_put16(image, (uint16_t)(image->big ? v : v >> 16));
}

static inline void image_pcap(struct image *image, uint32_t magic, uint32_t link)
{
	image_put32(image, magic);
	image_put16(image, 2);
	image_put16(image, 4);
	image_put32(image, 0);
	image_put32(image, 0);
	image_put32(image, 65535);
	image_put32(image, link);
}

static inline void image_pcap_frame(struct image *image, uint32_t sec, uint32_t fraction, const char *data,
				    uint32_t length)
{
	uint32_t captured = (uint32_t)strlen(data);

	image_put32(image, sec);
	image_put32(image, fraction);
	image_put32(image, captured);
	image_put32(image, length);
	image_put(image, data, captured);
}

/* A pcapng block around a body whose size is a multiple of 4. */
static inline void image_block(struct image *image, uint32_t type, const struct image *body)
{
	uint32_t length = 12 + (uint32_t)body->size;

	image_put32(image, type);
	image_put32(image, length);
	image_put(image, body->data, body->size);
	image_put32(image, length);
}

static inline void image_section(struct image *image)
{
	struct image body = { .big = image->big };

	image_put32(&body, 0x1a2b3c4d);
	image_put16(&body, 1);
	image_put16(&body, 0);
	image_put32(&body, 0xffffffff);
	image_put32(&body, 0xffffffff);
	image_block(image, 0x0a0d0d0a, &body);
}

/* An interface; resolution 0xff leaves the option out. */
static inline void image_interface(struct image *image, uint16_t link, const char *name, uint8_t resolution)
{
	struct image body = { .big = image->big };
	char padded[64] = { 0 };

	image_put16(&body, link);
	image_put16(&body, 0);
	image_put32(&body, 0);
	if (name) {
		strcpy(padded, name);
		image_put16(&body, 2);
		image_put16(&body, (uint16_t)strlen(name));
		image_put(&body, padded, (strlen(name) + 3) & ~3UL);
	}
	if (resolution != 0xff) {
		const uint8_t value[4] = { resolution };

		image_put16(&body, 9);
		image_put16(&body, 1);
		image_put(&body, value, 4);
	}
	image_put32(&body, 0);
	image_block(image, 1, &body);
}

/* An enhanced packet of 4 bytes, with flags if they are not 0. */
static inline void image_packet(struct image *image, uint32_t index, uint64_t stamp, const char *data, uint32_t length,
				uint32_t flags)
{
	struct image body = { .big = image->big };

	image_put32(&body, index);
	image_put32(&body, (uint32_t)(stamp >> 32));
	image_put32(&body, (uint32_t)stamp);
	image_put32(&body, (uint32_t)strlen(data));
	image_put32(&body, length);
	assert_int_equal(strlen(data) % 4, 0);
	image_put(&body, data, strlen(data));
	if (flags) {
		image_put16(&body, 2);
		image_put16(&body, 4);
		image_put32(&body, flags);
		image_put32(&body, 0);
	}
	image_block(image, 6, &body);
}

static inline struct ks_capture *image_open(const struct image *image)
{
	struct ks_capture *capture = NULL;
	char error[KS_CAPTURE_ERROR] = "";
	int err = ks_capture_open_memory(image->data, image->size, &capture, error);

	if (err)
		fail_msg("%s", error);
	return capture;
}

/* Expects that reading the image ends with -EINVAL after so many frames, and with such a message. */
static inline void image_expect_damaged(const struct image *image, unsigned frames, const char *message)
{
	struct ks_capture *capture = image_open(image);
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

#endif
