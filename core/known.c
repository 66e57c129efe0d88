// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage that looks for a packet's flow and judges the packet by it (judge.h).
 * A packet that no flow knows goes on to open.c.
 */
#include "core/track/track.h"
#include "core/env.h"
#include "core/home.h"
#include "core/link.h"
#include "core/nat/alias.h"
#include "core/judge.h"
#include "core/stage.h"
#include "core/table/table.h"

/* Reads of a flow that others keep writing, before its packet is given up: a write takes far less than one read. */
#define SETTLE_TRIES 64

struct settle_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
};

static long settle_try(__u32 n, void *arg)
{
	struct settle_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;

	insp->from_high = ks_packet_key(ctx->env, insp, &insp->pkt.tuple, &insp->flow.key);
	ks_table_hash(ctx->env, &insp->flow);
	ks_nat_find(ctx->env, insp);
	return !insp->flow.busy;
}

/* Finds the packet's flow. Returns KS_REASON_CONTENDED if another CPU keeps writing it. */
static inline __u32 find_flow(struct ks_env *env, struct ks_inspection *insp)
{
	struct settle_ctx ctx = { .env = env, .insp = insp };

	if (ks_likely(!insp->retries)) /* its key was made when the packet was read */
		ks_nat_find(env, insp);
	else
		ks_loop(insp->retries < JUDGE_TRIES - 1 ? 1 : SETTLE_TRIES, settle_try, &ctx);
	return insp->flow.busy ? KS_REASON_CONTENDED : KS_REASON_OK_NEW;
}

/* Returns true for data of an established connection. */
static bool moves_nothing(const struct ks_inspection *insp)
{
	const __u8 moving = KS_TCP_SYN | KS_TCP_FIN | KS_TCP_RST;

	if (insp->pkt.tuple.proto == KS_PROTO_TCP)
		return insp->flow.before.state == KS_STATE_TCP_ESTABLISHED && !(insp->pkt.tcp_flags & moving);
	return insp->flow.before.state == KS_STATE_UDP_STREAM && insp->flow.before.class != KS_UDP_DNS;
}

/*
 * The flow's writer was interrupted and will hold it for as long as that takes. Data of an established connection move no
 * state, and the fields that say where they go do not change while a flow is written. So they pass, uncounted, and are not
 * compared with a window that may be half written; their receiver compares.
 */
static __u32 pass_unread(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_table_counts *counts = env_table_counts(env);
	__u32 reason;

	if (insp->retries < JUDGE_TRIES - 1 || !moves_nothing(insp) || insp->flow.before.helper || !counts)
		return KS_REASON_CONTENDED;
	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	if (!ks_zones_fit(insp) || (!ks_nat_is_addressed(insp) && !ks_is_second_look(insp)))
		return KS_REASON_CONTENDED;
	reason = ks_nat_is_translated(&insp->flow.before) ? ks_nat_translate(env, insp) : 0;
	if (reason)
		return KS_REASON_CONTENDED;
	insp->flow.found = 1;
	insp->flow.after = insp->flow.before;
	insp->verdict.rule = insp->flow.before.rule;
	insp->verdict.state = insp->flow.before.state;
	ks_fetch_add(&counts->uncounted, 1);
	return ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
}

/*
 * Its inside is told: by an answer to whatever it sends, with the numbers that this asks for, and at once by a reset that the
 * daemon sends in the other side's name. That one passes as it is.
 */
static __u32 judge_lost(struct ks_inspection *insp)
{
	__u32 dir = insp->dir & 1;

	insp->verdict.rule = insp->flow.before.rule;
	insp->verdict.state = insp->flow.before.state;
	insp->flow.after = insp->flow.before;
	if (insp->home.from == KS_ZONE_SELF && insp->pkt.tcp_flags & KS_TCP_RST &&
	    insp->flow.before.tcp_flags[!dir] & KS_TCP_LOST)
		return ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
	ks_deny(insp, KS_CLASS_INVALID, KS_REASON_ADDRESS_LOST);
	if (insp->flow.before.tcp_flags[dir] & KS_TCP_LOST)
		insp->verdict.action = KS_REJECT;
	return KS_REASON_ADDRESS_LOST;
}

ks_inlined void ks_stage_find(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = find_flow(env, insp);
	if (reason != KS_REASON_CONTENDED) {
		insp->opening.replaces = insp->flow.found && ks_track_reopens(&insp->pkt, &insp->flow.before);
		if (!insp->flow.found || insp->opening.replaces) {
			insp->stage = KS_STAGE_OPEN;
			return;
		}
		insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
		if (ks_unlikely(ks_is_lost(insp))) {
			ks_conclude(insp, config, judge_lost(insp));
			return;
		}
		if (ks_unlikely(!insp->rerouted && (ks_comes_from_elsewhere(insp) || ks_leaves_elsewhere(insp)))) {
			insp->stage = KS_STAGE_REROUTE;
			return;
		}
		if (ks_unlikely(ks_flow_is_aside(&insp->flow.before))) {
			insp->stage = insp->flow.before.limits & (KS_FLOW_LIMIT_PENDING | KS_FLOW_LIMIT_PACED)
					      ? KS_STAGE_LIMIT
					      : KS_STAGE_HELPER;
			return;
		}
		reason = ks_judge_inline(env, config, insp, head);
	} else {
		reason = pass_unread(env, insp);
	}
	ks_inspect_conclude(insp, config, reason);
}
