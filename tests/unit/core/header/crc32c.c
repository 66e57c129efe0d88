// SPDX-License-Identifier: BSD-2-Clause
/* A CRC32c that is changed by a difference is that which is computed anew. */
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/header/crc32c.h"

#define LONGEST 65535

static unsigned char data[LONGEST];

/* The definition, a bit at a time (RFC 9260 appendix A). */
static __u32 crc_of(const unsigned char *at, size_t length)
{
	__u32 crc = ~0U;

	for (size_t i = 0; i < length; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? KS_CRC32C_POLYNOMIAL : 0);
	}
	return ~crc;
}

/* A sum as it lies in a packet: the lowest byte first. */
static __be32 wire_crc_of(const unsigned char *at, size_t length)
{
	__u32 crc = crc_of(at, length);
	unsigned char bytes[4] = { (unsigned char)crc, (unsigned char)(crc >> 8), (unsigned char)(crc >> 16),
				   (unsigned char)(crc >> 24) };
	__be32 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Changes the first four bytes, and holds the change of the sum against that of two sums. */
static void assert_flips(size_t length)
{
	__be32 before = wire_crc_of(data, length), flip = 0;
	unsigned char bytes[4];

	for (int i = 0; i < 4; i++) {
		bytes[i] = (unsigned char)(rand() >> 8);
		data[i] ^= bytes[i];
	}
	memcpy(&flip, bytes, sizeof(flip));
	assert_int_equal(before ^ ks_crc32c_flip(flip, (__u32)length), wire_crc_of(data, length));
}

static void test_known(void **state)
{
	(void)state;
	assert_int_equal(crc_of((const unsigned char *)"123456789", 9), 0xe3069283);
	assert_int_equal(ks_crc32c_flip(0, 1000), 0);
}

static void test_lengths(void **state)
{
	(void)state;
	for (size_t length = 4; length < 600; length++)
		assert_flips(length);
	for (size_t power = 1024; power <= 32768; power *= 2) {
		assert_flips(power - 1);
		assert_flips(power);
		assert_flips(power + 1);
	}
	assert_flips(LONGEST);
}

static void test_random(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++)
		assert_flips(4 + (size_t)rand() % (LONGEST - 3));
}

static int data_fill(void **state)
{
	(void)state;
	srand(9260);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(rand() >> 8);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, data_fill, NULL);
}
