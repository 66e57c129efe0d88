// SPDX-License-Identifier: BSD-2-Clause
/*
 * A packet that passed before it was routed, and leaves now with the source half
 * of its translation due.
 */
#include "core/env.h"
#include "core/fragment/fragment.h"
#include "core/inspect.h"
#include "core/link.h"
#include "core/nat/alias.h"
#include "core/stage.h"
#include "core/table/table.h"

#define EGRESS_TRIES 64

/* A search for the flow of the packet, while others may be writing it. */
struct egress_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	__u32 reason;
};

/* By the packet's own tuple: its destination is translated, so these are the flow's true endpoints. */
static long egress_packet_try(__u32 n, void *arg)
{
	struct egress_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;

	insp->from_high = ks_packet_key(ctx->env, insp, &insp->pkt.tuple, &insp->flow.key);
	ks_table_hash(ctx->env, &insp->flow);
	ks_nat_find(ctx->env, insp);
	ctx->reason = KS_REASON_CONTENDED;
	if (insp->flow.busy &&
	    n < EGRESS_TRIES - 1) /* the last try makes do with what does not change while a flow is written */
		return 0;
	ctx->reason = KS_REASON_UNTRANSLATED;
	if (!(insp->flow.found || insp->flow.busy) || insp->by_alias)
		return 1;
	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	ctx->reason = ks_nat_translate(ctx->env, insp);
	return ctx->reason != KS_REASON_CONTENDED;
}

/* Returns true if the originator's packet is masqueraded as an interface by which it does not leave. */
static bool is_masqueraded_as_another(struct ks_env *env, const struct ks_inspection *insp)
{
	return insp->dir == KS_ORIGINAL && insp->flow.before.flags & KS_FLOW_MASQUERADED &&
	       !env_leaves_as(env, &insp->sent.src, insp->pkt.tuple.family);
}

void ks_inspect_egress(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	struct egress_ctx ctx = { .env = env, .insp = insp, .reason = KS_REASON_UNTRANSLATED };
	__u32 reason;

	ks_inspection_init(insp);
	insp->second_half = 1;
	insp->verdict.reason = (__u8)ks_inspect_read(env, insp, head);
	if (insp->pkt.frag_off) {
		ks_fragment_egress(env, insp);
		return;
	}
	if (insp->stage == KS_STAGE_ERROR) /* its own stage sees that only half of it is due */
		return;
	if (insp->stage == KS_STAGE_FIND || (insp->stage == KS_STAGE_FRAGMENT && !insp->verdict.reason))
		ks_loop(EGRESS_TRIES, egress_packet_try, &ctx);
	reason = ctx.reason;
	insp->stage = KS_STAGE_DONE;
	if (!reason && !(insp->pkt.flags & KS_PKT_FRAGMENT)) {
		if (is_masqueraded_as_another(env, insp)) {
			insp->stage = KS_STAGE_REROUTE;
			return;
		}
		/* An answer bears the address that its originator spoke to: it leaves by the interface that has it, if it can. */
		if (insp->dir == KS_REPLY && insp->flow.before.alias[KS_ORIGINAL])
			env_send_back(env, insp->flow.before.zone[KS_ORIGINAL], &insp->sent.src,
				      insp->pkt.tuple.family);
	}
	if (reason) {
		insp->verdict.reason = (__u8)ks_deny(insp, KS_CLASS_INVALID, reason);
		return;
	}
	insp->verdict.reason = (__u8)ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
	if (insp->translate & insp->home.halves)
		insp->stage = KS_STAGE_WRITE;
	if (insp->pkt.flags & KS_PKT_FRAGMENT)
		ks_fragment_egress(env, insp);
}
