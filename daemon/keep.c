/* SPDX-License-Identifier: BSD-2-Clause */
/* See keep.h. */
#include "daemon/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/persistent.h"
#include "daemon/report.h"
#include "kernel/seed.h"
#include "text/json.h"
#include "text/scoped.h"
#include "text/plural.h"

#define PROBE_FILE KS_KEEP_FILE ".probe"
#define FLOW_BYTES 200 /* of a file, with what belongs to a flow; rather too many */
#define OTHER_BYTES 16384 /* names and the like */

/* --- saving --- */

struct save_ctx {
	struct ks_saved_table table;
	struct ks_saved_moment moment;
	__u64 flows;
};

static int write_states(FILE *out, void *arg)
{
	struct save_ctx *ctx = arg;

	return ks_saved_write(out, &ctx->table, &ctx->moment, &ctx->flows);
}

/* Takes the room on the disk, and gives it back. */
static int probe(const char *path, off_t bytes)
{
	ks_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err = fd < 0 ? errno : posix_fallocate(fd, 0, bytes);

	if (fd >= 0)
		unlink(path);
	return -err;
}

int ks_keep_prepare(const struct ks_instance *instance, const struct ks_kernel *kernel)
{
	off_t bytes = OTHER_BYTES + (off_t)ks_kernel_counts(kernel)->flows * FLOW_BYTES;
	char path[KS_INSTANCE_PATH];
	int err = ks_persistent_prepare(instance) ?: ks_persistent_path(instance, PROBE_FILE, path);

	return err ?: probe(path, bytes);
}

int ks_keep_save(const struct ks_instance *instance, const struct ks_kernel *kernel, const struct ks_ids *ids,
		 bool quiet, __u64 *flows)
{
	struct save_ctx ctx = { .table = { .buckets = ks_kernel_table(kernel),
					   .count = ks_kernel_shape(kernel)->buckets,
					   .now = ks_kernel_now(kernel),
					   .ids = ids,
					   .deadline = ks_kernel_clock() + KS_KEEP_SECONDS * KS_NSEC_PER_SEC } };
	int err;

	ks_saved_now(&ctx.moment);
	ctx.moment.quiet = quiet;
	ks_keep_forget(instance);
	err = ks_persistent_replace(instance, KS_KEEP_FILE, write_states, &ctx);
	if (err)
		ks_keep_forget(instance);
	else
		*flows = ctx.flows;
	return err;
}

void ks_keep_forget(const struct ks_instance *instance)
{
	int err = ks_persistent_remove(instance, KS_KEEP_FILE);

	if (err)
		ks_report_error("%s/" KS_KEEP_FILE " cannot be removed: %s", instance->state_dir, strerror(-err));
}

bool ks_keep_exists(const struct ks_instance *instance, char path[KS_INSTANCE_PATH])
{
	return !ks_persistent_path(instance, KS_KEEP_FILE, path) && !access(path, F_OK);
}

/* --- taking back --- */

__attribute__((format(printf, 2, 3))) static void refuse(struct ks_kept *kept, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(kept->refused, sizeof(kept->refused), format, args);
	va_end(args);
}

static bool is_too_old(const struct ks_saved *saved, const struct ks_saved_moment *now, struct ks_kept *kept)
{
	__u64 elapsed = ks_saved_elapsed(ks_saved_moment(saved), now);

	if (elapsed <= KS_KEEP_AGE_MAX_S * (__u64)KS_MSEC_PER_SEC)
		return false;
	refuse(kept, "they are %llu minutes old, more than %u", elapsed / 60 / KS_MSEC_PER_SEC, KS_KEEP_AGE_MAX_S / 60);
	return true;
}

/* Puts the entries into the table. */
static void take(const struct ks_saved *saved, struct ks_kernel *kernel, const struct ks_policy *policy,
		 struct ks_kept *kept)
{
	ks_auto_seed struct ks_seed *seed = NULL;
	struct ks_saved_moment now;
	int err;

