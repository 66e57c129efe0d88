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

#define KS_NETNS_DIR "/run/netns/"
#define KS_PROC_PATH 288

KS_SCOPED(auto_folder, DIR *, closedir)

/* Looks for one network namespace. */
struct netns_search {
	unsigned long inode;
	char text[32]; /* "net:[4026532177]", as the kernel calls it */
	bool found;
	bool unseen; /* some process did not let us look */
	char *name; /* KS_NETNS_NAME bytes */
};

/* A line of mountinfo(5): its fourth word is what was mounted, its fifth where. */
static void take_mount(struct netns_search *search, const char *line)
{
	char root[64], point[KS_PROC_PATH];

	if (sscanf(line, "%*s %*s %*s %63s %287s", root, point) != 2 || strcmp(root, search->text))
		return;
	search->found = true;
	if (!strncmp(point, KS_NETNS_DIR, sizeof(KS_NETNS_DIR) - 1))
		snprintf(search->name, KS_NETNS_NAME, "%.*s", KS_NETNS_NAME - 1, point + sizeof(KS_NETNS_DIR) - 1);
}

static void search_mounts(struct netns_search *search, const char *process)
{
	char path[KS_PROC_PATH], *line = NULL;
	ks_auto_file FILE *file = NULL;
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", process);
	file = fopen(path, "re");
	while (file && getline(&line, &room, file) > 0)
		take_mount(search, line);
	free(line);
}

static void search_descriptors(struct netns_search *search, const char *process)
{
	ks_scoped(auto_folder) DIR *folder = NULL;
	char path[KS_PROC_PATH], link[64];
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%s/fd", process);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		char descriptor[KS_PROC_PATH];
		ssize_t length;

		snprintf(descriptor, sizeof(descriptor), "/proc/%.20s/fd/%.20s", process, entry->d_name);
		length = readlink(descriptor, link, sizeof(link) - 1);
		if (length < 0)
			continue;
		link[length] = '\0';
		search->found |= !strcmp(link, search->text);
	}
}

static void search_process(struct netns_search *search, const char *process)
{
	char path[KS_PROC_PATH];
	struct stat network;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	if (stat(path, &network)) {
		search->unseen |=
			errno != ENOENT && errno != ESRCH; /* else it has just ended, or is a thread of the kernel */
		return;
	}
	search->found |= network.st_ino == search->inode;
	search_mounts(search, process);
	if (!search->found)
		search_descriptors(search, process);
}

/* Looks at all processes until one leads there; at the mounts of our own first, which have the names. */
static void search_all(struct netns_search *search)
{
	ks_scoped(auto_folder) DIR *folder = opendir("/proc");
	const struct dirent *entry;

	search_mounts(search, "self");
	search->unseen |= !folder;
	while (!search->found && folder && (entry = readdir(folder))) {
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			search_process(search, entry->d_name);
	}
}

static enum ks_instance_state find_netns(const char *instance, char name[KS_NETNS_NAME])
{
	struct netns_search search = { .name = name };

	if (sscanf(instance, "net-%lu", &search.inode) != 1)
		return KS_INSTANCE_LEFT; /* the host's is never gone */
	snprintf(search.text, sizeof(search.text), "net:[%lu]", search.inode);
	search_all(&search);
	if (search.found)
		return KS_INSTANCE_LEFT;
	return search.unseen ? KS_INSTANCE_UNKNOWN : KS_INSTANCE_GONE;
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
	entry->state = find_netns(name, entry->netns);
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
