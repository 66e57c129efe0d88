/* SPDX-License-Identifier: BSD-2-Clause */
/* See netns.h. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/netns.h"
#include "text/scoped.h"

#define NETNS_DIR "/run/netns/"
#define PROC_PATH 288
#define MACHINE_PID_NS 0xEFFFFFFCU /* the inode of the first process namespace: PROC_PID_INIT_INO of the kernel */

KS_SCOPED(auto_folder, DIR *, closedir)

/* Notes that something leads to a namespace, which it may have a name for. */
static void note_found(struct ks_netns_search *search, unsigned long inode, const char *name)
{
	for (size_t i = 0; i < search->count; i++) {
		struct ks_netns *one = &search->list[i];

		if (one->inode != inode)
			continue;
		one->found = true;
		if (name)
			snprintf(one->name, sizeof(one->name), "%.*s", KS_NETNS_NAME - 1, name);
	}
}

static bool found_all(const struct ks_netns_search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		if (!search->list[i].found)
			return false;
	}
	return true;
}

/* The inode in "net:[4026532177]", as the kernel calls a network namespace; 0 for anything else. */
static unsigned long inode_of(const char *text)
{
	unsigned long inode;

	return sscanf(text, "net:[%lu]", &inode) == 1 ? inode : 0;
}

/* A line of mountinfo(5): its fourth word is what was mounted, its fifth where. */
static void take_mount(struct ks_netns_search *search, const char *line)
{
	char root[64], point[PROC_PATH];

	if (sscanf(line, "%*s %*s %*s %63s %287s", root, point) != 2 || !inode_of(root))
		return;
	note_found(search, inode_of(root),
		   !strncmp(point, NETNS_DIR, sizeof(NETNS_DIR) - 1) ? point + sizeof(NETNS_DIR) - 1 : NULL);
}

static void search_mounts(struct ks_netns_search *search, const char *process)
{
	char path[PROC_PATH], *line = NULL;
	ks_auto_file FILE *file = NULL;
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", process);
	file = fopen(path, "re");
	while (file && getline(&line, &room, file) > 0)
		take_mount(search, line);
	free(line);
}

static void search_descriptors(struct ks_netns_search *search, const char *process)
{
	ks_scoped(auto_folder) DIR *folder = NULL;
	char path[PROC_PATH], link[64];
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%s/fd", process);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		char descriptor[PROC_PATH];
		ssize_t length;

		snprintf(descriptor, sizeof(descriptor), "/proc/%.20s/fd/%.20s", process, entry->d_name);
		length = readlink(descriptor, link, sizeof(link) - 1);
		if (length < 0)
			continue;
		link[length] = '\0';
		note_found(search, inode_of(link), NULL);
	}
}

static void note_unseen(struct ks_netns_search *search, pid_t pid)
{
	search->unseen++;
	search->unseen_pid = pid;
}

static void search_process(struct ks_netns_search *search, const char *process)
{
	char path[PROC_PATH];
	struct stat network;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	if (stat(path, &network)) {
		if (errno != ENOENT && errno != ESRCH) /* else it has just ended, or is a thread of the kernel */
			note_unseen(search, atoi(process));
		return;
	}
	note_found(search, network.st_ino, NULL);
	search_mounts(search, process);
	if (!found_all(search))
		search_descriptors(search, process);
}

/* The mounts of our own come first: they have the names. */
void ks_netns_find(struct ks_netns_search *search)
{
	ks_scoped(auto_folder) DIR *folder = opendir("/proc");
	const struct dirent *entry;

	search_mounts(search, "self");
	if (!folder)
		note_unseen(search, 0);
	while (!found_all(search) && folder && (entry = readdir(folder))) {
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			search_process(search, entry->d_name);
	}
}

bool ks_netns_sees_machine(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == MACHINE_PID_NS;
}
