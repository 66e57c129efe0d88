// SPDX-License-Identifier: BSD-2-Clause
/* TFTP: requests for a transfer; core/helper/tftp.c. */
#include "tests/unit/core/helper/heard.h"

static void tftp_requests(void **state)
{
	assert_true(ks_tftp_is_request((const __u8 *)"\0\1f\0o\0", 6));
	assert_true(ks_tftp_is_request((const __u8 *)"\0\2f\0o\0", 6));
	assert_false(ks_tftp_is_request((const __u8 *)"\0\3f\0o\0", 6));
	assert_false(ks_tftp_is_request((const __u8 *)"\1\1f\0o\0", 6));
	assert_false(ks_tftp_is_request((const __u8 *)"\0\1\0\0o\0", 6));
	assert_false(ks_tftp_is_request((const __u8 *)"\0\1f\0o\0", 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tftp_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