	ks_saved_now(&now);
	if (is_too_old(saved, &now, kept))
		return;
	err = ks_kernel_need_all_stages(kernel) ?: ks_seed_begin(kernel, policy, &seed);
	ks_saved_now(&now); /* again: the verifier may have taken seconds, by which the seed's clock is later */
	err = err ?: ks_saved_restore(saved, &now, ks_seed_engine(seed), policy, &kept->outcome);
	if (err)
		refuse(kept, "%s", strerror(-err));
}

static void restore(const char *path, struct ks_kernel *kernel, const struct ks_policy *policy, struct ks_kept *kept)
{
	ks_auto_free char *bytes = NULL;
	ks_auto_saved struct ks_saved *saved = NULL;
	size_t size = 0;
	int err = ks_persistent_read(path, &bytes, &size);

	if (err) {
		refuse(kept, "%s cannot be read: %s", path, strerror(-err));
		return;
	}
	err = ks_saved_open(bytes, size, &saved, kept->refused);
	if (err == -ENOMEM)
		refuse(kept, "%s", strerror(-err));
	if (!err)
		take(saved, kernel, policy, kept);
}

void ks_keep_restore(const struct ks_instance *instance, struct ks_kernel *kernel, const struct ks_policy *policy,
		     struct ks_kept *kept)
{
	char path[KS_INSTANCE_PATH], text[KS_KEEP_TEXT];

	*kept = (struct ks_kept){ .found = ks_keep_exists(instance, path) };
	if (!kept->found)
		return;
	restore(path, kernel, policy, kept);
	ks_keep_text(kept, text);
	if (*kept->refused)
		ks_report_error("%s", text);
	else
		ks_report("%s", text);
}

/* --- for people --- */

static __u64 not_taken(const struct ks_saved_outcome *outcome)
{
	__u64 sum = 0;

	for (unsigned i = KS_SAVED_TAKEN + 1; i < KS_SAVED_FATE_MAX; i++)
		sum += outcome->flows[i];
	return sum;
}

void ks_keep_text(const struct ks_kept *kept, char text[KS_KEEP_TEXT])
{
	const struct ks_saved_outcome *outcome = &kept->outcome;
	__u64 others = not_taken(outcome);
	const char *before = ": ";
	size_t used;

	if (*kept->refused) {
		snprintf(text, KS_KEEP_TEXT, "the saved states are not taken back: %s", kept->refused);
		return;
	}
	used = (size_t)snprintf(text, KS_KEEP_TEXT, "%llu saved state%s taken back, %llu s old",
				outcome->flows[KS_SAVED_TAKEN], outcome->flows[KS_SAVED_TAKEN] == 1 ? " is" : "s are",
				outcome->elapsed / KS_MSEC_PER_SEC);
	if (others)
		used += (size_t)snprintf(text + used, KS_KEEP_TEXT - used, "; %llu are not", others);
	for (unsigned i = KS_SAVED_TAKEN + 1; i < KS_SAVED_FATE_MAX && used < KS_KEEP_TEXT; i++) {
		if (!outcome->flows[i])
			continue;
		used += (size_t)snprintf(text + used, KS_KEEP_TEXT - used, "%s%llu %s", before, outcome->flows[i],
					 ks_saved_fate_text((enum ks_saved_fate)i));
		before = "; ";
	}
}

static json_t *fates_json(const __u64 fates[KS_SAVED_FATE_MAX])
{
	json_t *root = json_object();

	for (unsigned i = 0; i < KS_SAVED_FATE_MAX; i++)
		ks_json_set(&root, ks_saved_fate_name((enum ks_saved_fate)i), json_integer((json_int_t)fates[i]));
	return root;
}

json_t *ks_keep_json(const struct ks_kept *kept)
{
	char text[KS_KEEP_TEXT];

	if (!kept->found)
		return json_null();
	ks_keep_text(kept, text);
	return json_pack("{s:o*, s:I, s:o, s:o, s:o}", "refused", *kept->refused ? ks_json_text(kept->refused) : NULL,
			 "elapsed", (json_int_t)(kept->outcome.elapsed / KS_MSEC_PER_SEC), "states",
			 fates_json(kept->outcome.flows), "records", fates_json(kept->outcome.records), "text",
			 ks_json_text(text));
}
