/* SPDX-License-Identifier: BSD-2-Clause */
/* See set_store.h. */
#include "engine/set_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/internal.h"
#include "text/scoped.h"

/* --- memory of the process --- */

static size_t memory_bytes(__u32 pages)
{
	return (size_t)pages * sizeof(struct ks_member_page);
}

static int native_make(__u32 pages, struct ks_member_memory *memory, int *fd)
{
	void *page = mmap(NULL, memory_bytes(pages), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (page == MAP_FAILED)
		return -ENOMEM;
	*memory = (struct ks_member_memory){ .page = page, .pages = pages };
	*fd = -1;
	return 0;
}

static void native_unmake(struct ks_member_memory *memory, int fd)
{
	munmap(memory->page, memory_bytes(memory->pages));
}

const struct ks_set_memory_ops ks_set_memory_native = { native_make, native_unmake };

/* --- the store --- */

void ks_set_store_init(struct ks_set_store *store, const struct ks_set_memory_ops *ops)
{
	*store = (struct ks_set_store){ .ops = ops };
}

static void set_end(const struct ks_set_store *store, struct ks_stored_set *set)
{
	if (set->memory.pages && !set->is_shared)
		store->ops->unmake(&set->memory, set->fd);
	set->memory = (struct ks_member_memory){ 0 };
}

void ks_set_store_fini(struct ks_set_store *store)
{
	for (__u32 i = 0; i < store->count; i++)
		set_end(store, &store->set[i]);
	store->count = 0;
}

void ks_set_store_abandon(struct ks_set_store *next)
{
	ks_set_store_fini(next);
}

static const struct ks_stored_set *set_find(const struct ks_set_store *store, const char *name)
{
	for (__u32 i = 0; i < store->count; i++) {
		if (strcmp(store->set[i].name, name) == 0)
			return &store->set[i];
	}
	return NULL;
}

struct ks_stored_set *ks_set_store_find(struct ks_set_store *store, const char *name)
{
	const struct ks_stored_set *set = set_find(store, name);

	return set ? &store->set[set - store->set] : NULL;
}

/* --- reloads --- */

/* A copy of a set into a larger one. */
struct copy_ctx {
	struct ks_env *to;
	__u32 limit;
};

static int member_copy(const struct ks_member *member, void *arg)
{
	const struct copy_ctx *ctx = arg;
	const struct ks_member_entry entry = { .addr = member->addr,
					       .expires = member->expires,
					       .limit = ctx->limit,
					       .family = member->family,
					       .length = member->length,
					       .flags = member->flags };

	ks_member_add(ctx->to, &entry);
	return 0;
}

static int set_copy(const struct ks_member_memory *from, const struct ks_member_memory *to, __u32 limit, __u64 now)
{
	ks_auto_engine struct ks_engine *engine = NULL;
	struct copy_ctx ctx = { .limit = limit };
	int err = ks_members_open(to, now, NULL, &engine);

	if (err)
		return err;
	ctx.to = ks_engine_env(engine);
	return ks_members_each(from, now, member_copy, &ctx);
}

static int counters_add(const struct ks_member *from, void *arg)
{
	const struct ks_prefix prefix = { .addr = from->addr, .family = from->family, .length = from->length };
	struct ks_member *to = ks_members_get(arg, &prefix);

	if (!to)
		return 0;
	__atomic_fetch_add(&to->packets, from->packets, __ATOMIC_RELAXED);
	__atomic_fetch_add(&to->bytes, from->bytes, __ATOMIC_RELAXED);
	return 0;
}

/* Added once, when nobody counts in the old memory any more: the new one may count already. */
static void counters_carry(const struct ks_member_memory *from, struct ks_member_memory *to, __u64 now)
{
	ks_members_each(from, now, counters_add, to);
	__atomic_fetch_add(&to->page->head.evicted, from->page->head.evicted, __ATOMIC_RELAXED);
	__atomic_fetch_add(&to->page->head.refused, from->page->head.refused, __ATOMIC_RELAXED);
}

/* Makes memory for a set, with what the old one has. */
static int set_make(struct ks_stored_set *set, const struct ks_stored_set *old, const struct ks_set_store *store,
		    const struct ks_set_info *info, __u32 limit, __u64 now)
{
	int err = store->ops->make(ks_member_pages(limit), &set->memory, &set->fd);

	if (!err)
		err = ks_members_init(&set->memory);
	if (!err && old)
		err = set_copy(&old->memory, &set->memory, limit, now);
	return err ?: ks_members_follow(&set->memory, info, limit, now);
}

static int set_prepare(const struct ks_set_store *store, const struct ks_set_info *info, __u32 limit, __u64 now,
		       struct ks_set_store *next)
{
	struct ks_stored_set *set = &next->set[info->number];
	const struct ks_stored_set *old = set_find(store, info->name);

	*set = (struct ks_stored_set){ .fd = -1, .is_made = !old };
	snprintf(set->name, sizeof(set->name), "%s", info->name);
	if (!old || old->memory.pages < ks_member_pages(limit))
		return set_make(set, old, store, info, limit, now);
	set->memory = old->memory;
	set->fd = old->fd;
	set->is_shared = true;
	return 0;
}

int ks_set_store_prepare(const struct ks_set_store *store, const struct ks_policy *policy, __u64 now,
			 struct ks_set_store *next)
{
	int err = 0;

	ks_set_store_init(next, store->ops);
	next->count = policy->config.dynamics;
	for (size_t i = 0; !err && i < policy->set_info_count; i++) {
		const struct ks_set_info *info = &policy->set_infos[i];

		if (info->dynamic)
			err = set_prepare(store, info, policy->config.dynamic[info->number].limit, now, next);
	}
	if (err)
		ks_set_store_abandon(next);
	return err;
}

/* Fits a set to the policy that is in force now. `old` has its memory, or the one that was copied. */
static void set_commit(struct ks_stored_set *set, struct ks_stored_set *old, const struct ks_set_info *info,
		       __u32 limit, __u64 now)
{
	if (old && !set->is_shared) {
		set_copy(&old->memory, &set->memory, limit, now);
		counters_carry(&old->memory, &set->memory, now);
	}
	ks_members_follow(&set->memory, info, limit, now);
	if (old && set->is_shared)
		old->memory.pages = 0;
	set->is_shared = false;
}

void ks_set_store_commit(struct ks_set_store *store, struct ks_set_store *next, const struct ks_policy *policy,
			 __u64 now)
{
	for (size_t i = 0; i < policy->set_info_count; i++) {
		const struct ks_set_info *info = &policy->set_infos[i];

		if (info->dynamic)
			set_commit(&next->set[info->number], ks_set_store_find(store, info->name), info,
				   policy->config.dynamic[info->number].limit, now);
	}
	ks_set_store_fini(store);
	*store = *next;
	next->count = 0;
}

int ks_set_store_adopt(struct ks_set_store *store, const struct ks_policy *policy, __u64 now)
{
	struct ks_set_store next;
	int err = ks_set_store_prepare(store, policy, now, &next);

	if (!err)
		ks_set_store_commit(store, &next, policy, now);
	return err;
}

static int set_reset(const struct ks_stored_set *set, const struct ks_set_info *info, __u32 limit, __u64 now)
{
	long flushed = ks_members_flush(&set->memory, now);

	set->memory.page->head.evicted = set->memory.page->head.refused = 0;
	return flushed < 0 ? (int)flushed : ks_members_follow(&set->memory, info, limit, now);
}

int ks_set_store_reset(struct ks_set_store *store, const struct ks_policy *policy, __u64 now)
{
	int err = 0;

	for (size_t i = 0; !err && i < policy->set_info_count; i++) {
		const struct ks_set_info *info = &policy->set_infos[i];

		if (info->dynamic)
			err = set_reset(&store->set[info->number], info, policy->config.dynamic[info->number].limit,
					now);
	}
	return err;
}

void ks_engine_use_sets(struct ks_engine *engine, struct ks_set_store *store, const struct ks_policy *policy)
{
	memset(engine->members, 0, sizeof(engine->members));
	for (size_t i = 0; i < policy->set_info_count; i++) {
		const struct ks_set_info *info = &policy->set_infos[i];
		const struct ks_stored_set *set = info->dynamic ? ks_set_store_find(store, info->name) : NULL;

		if (set)
			engine->members[info->number] = set->memory;
	}
}
