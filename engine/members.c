/* SPDX-License-Identifier: BSD-2-Clause */
/* One run-time set, from outside of the core; see set_store.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/home.h"
#include "engine/internal.h"
#include "engine/set_store.h"
#include "policy/value.h"
#include "text/scoped.h"

int ks_members_init(const struct ks_member_memory *memory)
{
	struct ks_member_head *head = &memory->page->head;

	head->layout = KS_MEMBER_LAYOUT;
	head->buckets = memory->pages - 1;
	return getrandom(head->key, sizeof(head->key), 0) == sizeof(head->key) ? 0 : -errno;
}

bool ks_members_are_valid(const struct ks_member_memory *memory)
{
	return memory->pages > 1 && memory->page->head.layout == KS_MEMBER_LAYOUT &&
	       memory->page->head.buckets == memory->pages - 1;
}

static void slot_mend(struct ks_member_bucket *bucket, unsigned slot)
{
	static const struct timespec longer_than_a_program = { .tv_nsec = 1000000 };
	__u32 *version = &bucket->member[slot].version, held = ks_load_acquire(version);

	if (!(held & (KS_MEMBER_CLAIMED | 1)))
		return;
	nanosleep(&longer_than_a_program, NULL);
	if (ks_load_acquire(version) != held)
		return;
	if (held & 1) {
		ks_store_relaxed(&bucket->tag[slot], 0);
		ks_store_relaxed(&bucket->member[slot].family, 0);
	}
	ks_store_release(version, ((held | 1) + 1) & ~KS_MEMBER_CLAIMED);
}

void ks_members_mend(const struct ks_member_memory *memory)
{
	for (__u32 page = 1; page < memory->pages; page++) {
		for (unsigned slot = 0; slot < KS_MEMBER_SLOTS; slot++)
			slot_mend(&memory->page[page].bucket, slot);
	}
}

/* The core needs nothing else of a home for what it does with members: no table, no policy. */
int ks_members_open(const struct ks_member_memory *memory, __u64 now, const struct ks_dynamic *settings,
		    struct ks_engine **engine)
{
	struct ks_engine *made = calloc(1, sizeof(*made) + sizeof(struct ks_config));
	struct ks_config *config;

	if (!made)
		return -ENOMEM;
	config = (struct ks_config *)(made + 1);
	config->dynamic[0] = settings ? *settings : (struct ks_dynamic){ 0 };
	made->tables.config = config;
	made->members[0] = *memory;
	made->now = now;
	*engine = made;
	return 0;
}

/* Copies an entry. Returns false if the slot is empty, or being written. */
static bool member_read(const struct ks_member_bucket *bucket, unsigned slot, struct ks_member *member)
{
	const struct ks_member *shared = &bucket->member[slot];
	__u32 version = ks_load_acquire(&shared->version);

	if (version & 1 || !ks_load_relaxed(&bucket->tag[slot]))
		return false;
	ks_words_load(member, shared, sizeof(*member));
	ks_fence_acquire();
	return !((ks_load_relaxed(&shared->version) ^ version) & ~KS_MEMBER_CLAIMED) && member->family;
}

int ks_members_each_from(const struct ks_member_memory *memory, __u64 now, __u32 *page, __u32 pages, ks_member_fn *fn,
			 void *arg)
{
	__u32 end = memory->pages - *page < pages ? memory->pages : *page + pages;
	struct ks_member member;
	int result = 0;

	for (; !result && *page < end; ++*page) {
		for (unsigned slot = 0; !result && slot < KS_MEMBER_SLOTS; slot++) {
			if (member_read(&memory->page[*page].bucket, slot, &member) &&
			    (!member.expires || member.expires > now))
				result = fn(&member, arg);
		}
	}
	return result;
}

int ks_members_each(const struct ks_member_memory *memory, __u64 now, ks_member_fn *fn, void *arg)
{
	__u32 page = 1;

	return memory->pages ? ks_members_each_from(memory, now, &page, memory->pages, fn, arg) : 0;
}

static inline bool is_living(const struct ks_member *member, __u64 now)
{
	__u64 expires = ks_load_relaxed(&member->expires);

	return !expires || expires > now;
}

__u32 ks_members_living(const struct ks_member_memory *memory, __u64 now)
{
	__u32 count = 0;

	if (!ks_load_relaxed(&memory->page->head.count))
		return 0;
	for (__u32 page = 1; page < memory->pages; page++) {
		const struct ks_member_bucket *bucket = &memory->page[page].bucket;

		for (unsigned slot = 0; slot < KS_MEMBER_SLOTS; slot++)
			count += ks_load_relaxed(&bucket->tag[slot]) && is_living(&bucket->member[slot], now);
	}
	return count;
}

