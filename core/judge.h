/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judges a packet of a known flow on a copy of that, which is committed if the
 * packet is valid and nobody changed the flow meanwhile. Otherwise the packet is
 * judged again (stage.h). No lock is held across any of this.
 */
#ifndef KS_CORE_JUDGE_H
#define KS_CORE_JUDGE_H

#include "core/challenge.h"
#include "core/checksum.h"
#include "core/env.h"
#include "core/flood.h"
#include "core/hop_limit.h"
#include "core/nat/alias.h"
#include "core/stage.h"
#include "core/table/table.h"
#include "core/table/tally.h"
#include "core/track/track.h"

/* Judges a packet of the flow in insp->flow.before and commits what follows. Returns the reason; the action is set. */
__u32 ks_judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, const __u8 *head);

/* Returns true if the packet comes from and goes to where the flow's ends are. One that reroute.c has let through does. */
static inline bool ks_zones_fit(const struct ks_inspection *insp)
{
	if (ks_unlikely(insp->rerouted))
		return true;
	return !ks_comes_from_elsewhere(insp) && !ks_leaves_elsewhere(insp);
}

/* Returns true for an answer to what was opened to the box, from a sender that counts as the box: it may come by any zone. */
static inline bool ks_answers_for_box(struct ks_env *env, const struct ks_inspection *insp)
{
	return insp->dir == KS_REPLY && insp->flow.before.zone[KS_REPLY] == KS_ZONE_SELF && env_answers_for_box(env);
}

/*
 * Returns true, and counts it, if a valid packet may pass though other CPUs always
 * committed first: it moves no state, and the flow only lacks it in its numbers.
 */
static inline bool ks_may_go_uncounted(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_table_counts *counts = env_table_counts(env);

	if (insp->retries < JUDGE_TRIES - 1 || insp->flow.after.state != insp->flow.before.state || !counts)
		return false;
	ks_fetch_add(&counts->uncounted, 1);
	return true;
}

/* A connection that was reset resets whoever goes on with it: the first reset may have been lost, or have come behind a gap. */
static inline __u32 ks_refuse_known(struct ks_inspection *insp, __u32 reason)
{
	insp->flow.after = insp->flow.before;
	ks_deny(insp, KS_CLASS_INVALID, reason);
	if (reason == KS_REASON_TCP_RESET)
		insp->verdict.action = KS_REJECT;
	return reason;
}

/* A packet of a flow that nobody has answered passes, unless it is UDP and one of too many to its destination. */
static ks_inline __u32 ks_judge_unanswered(struct ks_env *env, const struct ks_config *config,
					   struct ks_inspection *insp)
{
	if (ks_unlikely(config->options & KS_OPT_PROTECT) && insp->pkt.tuple.proto == KS_PROTO_UDP &&
	    ks_flood_is_over(env, config, insp, KS_PROTECT_UDP_FLOOD, &ks_tuple_sent(insp)->dst))
		return ks_deny(insp, KS_CLASS_NEW, KS_REASON_UDP_FLOOD);
	return ks_pass(insp, KS_CLASS_NEW, KS_REASON_OK_NEW);
}

/* The rule and the state of a packet's flow are those of its verdict, unless that says otherwise. */
static inline void ks_verdict_of_flow(struct ks_inspection *insp)
{
	insp->verdict.rule = insp->flow.before.rule;
	insp->verdict.state = insp->flow.before.state;
}

/* Translates a packet of a flow that is translated, if it bears the right address. Returns 0 or a reason. */
static ks_inline __u32 ks_judge_address(struct ks_env *env, struct ks_inspection *insp)
{
	if (!ks_nat_is_addressed(insp) &&
	    !ks_is_second_look(insp)) /* a second look sees addresses that ingress has translated */
		return KS_REASON_UNTRANSLATED;
	return ks_nat_is_translated(&insp->flow.before) ? ks_nat_translate(env, insp) : 0;
}

/*
 * Judges it on a copy, which insp->flow.after becomes: nothing is changed yet, so a home that then leaves the packet to another
 * hook has changed nothing for that (express.h). Its direction is known, and its zones fit. Returns the reason.
 */
static ks_inline __u32 ks_judge_copy(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason;

	ks_verdict_of_flow(insp);
	if (ks_unlikely(ks_nat_is_translated(&insp->flow.before) || insp->by_alias)) {
		reason = ks_judge_address(env, insp);
		if (reason)
			return reason;
	}
	return ks_track_update_inlined(env, config, insp);
}

/* Returns true for a packet of one who opened a flow and has heard nothing yet. */
static inline bool ks_is_unanswered(const struct ks_inspection *insp)
{
	return insp->dir == KS_ORIGINAL && !(insp->flow.before.flags & KS_FLOW_REPLIED);
}

/* The same of a packet whose direction is known and whose zones fit, inlined where nearly every packet goes. */
static ks_inline __u32 ks_judge_inline(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				       const __u8 *head)
{
	__u32 reason = ks_judge_copy(env, config, insp);
	bool moves;

	if (!ks_reason_is_pass(reason))
		return ks_refuse_known(insp, reason);
	moves = ks_moves_flow(insp);
	if (ks_unlikely(moves) && ks_sum_is_wrong(env, config, insp, head))
		return ks_refuse_known(insp, KS_REASON_L4_CHECKSUM);
	if (ks_unlikely(moves) && ks_ends_here(config, insp)) {
		insp->flow.after = insp->flow.before;
		moves = false;
	}
	if (!insp->home.dry && !ks_table_commit_flow(env, &insp->flow) && !ks_may_go_uncounted(env, insp))
		return ks_deny(insp, KS_CLASS_ESTABLISHED, KS_REASON_CONTENDED);
	if (ks_unlikely(moves))
		ks_challenge_confirm(env, config, insp);
	insp->verdict.state = insp->flow.after.state;
	if (ks_is_unanswered(insp))
		return ks_judge_unanswered(env, config, insp);
	return ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
}

/* Returns true for a connection that cannot go on, because the firewall has lost the address by which a side knows the other. */
static inline bool ks_is_lost(const struct ks_inspection *insp)
{
	return insp->pkt.tuple.proto == KS_PROTO_TCP &&
	       (insp->flow.before.tcp_flags[0] | insp->flow.before.tcp_flags[1]) & KS_TCP_LOST;
}

#endif
