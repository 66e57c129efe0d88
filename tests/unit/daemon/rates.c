/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/rates.c: bytes a second from two looks at a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/rates.h"

#define BUCKETS (2 * KS_RATES_CHUNK)
#define NOW (1000 * KS_NSEC_PER_SEC)

static const struct ks_bucket table[1], other_table[1];

static struct ks_slot make_slot(__u32 created, __u64 out, __u64 in)
{
	return (struct ks_slot){ .key = { .proto = 6, .family = KS_IPV4, .addr = { { .d = { 0, 1 } } } },
				 .flow = { .created = created, .volume = { out, in } } };
}

static void check_rate(struct ks_rates *rates, __u32 id, const struct ks_slot *slot, __u64 out, __u64 in)
{
	__u64 rate[2];

	ks_rates_see(rates, id, slot, rate);
	assert_int_equal(rate[0], out);
	assert_int_equal(rate[1], in);
}

static void want(struct ks_rates *rates, __u64 now)
{
	assert_int_equal(ks_rates_want(rates, table, BUCKETS, now), 0);
}

static void test_a_rate_needs_two_moments(void **state)
{
	struct ks_slot slot = make_slot(900, 5000, 100);
	struct ks_rates rates = { 0 };
	__u64 rate[2];

	want(&rates, NOW);
	assert_false(ks_rates_at(&rates, 3, &slot, rate));
	assert_int_equal(ks_rates_begin(&rates, 0, NOW), 0);
	check_rate(&rates, 3, &slot, 0, 0);
	slot = make_slot(900, 9000, 100);
	assert_int_equal(ks_rates_begin(&rates, 0, NOW + 2 * KS_NSEC_PER_SEC), 2 * KS_NSEC_PER_SEC);
	check_rate(&rates, 3, &slot, 2000, 0);
	assert_true(ks_rates_at(&rates, 3, &slot, rate));
	assert_int_equal(rate[0], 2000);
	/* The other chunk has its own moments. */
	assert_int_equal(ks_rates_begin(&rates, KS_RATES_CHUNK, NOW + 2 * KS_NSEC_PER_SEC), 0);
	ks_rates_fini(&rates);
}

/* A client that left in the middle of the table leaves half of it without rates: nothing can be sorted by them yet. */
static void test_half_a_table_is_no_order(void **state)
{
	struct ks_rates rates = { 0 };

	want(&rates, NOW);
	assert_false(ks_rates_are_whole(&rates, NOW));
	ks_rates_begin(&rates, 0, NOW);
	assert_false(ks_rates_are_whole(&rates, NOW + 2 * KS_NSEC_PER_SEC));
	ks_rates_begin(&rates, KS_RATES_CHUNK, NOW + KS_NSEC_PER_SEC);
	assert_false(ks_rates_are_whole(
		&rates, NOW + KS_NSEC_PER_SEC)); /* the second chunk was seen just now, for the first time */
	assert_true(ks_rates_are_whole(&rates, NOW + 2 * KS_NSEC_PER_SEC));
	ks_rates_begin(&rates, 0, NOW + 2 * KS_NSEC_PER_SEC);
	ks_rates_begin(&rates, KS_RATES_CHUNK, NOW + 2 * KS_NSEC_PER_SEC);
	assert_true(ks_rates_are_whole(&rates, NOW + 2 * KS_NSEC_PER_SEC)); /* asked again at once */
	ks_rates_fini(&rates);
}

/* A second client shortly after the first one sees the same, and spoils nothing. */
static void test_those_who_ask_soon_again_see_the_same(void **state)
{
	struct ks_slot slot = make_slot(900, 0, 0);
	struct ks_rates rates = { 0 };

	want(&rates, NOW);
	ks_rates_begin(&rates, 0, NOW);
	check_rate(&rates, 1, &slot, 0, 0);
	slot = make_slot(900, 1000, 0);
	ks_rates_begin(&rates, 0, NOW + KS_NSEC_PER_SEC);
	check_rate(&rates, 1, &slot, 1000, 0);
	slot = make_slot(900, 1100, 0);
	assert_int_equal(ks_rates_begin(&rates, 0, NOW + KS_NSEC_PER_SEC + 1000), KS_NSEC_PER_SEC);
	check_rate(&rates, 1, &slot, 1000, 0);
	slot = make_slot(900, 3000, 0);
	ks_rates_begin(&rates, 0, NOW + 2 * KS_NSEC_PER_SEC);
	check_rate(&rates, 1, &slot, 2000, 0);
	ks_rates_fini(&rates);
}

