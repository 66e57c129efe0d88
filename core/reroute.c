// SPDX-License-Identifier: BSD-2-Clause
/*
 * A packet of a known flow leaves by another zone or interface than its flow was
 * made for, or comes in by another: ingress only guessed where it goes, or the
 * routes have changed. Brings packet and flow in line, or refuses the packet.
 *
 *   of the originator   The rules are asked again, with the true zone. If they deny it, the packet is dropped, and a flow
 *                       that nobody has answered ends. If they allow it, the flow moves, and its source is translated as
 *                       the new way out demands. A connection whose peer knows it by the old way's address cannot move:
 *                       it ends, and its next packet begins again.
 *   an answer           Leaves by the interface that the originator's packets came in by, if the home can send it there.
 *                       Otherwise an untranslated flow moves if the rules let its originator be there.
 *
 * Another CPU that writes the flow meanwhile wins; the packet is then judged again.
 */
#include "core/env.h"
#include "core/judge.h"
#include "core/link.h"
#include "core/nat/alias.h"
#include "core/nat/source.h"
#include "core/stage.h"
#include "core/table/flow_event.h"
#include "core/table/table.h"
#include "core/table/tally.h"
#include "core/track/track.h"

/* Returns true if nothing is lost when the source becomes another: nobody has answered, or the protocol has no connections. */
static bool may_be_renamed(const struct ks_inspection *insp)
{
	__u8 proto = insp->flow.key.proto;

	if (!(insp->flow.before.flags & KS_FLOW_REPLIED))
		return true;
	return proto != KS_PROTO_TCP && proto != KS_PROTO_SCTP && proto != KS_PROTO_DCCP;
}

/* Ends the flow. Returns `reason`, or KS_REASON_CONTENDED. */
static __u32 flow_end(struct ks_env *env, struct ks_inspection *insp, __u32 reason)
{
	if (!insp->home.dry && !ks_table_free_flow(env, &insp->flow, KS_END_REROUTED))
		return KS_REASON_CONTENDED;
	return reason;
}

/* Returns true if a rule forwards the flow: it names an address, in whatever zone that is. */
static bool is_forwarded(const struct ks_inspection *insp)
{
	return insp->flow.before.alias[KS_ORIGINAL] != 0;
}

/* Asks the rules about the flow as it is now. Returns 0 or a reason. */
static __u32 rules_ask_again(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_decision decision = {};
	__u32 action, reason;

	if (is_forwarded(insp))
		return 0;
	action = ks_open_ask(env, insp, &decision);
	if (action == KS_ALLOW && !decision.targets)
		return 0;
	reason = insp->verdict.rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_RULE : KS_REASON_RULE;
	insp->verdict.action = action == KS_REJECT ? KS_REJECT : KS_DENY;
	return insp->flow.before.flags & KS_FLOW_REPLIED ? reason : flow_end(env, insp, reason);
}

static __u32 flow_commit(struct ks_env *env, struct ks_inspection *insp)
{
	if (insp->home.dry || ks_table_commit_flow(env, &insp->flow))
		return 0;
	return KS_REASON_CONTENDED;
}

/* Gives the flow the source that the new way out demands. Its old alias is nobody's then, and is swept. */
static __u32 source_rename(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_flow *after = &insp->flow.after;
	__u32 reason = ks_nat_reserve(env, config, insp);

	if (reason)
		return reason;
	ks_nat_name(insp);
	after->flags &= (__u8) ~(KS_FLOW_MAPPED | KS_FLOW_MASQUERADED);
	after->flags |=
		(insp->opening.mapped ? KS_FLOW_MAPPED : 0) | (insp->opening.masqueraded ? KS_FLOW_MASQUERADED : 0);
	reason = flow_commit(env, insp);
	if (reason)
		ks_nat_release(env, insp);
	else if (insp->opening.alias[KS_REPLY])
		ks_nat_commit(env, insp);
	return reason;
}

/*
 * Notes the rule that allows the flow now. By the limits of that it is counted with its next packet: it is there already, so
 * they do not refuse it (limit.c).
 */
static void rule_note(struct ks_inspection *insp)
{
	struct ks_flow *after = &insp->flow.after;
	__u8 limited = insp->opening.limited;

	insp->opening.limited = 0;
	if (insp->verdict.rule_index == KS_DECISION_DEFAULT || after->rule == (__u16)insp->verdict.rule)
		return;
	after->rule = (__u16)insp->verdict.rule;
	after->limits =
		(limited ? KS_FLOW_LIMIT_PENDING | KS_FLOW_LIMIT_PACED : 0) | (insp->opening.ruled ? KS_FLOW_RULED : 0);
}

static __u32 flow_move(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	insp->flow.after = insp->flow.before;
	insp->flow.after.zone[KS_REPLY] = insp->to;
	rule_note(insp);
	insp->opening.alias[KS_ORIGINAL] = 0;
	insp->opening.alias[KS_REPLY] = 0;
	insp->opening.mapped = 0;
	insp->translate = 0;
	if (may_be_renamed(insp))
		return source_rename(env, config, insp);
	if (insp->flow.before.alias[KS_REPLY] || ks_nat_has_source(env, config, insp))
		return flow_end(env, insp, KS_REASON_REROUTED);
	return flow_commit(env, insp);
}

static __u32 reroute_original(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason = rules_ask_again(env, insp);

	if (!reason)
		reason = flow_move(env, config, insp);
	if (!reason && !insp->home.dry && insp->flow.after.rule != insp->flow.before.rule)
		ks_tally_return(env, &insp->flow.key, &insp->flow.before);
	insp->opening.limited = 0;
	return reason;
}