void ks_members_sweep(const struct ks_member_memory *memory, struct ks_engine *engine, __u64 now)
{
	for (__u32 page = 1; page < memory->pages; page++)
		ks_member_sweep(ks_engine_env(engine), 0, page, now);
}

void ks_member_entry_make(const struct ks_prefix *prefix, struct ks_member_entry *entry)
{
	*entry = (struct ks_member_entry){ .addr = prefix->addr, .family = prefix->family, .length = prefix->length };
}

static int member_drop(const struct ks_member *member, void *env)
{
	const struct ks_member_entry entry = { .addr = member->addr,
					       .family = member->family,
					       .length = member->length };

	ks_member_remove(env, &entry);
	return 0;
}

long ks_members_flush(const struct ks_member_memory *memory, __u64 now)
{
	ks_auto_engine struct ks_engine *engine = NULL;
	int err = ks_members_open(memory, now, NULL, &engine);
	__u32 before;

	if (err)
		return err;
	ks_members_sweep(memory, engine, now);
	before = ks_load_relaxed(&memory->page->head.count);
	ks_members_each(memory, 0, member_drop, ks_engine_env(engine));
	return before;
}

/* A search for an entry, by a walk through its two buckets: the core's own scan. */
struct ks_member *ks_members_get(const struct ks_member_memory *memory, const struct ks_prefix *prefix)
{
	struct ks_member_place place;

	ks_member_place(&memory->page->head, &prefix->addr, prefix->family, prefix->length, &place);
	for (unsigned n = 0; n < 2 * KS_MEMBER_SLOTS; n++) {
		struct ks_member_bucket *bucket = &memory->page[place.page[n / KS_MEMBER_SLOTS]].bucket;
		struct ks_member *member = &bucket->member[n % KS_MEMBER_SLOTS];

		if (bucket->tag[n % KS_MEMBER_SLOTS] && ks_addr_equal(&member->addr, &prefix->addr) &&
		    member->family == prefix->family && member->length == prefix->length)
			return member;
	}
	return NULL;
}

bool ks_members_have(const struct ks_member_memory *memory, const struct ks_prefix *prefix, __u64 now)
{
	const struct ks_member *member = ks_members_get(memory, prefix);

	return member && is_living(member, now);
}

/* --- the entries of the policy's text --- */

static int prefix_compare(const void *a, const void *b)
{
	const struct ks_prefix *first = a, *second = b;

	if (first->family != second->family || first->length != second->length)
		return first->family != second->family ? first->family - second->family
						       : first->length - second->length;
	return memcmp(&first->addr, &second->addr, sizeof(first->addr));
}

/* A set that follows the text. */
struct follow_ctx {
	struct ks_env *env;
	const struct ks_prefix *sorted;
	size_t count;
};

static int member_unfollow(const struct ks_member *member, void *arg)
{
	const struct follow_ctx *ctx = arg;
	const struct ks_prefix prefix = { .addr = member->addr, .family = member->family, .length = member->length };

	if (!(member->flags & KS_MEMBER_POLICY) ||
	    (ctx->count && bsearch(&prefix, ctx->sorted, ctx->count, sizeof(prefix), prefix_compare)))
		return 0;
	return member_drop(member, ctx->env);
}

int ks_members_follow(const struct ks_member_memory *memory, const struct ks_set_info *info, __u32 limit, __u64 now)
{
	ks_auto_free struct ks_prefix *sorted = malloc((info->initial_count + 1) * sizeof(*sorted));
	ks_auto_engine struct ks_engine *engine = NULL;
	struct follow_ctx ctx = { .sorted = sorted, .count = info->initial_count };
	struct ks_member_entry entry;
	int err = sorted ? ks_members_open(memory, now, NULL, &engine) : -ENOMEM;

	if (err)
		return err;
	ctx.env = ks_engine_env(engine);
	if (info->initial_count) {
		memcpy(sorted, info->initial, info->initial_count * sizeof(*sorted));
		qsort(sorted, info->initial_count, sizeof(*sorted), prefix_compare);
	}
	ks_members_each(memory, now, member_unfollow, &ctx);
	for (size_t i = 0; i < info->initial_count; i++) {
		ks_member_entry_make(&info->initial[i], &entry);
		entry.flags = KS_MEMBER_POLICY;
		entry.limit = limit;
		ks_member_add(ctx.env, &entry);
	}
	return 0;
}
