/* SPDX-License-Identifier: BSD-2-Clause */
/* text/utf8.c: what is UTF-8, held against the tables of the standard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/types.h"
#include "text/utf8.h"

static void test_texts(void **state)
{
	static const struct {
		const char *text;
		size_t good;
	} list[] = {
		{ "", 0 },
		{ "office", 6 },
		{ "b\xc3\xbcro", 5 },
		{ "\xe2\x82\xac", 3 }, /* the euro sign */
		{ "\xf0\x9f\x94\xa5!", 5 },
		{ "\xf4\x8f\xbf\xbf", 4 }, /* U+10FFFF */
		{ "caf\xe9", 3 }, /* ISO 8859-1 */
		{ "ab\xc3", 2 }, /* cut */
		{ "ab\xe2\x82", 2 },
		{ "\x80", 0 },
		{ "\xc0\xaf", 0 }, /* longer than need be */
		{ "\xe0\x9f\xbf", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xed\xa0\x80", 0 }, /* a surrogate */
		{ "\xf4\x90\x80\x80", 0 }, /* above U+10FFFF */
		{ "\xff", 0 },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++) {
		size_t length = strlen(list[i].text);

		assert_int_equal(ks_utf8_length(list[i].text, length), list[i].good);
		assert_int_equal(ks_utf8_is_valid(list[i].text), list[i].good == length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