/* Returns true if the rules allow the flow between these zones, or forward it. */
static bool is_allowed_between(struct ks_env *env, struct ks_inspection *insp, __u32 from, __u32 to)
{
	const struct ks_flow_key *key = &insp->flow.key;
	__u32 side = ks_flow_orig_side(&insp->flow.before) & 1;
	struct ks_question *q = &insp->opening.question;
	struct ks_decision decision = {};

	if (is_forwarded(insp))
		return true;
	ks_question_make(insp, &insp->pkt.tuple, KS_LIST_FILTER, q);
	q->tuple.src = key->addr[side];
	q->tuple.dst = key->addr[!side];
	q->tuple.sport = key->port[side];
	q->tuple.dport = key->port[!side];
	if (key->proto == KS_PROTO_ICMP || key->proto == KS_PROTO_ICMPV6)
		q->icmp = ks_be16(q->tuple.dport); /* the question's type: the packet may be the answer */
	q->from = (__u8)from;
	q->to = (__u8)to;
	q->facts = (struct ks_facts){}; /* it lives already */
	ks_rules_ask(env, q, &decision);
	return decision.action == KS_ALLOW && !decision.targets;
}

static __u32 reroute_reply(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 reason = ks_nat_translate(env, insp);

	if (reason)
		return reason;
	if (env_send_back(env, insp->flow.before.zone[KS_ORIGINAL],
			  is_forwarded(insp) || insp->home.from == KS_ZONE_SELF ? &insp->sent.src : NULL,
			  insp->pkt.tuple.family))
		return 0;
	return is_allowed_between(env, insp, insp->to, insp->flow.before.zone[KS_REPLY]) ? 0 : KS_REASON_ZONE;
}

/* The packet comes in from another zone than its sender is known in. Returns 0 or a reason. */
static __u32 sender_admit(struct ks_env *env, struct ks_inspection *insp)
{
	const __u8 *zone = insp->flow.before.zone;
	bool original = insp->dir == KS_ORIGINAL;

	if (ks_answers_for_box(env, insp))
		return 0;
	if (!env_zones_are_one(env, insp->home.from, zone[insp->dir & 1]))
		return KS_REASON_ZONE;
	return is_allowed_between(env, insp, original ? insp->home.from : zone[KS_ORIGINAL],
				  original ? zone[KS_REPLY] : insp->home.from)
		       ? 0
		       : KS_REASON_ZONE;
}

/* A packet that its protocol refuses changes nothing. One that ingress has passed was asked there. Returns 0 or a reason. */
static __u32 protocol_ask(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason;

	if (insp->second_half)
		return 0;
	if (!ks_nat_is_addressed(insp) && !ks_is_second_look(insp))
		return KS_REASON_UNTRANSLATED;
	reason = ks_track_update(env, config, insp);
	return ks_reason_is_pass(reason) ? 0 : reason;
}

static __u32 flow_reroute(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason = 0;

	if (ks_comes_from_elsewhere(insp) && !insp->second_half)
		reason = sender_admit(env, insp);
	if (!reason)
		reason = protocol_ask(env, config, insp);
	if (reason || !(insp->second_half || ks_leaves_elsewhere(insp)))
		return reason;
	return insp->dir == KS_ORIGINAL ? reroute_original(env, config, insp) : reroute_reply(env, insp);
}

/* Finds the flow again, because another CPU was first. Returns 0 or a reason. */
static __u32 flow_find_again(struct ks_env *env, struct ks_inspection *insp)
{
	insp->from_high = ks_packet_key(env, insp, &insp->pkt.tuple, &insp->flow.key);
	ks_table_hash(env, &insp->flow);
	ks_nat_find(env, insp);
	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	if (insp->flow.busy)
		return KS_REASON_CONTENDED;
	return insp->flow.found ? 0 : KS_REASON_UNTRANSLATED;
}

/* Packet and flow are in line. A packet whose source half is due gets it; any other is judged by the flow as it is now. */
static void reroute_conclude(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 reason;

	insp->stage = KS_STAGE_FIND;
	if (!insp->second_half)
		return;
	insp->flow.before = insp->flow.after;
	reason = ks_nat_translate(env, insp);
	insp->stage = KS_STAGE_DONE;
	insp->verdict.reason = (__u8)(reason ? ks_deny(insp, KS_CLASS_INVALID, reason)
					     : ks_pass(insp, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED));
	if (!reason && insp->translate & insp->home.halves)
		insp->stage = KS_STAGE_WRITE;
}

void ks_stage_reroute(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = insp->retries && insp->second_half ? flow_find_again(env, insp) : 0;
	insp->verdict.action = KS_DENY;
	insp->sent = insp->pkt.tuple;
	insp->verdict.state = insp->flow.before.state;
	insp->verdict.rule = insp->flow.before.rule;
	ks_facts_gather(env, insp, head);
	if (!reason)
		reason = flow_reroute(env, config, insp);
	if (!reason) {
		insp->rerouted = 1;
		reroute_conclude(env, insp);
		return;
	}
	insp->flow.after = insp->flow.before;
	insp->verdict.class = KS_CLASS_INVALID;
	if (!ks_again(insp, reason, insp->second_half ? KS_STAGE_REROUTE : KS_STAGE_FIND))
		ks_conclude(insp, config, reason);
}
