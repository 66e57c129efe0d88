/* SPDX-License-Identifier: BSD-2-Clause */
/* See instances.h. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/instances.h"
#include "text/scoped.h"

#define KS_PROC_PATH 288

KS_SCOPED(auto_folder, DIR *, closedir)

static void find_netns(const char *instance, struct ks_instance_entry *entry)
{
	struct ks_netns netns = { 0 };
	struct ks_netns_search search = { .list = &netns, .count = 1 };

	entry->state = KS_INSTANCE_LEFT;
	if (sscanf(instance, "net-%lu", &netns.inode) != 1)
		return; /* the host's is never gone */
	ks_netns_find(&search);
	memcpy(entry->netns, netns.name, sizeof(entry->netns));
	if (netns.found)
		return;
	entry->state = search.unseen ? KS_INSTANCE_UNKNOWN : KS_INSTANCE_GONE;
	entry->unseen = search.unseen;
	entry->unseen_pid = search.unseen_pid;
}

/* Returns true if somebody holds flock(2) on a file. To try to get it would keep a daemon away that starts just now. */
static bool is_locked(const char *path)
{
	ks_auto_file FILE *locks = fopen("/proc/locks", "re");
	unsigned long inode;
	char line[256];
	struct stat file;

	if (!locks || stat(path, &file))
		return false;
	while (fgets(line, sizeof(line), locks)) {
		if (sscanf(line, "%*d: FLOCK %*s WRITE %*d %*x:%*x:%lu", &inode) == 1 && inode == file.st_ino)
			return true;
	}
	return false;
}

static void make_entry(const char *name, struct ks_instance_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	ks_instance_named(name, &entry->instance);
	find_netns(name, entry);
	ks_instance_read_holder(&entry->instance, &entry->holder);
	if (is_locked(entry->instance.lock))
		entry->state = KS_INSTANCE_RUNNING;
}

/* Calls fn for the folders of a directory that are instances: all but `skip`, and those that `known` has, too. */
static int each_folder(const char *dir, const char *known, void (*fn)(const struct ks_instance_entry *entry, void *arg),
		       void *arg)
{
	ks_scoped(auto_folder) DIR *folder = opendir(dir);
	const struct dirent *found;

	if (!folder)
		return errno == ENOENT ? 0 : -errno;
	while ((found = readdir(folder))) {
		struct ks_instance_entry entry;
		char other[KS_PROC_PATH];

		snprintf(other, sizeof(other), "%s/%.200s", known ? known : dir, found->d_name);
		if ((strcmp(found->d_name, KS_INSTANCE_HOST) && strncmp(found->d_name, "net-", 4)) ||
		    (known && !access(other, F_OK)))
			continue;
		make_entry(found->d_name, &entry);
		fn(&entry, arg);
	}
	return 0;
}

int ks_instances_each(void (*fn)(const struct ks_instance_entry *entry, void *arg), void *arg)
{
	int err = each_folder(KS_RUN_DIR, NULL, fn, arg);

	return err ?: each_folder(KS_BPF_DIR, KS_RUN_DIR, fn, arg);
}

/* Empties and removes a directory of files. */
static int remove_folder(const char *dir)
{
	ks_scoped(auto_folder) DIR *folder = opendir(dir);
	const struct dirent *entry;

	if (!folder)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(folder))) {
		char file[KS_PROC_PATH];

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    snprintf(file, sizeof(file), "%s/%s", dir, entry->d_name) >= (int)sizeof(file))
			continue;
		unlink(file);
	}
	return rmdir(dir) ? -errno : 0;
}

int ks_instance_remove_gone(const struct ks_instance *instance)
{
	ks_auto_fd int lock = -1;
	struct ks_holder other;
	int err = ks_instance_prepare(instance);

	if (err < 0)
		return err;
	lock = ks_instance_lock(instance, &other);
	if (lock < 0)
		return lock;
	err = remove_folder(instance->state_dir);
	return ks_instance_discard(instance) ?: err;
}
