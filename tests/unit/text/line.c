/* SPDX-License-Identifier: BSD-2-Clause */
/* text/line.c: lines of listings without printf(3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "text/line.h"

struct written {
	struct ks_line line;
	char *text;
	size_t size;
};

static struct ks_line *begin(struct written *written)
{
	ks_line_begin(&written->line, open_memstream(&written->text, &written->size));
	return &written->line;
}

static void check(struct written *written, const char *expected)
{
	ks_line_flush(&written->line);
	fclose(written->line.out);
	assert_string_equal(written->text, expected);
	free(written->text);
}

static void test_numbers(void **state)
{
	struct written written;
	struct ks_line *line = begin(&written);

	ks_line_number(line, 0);
	ks_line_char(line, ' ');
	ks_line_number(line, 18446744073709551615ULL);
	ks_line_char(line, ' ');
	ks_line_seconds(line, 7);
	ks_line_char(line, ' ');
	ks_line_seconds(line, 86397120);
	check(&written, "0 18446744073709551615 0.007 86397.120");
}

static void test_addresses(void **state)
{
	const struct ks_addr ipv4 = { .b = { [12] = 10, 0, 200, 255 } },
			     ipv6 = { .b = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	struct written written;
	struct ks_line *line = begin(&written);

	ks_line_addr(line, &ipv4, KS_IPV4);
	ks_line_char(line, ' ');
	ks_line_addr(line, &ipv6, KS_IPV6);
	check(&written, "10.0.200.255 2001:db8::1");
}

/* Whatever is given comes back from a parser; what is no UTF-8 as U+FFFD. */
static void test_json(void **state)
{
	static const char *const texts[] = { "", "plain", "a \"b\" \\c\n\t\x01z", "\xc3\xa4hm" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(texts); i++) {
		struct written written;
		json_t *value;

		ks_line_json(begin(&written), texts[i]);
		ks_line_flush(&written.line);
		fclose(written.line.out);
		value = json_loadb(written.text, written.size, JSON_DECODE_ANY, NULL);
		assert_non_null(value);
		assert_string_equal(json_string_value(value), texts[i]);
		json_decref(value);
		free(written.text);
	}
}

static void test_csv(void **state)
{
	struct written written;
	struct ks_line *line = begin(&written);

	ks_line_csv(line, "plain text");
	ks_line_char(line, ',');
	ks_line_csv(line, "a, \"b\"");
	ks_line_char(line, ',');
	ks_line_csv(line, "two\nlines");
	check(&written, "plain text,\"a, \"\"b\"\"\",\"two\nlines\"");
}

/* More than the buffer holds, in pieces and at once. */
static void test_long_ones(void **state)
{
	static char text[3 * KS_LINE_TEXT + 1], expected[2 * sizeof(text)];
	struct written written;
	struct ks_line *line = begin(&written);

	memset(text, 'x', sizeof(text) - 1);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		ks_line_char(line, 'x');
	ks_line_text(line, text);
	memset(expected, 'x', 2 * (sizeof(text) - 1));
	check(&written, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_addresses), cmocka_unit_test(test_json),
		cmocka_unit_test(test_csv),	cmocka_unit_test(test_long_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
