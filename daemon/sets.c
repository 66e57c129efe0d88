/* SPDX-License-Identifier: BSD-2-Clause */
/* See sets.h. */
#include "daemon/sets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

#define KILL_KEYS 4096 /* collected before their flows are ended */

bool ks_set_target_find(struct ks_daemon *daemon, const char *name, struct ks_set_target *target)
{
	const struct ks_set_info *info = ks_policy_dynamic(daemon->policy, name);
	struct ks_stored_set *set = info ? ks_set_store_find(ks_kernel_sets(daemon->kernel), name) : NULL;

	if (!set)
		return false;
	*target = (struct ks_set_target){ .daemon = daemon,
					  .info = info,
					  .set = set,
					  .settings = &daemon->policy->config.dynamic[info->number],
					  .ms = KS_SET_FOR_NOT_SAID };
	return true;
}

static __u64 now_of(const struct ks_set_target *target)
{
	return ks_kernel_now(target->daemon->kernel);
}

static int target_open(const struct ks_set_target *target, const struct ks_member_memory *memory,
		       struct ks_engine **engine)
{
	return ks_members_open(memory, now_of(target), target->settings, engine);
}

__u32 ks_set_living(const struct ks_set_target *target)
{
	return ks_members_living(&target->set->memory, now_of(target));
}

/* --- adding --- */

static void entry_make(const struct ks_set_target *target, const struct ks_set_entry *from, struct ks_env *env,
		       struct ks_member_entry *entry)
{
	__u64 ms = from->ms == KS_SET_FOR_NOT_SAID ? target->ms : from->ms;

	ks_member_entry_make(&from->prefix, entry);
	ks_set_complete(env, entry, ms == KS_SET_FOR_NOT_SAID ? 0 : ms);
}

/* The number of entries that are not in the set yet; those that have expired still have their place. */
static size_t count_new(const struct ks_member_memory *memory, const struct ks_set_entries *entries)
{
	size_t count = 0;

	for (size_t i = 0; i < entries->count; i++)
		count += !ks_members_get(memory, &entries->list[i].prefix);
	return count;
}

static __u32 count_of(const struct ks_member_memory *memory)
{
	return __atomic_load_n(&memory->page->head.count, __ATOMIC_RELAXED);
}

/* Returns true if all entries find room, after what has expired was swept if need be. */
static bool they_fit(const struct ks_set_target *target, struct ks_engine *engine, const struct ks_set_entries *entries,
		     struct ks_set_changed *changed)
{
	const struct ks_member_memory *memory = &target->set->memory;
	__u32 limit = target->settings->limit;
	size_t new;

	if (count_of(memory) + entries->count <= limit)
		return true;
	ks_members_sweep(memory, engine, ks_engine_time(engine));
	new = count_new(memory, entries);
	if (count_of(memory) + new <= limit)
		return true;
	snprintf(changed->refused, sizeof(changed->refused),
		 "the set '%s' has %u of %u entries, and %zu more do not fit: nothing was added; a larger `limit` in "
		 "the policy takes more",
		 target->set->name, count_of(memory), limit, new);
	return false;
}

static void note_added(__u32 result, struct ks_set_changed *changed)
{
	changed->added += result == KS_MEMBER_ADDED;
	changed->renewed += result == KS_MEMBER_RENEWED;
	changed->no_room += result != KS_MEMBER_ADDED && result != KS_MEMBER_RENEWED;
}

/* Sets that are kept are saved again. */
static void note_change(const struct ks_set_target *target)
{
	target->daemon->sets_changed++;
}

int ks_set_add_entries(const struct ks_set_target *target, const struct ks_set_entries *entries,
		       struct ks_set_changed *changed)
{
	ks_auto_engine struct ks_engine *engine = NULL;
	struct ks_member_entry entry;
	int err = target_open(target, &target->set->memory, &engine);

	if (err)
		return err;
	if (!they_fit(target, engine, entries, changed))
		return -ENOSPC;
	for (size_t i = 0; i < entries->count; i++) {
		entry_make(target, &entries->list[i], ks_engine_env(engine), &entry);
		note_added(ks_member_add(ks_engine_env(engine), &entry), changed);
	}
	note_change(target);
	return 0;
}

/* --- removing --- */

int ks_set_remove_entries(const struct ks_set_target *target, const struct ks_set_entries *entries,
			  struct ks_set_changed *changed)
{
	ks_auto_engine struct ks_engine *engine = NULL;
	struct ks_member_entry entry;
	int err = target_open(target, &target->set->memory, &engine);

	if (err)
		return err;
	for (size_t i = 0; i < entries->count; i++) {
		const struct ks_prefix *prefix = &entries->list[i].prefix;
		bool is_there = ks_members_have(&target->set->memory, prefix, now_of(target));

		ks_member_entry_make(prefix, &entry);
		if (ks_member_remove(ks_engine_env(engine), &entry) && is_there)
			changed->removed++;
		else
			changed->missing++;
	}
	note_change(target);
	return 0;
}

int ks_set_flush_entries(const struct ks_set_target *target, struct ks_set_changed *changed)
{
	long flushed = ks_members_flush(&target->set->memory, now_of(target));

	if (flushed < 0)
		return (int)flushed;
	changed->removed = (size_t)flushed;
	note_change(target);
	return 0;
}

/* --- replacing --- */

/* Memory beside the set. */
struct spare {
	const struct ks_set_memory_ops *ops;
	struct ks_member_memory memory;
	int fd;
};

