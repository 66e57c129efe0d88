/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/persistent.c: files that outlive a reboot, and those of a namespace that is gone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/persistent.h"
#include "text/scoped.h"

static char folder[] = "/tmp/keepstate-persistent-XXXXXX";

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static struct ks_instance instance_named(const char *name, unsigned long long cookie)
{
	struct ks_instance instance = { .cookie = cookie };

	snprintf(instance.name, sizeof(instance.name), "%s", name);
	snprintf(instance.state_dir, sizeof(instance.state_dir), "%s/keepstate/%s", folder, name);
	return instance;
}

static void remove_instance(const struct ks_instance *instance)
{
	assert_int_equal(ks_persistent_remove(instance, "owner"), 0);
	assert_int_equal(rmdir(instance->state_dir), 0);
}

static int remove_folder(void **state)
{
	char path[KS_INSTANCE_PATH];

	snprintf(path, sizeof(path), "%s/keepstate", folder);
	rmdir(path);
	return rmdir(folder);
}

static int fill(FILE *out, void *text)
{
	return fputs(text, out) < 0 ? -EIO : 0;
}

static int fill_half(FILE *out, void *text)
{
	fputs(text, out);
	return -ENOSPC;
}

static void assert_file(const struct ks_instance *instance, const char *expected)
{
	char path[KS_INSTANCE_PATH], text[64] = "";
	ks_auto_file FILE *file = NULL;

	assert_int_equal(ks_persistent_path(instance, "policy", path), 0);
	file = fopen(path, "r");
	if (!expected) {
		assert_null(file);
		return;
	}
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, expected);
}

static void test_a_file_is_the_old_one_or_the_new_one(void **state)
{
	struct ks_instance instance = instance_named(KS_INSTANCE_HOST, 1);
	struct stat made;

	assert_int_equal(ks_persistent_prepare(&instance), 0);
	assert_int_equal(stat(instance.state_dir, &made), 0);
	assert_int_equal(made.st_mode & 0777, 0700);
	assert_int_equal(ks_persistent_replace(&instance, "policy", fill, "one"), 0);
	assert_file(&instance, "one");
	assert_int_equal(ks_persistent_replace(&instance, "policy", fill_half, "two"), -ENOSPC);
	assert_file(&instance, "one");
	assert_int_equal(ks_persistent_prepare(&instance), 0); /* the host has one directory for ever */
	instance.cookie = 2;
	assert_int_equal(ks_persistent_prepare(&instance), 0);
	assert_file(&instance, "one");
	assert_int_equal(ks_persistent_remove(&instance, "policy"), 0);
	remove_instance(&instance);
}

static void test_another_namespace_of_the_same_number_gets_none_of_it(void **state)
{
	struct ks_instance first = instance_named("net-7", 100), second = instance_named("net-7", 101);

	assert_int_equal(ks_persistent_prepare(&first), 0);
	assert_int_equal(ks_persistent_replace(&first, "policy", fill, "one"), 0);
	assert_int_equal(ks_persistent_prepare(&first), 0);
	assert_file(&first, "one");
	assert_int_equal(ks_persistent_prepare(&second), 0);
	assert_file(&second, NULL);
	remove_instance(&second);
}

static void test_an_earlier_boot_gives_nothing_to_a_namespace(void **state)
{
	struct ks_instance instance = instance_named("net-8", 100);

	assert_int_equal(ks_persistent_prepare(&instance), 0);
	assert_int_equal(ks_persistent_replace(&instance, "policy", fill, "one"), 0);
	assert_int_equal(ks_persistent_replace(&instance, "owner", fill, "another-boot 100\n"), 0);
	assert_int_equal(ks_persistent_prepare(&instance), 0);
	assert_file(&instance, NULL);
	remove_instance(&instance);
}

static void test_where_nothing_can_be_made_it_is_said(void **state)
{
	struct ks_instance instance = instance_named("net-9", 100);

	snprintf(instance.state_dir, sizeof(instance.state_dir), "%s/absent/keepstate/net-9", folder);
	assert_int_equal(ks_persistent_prepare(&instance), -ENOENT);
	assert_int_equal(ks_persistent_replace(&instance, "policy", fill, "one"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_is_the_old_one_or_the_new_one),
		cmocka_unit_test(test_another_namespace_of_the_same_number_gets_none_of_it),
		cmocka_unit_test(test_an_earlier_boot_gives_nothing_to_a_namespace),
		cmocka_unit_test(test_where_nothing_can_be_made_it_is_said),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
