/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See left_over.h.
 *
 * Races. A daemon of a namespace makes its directory below /run/keepstate first and claims the persistent one later, and it may get
 * the inode number of a namespace that is gone at any moment. So a directory is moved out of the way before its files are removed,
 * and moved back if it has another owner by then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/types.h"
#include "daemon/instance.h"
#include "daemon/left_over.h"
#include "daemon/netns.h"
#include "daemon/persistent.h"
#include "daemon/report.h"
#include "text/scoped.h"

#define CANDIDATES_MAX 64
#define ASIDE ".gone-" /* begins the name of what is being removed */

KS_SCOPED(auto_dir, DIR *, closedir)

struct candidate {
	struct ks_instance instance;
	char owner[KS_OWNER_TEXT];
};

struct sweep {
	struct candidate list[CANDIDATES_MAX];
	size_t count;
	char boot[KS_BOOT_TEXT];
	bool of_earlier_boots; /* else of the present one */
};

static bool has_firewall(const struct ks_instance *instance)
{
	return !access(instance->dir, F_OK) || !access(instance->pins, F_OK);
}

/* A directory without an owner is of a daemon that claims it just now, or died over that: it stays. */
static void consider(struct sweep *sweep, const char *name)
{
	struct candidate *one = &sweep->list[sweep->count];
	unsigned long inode;
	char rest;

	if (sscanf(name, "net-%lu%c", &inode, &rest) != 1)
		return;
	ks_instance_named(name, &one->instance);
	ks_persistent_owner(&one->instance, one->owner);
	if (!*one->owner || has_firewall(&one->instance))
		return;
	if (sweep->of_earlier_boots == (strncmp(one->owner, sweep->boot, strlen(sweep->boot)) != 0))
		sweep->count++;
}

/* Leaves those that belong to nobody: the living are found in one look at all processes. */
static void drop_living(struct sweep *sweep)
{
	struct ks_netns netns[CANDIDATES_MAX] = { 0 };
	struct ks_netns_search search = { .list = netns, .count = sweep->count };
	bool sees_all = ks_netns_sees_machine();
	size_t kept = 0;

	for (size_t i = 0; i < sweep->count; i++)
		sscanf(sweep->list[i].instance.name, "net-%lu", &netns[i].inode);
	if (sees_all)
		ks_netns_find(&search);
	sees_all &= !search.unseen;
	for (size_t i = 0; i < sweep->count; i++) {
		if (sees_all && !netns[i].found)
			sweep->list[kept++] = sweep->list[i];
	}
	sweep->count = kept;
}

/* Removes the files of a directory and the directory, which stays if something in it is no file. */
static void remove_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ks_scoped(auto_dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir)))
		unlinkat(fd, entry->d_name, 0);
	rmdir(path);
}

static bool remove_one(const struct candidate *one)
{
	struct ks_instance aside = one->instance;
	char owner[KS_OWNER_TEXT];

	snprintf(aside.state_dir, sizeof(aside.state_dir), KS_STATE_DIR "/" ASIDE "%.*s",
		 (int)sizeof(one->instance.name), one->instance.name);
	if (has_firewall(&one->instance) || rename(one->instance.state_dir, aside.state_dir))
		return false;
	ks_persistent_owner(&aside, owner);
	if (strcmp(owner, one->owner)) {
		rename(aside.state_dir, one->instance.state_dir);
		return false;
	}
	remove_folder(aside.state_dir);
	return access(aside.state_dir, F_OK) != 0;
}

/* A sweep that was cut short left it. */
static void finish_earlier(const char *name)
{
	char path[KS_INSTANCE_PATH];

	if (!strncmp(name, ASIDE, sizeof(ASIDE) - 1) &&
	    snprintf(path, sizeof(path), KS_STATE_DIR "/%s", name) < (int)sizeof(path))
		remove_folder(path);
}

static unsigned sweep_once(bool of_earlier_boots)
{
	ks_scoped(auto_dir) DIR *dir = opendir(KS_STATE_DIR);
	struct sweep sweep = { .of_earlier_boots = of_earlier_boots };
	const struct dirent *entry;
	unsigned removed = 0;

	ks_persistent_boot(sweep.boot);
	while (dir && *sweep.boot && sweep.count < CANDIDATES_MAX && (entry = readdir(dir))) {
		finish_earlier(entry->d_name);
		consider(&sweep, entry->d_name);
	}
	if (sweep.count && !of_earlier_boots)
		drop_living(&sweep);
	for (size_t i = 0; i < sweep.count; i++)
		removed += remove_one(&sweep.list[i]);
	return removed;
}

void ks_left_over_remove(void)
{
	unsigned removed = sweep_once(true) + sweep_once(false);

	if (removed)
		ks_report("%u director%s of network namespaces that are gone removed from " KS_STATE_DIR, removed,
			  removed == 1 ? "y" : "ies");
}
