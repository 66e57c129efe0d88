// SPDX-License-Identifier: BSD-2-Clause
/* The verdict of a first fragment: how it comes into the datagram's record, and how later fragments take it; see fragment.h. */
#include "core/fragment/internal.h"
#include "core/judge.h"
#include "core/nat/alias.h"

enum { ANNOUNCE_EGRESS, ANNOUNCE_SENT, ANNOUNCE_HALFWAY, ANNOUNCE_MAX };

/* --- the first fragment gives it --- */

void ks_fragment_note_flow(struct fragment_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	const struct ks_packet *pkt = &insp->pkt;

	ctx->flags = KS_DATAGRAM_JUDGED | (insp->from_high ? KS_DATAGRAM_HIGH : 0) |
		     (insp->dir == KS_REPLY ? KS_DATAGRAM_REPLY : 0) |
		     (insp->translate & KS_TRANSLATE_DST ? KS_DATAGRAM_ALIAS : 0);
	ctx->tag = insp->to;
	if (insp->verdict.action != KS_ALLOW || insp->verdict.state == KS_STATE_NONE)
		return;
	ks_table_hash(ctx->env, &insp->flow);
	ctx->flow = ks_slot_id(&insp->flow.ref);
	ctx->tag = (__u32)(insp->flow.hash >> KS_FLOW_TAG_SHIFT);
	if (pkt->tuple.proto != KS_PROTO_TCP)
		return;
	ctx->flags |= KS_DATAGRAM_TCP;
	ctx->seq = pkt->seq - (pkt->payload_off - pkt->frag_at) + !!(pkt->tcp_flags & KS_TCP_SYN) +
		   !!(pkt->tcp_flags & KS_TCP_FIN);
}

/* Puts the verdict into the record. */
static long conclude_try(__u32 n, void *arg)
{
	struct fragment_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;
	struct ks_record *d = ks_record_after(&insp->side);

	ks_table_find(ctx->env, &insp->side);
	if (insp->side.busy)
		return 0;
	ctx->reason = KS_REASON_FRAGMENT_EARLY;
	if (!insp->side.found)
		return 1;
	insp->side.after = insp->side.before;
	verdict_give(ctx, d);
	ctx->held = d->held;
	d->held = 0;
	if (!ks_table_commit(ctx->env, &insp->side))
		return 0;
	ctx->reason = 0;
	return 1;
}

/* Makes the key of the n-th record besides the one in which fragments are noted. Returns false if there is no need of it. */
static bool announce_key_make(struct ks_inspection *insp, __u32 n)
{
	struct ks_flow_key *key = &insp->side.key;
	bool source = insp->translate & KS_TRANSLATE_SRC;

	datagram_key_make(insp, true);
	if (insp->translate & KS_TRANSLATE_DST)
		key->addr[1] = insp->sent.dst;
	if (n == ANNOUNCE_EGRESS)
		return source && !(insp->home.halves & KS_TRANSLATE_SRC);
	key->kind = KS_KIND_QUOTED;
	key->link = 0;
	if (n == ANNOUNCE_HALFWAY)
		return source && insp->translate & KS_TRANSLATE_DST;
	if (source)
		key->addr[0] = insp->sent.src;
	return true;
}

/* Puts it into such a record. The tries for all of them are one loop, because frames are few (V2). */
static long announce_try(__u32 n, void *arg)
{
	struct fragment_ctx *ctx = arg;
	struct ks_record *d = ks_record_after(&ctx->insp->side);
	__u32 record = n / FRAGMENT_TRIES;

	if (ctx->announced > record || !announce_key_make(ctx->insp, record))
		return 0;
	ks_table_hash(ctx->env, &ctx->insp->side);
	ks_table_find(ctx->env, &ctx->insp->side);
	if (ctx->insp->side.busy)
		return 0;
	datagram_begin(ctx);
	verdict_give(ctx, d);
	if (record != ANNOUNCE_EGRESS)
		d->timeout = KS_QUOTED_MS;
	if (datagram_store(ctx))
		ctx->announced = (__u8)(record + 1);
	return 0;
}

