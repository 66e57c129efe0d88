/* SPDX-License-Identifier: BSD-2-Clause */
/* See trial_note.h. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "daemon/persistent.h"
#include "daemon/trial_note.h"
#include "text/json.h"
#include "text/scoped.h"

static const char *const before_names[] = {
	[KS_TRIAL_NOTHING] = "nothing",
	[KS_TRIAL_POLICY] = "policy",
	[KS_TRIAL_CLOSED] = "closed",
};

__u64 ks_trial_now(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (__u64)now.tv_sec * KS_MSEC_PER_SEC + (__u64)now.tv_nsec / KS_NSEC_PER_MSEC;
}

static int note_write(FILE *out, void *root)
{
	return json_dumpf(root, out, JSON_ENSURE_ASCII) ? -EIO : 0;
}

int ks_trial_note_write(const struct ks_instance *kept, const struct ks_trial *trial)
{
	char boot[KS_BOOT_TEXT];
	ks_auto_json json_t *root = NULL;

	ks_persistent_boot(boot);
	root = json_pack("{s:s, s:I, s:s, s:o*, s:o*}", "boot", boot, "deadline_ms", (json_int_t)trial->deadline,
			 "before", before_names[trial->before], "path", ks_json_text(trial->before_path), "name",
			 ks_json_text(trial->before_name));
	if (!root)
		return -ENOMEM;
	return ks_persistent_replace(kept, KS_TRIAL_NOTE, note_write, root);
}

static int before_from_name(const char *name, enum ks_trial_before *before)
{
	for (unsigned i = 0; name && i < KS_ARRAY_SIZE(before_names); i++) {
		if (strcmp(name, before_names[i]))
			continue;
		*before = i;
		return 0;
	}
	return -EINVAL;
}

int ks_trial_note_read(const struct ks_instance *kept, struct ks_trial *trial)
{
	char path[KS_INSTANCE_PATH], boot[KS_BOOT_TEXT];
	ks_auto_json json_t *root = NULL;
	const char *file, *name, *noted;
	int err = ks_persistent_path(kept, KS_TRIAL_NOTE, path);

	if (err)
		return err;
	if (access(path, F_OK))
		return -errno;
	root = json_load_file(path, 0, NULL);
	noted = json_string_value(json_object_get(root, "boot"));
	err = before_from_name(json_string_value(json_object_get(root, "before")), &trial->before);
	if (err || !noted)
		return -EINVAL;
	ks_persistent_boot(boot);
	trial->deadline = strcmp(boot, noted) ? 0 : (__u64)json_integer_value(json_object_get(root, "deadline_ms"));
	file = json_string_value(json_object_get(root, "path"));
	name = json_string_value(json_object_get(root, "name"));
	trial->before_path = strdup(file ? file : "");
	trial->before_name = name ? strdup(name) : NULL;
	return trial->before_path ? 0 : -ENOMEM;
}

unsigned ks_trial_seconds_left(const struct ks_trial *trial)
{
	__u64 now = ks_trial_now();

	return trial->deadline > now ? (unsigned)((trial->deadline - now + KS_MSEC_PER_SEC - 1) / KS_MSEC_PER_SEC) : 0;
}

json_t *ks_trial_note_json(const struct ks_trial *trial)
{
	const char *name = trial->before_name ? trial->before_name : trial->before_path;

	return json_pack("{s:i, s:o*}", "seconds_left", (int)ks_trial_seconds_left(trial), "before",
			 trial->before == KS_TRIAL_NOTHING ? NULL : ks_json_text(name));
}

int ks_trial_note_remove(const struct ks_instance *kept)
{
	return ks_persistent_remove(kept, KS_TRIAL_NOTE);
}
