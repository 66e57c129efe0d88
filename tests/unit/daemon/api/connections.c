/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/api/connections.c: whom a socket is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/api/connections.h"

static char folder[] = "/tmp/keepstate-connections-XXXXXX";
static char path[sizeof(folder) + 8];

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", folder);
	return 0;
}

static int remove_folder(void **state)
{
	unlink(path);
	return rmdir(folder);
}

/* Listens for the group and returns what the socket is then. */
static struct stat listen_for(const char *group)
{
	struct ks_connections connections = { .path = path, .group = group, .max = 1, .fd = -1 };

	assert_int_equal(ks_connections_listen(&connections), 0);
	assert_true(ks_connections_are_reachable(&connections));
	ks_connections_close(&connections);
	return connections.made;
}

static void test_without_a_group_it_is_the_owner_s_alone(void **state)
{
	assert_int_equal(listen_for(NULL).st_mode & 0777, 0600);
}

static void test_a_group_may_connect(void **state)
{
	const struct group *group = getgrnam("nogroup");
	struct stat made = listen_for("nogroup");

	assert_int_equal(made.st_mode & 0777, 0660);
	if (!group || geteuid()) /* only root gives files away */
		skip();
	assert_int_equal(made.st_gid, group->gr_gid);
}

static void test_a_group_that_is_not_there_leaves_it_the_owner_s(void **state)
{
	assert_int_equal(listen_for("keepstate-no-such-group").st_gid, getegid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_group_it_is_the_owner_s_alone),
		cmocka_unit_test(test_a_group_may_connect),
		cmocka_unit_test(test_a_group_that_is_not_there_leaves_it_the_owner_s),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
