/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/cgroups.c: a policy is another one by its generation, wherever it lies in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/daemon.h"

static struct ks_config in_force;
static unsigned reports;

const struct ks_config *__wrap_ks_kernel_config(const struct ks_kernel *kernel);
__u64 __wrap_ks_kernel_tell_cgroups(struct ks_kernel *kernel, const struct ks_policy *policy);
void __wrap_ks_report(const char *format, ...);

const struct ks_config *__wrap_ks_kernel_config(const struct ks_kernel *kernel)
{
	return &in_force;
}

/* No group exists. */
__u64 __wrap_ks_kernel_tell_cgroups(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	return 0;
}

void __wrap_ks_report(const char *format, ...)
{
	reports++;
}

/* The memory of a policy that was freed is that of the next one. */
static void test_policy_in_the_same_place(void **state)
{
	const char *before[] = { "before.slice" }, *behind[] = { "behind.slice" };
	struct ks_policy policy = { .config = { .cgroups = 1 }, .cgroups = before };
	struct ks_daemon daemon = { .policy = &policy };

	in_force.generation = 1;
	ks_cgroups_follow(&daemon);
	assert_int_equal(reports, 1);
	ks_cgroups_follow(&daemon);
	assert_int_equal(reports, 1);
	policy.cgroups = behind;
	in_force.generation = 2;
	ks_cgroups_follow(&daemon);
	assert_int_equal(reports, 2);
	ks_cgroups_fini(&daemon.cgroups);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy_in_the_same_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
