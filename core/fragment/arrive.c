// SPDX-License-Identifier: BSD-2-Clause
/* A fragment comes to its datagram; see fragment.h. */
#include "core/fragment/internal.h"
#include "core/checksum.h"
#include "core/link.h"

/* The first fragment is still to come: this one is held for it, if there is room. */
static inline __u32 fragment_hold(struct fragment_ctx *ctx, struct ks_record *d)
{
	if (!ctx->held) {
		if (d->held >= KS_DATAGRAM_HELD_MAX)
			return KS_REASON_FRAGMENT_EARLY;
		if (!ctx->insp->home.dry && !env_fragment_hold(ctx->env, ctx->insp, ctx->insp->side.hash))
			return KS_REASON_FRAGMENT_EARLY;
		ctx->held = 1;
	}
	d->held++;
	d->flags |= KS_DATAGRAM_HELD;
	return KS_REASON_OK_HELD;
}

/* Judges the fragment on the copy of its datagram. Returns OK_NEW if it passes, OK_HELD, or the reason of a drop. */
static ks_inline __u32 fragment_judge(struct fragment_ctx *ctx, struct ks_record *d)
{
	bool first = ctx->insp->pkt.frag_off == 0;
	__u32 reason;

	if (d->flags & KS_DATAGRAM_DEAD)
		return ctx->refused ? ctx->refused : KS_REASON_FRAGMENT_DEAD;
	if (ctx->refused) {
		datagram_kill(ctx, d);
		return ctx->refused;
	}
	if (d->flags & KS_DATAGRAM_COMPLETE) {
		if (!first)
			return KS_REASON_FRAGMENT_AGAIN;
		datagram_begin(ctx); /* the identification is used again */
	}
	reason = ks_datagram_add(d, &ctx->insp->pkt);
	if (reason == KS_REASON_FRAGMENT_AGAIN)
		return reason;
	if (reason) {
		datagram_kill(ctx, d);
		return reason;
	}
	reason = ctx->held ? KS_REASON_OK_HELD : KS_REASON_OK_NEW;
	if (!first && !(d->flags & KS_DATAGRAM_JUDGED))
		reason = fragment_hold(ctx, d);
	else if (!first && d->flags & KS_DATAGRAM_COMPLETE)
		datagram_settle(ctx, d);
	ctx->changed = ks_reason_is_pass(reason);
	return reason;
}

static long arrive_try(__u32 n, void *arg)
{
	struct fragment_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;

	ks_table_find(ctx->env, &insp->side);
	ctx->reason = KS_REASON_CONTENDED;
	ctx->changed = 0;
	if (insp->side.busy)
		return 0;
	if (insp->side.found)
		insp->side.after = insp->side.before;
	else
		datagram_begin(ctx);
	ctx->reason = fragment_judge(ctx, ks_record_after(&insp->side));
	if (insp->home.dry || !ctx->changed || datagram_store(ctx))
		return 1;
	ctx->reason = KS_REASON_CONTENDED;
	return 0;
}

/* The same for a fragment that was held and is noted already: it only needs the verdict. */
static long resumed_try(__u32 n, void *arg)
{
	struct fragment_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;
	const struct ks_record *d = ks_record_after(&insp->side);

	ks_table_find(ctx->env, &insp->side);
	ctx->reason = KS_REASON_CONTENDED;
	if (insp->side.busy)
		return 0;
	insp->side.after = insp->side.before;
	ctx->reason = KS_REASON_OK_NEW;
	/* If none was held, this one was not either: somebody else has put the mark on the packet. */
	if (!insp->side.found || !(d->flags & KS_DATAGRAM_JUDGED) || !(d->flags & KS_DATAGRAM_HELD))
		ctx->reason = KS_REASON_FRAGMENT_EARLY;
	else if (d->flags & KS_DATAGRAM_DEAD)
		ctx->reason = KS_REASON_FRAGMENT_DEAD;
	return 1;
}

/* A fragment is held. If the verdict came before it was noted, all that is held goes on at once. */
static void held_conclude(const struct fragment_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	const struct ks_record *d = ks_record_after(&insp->side);

	insp->verdict.action = KS_HOLD;
	insp->verdict.class = KS_CLASS_NONE;
	insp->verdict.reason = KS_REASON_OK_HELD;
	insp->stage = KS_STAGE_DONE;
	if (!insp->home.dry && d->flags & KS_DATAGRAM_JUDGED)
		held_decide(ctx, action_passes(d->datagram.action));
}

/* A first fragment is judged like any packet, also by the protection of its zone. */
static void first_begin(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);

	insp->frag.progress = KS_FRAGMENT_FIRST;
	if (config)
		ks_first_stage(env, config, insp);
}

/* Not inlined: its frame ends before that of a first fragment which comes back (V2). */
static __attribute__((noinline)) void fragment_arrive(struct ks_env *env, struct ks_inspection *insp)
{
	struct fragment_ctx ctx;

	fragment_ctx_init(&ctx, env, insp, false);
	ctx.refused = insp->verdict.reason;
	if (insp->home.resumed && !ctx.refused)
		fragment_try(&ctx, resumed_try);
	else
		fragment_try(&ctx, arrive_try);
	if (ctx.reason == KS_REASON_OK_HELD) {
		held_conclude(&ctx);
	} else if (ctx.reason != KS_REASON_OK_NEW) {
		if (ctx.changed && ks_record_after(&insp->side)->held && !insp->home.dry)
			held_decide(&ctx, false);
		fragment_deny(insp, ctx.refused ? ctx.refused : ctx.reason);
	} else if (insp->pkt.frag_off == 0) {
		first_begin(env, insp);
	} else {
		ks_fragment_follow_first(&ctx);
	}
}

void ks_stage_fragment(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	if (insp->frag.progress == KS_FRAGMENT_JUDGED)
		ks_fragment_conclude_first(env, insp);
	else
		fragment_arrive(env, insp);
}
