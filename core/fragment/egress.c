// SPDX-License-Identifier: BSD-2-Clause
/* A fragment on its way out whose source is still to be translated; see fragment.h. */
#include "core/fragment/internal.h"

/* Notes the fragment in the record at egress. A contradiction was refused when it came: only when all has left matters. */
static long egress_try(__u32 n, void *arg)
{
	struct fragment_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;
	struct ks_record *d = ks_record_after(&insp->side);
	bool first = insp->pkt.frag_off == 0;

	ks_table_find(ctx->env, &insp->side);
	ctx->reason = KS_REASON_CONTENDED;
	if (insp->side.busy)
		return 0;
	ctx->reason = KS_REASON_FRAGMENT_EARLY;
	if (!insp->side.found && !first)
		return 1;
	ctx->reason = KS_REASON_OK_NEW;
	insp->side.after = insp->side.before;
	if (first && (!insp->side.found || d->datagram.flow != ctx->flow || d->datagram.tag != ctx->tag)) {
		datagram_begin(ctx); /* the kernel has cut the datagram into fragments itself */
		verdict_give(ctx, d);
	}
	if (ks_datagram_add(d, &insp->pkt))
		return 1;
	if (d->flags & KS_DATAGRAM_COMPLETE ? ks_table_free(ctx->env, &insp->side) : datagram_store(ctx))
		return 1;
	ctx->reason = KS_REASON_CONTENDED;
	return 0;
}

void ks_fragment_egress(struct ks_env *env, struct ks_inspection *insp)
{
	struct fragment_ctx ctx;

	fragment_ctx_init(&ctx, env, insp, true);
	if (insp->pkt.frag_off == 0) {
		insp->verdict.state = insp->flow.before.state;
		ks_fragment_note_flow(&ctx);
	}
	fragment_try(&ctx, egress_try);
	if (ctx.reason != KS_REASON_OK_NEW)
		fragment_deny(insp, ctx.reason);
	else if (insp->pkt.frag_off == 0)
		fragment_conclude(&ctx);
	else
		ks_fragment_follow_first(&ctx);
}
