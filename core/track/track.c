// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections of any protocol; see track.h. UDP after RFC 4787, ICMP queries
 * after RFC 5508. Time and counters of a flow move only for valid packets.
 */
#include "core/track/track.h"

#include "core/table/ruled.h"
#include "core/table/timeout.h"
#include "core/track/dccp.h"
#include "core/env.h"
#include "core/table/table.h"
#include "core/header/gre.h"
#include "core/track/sctp.h"
#include "core/track/tcp.h"
#include "core/track/udp_class.h"
#include "core/verdict.h"

/* States of the protocols without a machine: before and after the other side spoke. */
static inline __u8 plain_state(__u32 proto, bool replied)
{
	switch (proto) {
	case KS_PROTO_UDP:
	case KS_PROTO_UDPLITE:
		return replied ? KS_STATE_UDP_STREAM : KS_STATE_UDP_SINGLE;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		return replied ? KS_STATE_ICMP_REPLIED : KS_STATE_ICMP_REQUEST;
	default:
		return replied ? KS_STATE_OTHER_STREAM : KS_STATE_OTHER_SINGLE;
	}
}

static inline void count(struct ks_inspection *insp)
{
	ks_flow_count(&insp->flow.after, insp->dir, insp->pkt.l3_len);
}

/*
 * The least that a translated flow lives without packets, ms. UDP: two minutes, but for a service at a well-known port, whose
 * protocol is known to need less (RFC 4787 REQ-5); an ICMP query: 60 seconds (RFC 5508 REQ-1).
 */
static __u32 translated_floor(const struct ks_inspection *insp)
{
	const struct ks_flow_key *key = &insp->flow.key;
	__u32 asked = ks_be16(key->port[!ks_flow_orig_side(&insp->flow.after)]);

	switch (key->proto) {
	case KS_PROTO_UDP:
	case KS_PROTO_UDPLITE:
		return asked < KS_PORT_UNPRIVILEGED ? 0 : KS_TRANSLATED_UDP_MS;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		return KS_TRANSLATED_ICMP_MS;
	default:
		return 0;
	}
}

static inline bool is_established(__u32 state)
{
	return state == KS_STATE_TCP_ESTABLISHED || state == KS_STATE_SCTP_ESTABLISHED || state == KS_STATE_DCCP_OPEN;
}

/* Returns true for a flow that lasts: established, or of a protocol that has no handshake. */
static inline bool is_lasting(__u32 state)
{
	return is_established(state) || ks_state_is_plain(state);
}

/* A timeout, and a bit that is set if the policy says it, so that it stands for translated flows, too. */
struct timeout_choice {
	__u32 timeout;
	__u64 set;
};

/* The timeout of the flow's class, or of its rule. */
static ks_inline void timeout_refine(struct ks_env *env, const struct ks_config *config, const struct ks_flow *flow,
				     struct timeout_choice *choice)
{
	__u32 class = flow->class & (KS_UDP_CLASSES - 1), answered = ks_udp_is_answered(flow) & 1;
	const struct ks_effects *effects;

	if (class != KS_UDP_PLAIN && config->class_timeout[class][answered]) {
		choice->timeout = config->class_timeout[class][answered];
		choice->set = config->class_timeouts_set >> (2 * class + answered);
	}
	if (!(flow->limits & KS_FLOW_RULED) || !is_lasting(flow->state))
		return;
	effects = env_effects(env, flow->rule);
	if (!effects || !effects->timeout)
		return;
	choice->timeout = effects->timeout;
	choice->set = 1;
}

/* The timeout of the flow's rule or its class or, without one, of its state. */
static inline __u32 timeout_of(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.after;
	__u32 state = flow->state & (KS_STATE_SLOTS - 1);
	struct timeout_choice choice = { config->timeout[state], config->timeouts_set >> state };

	if (ks_unlikely(flow->class_limits))
		timeout_refine(env, config, flow, &choice);
	if (ks_unlikely(insp->translate) && !(choice.set & 1))
		return KS_MAX(choice.timeout, translated_floor(insp));
	return choice.timeout;
}

