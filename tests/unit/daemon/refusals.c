/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/refusals.c: told at once, then once a minute, with everything counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/refusals.h"

static char last[200];
static unsigned lines;

static void take(const char *line)
{
	strncpy(last, line, sizeof(last) - 1);
	lines++;
}

static const struct ks_config config = { .limit_states = 1000 };
static struct ks_count counts[KS_REASON_MAX];
static struct ks_refusals refusals;

static void tell(__u64 second)
{
	last[0] = '\0';
	ks_refusals_tell(&refusals, counts, &config, second * KS_NSEC_PER_SEC, take);
}

static int setup(void **state)
{
	memset(counts, 0, sizeof(counts));
	counts[KS_REASON_TABLE_FULL].packets = 70; /* before our time */
	ks_refusals_init(&refusals, counts);
	lines = 0;
	return 0;
}

static void test_nothing_new(void **state)
{
	counts[KS_REASON_NO_STATE].packets = 5;
	tell(5);
	assert_int_equal(lines, 0);
}

static void test_at_once_and_then_once_a_minute(void **state)
{
	counts[KS_REASON_TABLE_FULL].packets += 1;
	tell(5);
	assert_string_equal(last, "the state table is full: new flows are refused (limit states 1000): 1 packet");
	for (__u64 second = 6; second < 65; second++) {
		counts[KS_REASON_TABLE_FULL].packets += 100;
		tell(second);
	}
	assert_int_equal(lines, 1);
	tell(65);
	assert_string_equal(last, "the state table is full: new flows are refused (limit states 1000): 5900 packets");
	tell(200);
	assert_int_equal(lines, 2);
}

static void test_each_kind_for_itself(void **state)
{
	counts[KS_REASON_TABLE_FULL].packets++;
	tell(5);
	counts[KS_REASON_FRAGMENT_LIMIT].packets += 2;
	tell(6);
	assert_string_equal(last, "datagrams in fragments were refused: too many holes, or no room: 2 packets");
	counts[KS_REASON_NO_PORT].packets++;
	tell(7);
	assert_string_equal(last, "no free port for translation: new flows are refused: 1 packet");
	assert_int_equal(lines, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing_new, setup),
		cmocka_unit_test_setup(test_at_once_and_then_once_a_minute, setup),
		cmocka_unit_test_setup(test_each_kind_for_itself, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
