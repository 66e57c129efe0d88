// SPDX-License-Identifier: BSD-2-Clause
/*
 * Connections of any protocol; see conn.h. UDP after RFC 4787, ICMP queries
 * after RFC 5508. Time and counters of a flow move only for valid packets.
 */
#include "conn.h"

#include "adaptive.h"
#include "env.h"
#include "tcp.h"
#include "verdict.h"

/* States of the protocols without a machine: before and after the other side spoke. */
static inline __u32 plain_state(__u32 proto, bool replied)
{
	switch (proto) {
	case KS_PROTO_UDP:
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

static inline void refresh(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	const struct ks_table_counts *counts;

	in->flow.after.seen = in->flow.clock;
	in->flow.after.timeout = config->timeout[in->flow.after.state & (KS_STATE_SLOTS - 1)];
	if (ks_likely(!config->adaptive_high))
		return;
	counts = env_table_counts(env);
	if (counts)
		in->flow.after.timeout = ks_adaptive_timeout(config, &in->flow.after, counts->flows);
}

_Static_assert(KS_STATE_MAX <= KS_STATE_SLOTS, "states are masked");

__u32 ks_conn_may_open(const struct ks_config *config, const struct ks_packet *pkt)
{
	if (pkt->tuple.proto == KS_PROTO_TCP)
		return ks_tcp_may_open(config, pkt);
	if (pkt->flags & KS_PKT_ICMP_ANSWER)
		return KS_REASON_ICMP_REPLY;
	return 0;
}

bool ks_conn_reopens(const struct ks_packet *pkt, const struct ks_flow *flow)
{
	return pkt->tuple.proto == KS_PROTO_TCP && ks_tcp_reopens(pkt, flow);
}

void ks_conn_open(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct ks_flow *flow = &in->flow.after;

	*flow = (struct ks_flow){
		.created = (__u32)(in->now / KS_NSEC_PER_SEC),
		.rule = in->rule,
		.zone = { in->from, in->to },
		.flags = (in->sender ? KS_FLOW_ORIG_IS_HIGH : 0) | (in->log ? KS_FLOW_LOG : 0),
	};
	in->dir = KS_ORIGINAL;
	if (in->pkt.tuple.proto == KS_PROTO_TCP)
		ks_tcp_open(in);
	else
		flow->state = plain_state(in->pkt.tuple.proto, false);
	count(in);
	refresh(env, config, in);
}

/* A protocol without a machine: an answer makes it last longer. */
static __u32 plain_update(struct ks_inspection *in)
{
	if (in->pkt.flags & KS_PKT_ICMP_QUERY && in->dir == KS_REPLY)
		return KS_REASON_DIRECTION;
	if (in->pkt.flags & KS_PKT_ICMP_ANSWER && in->dir == KS_ORIGINAL)
		return KS_REASON_DIRECTION;
	if (in->dir == KS_REPLY) {
		in->flow.after.flags |= KS_FLOW_ASSURED;
		in->flow.after.state = plain_state(in->pkt.tuple.proto, true);
	}
	return KS_REASON_OK_ESTABLISHED;
}

__u32 ks_conn_update(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 reason;
	bool moves = true;

	in->flow.after = in->flow.before;
	if (in->pkt.tuple.proto == KS_PROTO_TCP)
		reason = config->options & KS_OPT_ASYMMETRIC ? ks_tcp_asymmetric_update(in, &moves) :
							  ks_tcp_update(config, in, &moves);
	else
		reason = plain_update(in);
	if (!ks_reason_is_pass(reason))
		return reason;
	count(in);
	if (!moves)
		return reason;
	if (in->dir == KS_REPLY)
		in->flow.after.flags |= KS_FLOW_REPLIED;
	if (in->flow.after.state == KS_STATE_TCP_ESTABLISHED)
		in->flow.after.flags |= KS_FLOW_ASSURED;
	refresh(env, config, in);
	return reason;
}
