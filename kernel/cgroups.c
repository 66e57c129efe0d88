/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control groups of the policy in the kernel. The programs know a group by its number in cgroup v2, which is that of its
 * folder's inode; a folder that is made anew, as when a service is started again, has another one.
 */
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/internal.h"
#include "text/scoped.h"

#define ROOT_INODE 1U /* of the whole tree: below that of a namespace nobody knows how deep a group lies */

KS_SCOPED(auto_mounts, FILE *, endmntent)

int ks_cgroup_root(char path[PATH_MAX])
{
	ks_scoped(auto_mounts) FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	struct stat root;
	char room[2 * PATH_MAX];

	while (mounts && getmntent_r(mounts, &entry, room, sizeof(room))) {
		if (strcmp(entry.mnt_type, "cgroup2") != 0 || strlen(entry.mnt_dir) >= PATH_MAX)
			continue;
		if (stat(entry.mnt_dir, &root) || root.st_ino != ROOT_INODE)
			continue;
		strcpy(path, entry.mnt_dir);
		return 0;
	}
	return -ENOENT;
}

/* The number of a group, 0 if it does not exist. */
static __u64 id_of(const char *root, const char *path)
{
	char whole[2 * PATH_MAX];
	struct stat found;

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	return stat(whole, &found) || !S_ISDIR(found.st_mode) ? 0 : found.st_ino;
}

__u64 ks_kernel_tell_slot_cgroups(struct ks_kernel *kernel, const struct ks_policy *policy, __u32 slot)
{
	struct ks_config *config = &kernel->configs[slot];
	char root[PATH_MAX];
	__u64 exist = 0;
	bool is_there = policy->config.cgroups && ks_cgroup_root(root) == 0;

	for (__u32 i = 0; i < policy->config.cgroups; i++) {
		__u64 id = is_there ? id_of(root, policy->cgroups[i]) : 0;

		__atomic_store_n(&config->cgroup[i].id, id, __ATOMIC_RELAXED);
		exist |= (__u64)(id != 0) << i;
	}
	return exist;
}

__u64 ks_kernel_tell_cgroups(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	return ks_kernel_tell_slot_cgroups(kernel, policy, kernel->control->active & 1);
}
