// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage that changes a packet's octets, and the way of a packet that was
 * inspected before it was routed and leaves now with the source half of its
 * translation due.
 */
#include "core/env.h"
#include "core/fragment/fragment.h"
#include "core/home.h"
#include "core/track/icmp_error.h"
#include "core/link.h"
#include "core/nat/nat.h"
#include "core/nat/mapping.h"
#include "core/nat/rewrite.h"
#include "core/stage.h"
#include "core/table/table.h"

void ks_stage_write(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason = KS_REASON_INTERNAL;

	in->stage = KS_STAGE_DONE;
	if (config) {
		reason = ks_rewrite(env, in, head);
		if (!reason && config->scrub)
			reason = ks_scrub(env, config, in, head);
		if (!reason && in->flow.before.flags & KS_FLOW_MAPPED && in->dir == KS_ORIGINAL)
			ks_mapping_refresh(env, config, in);
	}
	if (reason)
		in->reason = ks_deny(in, KS_CLASS_INVALID, reason);
}

#define LEAVE_TRIES 64

/* Tries at finding what a leaving packet belongs to, because others write at its flow. */
struct search {
	struct ks_env *env;
	struct ks_inspection *in;
	const __u8 *head;
	__u32 reason;
};

/* The flow by the packet's own tuple, which is that of its true endpoints now. */
static long packet_try(__u32 n, void *arg)
{
	struct search *s = arg;
	struct ks_inspection *in = s->in;

	in->sender = ks_packet_key(s->env, in, &in->pkt.tuple, &in->flow.key);
	ks_table_hash(s->env, &in->flow);
	ks_nat_find(s->env, in);
	s->reason = KS_REASON_CONTENDED;
	if (in->flow.busy && n < LEAVE_TRIES - 1) /* in the end what does not change while it is written will do */
		return 0;
	s->reason = KS_REASON_UNTRANSLATED;
	if (!(in->flow.found || in->flow.busy) || in->via)
		return 1;
	in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
	s->reason = ks_nat_translate(s->env, in);
	return s->reason != KS_REASON_CONTENDED;
}

static long error_try(__u32 n, void *arg)
{
	struct search *s = arg;

	s->reason = ks_icmp_error_judge(s->env, s->in, s->head);
	return s->reason != KS_REASON_CONTENDED;
}

/* Returns true if the originator's packet leaves with the address of another interface than it really leaves by. */
static bool is_masked_for_another(struct ks_env *env, const struct ks_inspection *in)
{
	return in->dir == KS_ORIGINAL && in->flow.before.flags & KS_FLOW_MASQUERADED &&
	       !env_leaves_as(env, &in->out.src, in->pkt.tuple.family);
}

void ks_inspect_egress(struct ks_env *env, struct ks_inspection *in, const __u8 *head)
{
	struct search search = { .env = env, .in = in, .head = head, .reason = KS_REASON_UNTRANSLATED };
	__u32 reason;

	ks_inspection_init(in);
	in->leaving = 1;
	in->reason = ks_inspect_read(env, in, head);
	if (in->pkt.frag_off) {
		ks_fragment_leaving(env, in);
		return;
	}
	if (in->stage == KS_STAGE_ERROR)
		ks_loop(JUDGE_TRIES, error_try, &search);
	else if (in->stage == KS_STAGE_FIND || (in->stage == KS_STAGE_FRAGMENT && !in->reason))
		ks_loop(LEAVE_TRIES, packet_try, &search);
	reason = search.reason;
	in->stage = KS_STAGE_DONE;
	if (!reason && !(in->pkt.flags & KS_PKT_FRAGMENT)) {
		if (is_masked_for_another(env, in)) {
			in->stage = KS_STAGE_REROUTE;
			return;
		}
		/* An answer bears the address that was spoken to: it leaves by the interface that has it, if that can be. */
		if (in->dir == KS_REPLY && in->flow.before.alias[KS_ORIGINAL])
			env_send_back(env, in->flow.before.zone[KS_ORIGINAL], &in->out.src, in->pkt.tuple.family);
	}
	if (reason && reason != KS_REASON_OK_RELATED) {
		in->reason = ks_deny(in, KS_CLASS_INVALID, reason);
		return;
	}
	in->reason = ks_pass(in, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
	if (in->translate & in->phase)
		in->stage = KS_STAGE_WRITE;
	if (in->pkt.flags & KS_PKT_FRAGMENT)
		ks_fragment_leaving(env, in);
}
