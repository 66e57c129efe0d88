// SPDX-License-Identifier: BSD-2-Clause
/*
 * A packet of a known flow leaves by another zone or interface than its flow
 * was made for: ingress only guessed where it goes, or the routes have changed.
 * The truth decides:
 *
 *   of the originator   the rules are asked again, with the true zone. Denied: the packet is dropped, and a flow that
 *                       nobody has answered goes with it. Allowed: the flow moves, and its source is translated as the
 *                       new way out demands. A connection that its peer knows by the old way's address cannot move: it
 *                       ends, and its next packet begins anew.
 *   an answer           goes out by the interface that the originator's packets came by, if the home can do that. Else
 *                       an untranslated flow moves if the rules let its originator be there.
 *
 * Another CPU that writes at the flow meanwhile wins; the packet is then judged anew.
 */
#include "core/track/track.h"
#include "core/env.h"
#include "core/link.h"
#include "core/nat/nat.h"
#include "core/stage.h"
#include "core/table/table.h"

/* Returns true if nothing is lost when the source becomes another: nobody has answered, or the protocol has no connections. */
static bool may_be_renamed(const struct ks_inspection *in)
{
	__u8 proto = in->flow.key.proto;

	if (!(in->flow.before.flags & KS_FLOW_REPLIED))
		return true;
	return proto != KS_PROTO_TCP && proto != KS_PROTO_SCTP && proto != KS_PROTO_DCCP;
}

/* Ends a flow. Returns `reason`, or that another processor was first. */
static __u32 flow_end(struct ks_env *env, struct ks_inspection *in, __u32 reason)
{
	if (!in->dry && !ks_table_free(env, &in->flow))
		return KS_REASON_CONTENDED;
	return reason;
}

/* A rule that forwards has decided where to; where that is was never its business. */
static bool is_forwarded(const struct ks_inspection *in)
{
	return in->flow.before.alias[KS_ORIGINAL] != 0;
}

/* The rules' word on the flow as it is now. Returns 0 or a reason. */
static __u32 ask_again(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_decision decision = {};
	__u32 action, reason;

	if (is_forwarded(in))
		return 0;
	action = ks_open_ask(env, in, &decision);
	if (action == KS_ALLOW && !decision.targets)
		return 0;
	reason = in->rule_index == KS_DECISION_DEFAULT ? KS_REASON_NO_STATE : KS_REASON_RULE;
	in->action = action == KS_REJECT ? KS_REJECT : KS_DENY;
	return in->flow.before.flags & KS_FLOW_REPLIED ? reason : flow_end(env, in, reason);
}

/* The flow as it becomes. Returns 0 or a reason. */
static __u32 flow_move(struct ks_env *env, struct ks_inspection *in)
{
	if (in->dry || ks_table_commit(env, &in->flow))
		return 0;
	return KS_REASON_CONTENDED;
}

/* The flow with the source that the new way out demands. What it was known by before is nobody's then, and swept. */
static __u32 rename_source(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct ks_flow *after = &in->flow.after;
	__u32 reason = ks_nat_reserve(env, config, in);

	if (reason)
		return reason;
	after->alias[KS_REPLY] = in->alias[KS_REPLY];
	after->flags &= ~(KS_FLOW_MAPPED | KS_FLOW_MASQUERADED);
	after->flags |= (in->mapped ? KS_FLOW_MAPPED : 0) | (in->masqueraded ? KS_FLOW_MASQUERADED : 0);
	reason = flow_move(env, in);
	if (reason)
		ks_nat_release(env, in);
	else if (in->alias[KS_REPLY])
		ks_nat_commit(env, in);
	return reason;
}

static __u32 reroute_original(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason = ask_again(env, in);

	if (reason)
		return reason;
	in->flow.after = in->flow.before;
	in->flow.after.zone[KS_REPLY] = in->to;
	if (in->rule_index != KS_DECISION_DEFAULT)
		in->flow.after.rule = (__u16)in->rule;
	in->alias[KS_ORIGINAL] = 0;
	in->alias[KS_REPLY] = 0;
	in->mapped = 0;
	in->translate = 0;
	if (may_be_renamed(in))
		return rename_source(env, config, in);
	if (in->flow.before.alias[KS_REPLY] || ks_nat_has_source(env, config, in))
		return flow_end(env, in, KS_REASON_REROUTED);
	return flow_move(env, in);
}

