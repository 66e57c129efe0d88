/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/instance.c: the lock, and what it says of its holder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/instance.h"
#include "text/scoped.h"

static char folder[] = "/tmp/keepstate-instance-XXXXXX";
static struct ks_instance instance;

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(instance.lock, sizeof(instance.lock), "%s/lock", folder);
	return 0;
}

static int remove_folder(void **state)
{
	unlink(instance.lock);
	return rmdir(folder);
}

static void test_a_second_one_is_told_who_holds_it(void **state)
{
	struct ks_holder me = { .pid = 7, .since = 1700000000, .policy = "/etc/firewall.conf" }, other;
	ks_auto_fd int fd = ks_instance_lock(&instance, &other);

	assert_true(fd >= 0);
	assert_int_equal(ks_instance_lock(&instance, &other), -EWOULDBLOCK);
	assert_int_equal(other.pid, 0); /* not signed yet */
	assert_int_equal(ks_instance_sign(fd, &me), 0);
	assert_int_equal(ks_instance_lock(&instance, &other), -EWOULDBLOCK);
	assert_int_equal(other.pid, 7);
	assert_int_equal(other.since, 1700000000);
	assert_string_equal(other.policy, "/etc/firewall.conf");
	snprintf(me.policy, sizeof(me.policy), "odd\xff"); /* is no UTF-8 */
	assert_int_equal(ks_instance_sign(fd, &me), 0);
	assert_int_equal(ks_instance_lock(&instance, &other), -EWOULDBLOCK);
	assert_string_equal(other.policy, "odd\xef\xbf\xbd");
}

static void test_the_next_one_gets_it(void **state)
{
	struct ks_holder other;
	ks_auto_fd int fd = ks_instance_lock(&instance, &other);

	assert_true(fd >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_second_one_is_told_who_holds_it),
		cmocka_unit_test(test_the_next_one_gets_it),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