/*
 * A datagram that passes gets further records. One is for egress, if its source is translated there: it is made before any
 * later fragment may pass, because another CPU may send that one out first. Others are for ICMP errors about it, which quote it as
 * it left or, if the box says them itself, as it was routed: with its destination translated and its source not yet.
 */
static void announce_all(struct fragment_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;

	if (!ctx->flow || insp->verdict.action != KS_ALLOW)
		return;
	ctx->announced = (__u8)ks_hide_value(0, insp->side.hash); /* V7 */
	ks_loop(ANNOUNCE_MAX * FRAGMENT_TRIES, announce_try, ctx);
	datagram_key_make(insp, false);
	ks_table_hash(ctx->env, &insp->side);
}

/* Returns true if a port is to be changed that a checksum over the whole datagram covers, whose length is not known yet. */
static bool changes_crc(const struct ks_inspection *insp)
{
	const struct ks_tuple *was = &insp->pkt.tuple, *is = &insp->sent;

	return insp->translate && was->proto == KS_PROTO_SCTP && (was->sport != is->sport || was->dport != is->dport);
}

void ks_fragment_conclude_first(struct ks_env *env, struct ks_inspection *insp)
{
	struct fragment_ctx ctx;

	fragment_ctx_init(&ctx, env, insp, false);
	if (!ctx.config) {
		fragment_deny(insp, KS_REASON_INTERNAL);
		return;
	}
	if (action_passes(insp->verdict.action) && changes_crc(insp))
		fragment_deny(insp, KS_REASON_TRANSLATE);
	else
		fragment_conclude(&ctx);
	if (insp->home.dry)
		return;
	ks_fragment_note_flow(&ctx);
	announce_all(&ctx);
	if (!fragment_try(&ctx, conclude_try) && ctx.held && !held_decide(&ctx, action_passes(insp->verdict.action)))
		fragment_deny(insp, KS_REASON_INTERNAL);
}

/* --- a later fragment takes it --- */

static void verdict_take(struct fragment_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	const struct ks_record *d = ks_record_after(&insp->side);

	insp->verdict.action = d->datagram.action;
	insp->verdict.reason = d->datagram.reason;
	insp->verdict.class = d->datagram.class;
	insp->verdict.rule = d->datagram.rule;
	insp->dir = d->flags & KS_DATAGRAM_REPLY ? KS_REPLY : KS_ORIGINAL;
	insp->from_high = !!(d->flags & KS_DATAGRAM_HIGH);
	insp->by_alias = d->flags & KS_DATAGRAM_ALIAS ? 1 + insp->dir : 0;
	ctx->flags = d->flags;
	ctx->flow = d->datagram.flow;
	ctx->tag = d->datagram.tag;
	ctx->seq = d->datagram.seq;
}

/* Returns true if both ends of the flow are where the fragment comes from and goes to. */
static inline bool fragment_zones_fit(const struct ks_inspection *insp)
{
	__u32 dir = insp->dir & 1;

	return ks_zone_equal(insp->home.from, insp->flow.before.zone[dir]) &&
	       (insp->to == KS_ZONE_UNKNOWN || insp->by_alias || ks_zone_equal(insp->to, insp->flow.before.zone[!dir]));
}

/*
 * The last fragment tells where a TCP segment ends. The flow learns it, or the acknowledgement would be one of unsent data.
 * The rest of the segment must lie in the receiver's window as the first part did. Returns 0 or a reason.
 */
static __u32 segment_end_learn(const struct fragment_ctx *ctx)
{
	const struct ks_packet *pkt = &ctx->insp->pkt;
	struct ks_flow *flow = &ctx->insp->flow.after;
	__u32 end = ctx->seq + pkt->frag_off + pkt->frag_len, dir = ctx->insp->dir & 1;

	if (!(ctx->flags & KS_DATAGRAM_TCP) || pkt->frag_more || !ks_seq_after(end, flow->end[dir]))
		return 0;
	if (flow->tcp_flags[dir] & KS_TCP_LIBERAL || flow->state == KS_STATE_TCP_SYN_SENT) {
		if (ks_seq_after(end, flow->max_end[dir]))
			flow->max_end[dir] = end;
	} else if (ks_seq_after(end, flow->max_end[dir])) {
		ctx->insp->verdict.compare.have = end;
		ctx->insp->verdict.compare.hi = flow->max_end[dir];
		return KS_REASON_TCP_WINDOW_SEQ;
	}
	flow->end[dir] = end;
	return 0;
}

