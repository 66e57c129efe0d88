// SPDX-License-Identifier: BSD-2-Clause
/* Run-time sets: adding, removing and sweeping entries; see members.h for the life cycle and the claims. */
#include "core/members_internal.h"

#define IPV4_LENGTHS 33U
#define ADD_TRIES 8 /* that other CPUs may be first at */

/* --- accounts --- */

static ks_inline __u32 length_index(__u32 family, __u32 length)
{
	return family == KS_IPV4 ? length : IPV4_LENGTHS + length;
}

/*
 * A length is in use as long as it has entries. Who counts the last one down clears the bit, and sets it again if another
 * CPU has counted up meanwhile; who counts up sets it. So none is lost, whoever comes first.
 */
static ks_inline void length_account(struct ks_member_head *head, __u32 family, __u32 length, __s32 change)
{
	__u32 index = length_index(family, length);
	__u64 *word = &head->lengths[ks_member_length_word(family, length) & (KS_MEMBER_WORDS - 1)];
	__u64 bit = 1ULL << (length & LENGTH_BIT_MASK);
	__u32 before;

	ks_hide_bound(index);
	if (index >= KS_MEMBER_LENGTHS)
		return;
	before = ks_fetch_add(&head->length_count[index], (__u32)change);
	if (change > 0) {
		if (!(ks_load_relaxed(word) & bit))
			ks_fetch_or(word, bit);
		return;
	}
	if (before != 1)
		return;
	ks_fetch_and(word, ~bit);
	if (ks_load_relaxed(&head->length_count[index]))
		ks_fetch_or(word, bit);
}

static ks_inline bool member_claim(struct ks_member *member, __u32 version)
{
	return !(version & (KS_MEMBER_CLAIMED | 1)) &&
	       ks_cmpxchg(&member->version, version, version | KS_MEMBER_CLAIMED) == version;
}

/* The same entry is there, perhaps for longer. */
static ks_inline void member_release(struct ks_member *member, __u32 version)
{
	ks_store_release(&member->version, version);
}

/* From here on readers find no entry in a slot that is claimed. The exchange keeps what is written behind it behind it. */
static ks_inline void member_hide(struct ks_member *member, __u32 version)
{
	__u32 claimed = version | KS_MEMBER_CLAIMED;

	ks_cmpxchg(&member->version, claimed, claimed | 1);
}

/* Another entry is there, or none. */
static ks_inline void member_show(struct ks_member *member, __u32 version)
{
	ks_store_release(&member->version, (version + 2) & ~KS_MEMBER_CLAIMED);
}

/* Ends the entry in a slot that is claimed, and leaves the slot empty. */
static ks_inline void member_end(struct ks_member_head *head, struct ks_member_bucket *bucket, __u32 slot)
{
	struct ks_member *member = &bucket->member[slot];

	ks_store_relaxed(&bucket->tag[slot], 0);
	length_account(head, member->family, member->length, -1);
	ks_store_relaxed(&member->family, 0);
	ks_fetch_add(&head->count, (__u32)-1);
}

/* --- adding --- */

#define NOWHERE 0xffffffffU

/* An entry being added, and what was seen in its two buckets. Slots are counted over both: 0 to 31. */
struct add_ctx {
	struct ks_env *env;
	struct ks_addr addr; /* masked */
	__u64 now, expires;
	__u64 first_end; /* of the entry at `first` */
	struct ks_member_place place;
	__u32 set, limit, family, length, flags, by_packet;
	__u32 same; /* slot of an entry of this prefix, living or not, NOWHERE without one */
	__u32 skip; /* a slot that is not looked at */
	__u32 first; /* the entry that expires first */
	__u32 free[2]; /* a slot of each bucket that is free or whose entry has expired */
	__u32 used[2]; /* slots of each bucket that are taken */
	__u32 over; /* 1: the set is full */
	__u32 result; /* enum ks_member_added */
};

_Static_assert(__builtin_offsetof(struct add_ctx, free) % 8 == 0 && __builtin_offsetof(struct add_ctx, used) % 8 == 0,
	       "by a number an array on the stack is written as whole words (V16)");

static ks_inline struct ks_member_bucket *bucket_of(struct add_ctx *ctx, __u32 slot)
{
	struct ks_member_page *page = env_member_page(ctx->env, ctx->set, ctx->place.page[slot / KS_MEMBER_SLOTS & 1]);

	return page ? &page->bucket : NULL;
}

