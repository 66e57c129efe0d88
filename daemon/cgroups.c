/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See cgroups.h. The kernel tells when a folder is made in one of those that lead to a group, so that a group that is made anew is
 * known before its first process speaks. Besides it is looked for every second.
 */
#include "daemon/cgroups.h"

#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/report.h"
#include "policy/policy.h"
#include "text/json.h"

#define NEWS_ROOM 4096

/* Watches the folders that lead to a group, as far as they exist. Watching one again is no harm. */
static void group_watch(int fd, const char *root, const char *path)
{
	char folder[2 * PATH_MAX];
	size_t at = (size_t)snprintf(folder, sizeof(folder), "%s", root);

	while (inotify_add_watch(fd, folder, IN_CREATE | IN_ONLYDIR) >= 0) {
		const char *slash = strchr(path, '/');

		if (!slash)
			return;
		at += (size_t)snprintf(folder + at, sizeof(folder) - at, "/%.*s", (int)(slash - path), path);
		path = slash + 1;
	}
}

static void groups_watch(struct ks_cgroups_told *told, const struct ks_policy *policy, bool is_new)
{
	char root[PATH_MAX];

	if (is_new) {
		ks_cgroups_fini(told);
		told->news_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	}
	if (told->news_fd < 0 || ks_cgroup_root(root))
		return;
	for (__u32 i = 0; i < policy->config.cgroups; i++)
		group_watch(told->news_fd, root, policy->cgroups[i]);
}

static void news_read(int fd)
{
	char room[NEWS_ROOM];

	while (fd >= 0 && read(fd, room, sizeof(room)) > 0)
		;
}

/* Says which groups came and went; behind a new policy: which are not there. */
static void changes_tell(const struct ks_cgroups_told *told, const struct ks_policy *policy, bool is_new, __u64 exist)
{
	for (__u32 i = 0; i < policy->config.cgroups; i++) {
		const bool is_there = exist >> i & 1;

		if (is_new ? !is_there : is_there != (told->exist >> i & 1))
			ks_report(is_there ? "cgroup \"%s\" is there"
					   : "cgroup \"%s\" does not exist: no packet is of it until it does",
				  policy->cgroups[i]);
	}
}

void ks_cgroups_follow(struct ks_daemon *daemon)
{
	struct ks_cgroups_told *told = &daemon->cgroups;
	const struct ks_policy *policy = daemon->policy;
	const __u32 generation = ks_kernel_config(daemon->kernel)->generation;
	const bool is_new = told->generation != generation;
	__u64 exist;

	if (!policy->config.cgroups) {
		ks_cgroups_fini(told);
		return;
	}
	if (told->generation)
		news_read(told->news_fd);
	groups_watch(told, policy, is_new); /* before looking, so that nothing is made in between unseen */
	exist = ks_kernel_tell_cgroups(daemon->kernel, policy);
	changes_tell(told, policy, is_new, exist);
	told->generation = generation;
	told->exist = exist;
}

int ks_cgroups_fd(const struct ks_daemon *daemon)
{
	return daemon->cgroups.generation ? daemon->cgroups.news_fd : -1;
}

void ks_cgroups_fini(struct ks_cgroups_told *told)
{
	if (told->generation && told->news_fd >= 0)
		close(told->news_fd);
	*told = (struct ks_cgroups_told){ 0 };
}

json_t *ks_cgroups_json(const struct ks_daemon *daemon)
{
	const struct ks_policy *policy = daemon->policy;
	const struct ks_config *config = ks_kernel_config(daemon->kernel);
	json_t *json = policy->config.cgroups ? json_array() : NULL;

	for (__u32 i = 0; json && i < policy->config.cgroups; i++)
		ks_json_append(&json, json_pack("{s:o, s:b}", "cgroup", ks_json_text(policy->cgroups[i]), "exists",
						config->cgroup[i].id != 0));
	return json;
}
