// SPDX-License-Identifier: BSD-2-Clause
/*
 * The way of a packet that was inspected before it was routed and leaves now
 * with the source half of its translation due.
 */
#include "core/env.h"
#include "core/fragment/fragment.h"
#include "core/inspect.h"
#include "core/link.h"
#include "core/nat/alias.h"
#include "core/stage.h"
#include "core/table/table.h"
#include "core/track/icmp_error.h"

#define EGRESS_TRIES 64

/* Tries at finding what a leaving packet belongs to, because others write at its flow. */
struct egress_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const __u8 *head;
	__u32 reason;
};

/* The flow by the packet's own tuple, which is that of its true endpoints now. */
static long packet_try(__u32 n, void *arg)
{
	struct egress_ctx *s = arg;
	struct ks_inspection *insp = s->insp;

	insp->from_high = ks_packet_key(s->env, insp, &insp->pkt.tuple, &insp->flow.key);
	ks_table_hash(s->env, &insp->flow);
	ks_nat_find(s->env, insp);
	s->reason = KS_REASON_CONTENDED;
	if (insp->flow.busy && n < EGRESS_TRIES - 1) /* in the end what does not change while it is written will do */
		return 0;
	s->reason = KS_REASON_UNTRANSLATED;
	if (!(insp->flow.found || insp->flow.busy) || insp->by_alias)
		return 1;
	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	s->reason = ks_nat_translate(s->env, insp);
	return s->reason != KS_REASON_CONTENDED;
}

static long error_try(__u32 n, void *arg)
{
	struct egress_ctx *s = arg;

	s->reason = ks_icmp_error_judge(s->env, s->insp, s->head);
	return s->reason != KS_REASON_CONTENDED;
}

/* Returns true if the originator's packet leaves with the address of another interface than it really leaves by. */
static bool is_masked_for_another(struct ks_env *env, const struct ks_inspection *insp)
{
	return insp->dir == KS_ORIGINAL && insp->flow.before.flags & KS_FLOW_MASQUERADED &&
	       !env_leaves_as(env, &insp->sent.src, insp->pkt.tuple.family);
}

void ks_inspect_egress(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	struct egress_ctx search = { .env = env, .insp = insp, .head = head, .reason = KS_REASON_UNTRANSLATED };
	__u32 reason;

	ks_inspection_init(insp);
	insp->second_half = 1;
	insp->verdict.reason = ks_inspect_read(env, insp, head);
	if (insp->pkt.frag_off) {
		ks_fragment_egress(env, insp);
		return;
	}
	if (insp->stage == KS_STAGE_ERROR)
		ks_loop(JUDGE_TRIES, error_try, &search);
	else if (insp->stage == KS_STAGE_FIND || (insp->stage == KS_STAGE_FRAGMENT && !insp->verdict.reason))
		ks_loop(EGRESS_TRIES, packet_try, &search);
	reason = search.reason;
	insp->stage = KS_STAGE_DONE;
	if (!reason && !(insp->pkt.flags & KS_PKT_FRAGMENT)) {
		if (is_masked_for_another(env, insp)) {
			insp->stage = KS_STAGE_REROUTE;
			return;
		}
		/* An answer bears the address that was spoken to: it leaves by the interface that has it, if that can be. */
		if (insp->dir == KS_REPLY && insp->flow.before.alias[KS_ORIGINAL])
			env_send_back(env, insp->flow.before.zone[KS_ORIGINAL], &insp->sent.src,
				      insp->pkt.tuple.family);
	}
	if (reason && reason != KS_REASON_OK_RELATED) {
		insp->verdict.reason = ks_deny(insp, KS_CLASS_INVALID, reason);
		return;
	}
	insp->verdict.reason = ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
	if (insp->translate & insp->home.halves)
		insp->stage = KS_STAGE_WRITE;
	if (insp->pkt.flags & KS_PKT_FRAGMENT)
		ks_fragment_egress(env, insp);
}