/* Judges the fragment by its flow and commits what follows. */
static long follow_try(__u32 n, void *arg)
{
	struct fragment_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;

	ctx->reason = KS_REASON_NO_STATE;
	if (!ks_datagram_flow_read(ctx->env, ctx->flow, ctx->tag, &insp->flow)) {
		if (!insp->flow.busy)
			return 1;
		ctx->reason = KS_REASON_CONTENDED;
		return 0;
	}
	insp->flow.after = insp->flow.before;
	insp->verdict.state = insp->flow.before.state;
	ctx->reason = KS_REASON_ZONE;
	if (!fragment_zones_fit(insp) && !ks_answers_for_box(ctx->env, insp))
		return 1;
	ctx->reason = segment_end_learn(ctx);
	if (ctx->reason || !ctx->counts)
		return 1;
	ks_flow_count(&insp->flow.after, insp->dir, insp->pkt.l3_len);
	insp->flow.after.seen = insp->flow.clock;
	if (insp->home.dry || ks_table_commit(ctx->env, &insp->flow))
		return 1;
	ctx->reason = KS_REASON_CONTENDED;
	return 0;
}

/* Kills the datagram: as a whole it contradicts its flow. */
static long datagram_kill_try(__u32 n, void *arg)
{
	struct fragment_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;

	ks_table_find(ctx->env, &insp->side);
	if (insp->side.busy)
		return 0;
	if (!insp->side.found || insp->home.dry)
		return 1;
	insp->side.after = insp->side.before;
	datagram_kill(ctx, ks_record_after(&insp->side));
	return ks_table_commit(ctx->env, &insp->side) ? 1 : 0;
}

/*
 * Frees the record of a complete datagram at once, because a limit counts it until it is swept. Only fragments that were
 * held would still ask for it.
 */
static inline void complete_free(struct fragment_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;

	if (!(ctx->flags & KS_DATAGRAM_COMPLETE) || ctx->flags & KS_DATAGRAM_HELD || insp->home.dry || !ctx->counts)
		return;
	insp->side.before = insp->side.after;
	ks_table_free(ctx->env, &insp->side);
}

/* Judges the fragment by the flow of its datagram and translates it. Returns 0 or a reason. */
static ks_inline __u32 flow_follow(struct fragment_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	__u32 reason = fragment_try(ctx, follow_try);

	if (reason == KS_REASON_TCP_WINDOW_SEQ)
		fragment_try(ctx, datagram_kill_try);
	if (reason) {
		insp->flow.after = insp->flow.before;
		return reason;
	}
	complete_free(ctx); /* before insp->side is used for an alias */
	return ks_nat_translate(ctx->env, insp);
}

/* Returns true if limits of packets or octets count the fragment, as any packet of its flow (core/limit.c). */
static inline bool is_paced(const struct fragment_ctx *ctx)
{
	const struct ks_inspection *insp = ctx->insp;

	return ctx->flow && ctx->counts && insp->flow.before.limits & KS_FLOW_LIMIT_PACED &&
	       insp->verdict.action == KS_ALLOW;
}

void ks_fragment_follow_first(struct fragment_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	__u32 reason = 0;

	verdict_take(ctx);
	if (ctx->flow)
		reason = flow_follow(ctx);
	else
		complete_free(ctx);
	if (!ctx->flow && insp->to == KS_ZONE_UNKNOWN)
		insp->to = (__u8)ctx->tag;
	if (reason)
		fragment_deny(insp, reason);
	else if (ks_unlikely(is_paced(ctx)))
		insp->stage = KS_STAGE_LIMIT;
	else
		fragment_conclude(ctx);
}
