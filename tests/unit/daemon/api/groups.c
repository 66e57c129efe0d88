/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/api/groups.c: sums by key in bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/api/groups.h"

static void add(struct ks_groups *groups, __u64 number, __u64 bytes)
{
	const struct ks_group_key key = { .number = number };
	const struct ks_sums sums = { .flows = 1, .bytes = { bytes, 0 }, .packets = { 1, 2 } };

	ks_groups_add(groups, &key, &sums);
}

static const struct ks_group *group_of(const struct ks_groups *groups, __u64 number)
{
	for (__u32 i = 0; i < groups->count; i++) {
		if (groups->list[i].key.number == number)
			return &groups->list[i];
	}
	return NULL;
}

static void test_groups_grow(void **state)
{
	struct ks_groups groups;

	assert_int_equal(ks_groups_init(&groups, KS_GROUP_SORT_BYTES, KS_GROUPS_MAX), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 5000; i++)
			add(&groups, i, i);
	}
	ks_groups_settle(&groups);
	assert_int_equal(groups.count, 5000);
	assert_int_equal(groups.others, 0);
	for (unsigned i = 0; i < 5000; i += 7) {
		assert_int_equal(group_of(&groups, i)->sums.flows, 3);
		assert_int_equal(group_of(&groups, i)->sums.bytes[0], 3 * i);
		assert_int_equal(group_of(&groups, i)->sums.packets[1], 6);
	}
	ks_groups_fini(&groups);
}

/* A flood of small ones does not push out the large ones, and nothing is counted twice or lost. */
static void test_the_small_ones_give_way(void **state)
{
	struct ks_groups groups;
	__u64 flows = 0;

	assert_int_equal(ks_groups_init(&groups, KS_GROUP_SORT_BYTES, 512), 0);
	for (unsigned i = 0; i < 100000; i++)
		add(&groups, i, i % 1000 == 500 ? 1000000 : 1 + i % 60);
	ks_groups_settle(&groups);
	assert_true(groups.count <= 512);
	for (__u32 i = 0; i < groups.count; i++)
		flows += groups.list[i].sums.flows;
	assert_int_equal(flows + groups.others, 100000);
	assert_true(groups.others > 0);
	for (unsigned i = 500; i < 100000; i += 1000) {
		if (!group_of(&groups, i))
			fail_msg("the large one %u is gone", i);
	}
	ks_groups_fini(&groups);
}

/* All of one size: half of them go. */
static void test_equal_ones_give_way_too(void **state)
{
	struct ks_groups groups;

	assert_int_equal(ks_groups_init(&groups, KS_GROUP_SORT_FLOWS, 256), 0);
	for (unsigned i = 0; i < 257; i++)
		add(&groups, i, 0);
	ks_groups_settle(&groups);
	assert_int_equal(groups.count, 129);
	assert_int_equal(groups.others, 128);
	ks_groups_fini(&groups);
}

/* Flows wait for others, and none is forgotten: however few there are, and if nothing waits. */
static void test_those_that_wait_are_counted(void **state)
{
	struct ks_groups groups;

	assert_int_equal(ks_groups_init(&groups, KS_GROUP_SORT_BYTES, KS_GROUPS_MAX), 0);
	ks_groups_settle(&groups);
	for (unsigned i = 1; i <= 2 * KS_GROUPS_TOGETHER + 1; i++) {
		add(&groups, i % 3, 1);
		ks_groups_settle(&groups);
		ks_groups_settle(&groups);
		assert_int_equal(groups.count, KS_MIN(i, 3));
		assert_int_equal(group_of(&groups, 1)->sums.flows, (i + 2) / 3);
	}
	ks_groups_fini(&groups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_grow),
		cmocka_unit_test(test_the_small_ones_give_way),
		cmocka_unit_test(test_equal_ones_give_way_too),
		cmocka_unit_test(test_those_that_wait_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