/* Looks at one slot. */
static long scan_step(__u32 n, void *arg)
{
	struct add_ctx *ctx = arg;
	__u32 which = n / KS_MEMBER_SLOTS & 1, slot = n & PAGE_SLOT_MASK;
	struct ks_member_bucket *bucket = bucket_of(ctx, n);
	const struct ks_member *member;
	__u64 expires;
	__u16 tag;

	if (!bucket)
		return 1;
	if (n == ctx->skip || (which && ctx->place.page[0] == ctx->place.page[1]))
		return 0;
	member = &bucket->member[slot];
	tag = ks_load_relaxed(&bucket->tag[slot]);
	expires = ks_load_relaxed(&member->expires);
	if (tag == ctx->place.tag && ctx->same == NOWHERE && prefix_equal(member, &ctx->addr, ctx->family, ctx->length))
		ctx->same = n;
	if (!tag || is_over(expires, ctx->now)) {
		ctx->free[which] = n;
		return 0;
	}
	ctx->used[which]++;
	if (expires && expires < ctx->first_end) {
		ctx->first_end = expires;
		ctx->first = n;
	}
	return 0;
}

static ks_inline void buckets_scan(struct add_ctx *ctx, __u32 skip)
{
	ctx->same = (__u32)ks_hide_value(NOWHERE, ctx->now);
	ctx->free[0] = (__u32)ks_hide_value(NOWHERE, ctx->now);
	ctx->free[1] = (__u32)ks_hide_value(NOWHERE, ctx->now);
	ctx->first = (__u32)ks_hide_value(NOWHERE, ctx->now);
	ctx->first_end = ks_hide_value(~0ULL, ctx->now);
	ctx->used[0] = (__u32)ks_hide_value(0, ctx->now);
	ctx->used[1] = (__u32)ks_hide_value(0, ctx->now);
	ctx->skip = skip;
	ks_loop(2 * KS_MEMBER_SLOTS, scan_step, ctx);
}

/*
 * Gives the entry that is there its new end; one of the policy's text has none, and gets none. Returns true if it was done.
 */
static ks_inline bool member_renew(struct add_ctx *ctx)
{
	struct ks_member_bucket *bucket = bucket_of(ctx, ctx->same);
	struct ks_member *member;
	__u32 version;
	bool stays;

	if (!bucket)
		return false;
	member = &bucket->member[ctx->same & PAGE_SLOT_MASK];
	version = ks_load_acquire(&member->version);
	if (!member_claim(member, version))
		return false;
	if (!prefix_equal(member, &ctx->addr, ctx->family, ctx->length)) {
		member_release(member, version);
		return false;
	}
	ctx->result = is_over(member->expires, ctx->now) ? KS_MEMBER_ADDED : KS_MEMBER_RENEWED;
	stays = ctx->by_packet ? !is_over(member->expires, ctx->now) &&
					 (!member->expires || (ctx->expires && member->expires > ctx->expires))
			       : member->flags & KS_MEMBER_POLICY && !member->expires;
	if (ctx->result == KS_MEMBER_ADDED) {
		ks_store_relaxed(&member->packets, 0);
		ks_store_relaxed(&member->bytes, 0);
	}
	if (!stays)
		ks_store_relaxed(&member->expires, ctx->expires);
	ks_store_relaxed(&member->flags,
			 (__u8)(ctx->result == KS_MEMBER_ADDED ? ctx->flags : member->flags | ctx->flags));
	member_release(member, version);
	return true;
}

/* The slot for a new entry: a free one of the emptier bucket; in a full set, for a packet, that of the one that expires first. */
static ks_inline __u32 slot_choose(const struct add_ctx *ctx)
{
	__u32 better = ctx->used[1] < ctx->used[0], slot;

	if (ctx->over)
		return ctx->by_packet ? ctx->first : NOWHERE;
	slot = better ? ctx->free[1] : ctx->free[0];
	if (slot == NOWHERE)
		slot = better ? ctx->free[0] : ctx->free[1];
	return slot == NOWHERE && ctx->by_packet ? ctx->first : slot;
}

