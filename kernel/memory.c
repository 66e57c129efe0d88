/* SPDX-License-Identifier: BSD-2-Clause */
/* See memory.h. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kernel/internal.h"
#include "kernel/memory.h"
#include "text/scoped.h"

#define KS_MEMORY_SPARE (16ULL << 20) /* for programs, other maps, and whoever comes next */

/* The files of the two versions of control groups. Each group and all above it bound what is below. */
static const struct group_files {
	const char *controller; /* in /proc/self/cgroup, between the colons */
	const char *mounts[2]; /* where it usually is */
	const char *limit, *usage, *cache; /* the last is a line of memory.stat */
} versions[] = {
	{ "", { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" }, "memory.max", "memory.current", "file" },
	{ "memory",
	  { "/sys/fs/cgroup/memory", NULL },
	  "memory.limit_in_bytes",
	  "memory.usage_in_bytes",
	  "total_cache" },
};

struct memory_search {
	const char *root;
	unsigned long long available;
	char *who;
};

/* Reads a number behind a word at the beginning of a line ("": the first line's). Returns false without one. */
static bool read_number(const char *path, const char *word, unsigned long long *number)
{
	ks_auto_file FILE *file = fopen(path, "re");
	size_t length = strlen(word);
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, word, length) && sscanf(line + length, "%llu", number) == 1)
			return true;
	}
	return false;
}

static void take_bound(struct memory_search *search, unsigned long long available, const char *who)
{
	if (available >= search->available)
		return;
	search->available = available;
	snprintf(search->who, KS_MEMORY_WHO, "%s", who);
}

/* A group's limit, less what is used and cannot be given back. "max" is no number. */
static void take_group(struct memory_search *search, const struct group_files *files, const char *mount,
		       const char *group)
{
	unsigned long long limit, usage, cache = 0;
	char path[PATH_MAX], who[KS_MEMORY_WHO];

	snprintf(path, sizeof(path), "%s%s%s/%s", search->root, mount, group, files->limit);
	if (!read_number(path, "", &limit))
		return;
	snprintf(path, sizeof(path), "%s%s%s/%s", search->root, mount, group, files->usage);
	if (!read_number(path, "", &usage))
		return;
	snprintf(path, sizeof(path), "%s%s%s/memory.stat", search->root, mount, group);
	read_number(path, files->cache, &cache);
	usage = usage > cache ? usage - cache : 0;
	snprintf(who, sizeof(who), "the control group %.100s leaves", *group ? group : "/");
	take_bound(search, limit > usage ? limit - usage : 0, who);
}

/* A group and all above it. */
static void take_groups(struct memory_search *search, const struct group_files *files, char *group)
{
	for (;;) {
		char *slash = strrchr(group, '/');

		for (size_t i = 0; i < KS_ARRAY_SIZE(files->mounts); i++) {
			if (files->mounts[i])
				take_group(search, files, files->mounts[i], group);
		}
		if (!slash)
			return;
		*slash = '\0';
	}
}

/* "4:memory:/x/y": a line of /proc/self/cgroup. */
static void take_line(struct memory_search *search, char *line)
{
	char *controller = strchr(line, ':'), *group = controller ? strchr(controller + 1, ':') : NULL;

	if (!group)
		return;
	*controller++ = *group++ = '\0';
	group[strcspn(group, "\n")] = '\0';
	if (!strcmp(group, "/"))
		*group = '\0';
	for (size_t i = 0; i < KS_ARRAY_SIZE(versions); i++) {
		if (!strcmp(controller, versions[i].controller))
			take_groups(search, &versions[i], group);
	}
}

unsigned long long ks_memory_available(const char *root, char who[KS_MEMORY_WHO])
{
	struct memory_search search = { .root = root, .available = ULLONG_MAX, .who = who };
	ks_auto_file FILE *groups = NULL;
	unsigned long long kilobytes;
	char path[PATH_MAX], line[PATH_MAX];

	*who = '\0';
	snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	if (read_number(path, "MemAvailable:", &kilobytes))
		take_bound(&search, kilobytes << 10, "the machine has");
	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	groups = fopen(path, "re");
	while (groups && fgets(line, sizeof(line), groups))
		take_line(&search, line);
	return search.available;
}

int ks_memory_check_set(unsigned long long bytes)
{
	char who[KS_MEMORY_WHO];
	unsigned long long available = ks_memory_available("", who);

	if (available >= KS_MEMORY_SPARE && available - KS_MEMORY_SPARE >= bytes)
		return 0;
	ks_kernel_complain(
		"a run-time set needs %llu MB of memory, and %s %llu MB: a smaller `limit` of the set needs less",
		(bytes >> 20) + 1, who, available >> 20);
	return -ENOMEM;
}

int ks_memory_check_table(unsigned long long bytes)
{
	char who[KS_MEMORY_WHO];
	unsigned long long available = ks_memory_available("", who);

	if (available >= KS_MEMORY_SPARE && available - KS_MEMORY_SPARE >= bytes)
		return 0;
	ks_kernel_complain(
		"the state table needs %llu MB of memory, and %s %llu MB: a smaller `limit states` needs less",
		(bytes >> 20) + 1, who, available >> 20);
	return -ENOMEM;
}