/* A slot gets another flow: what the former one carried is not the new one's. */
static void test_a_new_flow_in_a_slot(void **state)
{
	struct ks_slot slot = make_slot(900, 1000000, 0);
	struct ks_rates rates = { 0 };

	want(&rates, NOW);
	ks_rates_begin(&rates, 0, NOW);
	check_rate(&rates, 1, &slot, 0, 0);
	slot = make_slot(1000, 4000, 0); /* began since */
	ks_rates_begin(&rates, 0, NOW + 2 * KS_NSEC_PER_SEC);
	check_rate(&rates, 1, &slot, 2000, 0);
	slot = make_slot(500, 4000000, 0); /* an old one that was not met before: what it carried since nobody knows */
	ks_rates_begin(&rates, 0, NOW + 4 * KS_NSEC_PER_SEC);
	check_rate(&rates, 1, &slot, 0, 0);
	slot = make_slot(500, 100, 0); /* the count went back */
	ks_rates_begin(&rates, 0, NOW + 6 * KS_NSEC_PER_SEC);
	check_rate(&rates, 1, &slot, 0, 0);
	ks_rates_fini(&rates);
}

/* 40 bits of a count are remembered: the bits above do not matter, and a terabit a second is no problem. */
static void test_large_counts(void **state)
{
	__u64 begin = (7ULL << 40) - 1000;
	struct ks_slot slot = make_slot(900, begin, 0);
	struct ks_rates rates = { 0 };
	__u64 rate[2];

	want(&rates, NOW);
	ks_rates_begin(&rates, 0, NOW);
	check_rate(&rates, 1, &slot, 0, 0);
	slot = make_slot(900, begin + 125000000000ULL, 0);
	ks_rates_begin(&rates, 0, NOW + KS_NSEC_PER_SEC);
	ks_rates_see(&rates, 1, &slot, rate);
	assert_true(rate[0] > 124999000000ULL && rate[0] < 125001000000ULL); /* a float has 24 bits */
	ks_rates_fini(&rates);
}

static void test_memory_is_there_while_somebody_asks(void **state)
{
	struct ks_rates rates = { 0 };

	want(&rates, NOW);
	ks_rates_tick(&rates, NOW + KS_RATES_PATIENCE);
	assert_non_null(rates.cells);
	want(&rates, NOW + KS_RATES_PATIENCE);
	ks_rates_tick(&rates, NOW + 2 * KS_RATES_PATIENCE);
	assert_non_null(rates.cells);
	ks_rates_tick(&rates, NOW + 2 * KS_RATES_PATIENCE + 1);
	assert_null(rates.cells);
}

/* Another table takes the place of the one before: nothing of that is known of it. */
static void test_another_table(void **state)
{
	struct ks_slot slot = make_slot(900, 1000, 0);
	struct ks_rates rates = { 0 };

	want(&rates, NOW);
	ks_rates_begin(&rates, 0, NOW);
	check_rate(&rates, 1, &slot, 0, 0);
	assert_int_equal(ks_rates_want(&rates, other_table, BUCKETS, NOW), 0);
	assert_int_equal(ks_rates_begin(&rates, 0, NOW + KS_NSEC_PER_SEC), 0);
	ks_rates_fini(&rates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate_needs_two_moments),
		cmocka_unit_test(test_half_a_table_is_no_order),
		cmocka_unit_test(test_those_who_ask_soon_again_see_the_same),
		cmocka_unit_test(test_a_new_flow_in_a_slot),
		cmocka_unit_test(test_large_counts),
		cmocka_unit_test(test_memory_is_there_while_somebody_asks),
		cmocka_unit_test(test_another_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
