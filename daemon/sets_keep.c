/* SPDX-License-Identifier: BSD-2-Clause */
/* See sets_keep.h. */
#include "daemon/sets_keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/aside.h"
#include "daemon/persistent.h"
#include "daemon/report.h"
#include "saved/sets.h"
#include "text/plural.h"

#define SECONDS_BETWEEN 60U
#define SHARE_OF_TIME 200U /* the least time between two files, in times of writing one */

/* A file being written. */
struct save_ctx {
	const struct ks_instance *instance;
	const char *file;
	struct ks_saved_sets sets;
	struct ks_saved_moment moment;
	__u64 entries;
	int err;
};

static bool has_kept(const struct ks_policy *policy)
{
	for (__u32 i = 0; i < policy->config.dynamics; i++) {
		if (policy->config.dynamic[i].flags & KS_DYNAMIC_KEEP)
			return true;
	}
	return false;
}

static int write_sets(FILE *out, void *arg)
{
	struct save_ctx *ctx = arg;

	return ks_saved_sets_write(out, &ctx->sets, &ctx->moment, &ctx->entries);
}

static void save_aside(void *arg)
{
	struct save_ctx *ctx = arg;

	ctx->err = ks_persistent_replace(ctx->instance, ctx->file, write_sets, ctx);
}

static void save_begin(struct ks_daemon *daemon, struct save_ctx *ctx)
{
	*ctx = (struct save_ctx){ .instance = &daemon->instance,
				  .file = KS_SETS_FILE,
				  .sets = { .store = ks_kernel_sets(daemon->kernel),
					    .policy = daemon->policy,
					    .now = ks_kernel_now(daemon->kernel) } };
	ks_saved_now(&ctx->moment);
}

/* Says it once while it goes on failing. */
static void save_end(struct ks_daemon *daemon, const struct save_ctx *ctx)
{
	if (ctx->err && ctx->err != daemon->sets_error)
		ks_report_error("the run-time sets cannot be saved in %s: %s", daemon->instance.state_dir,
				strerror(-ctx->err));
	daemon->sets_error = ctx->err;
}

void ks_sets_save(struct ks_daemon *daemon)
{
	struct save_ctx ctx;

	if (!daemon->policy || !has_kept(daemon->policy))
		return;
	save_begin(daemon, &ctx);
	save_aside(&ctx);
	save_end(daemon, &ctx);
}

/* A number that another one takes the place of when packets or people have changed a set that is kept. */
static __u64 changes_of(const struct ks_daemon *daemon)
{
	const struct ks_policy *policy = daemon->policy;
	const struct ks_set_store *store = ks_kernel_sets(daemon->kernel);
	__u64 sum = daemon->sets_changed;

	for (__u32 i = 0; i < store->count; i++) {
		const struct ks_member_head *head = &store->set[i].memory.page->head;

		if (policy->config.dynamic[i].flags & KS_DYNAMIC_KEEP)
			sum = sum * 31 + head->count + head->evicted;
	}
	return sum;
}

/* A set that a lower limit makes too full is left as it is; it takes no more, and a start would not take it back whole. */
static json_t *too_full(const struct ks_daemon *daemon, const struct ks_set_info *info)
{
	const struct ks_stored_set *set = ks_set_store_find(ks_kernel_sets(daemon->kernel), info->name);
	const struct ks_dynamic *settings = &daemon->policy->config.dynamic[info->number];
	__u32 count;

	if (!set || set->memory.page->head.count <= settings->limit)
		return NULL;
	count = ks_members_living(&set->memory, ks_kernel_now(daemon->kernel));
	if (count <= settings->limit)
		return NULL;
	return json_sprintf("the set '%s' has %u entr%s, and its limit is %u now: all stay, none can be added%s",
			    info->name, count, count == 1 ? "y" : "ies", settings->limit,
			    settings->flags & KS_DYNAMIC_KEEP ? ", and the next start takes back no more than the limit"
							      : "");
}

void ks_sets_add_warnings(const struct ks_daemon *daemon, json_t *warnings)
{
	for (size_t i = 0; i < daemon->policy->set_info_count; i++) {
		if (daemon->policy->set_infos[i].dynamic)
			json_array_append_new(warnings, too_full(daemon, &daemon->policy->set_infos[i]));
	}
	ks_hosts_add_warnings(daemon, warnings);
}

void ks_sets_save_changes(struct ks_daemon *daemon)
{
	__u64 changes;

	if (!daemon->policy || !has_kept(daemon->policy))
		return;
	changes = changes_of(daemon);
	if (changes == daemon->sets_saved)
		return;
	ks_sets_save(daemon);
	if (!daemon->sets_error)
		daemon->sets_saved = changes;
}

void ks_sets_keep(struct ks_daemon *daemon)
{
	__u64 begun = ks_kernel_clock(), changes;
	struct save_ctx ctx;

	if (!has_kept(daemon->policy) || begun < daemon->sets_next || daemon->trial.waits)
		return;
	changes = changes_of(daemon);
	if (changes == daemon->sets_saved)
		return;
	save_begin(daemon, &ctx);
	ks_aside_run(daemon, save_aside, &ctx);
	save_end(daemon, &ctx);
	daemon->sets_saved = changes;
	daemon->sets_next = ks_kernel_clock() +
			    KS_MAX(SECONDS_BETWEEN * KS_NSEC_PER_SEC, (ks_kernel_clock() - begun) * SHARE_OF_TIME);
}