static ks_inline void member_write(struct add_ctx *ctx, struct ks_member *member)
{
	ks_store_relaxed(&member->addr.d[0], ctx->addr.d[0]);
	ks_store_relaxed(&member->addr.d[1], ctx->addr.d[1]);
	ks_store_relaxed(&member->family, (__u8)ctx->family);
	ks_store_relaxed(&member->length, (__u8)ctx->length);
	ks_store_relaxed(&member->flags, (__u8)ctx->flags);
	ks_store_relaxed(&member->expires, ctx->expires);
	ks_store_relaxed(&member->packets, 0);
	ks_store_relaxed(&member->bytes, 0);
}

/* Makes a slot that is claimed ours: its entry, if it has one, ends. Returns false if the set is full. */
static ks_inline bool slot_take(struct add_ctx *ctx, struct ks_member_head *head, struct ks_member_bucket *bucket,
				__u32 slot)
{
	struct ks_member *member = &bucket->member[slot];

	if (bucket->tag[slot]) {
		if (!is_over(member->expires, ctx->now))
			ks_fetch_add(&head->evicted, 1);
		member_end(head, bucket, slot);
	}
	if (ks_fetch_add(&head->count, 1U) < ctx->limit)
		return true;
	ks_fetch_add(&head->count, (__u32)-1);
	return false;
}

/* Puts the entry into the slot if that still has what was seen there. Returns true if it did. */
static ks_inline bool member_insert(struct add_ctx *ctx, struct ks_member_head *head, __u32 n)
{
	struct ks_member_bucket *bucket = bucket_of(ctx, n);
	__u32 slot = n & PAGE_SLOT_MASK, version;
	struct ks_member *member;
	bool evicts = n == ctx->first;

	if (!bucket)
		return false;
	member = &bucket->member[slot];
	version = ks_load_acquire(&member->version);
	if (!member_claim(member, version))
		return false;
	if (evicts ? member->expires != ctx->first_end : bucket->tag[slot] && !is_over(member->expires, ctx->now)) {
		member_release(member, version);
		return false;
	}
	member_hide(member, version);
	ctx->over = !slot_take(ctx, head, bucket, slot);
	if (!ctx->over) {
		length_account(head, ctx->family, ctx->length, 1);
		member_write(ctx, member);
		ks_store_relaxed(&bucket->tag[slot], ctx->place.tag);
	}
	member_show(member, version);
	return !ctx->over;
}

/* Frees a slot if it has this entry. Returns true if it had. */
static ks_inline bool member_free(struct add_ctx *ctx, struct ks_member_head *head, __u32 n)
{
	struct ks_member_bucket *bucket = bucket_of(ctx, n);
	__u32 slot = n & PAGE_SLOT_MASK, version;
	struct ks_member *member;
	bool is;

	if (!bucket)
		return false;
	member = &bucket->member[slot];
	version = ks_load_acquire(&member->version);
	if (!member_claim(member, version))
		return false;
	is = bucket->tag[slot] && prefix_equal(member, &ctx->addr, ctx->family, ctx->length);
	if (!is) {
		member_release(member, version);
		return false;
	}
	member_hide(member, version);
	member_end(head, bucket, slot);
	member_show(member, version);
	return true;
}

/* Of two entries of one prefix that two CPUs have just inserted, the one in the later slot goes. */
static ks_inline void duplicate_resolve(struct add_ctx *ctx, struct ks_member_head *head, __u32 own)
{
	ks_fetch_add(&head->count, 0U); /* a barrier: another CPU that inserted before it is seen, or sees ours */
	buckets_scan(ctx, own);
	if (ctx->same != NOWHERE && ctx->same < own)
		member_free(ctx, head, own);
}

/* One try to add. Returns nonzero when ctx->result stands. */
static long add_step(__u32 n, void *arg)
{
	struct add_ctx *ctx = arg;
	struct ks_member_page *page = env_member_page(ctx->env, ctx->set, 0);
	__u32 slot;

	if (!page)
		return 1;
	buckets_scan(ctx, NOWHERE);
	if (ctx->same != NOWHERE)
		return member_renew(ctx);
	slot = slot_choose(ctx);
	if (slot == NOWHERE) {
		ctx->result = ctx->over ? KS_MEMBER_FULL : KS_MEMBER_NO_ROOM;
		if (ctx->by_packet)
			ks_fetch_add(&page->head.refused, 1);
		return 1;
	}
	if (!member_insert(ctx, &page->head, slot))
		return 0;
	ctx->result = KS_MEMBER_ADDED;
	duplicate_resolve(ctx, &page->head, slot);
	return 1;
}

