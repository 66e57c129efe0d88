/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by arrive.c, verdict.c and egress.c: a fragment in hand, and the record of its datagram in insp->side. */
#ifndef KS_CORE_FRAGMENT_INTERNAL_H
#define KS_CORE_FRAGMENT_INTERNAL_H

#include "core/env.h"
#include "core/fragment/fragment.h"
#include "core/home.h"
#include "core/table/datagram.h"
#include "core/table/table.h"

#define FRAGMENT_TRIES 8 /* commits that other CPUs may get ahead of */
#define COMPLETE_MS 1000U /* how long a complete datagram is remembered if some of it were held */

/* In a key's link, beside the zone that the datagram comes from. */
#define LINK_EGRESS 0x100 /* on its way out, under the addresses that its translation gave it */
#define LINK_SECOND_LOOK 0x200 /* judged once more where it leaves, because ingress could not decide */
_Static_assert(KS_ZONE_MAX <= LINK_EGRESS, "a zone leaves room in a key");

/* A fragment in hand. The fields from `flow` on are taken from its datagram's record, or given to it. */
struct fragment_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const struct ks_config *config;
	__u32 reason;
	__u32 refused; /* why the parser refused it, or 0 */
	__u32 flow, tag, seq; /* as in struct ks_datagram: copied, because insp->side is needed for aliases */
	__u8 flags; /* KS_DATAGRAM_* */
	__u8 changed; /* 1: the copy is to be committed */
	__u8 held; /* fragments that the home holds: this one, or those that waited for it */
	__u8 counts; /* 1: its flow counts it */
	__u8 announced; /* further records that were made (verdict.c) */
};

static inline void datagram_key_make(struct ks_inspection *insp, bool at_egress)
{
	__u32 link = insp->home.from | (at_egress ? LINK_EGRESS : 0) | (ks_is_second_look(insp) ? LINK_SECOND_LOOK : 0);

	ks_datagram_key_make(&insp->side.key, &insp->pkt.tuple, insp->pkt.frag_id, KS_KIND_FRAGMENT, (__u16)link);
}

static inline void fragment_ctx_init(struct fragment_ctx *ctx, struct ks_env *env, struct ks_inspection *insp,
				     bool at_egress)
{
	ctx->env = env;
	ctx->insp = insp;
	ctx->config = env_config(env);
	ctx->reason = KS_REASON_INTERNAL;
	ctx->refused = 0;
	ctx->flow = 0;
	ctx->tag = 0;
	ctx->seq = insp->pkt.frag_least;
	ctx->flags = 0;
	ctx->changed = 0;
	ctx->held = 0;
	ctx->counts = !at_egress;
	datagram_key_make(insp, at_egress);
	ks_table_hash(env, &insp->side);
}

/*
 * Tries until one returns nonzero: it came to a verdict. Returns the reason, as a number that old verifiers do not take for that of
 * the first round (V7).
 */
static ks_inline __u32 fragment_try(struct fragment_ctx *ctx, long (*try)(__u32 n, void *arg))
{
	if (ctx->config)
		ks_loop(FRAGMENT_TRIES, try, ctx);
	return (__u32)ks_hide_value(ctx->reason, ctx->insp->side.hash);
}

static inline void fragment_deny(struct ks_inspection *insp, __u32 reason)
{
	insp->verdict.action = KS_DENY;
	insp->verdict.class = KS_CLASS_INVALID;
	insp->verdict.reason = (__u8)reason;
	insp->translate = 0;
	insp->stage = KS_STAGE_DONE;
}

/* The verdict stands; if the fragment passes, its bytes may have to be changed. */
static inline void fragment_conclude(const struct fragment_ctx *ctx)
{
	ks_fragment_conclude(ctx->insp, ctx->config);
}

static inline bool action_passes(__u32 action)
{
	return action == KS_ALLOW || action == KS_BYPASS;
}

/* The copy of the record becomes that of a datagram of which nothing has come. */
static inline void datagram_begin(struct fragment_ctx *ctx)
{
	struct ks_record *d = ks_record_after(&ctx->insp->side);

	ctx->insp->side.after = (struct ks_flow){};
	d->state = KS_STATE_FRAGMENTS;
	d->seen = ctx->insp->side.clock;
	d->timeout = KS_MIN(ctx->config->timeout[KS_STATE_FRAGMENTS], KS_FRAGMENT_HOLD_MS);
}

/* Its remaining time begins: short if nothing more can come. */
static inline void datagram_settle(struct fragment_ctx *ctx, struct ks_record *d)
{
	__u32 timeout = ctx->config->timeout[KS_STATE_FRAGMENTS];

	d->seen = ctx->insp->side.clock;
	d->timeout = d->flags & KS_DATAGRAM_COMPLETE ? KS_MIN(timeout, COMPLETE_MS) : timeout;
}

static inline void datagram_kill(struct fragment_ctx *ctx, struct ks_record *d)
{
	d->flags = (__u8)((d->flags & ~KS_DATAGRAM_COMPLETE) | KS_DATAGRAM_DEAD);
	datagram_settle(ctx, d);
	ctx->changed = 1;
}

/* Commits the copy, or inserts it. Returns false if the fragment is to be judged again. */
static ks_inline bool datagram_store(struct fragment_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	__u32 reason;

	if (insp->side.found)
		return ks_table_commit(ctx->env, &insp->side);
	reason = ks_table_admit(ctx->env, &insp->side);
	if (reason == KS_REASON_CONTENDED)
		return false;
	if (reason != KS_REASON_OK_NEW)
		ctx->reason = KS_REASON_FRAGMENT_LIMIT;
	return true;
}

/* Gives the verdict of the first fragment to the record, for the others. */
static inline void verdict_give(struct fragment_ctx *ctx, struct ks_record *d)
{
	struct ks_inspection *insp = ctx->insp;

	d->flags = (d->flags & (KS_DATAGRAM_DEAD | KS_DATAGRAM_COMPLETE | KS_DATAGRAM_HELD)) | ctx->flags;
	d->datagram.action = insp->verdict.action;
	d->datagram.reason = insp->verdict.reason;
	d->datagram.class = insp->verdict.class;
	d->datagram.rule = (__u16)insp->verdict.rule;
	d->datagram.flow = ctx->flow;
	d->datagram.tag = ctx->tag;
	d->datagram.seq = ctx->seq;
	datagram_settle(ctx, d);
}

/* Releases what is held of the datagram, or forgets it. Returns false if that has damaged the packet in hand. */
static inline bool held_decide(const struct fragment_ctx *ctx, bool pass)
{
	if (pass)
		return env_fragment_release(ctx->env, ctx->insp, ctx->insp->side.hash);
	env_fragment_forget(ctx->env, ctx->insp->side.hash);
	return true;
}

/* Fills in what the others must know of the first fragment's flow, insp->flow (verdict.c). */
void ks_fragment_note_flow(struct fragment_ctx *ctx);

/* A first fragment has its verdict: gives it to the others (verdict.c). */
void ks_fragment_conclude_first(struct ks_env *env, struct ks_inspection *insp);

/* A later fragment takes the verdict, the translation and the flow of its datagram, whose record was found (verdict.c). */
void ks_fragment_follow_first(struct fragment_ctx *ctx);

#endif
