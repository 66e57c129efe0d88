// SPDX-License-Identifier: BSD-2-Clause
/* PPTP: call ids; core/helper/pptp.c. */
#include "tests/unit/core/helper/heard.h"

/* A control message of PPTP: `type`, then a call id, another one and a result. */
static size_t pptp_message(__u8 *at, __u8 type, __u16 call, __u8 result)
{
	static const __u8 start[] = { 0, 32, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0 };

	memset(at, 0, 32);
	memcpy(at, start, sizeof(start));
	at[9] = type;
	at[12] = (__u8)(call >> 8);
	at[13] = (__u8)(call & 0xff);
	at[16] = result;
	return 32;
}

static struct heard pptp(const __u8 *bytes, size_t len, bool client)
{
	struct heard heard = { 0 };
	struct ks_scanner p;

	ks_scanner_reset(&p);
	for (size_t i = 0; i < len; i++)
		listen(ks_pptp_byte(&p, bytes[i], client), &heard, &p, i);
	return heard;
}

static void pptp_calls(void **state)
{
	__u8 bytes[96];
	size_t len = pptp_message(bytes, 1, 7, 1);

	len += pptp_message(bytes + len, 7, 4711, 0);
	assert_string_equal(pptp(bytes, len, true).last, "0.0.0.0 4711");
	assert_int_equal(pptp(bytes, len, true).announced, 1);
	assert_int_equal(pptp(bytes, len, false).announced, 0);
	len = pptp_message(bytes, 8, 12, 1);
	len += pptp_message(bytes + len, 8, 13, 2); /* refused */
	assert_string_equal(pptp(bytes, len, false).last, "0.0.0.0 12");
	assert_int_equal(pptp(bytes, len, false).announced, 1);
	assert_int_equal(pptp(bytes, len, true).announced, 0);
}

static void pptp_refused(void **state)
{
	/* Too long, too short, not a control message, a wrong cookie, no such type. */
	static const __u8 changes[][2] = { { 0, 1 }, { 1, 11 }, { 3, 2 }, { 4, 0 }, { 7, 0 }, { 8, 1 }, { 9, 16 } };
	__u8 bytes[32];

	for (size_t n = 0; n < KS_ARRAY_SIZE(changes); n++) {
		pptp_message(bytes, 7, 4711, 0);
		bytes[changes[n][0]] = changes[n][1];
		assert_true(pptp(bytes, 10, true).over);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pptp_calls),
		cmocka_unit_test(pptp_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