/* Fills in where the entry belongs. Returns false if the set is none. */
static ks_inline bool add_begin(struct add_ctx *ctx, const struct ks_member_entry *entry)
{
	const struct ks_member_page *page;

	ctx->set = entry->set & SET_MASK;
	ctx->limit = entry->limit;
	ctx->addr = entry->addr;
	ctx->family = entry->family;
	ctx->length = entry->length;
	ctx->flags = entry->flags;
	ctx->by_packet = entry->by_packet;
	ctx->expires = entry->expires;
	ctx->now = env_now(ctx->env);
	ctx->over = (__u32)ks_hide_value(0, ctx->now); /* (V7) */
	ctx->result = KS_MEMBER_CONTENDED;
	page = env_member_page(ctx->env, ctx->set, 0);
	if (!page)
		return false;
	ks_addr_mask(&ctx->addr, ctx->family, ctx->length);
	place_find(&ctx->addr, ctx->family, ctx->length, page->head.key, page->head.buckets, &ctx->place);
	return true;
}

ks_isolated __u32 ks_member_add_isolated(struct ks_env *env, const struct ks_member_entry *entry)
{
	struct add_ctx ctx = {};

	if (!env || !entry)
		return KS_MEMBER_CONTENDED;
	ks_hide_bound(env);
	ks_hide_bound(entry);
	ctx.env = env;
	if (add_begin(&ctx, entry))
		ks_loop(ADD_TRIES, add_step, &ctx);
	return ctx.result;
}

void ks_set_complete(struct ks_env *env, struct ks_member_entry *entry, __u64 ms)
{
	const struct ks_config *config = env_config(env);
	const struct ks_dynamic *dynamic = config ? &config->dynamic[entry->set & SET_MASK] : NULL;

	entry->limit = dynamic ? ks_load_relaxed(&dynamic->limit) : 0;
	if (!ms && dynamic)
		ms = dynamic->timeout;
	entry->expires = ms ? env_now(env) + ms * KS_NSEC_PER_MSEC : 0;
}

/* --- removing, sweeping --- */

bool ks_member_remove(struct ks_env *env, const struct ks_member_entry *entry)
{
	struct add_ctx ctx = { .env = env };
	struct ks_member_page *page;
	bool removed = false;

	if (!add_begin(&ctx, entry))
		return false;
	page = env_member_page(env, ctx.set, 0);
	for (__u32 i = 0; page && i < ADD_TRIES; i++) {
		buckets_scan(&ctx, NOWHERE);
		if (ctx.same == NOWHERE)
			break;
		removed |= member_free(&ctx, &page->head, ctx.same);
	}
	return removed;
}

/* A sweep of one page. */
struct sweep_ctx {
	struct ks_env *env;
	__u64 now;
	__u32 set, page, freed;
};

static long sweep_slot(__u32 n, void *arg)
{
	struct sweep_ctx *ctx = arg;
	struct ks_member_page *head = env_member_page(ctx->env, ctx->set, 0);
	struct ks_member_page *page = env_member_page(ctx->env, ctx->set, ctx->page);
	__u32 slot = n & PAGE_SLOT_MASK, version;
	struct ks_member *member;

	if (!head || !page)
		return 1;
	member = &page->bucket.member[slot];
	if (!ks_load_hint(&page->bucket.tag[slot]) || !is_over(ks_load_relaxed(&member->expires), ctx->now))
		return 0;
	version = ks_load_acquire(&member->version);
	if (!member_claim(member, version))
		return 0;
	if (!page->bucket.tag[slot] || !is_over(member->expires, ctx->now)) {
		member_release(member, version);
		return 0;
	}
	member_hide(member, version);
	member_end(&head->head, &page->bucket, slot);
	member_show(member, version);
	ctx->freed++;
	return 0;
}

__u32 ks_member_sweep(struct ks_env *env, __u32 set, __u32 page, __u64 now)
{
	struct sweep_ctx ctx = { .env = env, .now = now, .set = set & SET_MASK, .page = page };

	ks_loop(KS_MEMBER_SLOTS, sweep_slot, &ctx);
	return ctx.freed;
}
