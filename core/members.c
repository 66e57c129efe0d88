// SPDX-License-Identifier: BSD-2-Clause
/* Run-time sets: finding entries, and counting packets with them; see members.h. Only packets that ask the rules come here. */
#include "core/members_internal.h"

/* Of a search: for each set its head, its words, its lengths. */
#define SEARCH_STEPS_MAX (KS_DYNAMIC_MAX * (1 + KS_MEMBER_WORDS + KS_MEMBER_LENGTHS))

void ks_member_place(const struct ks_member_head *head, const struct ks_addr *addr, __u8 family, __u8 length,
		     struct ks_member_place *place)
{
	place_find(addr, family, length, head->key, head->buckets, place);
}

/* --- finding --- */

/* A search, whose state is the caller's memory: of that the verifier follows no numbers. */
struct search_ctx {
	struct ks_env *env;
	struct ks_member_search *search;
	__u64 now;
};

/* Returns true if the slot has this living entry. One that is being written is absent. */
static ks_inline bool member_lives(const struct ks_member *member, const struct ks_addr *addr, __u32 family,
				   __u32 length, __u64 now)
{
	__u32 version = ks_load_acquire(&member->version);
	__u64 expires;

	if (version & 1 || !prefix_equal(member, addr, family, length))
		return false;
	expires = ks_load_relaxed(&member->expires);
	ks_fence_acquire();
	return !is_over(expires, now) && !((ks_load_relaxed(&member->version) ^ version) & ~KS_MEMBER_CLAIMED);
}

static ks_inline bool page_search(struct search_ctx *ctx, __u32 page, __u16 tag, const struct ks_addr *addr,
				  __u32 length)
{
	struct ks_member_search *search = ctx->search;
	const struct ks_member_page *memory = env_member_page(ctx->env, search->set, page);

	if (!memory)
		return false;
	for (__u32 i = 0; i < KS_MEMBER_SLOTS; i++) {
		if (ks_load_hint(&memory->bucket.tag[i]) != tag ||
		    !member_lives(&memory->bucket.member[i], addr, search->family, length, ctx->now))
			continue;
		search->page = page;
		search->slot = i;
		return true;
	}
	return false;
}

/* Takes the next set, if there is one. Returns true if there is none. */
static ks_inline bool search_next_set(struct ks_member_search *search)
{
	if (!search->sets)
		return true;
	search->set = (__u32)__builtin_ctzll(search->sets) & SET_MASK;
	search->sets &= search->sets - 1;
	search->word = search->family == KS_IPV4 ? 1 : KS_MEMBER_WORDS;
	return false;
}

/* Takes the next word of lengths, or the next set. Returns true when the search is over. */
static ks_inline bool search_next(struct search_ctx *ctx)
{
	struct ks_member_search *search = ctx->search;
	const struct ks_member_page *page;
	__u32 first = search->family == KS_IPV4 ? 0 : 1;

	if (search->word <= first)
		return search_next_set(search);
	search->word--;
	page = env_member_page(ctx->env, search->set, 0);
	if (page)
		search->lengths = ks_load_relaxed(&page->head.lengths[search->word & (KS_MEMBER_WORDS - 1)]);
	return false;
}

/* Looks for the prefix of the longest length that is left, or takes more lengths. */
static long search_step(__u32 n, void *arg)
{
	struct search_ctx *ctx = arg;
	struct ks_member_search *search = ctx->search;
	const struct ks_member_page *head;
	struct ks_member_place place;
	struct ks_addr addr;
	__u32 bit, length;

	if (!search->lengths)
		return search_next(ctx);
	head = env_member_page(ctx->env, search->set, 0);
	if (!head)
		return 1;
	bit = LENGTH_BIT_MASK - (__u32)__builtin_clzll(search->lengths);
	search->lengths &= ~(1ULL << (bit & LENGTH_BIT_MASK));
	length = search->word ? (search->word - 1) * 64 + bit : bit;
	addr = search->addr;
	ks_addr_mask(&addr, search->family, length);
	place_find(&addr, search->family, length, head->head.key, head->head.buckets, &place);
	return page_search(ctx, place.page[0], place.tag, &addr, length) ||
	       page_search(ctx, place.page[1], place.tag, &addr, length);
}

ks_isolated __u32 ks_member_find_isolated(struct ks_env *env, struct ks_member_search *search)
{
	struct search_ctx ctx = { .env = env, .search = search };

	if (!env || !search)
		return 0;
	ks_hide_bound(env);
	ks_hide_bound(search);
	ctx.env = env;
	ctx.search = search;
	ctx.now = env_now(env);
	search->lengths = 0;
	search->word = 0;
	search->page = 0;
	ks_loop(SEARCH_STEPS_MAX, search_step, &ctx);
	return search->page != 0;
}

/* Returns the entry that a search has found, NULL if there is none. */
static ks_inline struct ks_member *member_at(struct ks_env *env, const struct ks_member_search *search)
{
	struct ks_member_page *page = env_member_page(env, search->set & SET_MASK, search->page);

	return page ? &page->bucket.member[search->slot & PAGE_SLOT_MASK] : NULL;
}

__u32 ks_sets_flags(struct ks_env *env, __u64 sets, const struct ks_addr *addr, __u8 family)
{
	struct ks_member_search search = { .addr = *addr, .sets = sets, .family = family };
	const struct ks_member *member;

	if (!ks_member_find_isolated(env, &search))
		return 0;
	member = member_at(env, &search);
	return member ? ks_load_relaxed(&member->flags) : 0;
}

/* Counts a packet with the entry of a set of the policy that has the address. */
static ks_inline void count_one(struct ks_env *env, __u32 index, const struct ks_addr *addr, __u8 family, __u32 bytes)
{
	const struct ks_set *set = index == KS_SET_ANY ? NULL : env_set(env, index);
	struct ks_member_search search = { .addr = *addr, .family = family };
	struct ks_member *member;

	if (!set || !set->dynamic)
		return;
	search.sets = set->dynamic;
	if (!ks_member_find_isolated(env_isolated(env), &search))
		return;
	member = member_at(env, &search);
	if (!member)
		return;
	ks_fetch_add(&member->packets, 1);
	ks_fetch_add(&member->bytes, bytes);
}

void ks_members_count(struct ks_env *env, const struct ks_tuple *tuple, __u32 index, __u32 bytes)
{
	const struct ks_rule *rule = env_rule(env, index);
	__u32 src, dst;

	if (!rule)
		return;
	src = rule->src_set;
	dst = rule->dst_set;
	count_one(env, src, &tuple->src, tuple->family, bytes);
	count_one(env, dst, &tuple->dst, tuple->family, bytes);
}