/* Returns true if the rules allow the flow with its two ends in these zones. One that a rule forwards has been allowed. */
static bool is_allowed_between(struct ks_env *env, struct ks_inspection *in, __u32 from, __u32 to)
{
	const struct ks_flow_key *key = &in->flow.key;
	__u32 side = ks_flow_orig_side(&in->flow.before) & 1;
	struct ks_question *q = &in->question;
	struct ks_decision decision = {};

	if (is_forwarded(in))
		return true;
	ks_question_make(in, &in->pkt.tuple, KS_LIST_FILTER, q);
	q->tuple.src = key->addr[side];
	q->tuple.dst = key->addr[!side];
	q->tuple.sport = key->port[side];
	q->tuple.dport = key->port[!side];
	if (key->proto == KS_PROTO_ICMP || key->proto == KS_PROTO_ICMPV6)
		q->icmp = ks_be16(q->tuple.dport); /* the question's type: the packet may be the answer */
	q->from = (__u8)from;
	q->to = (__u8)to;
	ks_rules_ask(env, q, &decision);
	return decision.action == KS_ALLOW && !decision.targets;
}

static __u32 reroute_reply(struct ks_env *env, struct ks_inspection *in)
{
	__u32 reason = ks_nat_translate(env, in);

	if (reason)
		return reason;
	if (env_send_back(env, in->flow.before.zone[KS_ORIGINAL], is_forwarded(in) ? &in->out.src : NULL,
			  in->pkt.tuple.family))
		return 0;
	return is_allowed_between(env, in, in->to, in->flow.before.zone[KS_REPLY]) ? 0 : KS_REASON_ZONE;
}

/* A packet comes in from another zone than its sender is known in. Returns 0 or a reason. */
static __u32 admit_sender(struct ks_env *env, struct ks_inspection *in)
{
	const __u8 *zone = in->flow.before.zone;
	bool original = in->dir == KS_ORIGINAL;

	if (!env_zones_are_one(env, in->from, zone[in->dir & 1]))
		return KS_REASON_ZONE;
	return is_allowed_between(env, in, original ? in->from : zone[KS_ORIGINAL],
				  original ? zone[KS_REPLY] : in->from)
		       ? 0
		       : KS_REASON_ZONE;
}

/* What its flow's protocol refuses changes nothing. What ingress has passed was asked there. Returns 0 or a reason. */
static __u32 ask_protocol(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason;

	if (in->leaving)
		return 0;
	if (!ks_nat_is_addressed(in) && !ks_is_second_look(in))
		return KS_REASON_UNTRANSLATED;
	reason = ks_track_update(env, config, in);
	return ks_reason_is_pass(reason) ? 0 : reason;
}

/* Brings packet and flow in line. Returns 0 or a reason. */
static __u32 reroute(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason = 0;

	if (ks_comes_from_elsewhere(in) && !in->leaving)
		reason = admit_sender(env, in);
	if (!reason)
		reason = ask_protocol(env, config, in);
	if (reason || !(in->leaving || ks_leaves_elsewhere(in)))
		return reason;
	return in->dir == KS_ORIGINAL ? reroute_original(env, config, in) : reroute_reply(env, in);
}

/* The flow as it is now, if another processor was first. Returns 0 or a reason. */
static __u32 flow_find(struct ks_env *env, struct ks_inspection *in)
{
	in->sender = ks_packet_key(env, in, &in->pkt.tuple, &in->flow.key);
	ks_table_hash(env, &in->flow);
	ks_nat_find(env, in);
	in->dir = in->sender != ks_flow_orig_side(&in->flow.before);
	if (in->flow.busy)
		return KS_REASON_CONTENDED;
	return in->flow.found ? 0 : KS_REASON_UNTRANSLATED;
}

/* What left before its source was known goes on with it; anything else is judged as a packet of the flow as it is now. */
static void go_on(struct ks_env *env, struct ks_inspection *in)
{
	__u32 reason;

	in->stage = KS_STAGE_FIND;
	if (!in->leaving)
		return;
	in->flow.before = in->flow.after;
	reason = ks_nat_translate(env, in);
	in->stage = KS_STAGE_DONE;
	in->reason = reason ? ks_deny(in, KS_CLASS_INVALID, reason)
			    : ks_pass(in, KS_CLASS_ESTABLISHED, KS_REASON_OK_ESTABLISHED);
	if (!reason && in->translate & in->phase)
		in->stage = KS_STAGE_WRITE;
}

void ks_stage_reroute(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	in->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = in->retries && in->leaving ? flow_find(env, in) : 0;
	in->action = KS_DENY;
	in->out = in->pkt.tuple;
	in->state = in->flow.before.state;
	in->rule = in->flow.before.rule;
	if (!reason)
		reason = reroute(env, config, in);
	if (!reason) {
		in->rerouted = 1;
		go_on(env, in);
		return;
	}
	in->flow.after = in->flow.before;
	in->class = KS_CLASS_INVALID;
	if (!ks_again(in, reason, in->leaving ? KS_STAGE_REROUTE : KS_STAGE_FIND))
		ks_conclude(in, config, reason);
}