static ks_inline void timeout_refresh(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts;
	__u32 flows;

	insp->flow.after.seen = insp->flow.clock;
	insp->flow.after.timeout = timeout_of(env, config, insp);
	if (ks_likely(!config->adaptive_high))
		return;
	counts = env_table_counts(env);
	if (!counts)
		return;
	flows = ks_load_relaxed(&counts->flows);
	if (ks_unlikely(flows > config->adaptive_low))
		insp->flow.after.timeout = ks_timeout_adapt(config, &insp->flow.after, flows);
}

_Static_assert(KS_STATE_MAX <= KS_STATE_SLOTS, "states are masked");

ks_inlined __u32 ks_track_may_open(const struct ks_config *config, const struct ks_packet *pkt)
{
	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
		return ks_tcp_may_open(config, pkt);
	case KS_PROTO_SCTP:
		return ks_sctp_may_open(pkt);
	case KS_PROTO_DCCP:
		return ks_dccp_may_open(pkt);
	default:
		return pkt->flags & KS_PKT_ICMP_ANSWER ? KS_REASON_ICMP_REPLY : 0;
	}
}

bool ks_track_is_midstream(const struct ks_packet *pkt)
{
	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
		return (pkt->tcp_flags & (KS_TCP_SYN | KS_TCP_RST | KS_TCP_ACK)) == KS_TCP_ACK;
	case KS_PROTO_SCTP:
		return ks_sctp_is_midstream(pkt);
	case KS_PROTO_DCCP:
		return ks_dccp_is_midstream(pkt);
	default:
		return false;
	}
}

bool ks_track_reopens(const struct ks_packet *pkt, const struct ks_flow *flow)
{
	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
		return ks_tcp_reopens(pkt, flow);
	case KS_PROTO_SCTP:
		return ks_sctp_reopens(pkt, flow);
	case KS_PROTO_DCCP:
		return ks_dccp_reopens(pkt, flow);
	default:
		return false;
	}
}

void ks_track_open(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;

	*flow = (struct ks_flow){
		.created = (__u32)(insp->home.now / KS_NSEC_PER_SEC),
		.rule = (__u16)insp->verdict.rule,
		.limits = (insp->opening.limits | (insp->opening.ruled ? KS_FLOW_RULED : 0)) & KS_FLOW_LIMIT_MASK,
		.zone = { insp->home.from, insp->to },
		.flags = (insp->from_high ? KS_FLOW_ORIG_IS_HIGH : 0) | (insp->verdict.log ? KS_FLOW_LOG : 0),
	};
	insp->dir = KS_ORIGINAL;
	switch (insp->pkt.tuple.proto) {
	case KS_PROTO_TCP:
		ks_tcp_open(insp);
		if (flow->state == KS_STATE_TCP_ESTABLISHED && !(config->options & KS_OPT_ASYMMETRIC) &&
		    !insp->opening.asymmetric)
			flow->state = KS_STATE_TAKEN_UP;
		break;
	case KS_PROTO_SCTP:
		ks_sctp_open(insp);
		break;
	case KS_PROTO_DCCP:
		ks_dccp_open(insp);
		break;
	case KS_PROTO_UDP:
		ks_udp_open(env, insp);
		/* fall through */
	default:
		flow->state = plain_state(insp->pkt.tuple.proto, false);
	}
	count(insp);
	timeout_refresh(env, config, insp);
}

#define PROVEN_ANSWERS 2U
#define PROVEN_S 2U

/*
 * The originator goes on, some time after it began and after so many packets of the other side: that is no invented source
 * any more. `answers` are those packets, in a protocol where they can be told.
 */
static inline void plain_prove(struct ks_inspection *insp, __u32 answers)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 now;

	if (ks_likely(flow->flags & KS_FLOW_ASSURED) || answers < PROVEN_ANSWERS)
		return;
	now = (__u32)(insp->home.now / KS_NSEC_PER_SEC);
	if (now - flow->created >= PROVEN_S)
		flow->flags |= KS_FLOW_ASSURED;
}

/* A protocol without a machine: an answer gives the flow a longer timeout. */
static inline __u32 plain_update(struct ks_inspection *insp)
{
	if (insp->dir == KS_REPLY)
		insp->flow.after.state = plain_state(insp->pkt.tuple.proto, true);
	else
		plain_prove(insp, insp->flow.after.packets_low[KS_REPLY]);
	return KS_REASON_OK_ESTABLISHED;
}

