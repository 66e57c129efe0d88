/* SPDX-License-Identifier: BSD-2-Clause */
/* See last_good.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/last_good.h"
#include "daemon/persistent.h"
#include "daemon/report.h"

#define FILE_NAME "policy"

static const char closed[] = "zone closed { * }\n"
			     "allow from self\n";

void ks_last_good_find(const struct ks_instance *instance, struct ks_instance *kept)
{
	int err = ks_persistent_prepare(instance);

	*kept = *instance;
	if (!err)
		return;
	snprintf(kept->state_dir, sizeof(kept->state_dir), "%s", instance->dir);
	ks_report_error("%s: %s: the firewall works without it, but nothing of it is kept over a reboot",
			instance->state_dir, strerror(-err));
}

void ks_last_good_seek(const struct ks_instance *instance, struct ks_instance *kept)
{
	*kept = *instance;
	if (!ks_persistent_is_ours(instance) || access(instance->state_dir, W_OK))
		snprintf(kept->state_dir, sizeof(kept->state_dir), "%s", instance->dir);
}

struct keep_ctx {
	const struct ks_policy *policy;
};

static int policy_write(FILE *out, void *arg)
{
	const struct keep_ctx *ctx = arg;

	ks_policy_print(ctx->policy, out);
	return ferror(out) ? -EIO : 0;
}

int ks_last_good_keep(const struct ks_instance *kept, const struct ks_policy *policy)
{
	struct keep_ctx ctx = { .policy = policy };

	return ks_persistent_replace(kept, FILE_NAME, policy_write, &ctx);
}

int ks_last_good_try(const struct ks_instance *kept, const struct ks_policy *policy)
{
	struct keep_ctx ctx = { .policy = policy };

	return ks_persistent_replace(kept, KS_TRIED_POLICY, policy_write, &ctx);
}

int ks_last_good_promote(const struct ks_instance *kept)
{
	return ks_persistent_rename(kept, KS_TRIED_POLICY, FILE_NAME);
}

int ks_last_good_untry(const struct ks_instance *kept)
{
	return ks_persistent_remove(kept, KS_TRIED_POLICY);
}

/* Where nothing can be written, what was kept before is read all the same. */
static int find_file(const struct ks_instance *kept, char path[KS_INSTANCE_PATH], struct stat *st)
{
	struct ks_instance usual = *kept;
	int err = ks_persistent_path(kept, FILE_NAME, path);

	if (err || !stat(path, st))
		return err;
	ks_instance_named(kept->name, &usual);
	if (!ks_persistent_is_ours(&usual))
		return -ENOENT;
	err = ks_persistent_path(&usual, FILE_NAME, path);
	return err ? err : stat(path, st) ? -errno : 0;
}

int ks_last_good_load(const struct ks_instance *kept, struct ks_policy **policy, time_t *when)
{
	ks_auto_policy struct ks_policy *loaded = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	char path[KS_INSTANCE_PATH];
	struct stat st;
	int err = find_file(kept, path, &st);

	if (err)
		return err;
	err = ks_policy_load(path, &loaded, &diags);
	if (!err) /* an empty file would guard nothing */
		err = ks_policy_require_zones(loaded, &diags);
	if (err == -EINVAL) /* of a version with another language */
		ks_report_diags(&diags);
	if (err)
		return err;
	*when = st.st_mtime;
	*policy = TAKE(loaded);
	return 0;
}

int ks_last_good_close(struct ks_policy **policy)
{
	ks_auto_diags struct ks_diags diags = { 0 };

	return ks_policy_load_text(closed, sizeof(closed) - 1, "built in", NULL, policy, &diags);
}
