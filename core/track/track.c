// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections of any protocol; see track.h. UDP after RFC 4787, ICMP queries
 * after RFC 5508. Time and counters of a flow move only for valid packets.
 */
#include "core/track/track.h"

#include "core/table/timeout.h"
#include "core/track/dccp.h"
#include "core/env.h"
#include "core/header/gre.h"
#include "core/track/sctp.h"
#include "core/track/tcp.h"
#include "core/track/udp_class.h"
#include "core/verdict.h"

/* States of the protocols without a machine: before and after the other side spoke. */
static inline __u32 plain_state(__u32 proto, bool replied)
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

static inline void count(struct ks_inspection *in)
{
	ks_flow_count(&in->flow.after, in->dir, in->pkt.l3_len);
}

/* What a state's or a class's timeout is for the flow as it stands now. */
static inline __u32 timeout_of(const struct ks_config *config, const struct ks_flow *flow)
{
	__u32 timeout = 0;

	if (ks_unlikely(flow->class != KS_UDP_PLAIN))
		timeout = config->class_timeout[flow->class & (KS_UDP_CLASSES - 1)][ks_udp_is_answered(flow) & 1];
	return timeout ? timeout : config->timeout[flow->state & (KS_STATE_SLOTS - 1)];
}

static inline void refresh(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	const struct ks_table_counts *counts;

	in->flow.after.seen = in->flow.clock;
	in->flow.after.timeout = timeout_of(config, &in->flow.after);
	if (ks_likely(!config->adaptive_high))
		return;
	counts = env_table_counts(env);
	if (counts && ks_unlikely(counts->flows > config->adaptive_low))
		in->flow.after.timeout = ks_timeout_adapt(config, &in->flow.after, counts->flows);
}

_Static_assert(KS_STATE_MAX <= KS_STATE_SLOTS, "states are masked");

__u32 ks_track_may_open(const struct ks_config *config, const struct ks_packet *pkt)
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

void ks_track_open(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct ks_flow *flow = &in->flow.after;

	*flow = (struct ks_flow){
		.created = (__u32)(in->now / KS_NSEC_PER_SEC),
		.rule = in->rule,
		.zone = { in->from, in->to },
		.flags = (in->sender ? KS_FLOW_ORIG_IS_HIGH : 0) | (in->log ? KS_FLOW_LOG : 0),
	};
	in->dir = KS_ORIGINAL;
	switch (in->pkt.tuple.proto) {
	case KS_PROTO_TCP:
		ks_tcp_open(in);
		break;
	case KS_PROTO_SCTP:
		ks_sctp_open(in);
		break;
	case KS_PROTO_DCCP:
		ks_dccp_open(in);
		break;
	case KS_PROTO_UDP:
		ks_udp_open(env, in);
		/* fall through */
	default:
		flow->state = plain_state(in->pkt.tuple.proto, false);
	}
	count(in);
	refresh(env, config, in);
}

/* A protocol without a machine: an answer makes it last longer. */
static inline __u32 plain_update(struct ks_inspection *in)
{
	if (in->dir == KS_REPLY) {
		in->flow.after.flags |= KS_FLOW_ASSURED;
		in->flow.after.state = plain_state(in->pkt.tuple.proto, true);
	}
	return KS_REASON_OK_ESTABLISHED;
}

static inline __u32 udp_update(struct ks_inspection *in)
{
	__u32 reason = plain_update(in);

	if (ks_unlikely(in->flow.after.class != KS_UDP_PLAIN))
		ks_udp_update(in);
	return reason;
}

/* Only the originator asks, only the other side answers. */
static __u32 icmp_update(struct ks_inspection *in)
{
	if (in->pkt.flags & (in->dir == KS_REPLY ? KS_PKT_ICMP_QUERY : KS_PKT_ICMP_ANSWER))
		return KS_REASON_DIRECTION;
	return plain_update(in);
}

/* A call of PPTP gets no answer under its own key: a tunnel that goes on is a tunnel. */
static __u32 gre_update(struct ks_inspection *in)
{
	__u32 reason = plain_update(in);

	if (ks_gre_is_call(&in->pkt.tuple))
		in->flow.after.state = plain_state(KS_PROTO_GRE, true);
	return reason;
}

static inline bool is_established(__u32 state)
{
	return state == KS_STATE_TCP_ESTABLISHED || state == KS_STATE_SCTP_ESTABLISHED || state == KS_STATE_DCCP_OPEN;
}

__u32 ks_track_update(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason;
	bool moves = true;

	in->flow.after = in->flow.before;
	switch (in->pkt.tuple.proto) {
	case KS_PROTO_TCP:
		if (config->options & KS_OPT_ASYMMETRIC)
			reason = ks_tcp_asymmetric_update(in, &moves);
		else
			reason = ks_tcp_update(config, in, &moves);
		break;
	case KS_PROTO_SCTP:
		reason = ks_sctp_update(in, &moves);
		break;
	case KS_PROTO_DCCP:
		reason = ks_dccp_update(in, &moves);
		break;
	case KS_PROTO_UDP:
		reason = udp_update(in);
		break;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		reason = icmp_update(in);
		break;
	case KS_PROTO_GRE:
		reason = gre_update(in);
		break;
	default:
		reason = plain_update(in);
	}
	if (!ks_reason_is_pass(reason))
		return reason;
	count(in);
	if (!moves)
		return reason;
	if (in->dir == KS_REPLY)
		in->flow.after.flags |= KS_FLOW_REPLIED;
	if (is_established(in->flow.after.state))
		in->flow.after.flags |= KS_FLOW_ASSURED;
	refresh(env, config, in);
	return reason;
}
