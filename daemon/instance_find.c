/* SPDX-License-Identifier: BSD-2-Clause */
/* Which instance is that of a network namespace, and where its files are: see instance.h. Apart, because the journal needs no more. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "daemon/instance.h"
#include "text/scoped.h"

static bool is_one_file(const char *a, const char *b)
{
	struct stat one, other;

	return !stat(a, &one) && !stat(b, &other) && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

/*
 * Returns true if we are in the network namespace of process 1. Only who may trace process 1 sees its namespaces; everybody sees
 * its network devices, in a file that each network namespace has one of.
 */
static bool is_host(void)
{
	return is_one_file("/proc/1/ns/net", "/proc/self/ns/net") ||
	       is_one_file("/proc/1/net/dev", "/proc/self/net/dev");
}

static int name_instance(char *name, size_t size)
{
	struct stat mine;

	if (stat("/proc/self/ns/net", &mine))
		return -errno;
	if (is_host())
		snprintf(name, size, KS_INSTANCE_HOST);
	else
		snprintf(name, size, "net-%lu", (unsigned long)mine.st_ino);
	return 0;
}

static unsigned long long netns_cookie(void)
{
	unsigned long long cookie = 0;
	socklen_t size = sizeof(cookie);
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) ? cookie : 0;
}

void ks_instance_named(const char *name, struct ks_instance *instance)
{
	snprintf(instance->name, sizeof(instance->name), "%s", name);
	snprintf(instance->dir, KS_INSTANCE_PATH, KS_RUN_DIR "/%s", instance->name);
	snprintf(instance->lock, KS_INSTANCE_PATH, KS_RUN_DIR "/%s/lock", instance->name);
	snprintf(instance->socket, KS_INSTANCE_PATH, KS_RUN_DIR "/%s/control.sock", instance->name);
	snprintf(instance->read_socket, KS_INSTANCE_PATH, KS_RUN_DIR "/%s/read.sock", instance->name);
	snprintf(instance->ledger, KS_INSTANCE_PATH, KS_RUN_DIR "/%s/rules.json", instance->name);
	snprintf(instance->pins, KS_INSTANCE_PATH, KS_BPF_DIR "/%s", instance->name);
	snprintf(instance->state_dir, KS_INSTANCE_PATH, KS_STATE_DIR "/%s", instance->name);
}

int ks_instance_find(struct ks_instance *instance)
{
	char name[sizeof(instance->name)];
	int err = name_instance(name, sizeof(name));

	if (err)
		return err;
	ks_instance_named(name, instance);
	instance->cookie = netns_cookie();
	return 0;
}