static const char *set_name(const struct ks_policy *policy, __u32 number)
{
	for (size_t i = 0; i < policy->set_info_count; i++) {
		if (policy->set_infos[i].dynamic && policy->set_infos[i].number == number)
			return policy->set_infos[i].name;
	}
	return "?";
}

/*
 * Says which sets took less than the file had. The next save writes what there is now, so the file gets another name too, by which
 * an administrator finds the rest.
 */
static void say_left_out(const struct ks_daemon *daemon, const struct ks_saved_sets_outcome *outcome)
{
	char path[KS_INSTANCE_PATH], rest[KS_INSTANCE_PATH] = "";

	for (__u32 i = 0; i < daemon->policy->config.dynamics; i++) {
		if (outcome->no_room_in[i])
			ks_report_error(
				"WARNING: %llu saved entr%s of the set '%s' found no room, because its limit is "
				"%u now, and cannot be in force",
				outcome->no_room_in[i], outcome->no_room_in[i] == 1 ? "y" : "ies",
				set_name(daemon->policy, i), daemon->policy->config.dynamic[i].limit);
	}
	if (!outcome->no_room || ks_persistent_path(&daemon->instance, KS_SETS_FILE, path) ||
	    ks_persistent_path(&daemon->instance, KS_SETS_REST_FILE, rest))
		return;
	unlink(rest);
	if (link(path, rest))
		ks_report_error("the file of saved sets cannot be kept as %s: %s", rest, strerror(errno));
	else
		ks_report_error(
			"all that was saved is kept in %s: with a larger limit in the policy, `keepstate set add "
			"NAME -` takes lines of it",
			rest);
}

static void take_back(struct ks_daemon *daemon, char *bytes, size_t size)
{
	const struct ks_saved_sets sets = { .store = ks_kernel_sets(daemon->kernel),
					    .policy = daemon->policy,
					    .now = ks_kernel_now(daemon->kernel) };
	struct ks_saved_sets_outcome outcome;
	char error[KS_SAVED_ERROR] = "";
	struct ks_saved_moment now;
	int err;

	ks_saved_now(&now);
	err = ks_saved_sets_restore(bytes, size, &sets, &now, &outcome, error);
	if (err)
		ks_report_error("the saved run-time sets are not taken back: %s", *error ? error : strerror(-err));
	else if (outcome.taken + outcome.expired + outcome.no_room)
		ks_report("taken back of run-time sets: %llu entr%s, %llu s old; %llu had expired, %llu found no room",
			  outcome.taken, outcome.taken == 1 ? "y" : "ies", outcome.elapsed / KS_MSEC_PER_SEC,
			  outcome.expired, outcome.no_room);
	if (!err)
		say_left_out(daemon, &outcome);
}

void ks_sets_take_back(struct ks_daemon *daemon)
{
	ks_auto_free char *bytes = NULL;
	char path[KS_INSTANCE_PATH];
	size_t size;
	int err = has_kept(daemon->policy) ? ks_persistent_path(&daemon->instance, KS_SETS_FILE, path) : -ENOENT;

	if (!err)
		err = ks_persistent_read(path, &bytes, &size);
	if (!err)
		take_back(daemon, bytes, size);
	else if (err != -ENOENT)
		ks_report_error("the saved run-time sets cannot be read: %s", strerror(-err));
}

/* --- trials --- */

void ks_sets_trial_begin(struct ks_daemon *daemon)
{
	struct save_ctx ctx;

	ks_sets_trial_end(daemon); /* of a trial that was confirmed without a daemon */
	if (!ks_kernel_sets(daemon->kernel)->count)
		return;
	save_begin(daemon, &ctx);
	ctx.instance = &daemon->kept;
	ctx.file = KS_SETS_TRIAL_FILE;
	ctx.sets.all = true;
	save_aside(&ctx);
	if (ctx.err)
		ks_report_error(
			"the run-time sets cannot be saved in %s: %s: those that the policy on trial lacks would "
			"come back empty",
			daemon->kept.state_dir, strerror(-ctx.err));
}

static int trial_file_read(const struct ks_daemon *daemon, char **bytes, size_t *size)
{
	char path[KS_INSTANCE_PATH];

	return ks_persistent_path(&daemon->kept, KS_SETS_TRIAL_FILE, path) ?: ks_persistent_read(path, bytes, size);
}

void ks_sets_trial_take_back(struct ks_daemon *daemon)
{
	const struct ks_saved_sets sets = { .store = ks_kernel_sets(daemon->kernel),
					    .policy = daemon->policy,
					    .now = ks_kernel_now(daemon->kernel),
					    .all = true };
	struct ks_saved_sets_outcome outcome;
	char error[KS_SAVED_ERROR] = "";
	ks_auto_free char *bytes = NULL;
	struct ks_saved_moment now;
	size_t size;
	int err = trial_file_read(daemon, &bytes, &size);

	ks_saved_now(&now);
	if (!err)
		err = ks_saved_sets_restore(bytes, size, &sets, &now, &outcome, error);
	if (err && err != -ENOENT)
		ks_report_error("the run-time sets from before the trial are not taken back: %s",
				*error ? error : strerror(-err));
	if (err || !outcome.taken)
		return;
	daemon->sets_changed++;
	ks_report("taken back of run-time sets from before the trial: %llu entr%s", outcome.taken,
		  outcome.taken == 1 ? "y" : "ies");
}

void ks_sets_trial_end(const struct ks_daemon *daemon)
{
	ks_persistent_remove(&daemon->kept, KS_SETS_TRIAL_FILE);
}
