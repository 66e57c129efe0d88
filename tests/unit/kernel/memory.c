/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/memory.c: the lowest of the bounds, by files as the kernel writes them. */
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

#include "kernel/memory.h"
#include "text/scoped.h"

static char root[] = "/tmp/ks-memory-XXXXXX";

static int make_root(void **state)
{
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r '%s'", root);
	return system(command);
}

/* Writes root/path, and makes its directories. */
static void put(const char *path, const char *text)
{
	char full[256];
	ks_auto_file FILE *file = NULL;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
}

static void check_available(unsigned long long wanted, const char *wanted_who)
{
	char who[KS_MEMORY_WHO];

	assert_int_equal(ks_memory_available(root, who), wanted);
	assert_string_equal(who, wanted_who);
}

static void test_bounds(void **state)
{
	put("proc/meminfo", "MemTotal:    4000 kB\nMemFree:   10 kB\nMemAvailable:    3000 kB\n");
	check_available(3000 * 1024, "the machine has");
	put("proc/self/cgroup", "0::/\n");
	check_available(3000 * 1024, "the machine has");

	put("proc/self/cgroup", "0::/system.slice/keepstate.service\n");
	put("sys/fs/cgroup/system.slice/keepstate.service/memory.max", "max\n");
	put("sys/fs/cgroup/system.slice/keepstate.service/memory.current", "1000\n");
	check_available(3000 * 1024, "the machine has");
	put("sys/fs/cgroup/system.slice/memory.max", "2000000\n");
	put("sys/fs/cgroup/system.slice/memory.current", "500000\n");
	check_available(1500000, "the control group /system.slice leaves");
	put("sys/fs/cgroup/system.slice/memory.stat", "anon 300000\nfile 200000\n");
	check_available(1700000, "the control group /system.slice leaves");
	put("sys/fs/cgroup/system.slice/keepstate.service/memory.max", "900\n");
	check_available(0, "the control group /system.slice/keepstate.service leaves");

	put("proc/self/cgroup", "9:name=systemd:/\n4:memory:/box/inner\n0::/\n");
	put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n");
	put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1000000\n");
	put("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "400000\n");
	put("sys/fs/cgroup/memory/box/memory.stat", "cache 1\ntotal_cache 100000\n");
	check_available(700000, "the control group /box leaves");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
