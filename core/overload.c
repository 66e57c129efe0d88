// SPDX-License-Identifier: BSD-2-Clause
/* Sources that exceed limits come into sets, and their flows end; see overload.h. */
#include "core/overload.h"

#include "core/env.h"
#include "core/home.h"
#include "core/members.h"
#include "core/table/internal.h"

/* Counts an entry whose flows end, behind its insertion: an atomic addition is a barrier. */
static ks_inline void ending_note(struct ks_env *env, __u32 set)
{
	struct ks_member_page *page = env_member_page(env, set, 0);

	if (page)
		ks_fetch_add(&page->head.ending, 1);
}

void ks_overload(struct ks_env *env, const struct ks_limit *limit, const struct ks_flow_key *flow, __u32 high)
{
	struct ks_member_entry entry = {
		.set = (limit->overload - 1U) & (KS_DYNAMIC_MAX - 1),
		.family = (__u8)flow->family,
		.length = flow->family == KS_IPV4 ? limit->bits[0] : limit->bits[1],
		.flags = KS_MEMBER_LIMIT | (limit->ends ? KS_MEMBER_END : 0),
		.by_packet = 1,
	};
	__u32 result;

	if (high)
		entry.addr = flow->addr[1];
	else
		entry.addr = flow->addr[0];
	ks_set_complete(env, &entry, limit->hold);
	result = ks_member_add(env, &entry);
	if (limit->ends && (result == KS_MEMBER_ADDED || result == KS_MEMBER_RENEWED))
		ending_note(env, entry.set);
}

/* --- ending flows --- */

void ks_overload_note(struct ks_overload_round *round, __u32 set, __u32 ending)
{
	if (!ending)
		return;
	round->sets |= 1ULL << (set & (KS_DYNAMIC_MAX - 1));
	round->ending += ending;
}

struct end_ctx {
	struct ks_env *env;
	struct ks_entry *e;
	__u64 sets;
	__u32 bucket, zero;
};

/* Copies the key of a slot, if that has a flow. A torn copy names none. */
static ks_inline bool key_read(struct end_ctx *ctx, __u32 i)
{
	const struct ks_tags *tags = tags_get(ctx->env, ctx->bucket);
	const struct ks_bucket *bucket;
	const struct ks_slot *slot;

	if (!tags || !ks_load_hint(&tags->tag[i]))
		return false;
	bucket = env_bucket(ctx->env, ctx->bucket);
	if (!bucket)
		return false;
	slot = &bucket->slot[i];
	ks_words_load(&ctx->e->key, &slot->key, sizeof(ctx->e->key));
	return entry_is_flow(ctx->e->key.kind, ks_load_hint(&slot->flow.state));
}

static ks_inline bool end_is_marked(struct end_ctx *ctx, const struct ks_addr *addr)
{
	return ks_sets_flags(env_isolated(ctx->env), ctx->sets, addr, (__u8)ctx->e->key.family) & KS_MEMBER_END;
}

static long end_slot(__u32 n, void *arg)
{
	struct end_ctx *ctx = arg;

	if (key_read(ctx, n & KS_BUCKET_SLOT_MASK) &&
	    (end_is_marked(ctx, &ctx->e->key.addr[0]) || end_is_marked(ctx, &ctx->e->key.addr[1])))
		ks_table_kill(ctx->env, ctx->e, KS_END_OVERLOAD);
	return 0;
}

void ks_overload_end(struct ks_env *env, struct ks_entry *e, __u32 bucket, __u64 sets)
{
	struct end_ctx ctx = { .env = env, .e = e, .sets = sets, .bucket = bucket };

	ks_loop(KS_BUCKET_SLOTS, end_slot, &ctx);
}
