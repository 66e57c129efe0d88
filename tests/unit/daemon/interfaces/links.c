/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/interfaces/links.c: the list of interfaces stays sorted by ifindex. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/interfaces/links.h"

static void insert(struct ks_links *links, unsigned ifindex)
{
	const struct ks_interface link = { .ifindex = ifindex };

	assert_int_equal(ks_links_insert(links, &link), 0);
}

static void test_insert_find_remove(void **state)
{
	struct ks_links links = { 0 };

	assert_int_equal(ks_links_find(&links, 1), -1);
	insert(&links, 5);
	insert(&links, 1);
	insert(&links, 9);
	insert(&links, 3);
	assert_int_equal(links.count, 4);
	for (size_t i = 1; i < links.count; i++)
		assert_true(links.list[i - 1].ifindex < links.list[i].ifindex);
	assert_int_equal(ks_links_find(&links, 9), 3);
	assert_int_equal(ks_links_find(&links, 4), -1);
	ks_links_remove(&links, ks_links_find(&links, 1));
	assert_int_equal(links.count, 3);
	assert_int_equal(ks_links_find(&links, 1), -1);
	assert_int_equal(ks_links_find(&links, 3), 0);
	ks_links_fini(&links);
	assert_int_equal(links.count, 0);
}

static void test_stacked_kinds(void **state)
{
	assert_true(ks_link_is_stacked(&(struct ks_interface){ .kind = "macvlan" }));
	assert_true(ks_link_is_stacked(&(struct ks_interface){ .kind = "vlan" }));
	assert_false(ks_link_is_stacked(&(struct ks_interface){ .kind = "bridge" }));
	assert_false(ks_link_is_stacked(&(struct ks_interface){ .kind = "" }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_insert_find_remove),
		cmocka_unit_test(test_stacked_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
