// SPDX-License-Identifier: BSD-2-Clause
/* Folding of events: every event is sent, counted in a cell, or left to another cell; and rates let through what they say. */
#include "tests/unit/core/test_home.h"

#include "core/fold.h"

#include <pthread.h>

#define LIMIT 10U
#define THREADS 4
#define EACH 20000

static struct ks_event event_at(__u64 ms)
{
	return (struct ks_event){ .time = KS_NSEC_PER_SEC * 100 + ms * KS_NSEC_PER_MSEC, .length = (__u32)ms };
}

static void test_a_rate_lets_a_burst_through_and_then_its_share(void **state)
{
	__u64 word = 0, now = KS_NSEC_PER_SEC, passed = 0;

	for (int i = 0; i < 100; i++)
		passed += ks_rate_take(&word, now, KS_NSEC_PER_SEC / LIMIT, KS_NSEC_PER_SEC);
	assert_int_equal(passed, LIMIT);
	for (int ms = 1; ms <= 3000; ms++)
		passed += ks_rate_take(&word, now + (__u64)ms * KS_NSEC_PER_MSEC, KS_NSEC_PER_SEC / LIMIT,
				       KS_NSEC_PER_SEC);
	assert_int_equal(passed, LIMIT + 3 * LIMIT);
}

static void test_what_exceeds_is_counted_with_its_last(void **state)
{
	struct ks_fold cell = { 0 };
	__u32 sent = 0;

	for (__u32 i = 0; i < 500; i++) {
		struct ks_event event = event_at(i);

		sent += ks_fold_take(&cell, 7, LIMIT, &event) == KS_FOLD_SEND;
	}
	assert_in_range(sent, LIMIT + 4, LIMIT + 5);
	assert_int_equal(cell.folded + sent, 500);
	assert_int_equal(cell.last.length, 499);
}

static void test_a_cell_goes_to_another_when_it_is_idle_and_told(void **state)
{
	struct ks_event event = event_at(0), soon = event_at(900), later = event_at(1100);
	struct ks_fold cell = { 0 };

	assert_int_equal(ks_fold_take(&cell, 7, 1, &event), KS_FOLD_SEND);
	assert_int_equal(ks_fold_take(&cell, 7, 1, &event), KS_FOLD_COUNTED);
	assert_int_equal(ks_fold_take(&cell, 8, 1, &soon), KS_FOLD_BUSY);
	assert_int_equal(ks_fold_take(&cell, 8, 1, &later), KS_FOLD_BUSY); /* nobody has told its count yet */
	cell.folded = 0;
	assert_int_not_equal(ks_fold_take(&cell, 8, 1, &later), KS_FOLD_BUSY);
	assert_int_equal(cell.whose, 8);
}

struct shared {
	struct ks_fold cell;
	__u64 sent;
};

static void *send_many(void *arg)
{
	struct shared *shared = arg;
	struct ks_event event = event_at(0);

	for (int i = 0; i < EACH; i++) {
		if (ks_fold_take(&shared->cell, 7, LIMIT, &event) == KS_FOLD_SEND)
			__atomic_fetch_add(&shared->sent, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_cpus_share_a_rate_and_lose_no_event(void **state)
{
	struct shared shared = { 0 };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, &shared), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(shared.sent + shared.cell.folded, THREADS * EACH);
	assert_in_range(shared.sent, 1, LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate_lets_a_burst_through_and_then_its_share),
		cmocka_unit_test(test_what_exceeds_is_counted_with_its_last),
		cmocka_unit_test(test_a_cell_goes_to_another_when_it_is_idle_and_told),
		cmocka_unit_test(test_cpus_share_a_rate_and_lose_no_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