static void spare_end(struct spare *spare)
{
	if (spare->memory.pages)
		spare->ops->unmake(&spare->memory, spare->fd);
}

KS_SCOPED_STRUCT(auto_spare, struct spare, spare_end)

/* An entry of the policy's text that stays is still one, and has no end. */
static void origin_carry(const struct ks_member_memory *from, const struct ks_prefix *prefix,
			 struct ks_member_entry *entry)
{
	const struct ks_member *old = ks_members_get(from, prefix);

	if (!old || !(old->flags & KS_MEMBER_POLICY))
		return;
	entry->flags = KS_MEMBER_POLICY;
	entry->expires = 0;
}

/* Entries that stay keep their counters. */
static void counters_carry(const struct ks_member_memory *from, const struct ks_member_memory *to,
			   const struct ks_prefix *prefix, __u64 now)
{
	const struct ks_member *old = ks_members_get(from, prefix);
	struct ks_member *new = ks_members_get(to, prefix);

	if (!old || !new || !ks_members_have(from, prefix, now))
		return;
	new->packets = old->packets;
	new->bytes = old->bytes;
}

static int spare_fill(const struct ks_set_target *target, const struct spare *spare,
		      const struct ks_set_entries *entries, struct ks_set_changed *changed)
{
	ks_auto_engine struct ks_engine *engine = NULL;
	struct ks_member_entry entry;
	int err = ks_members_init(&spare->memory);

	if (!err)
		err = target_open(target, &spare->memory, &engine);
	if (err)
		return err;
	for (size_t i = 0; i < entries->count; i++) {
		entry_make(target, &entries->list[i], ks_engine_env(engine), &entry);
		origin_carry(&target->set->memory, &entries->list[i].prefix, &entry);
		note_added(ks_member_add(ks_engine_env(engine), &entry), changed);
		counters_carry(&target->set->memory, &spare->memory, &entries->list[i].prefix, now_of(target));
	}
	return 0;
}

int ks_set_replace_entries(const struct ks_set_target *target, const struct ks_set_entries *entries,
			   struct ks_set_changed *changed)
{
	struct ks_kernel *kernel = target->daemon->kernel;
	ks_scoped(auto_spare) struct spare spare = { .ops = ks_kernel_sets(kernel)->ops };
	int err;

	if (entries->count > target->settings->limit) {
		snprintf(changed->refused, sizeof(changed->refused),
			 "the set '%s' takes %u entries, and %zu are too many: nothing was changed", target->set->name,
			 target->settings->limit, entries->count);
		return -ENOSPC;
	}
	err = spare.ops->make(target->set->memory.pages, &spare.memory, &spare.fd);
	if (!err)
		err = spare_fill(target, &spare, entries, changed);
	if (!err) {
		changed->removed = ks_set_living(target);
		err = ks_kernel_replace_set(kernel, target->set, &spare.memory, spare.fd);
	}
	if (err)
		return err;
	spare.memory.pages = 0; /* it is the set's */
	note_change(target);
	return 0;
}

/* --- ending flows --- */

struct end_ctx {
	struct ks_kernel *kernel;
	struct ks_engine *engine; /* on a set of the entries */
	struct ks_flow_key keys[KILL_KEYS];
	size_t count;
	long ended, err;
};

static void end_collected(struct end_ctx *ctx)
{
	long result = ks_kernel_kill(ctx->kernel, ctx->keys, ctx->count, KS_END_SET);

	if (result < 0)
		ctx->err = result;
	else
		ctx->ended += result;
	ctx->count = 0;
}

static int collect_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct end_ctx *ctx = arg;
	struct ks_env *env = ks_engine_env(ctx->engine);

	if (!ks_set_has(env, 0, &key->addr[0], key->family) && !ks_set_has(env, 0, &key->addr[1], key->family))
		return 0;
	ctx->keys[ctx->count++] = *key;
	if (ctx->count == KILL_KEYS)
		end_collected(ctx);
	return ctx->err != 0;
}

/* Makes a set of the entries, which is asked about every flow. */
static int entries_gather(const struct ks_set_entries *entries, struct spare *spare, struct ks_engine **engine)
{
	const struct ks_dynamic settings = { .limit = (__u32)entries->count };
	struct ks_member_entry entry;
	int err = spare->ops->make(ks_member_pages(settings.limit), &spare->memory, &spare->fd);

	if (!err)
		err = ks_members_init(&spare->memory) ?: ks_members_open(&spare->memory, 0, &settings, engine);
	for (size_t i = 0; !err && i < entries->count; i++) {
		ks_member_entry_make(&entries->list[i].prefix, &entry);
		ks_set_complete(ks_engine_env(*engine), &entry, 0);
		ks_member_add(ks_engine_env(*engine), &entry);
	}
	return err;
}

long ks_set_end_flows(struct ks_daemon *daemon, const struct ks_set_entries *entries)
{
	ks_auto_free struct end_ctx *ctx = calloc(1, sizeof(*ctx));
	ks_scoped(auto_spare) struct spare spare = { .ops = &ks_set_memory_native };
	ks_auto_engine struct ks_engine *engine = NULL;
	int err = ctx ? entries_gather(entries, &spare, &engine) : -ENOMEM;

	if (err)
		return err;
	ctx->kernel = daemon->kernel;
	ctx->engine = engine;
	ks_kernel_each_flow(ctx->kernel, collect_flow, ctx);
	if (!ctx->err)
		end_collected(ctx);
	return ctx->err ?: ctx->ended;
}