static inline __u32 udp_update(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 reason = plain_update(insp);

	if (ks_unlikely(insp->flow.after.class != KS_UDP_PLAIN))
		ks_udp_update(env, insp);
	return reason;
}

/* Only the originator asks, only the other side answers. */
static __u32 icmp_update(struct ks_inspection *insp)
{
	if (insp->pkt.flags & (insp->dir == KS_REPLY ? KS_PKT_ICMP_QUERY : KS_PKT_ICMP_ANSWER))
		return KS_REASON_DIRECTION;
	return plain_update(insp);
}

/* A call of PPTP gets no answer under its own key, so its second packet counts as one. */
static __u32 gre_update(struct ks_inspection *insp)
{
	__u32 reason = plain_update(insp);

	if (ks_gre_is_call(&insp->pkt.tuple)) {
		insp->flow.after.state = plain_state(KS_PROTO_GRE, true);
		plain_prove(insp, insp->flow.after.packets_low[KS_ORIGINAL]);
	}
	return reason;
}

/* The originator of a connection that was taken up in its middle does not establish it alone. */
static inline void taken_up_hold(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	if (insp->dir == KS_ORIGINAL && !ks_state_is_closed(insp->flow.after.state) &&
	    !ks_flow_is_asymmetric(env, config, &insp->flow.before))
		insp->flow.after.state = KS_STATE_TAKEN_UP;
}

/* A connection that is established by what one side said may begin again: then it waits for the other side like a new one. */
static __u32 asymmetric_update(struct ks_env *env, struct ks_inspection *insp, bool *moves)
{
	__u32 reason = ks_tcp_asymmetric_update(insp, moves);

	if (ks_state_is_half_open(insp->flow.after.state) && !ks_state_is_half_open(insp->flow.before.state) &&
	    !insp->home.dry) {
		ks_table_hash(env, &insp->flow); /* it may have been found by an alias */
		ks_queue_join(env, &insp->flow);
	}
	return reason;
}

/*
 * Returns true if who opens a connection only says again what he has said: that keeps it no longer. So an unanswered SYN
 * is forgotten after its time, however often it comes; the next one opens the connection anew.
 */
static inline bool is_mere_repetition(const struct ks_inspection *insp)
{
	return insp->dir == KS_ORIGINAL && insp->flow.after.state == insp->flow.before.state &&
	       ks_state_is_half_open(insp->flow.after.state);
}

ks_inlined __u32 ks_track_update_inlined(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason;
	bool moves = true;

	insp->flow.after = insp->flow.before;
	switch (insp->pkt.tuple.proto) {
	case KS_PROTO_TCP:
		if (ks_flow_is_asymmetric(env, config, &insp->flow.before))
			reason = asymmetric_update(env, insp, &moves);
		else
			reason = ks_tcp_update(config, insp, &moves);
		break;
	case KS_PROTO_SCTP:
		reason = ks_sctp_update(insp, &moves);
		break;
	case KS_PROTO_DCCP:
		reason = ks_dccp_update(insp, &moves);
		break;
	case KS_PROTO_UDP:
		reason = udp_update(env, insp);
		break;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		reason = icmp_update(insp);
		break;
	case KS_PROTO_GRE:
		reason = gre_update(insp);
		break;
	default:
		reason = plain_update(insp);
	}
	if (!ks_reason_is_pass(reason))
		return reason;
	count(insp);
	if (!moves)
		return reason;
	if (ks_unlikely(insp->flow.before.state == KS_STATE_TAKEN_UP))
		taken_up_hold(env, config, insp);
	if (insp->dir == KS_REPLY)
		insp->flow.after.flags |= KS_FLOW_REPLIED;
	if (is_established(insp->flow.after.state))
		insp->flow.after.flags |= KS_FLOW_ASSURED;
	else if (is_mere_repetition(insp))
		return reason;
	timeout_refresh(env, config, insp);
	return reason;
}

__u32 ks_track_update(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	return ks_track_update_inlined(env, config, insp);
}
