// SPDX-License-Identifier: BSD-2-Clause
/*
 * DCCP connections seen from the middle; see dccp.h. States are the table in
 * dccp_arcs.h. Sequence numbers have 48 bits and every packet has one; the
 * windows in which a receiver takes them are negotiated in options (RFC 4340
 * 7.5) that are not read here. So a wide one is used, SEQ_SLACK, which still
 * leaves a guesser one chance in eight million for each of the two numbers;
 * and nothing is ever acknowledged that was not sent. What ends a connection
 * must be newer than all that its side has sent (8.5, step 6).
 *
 * Nothing here writes to the table: the caller commits insp->flow.after.
 */
#include "core/track/dccp.h"

#include "core/track/dccp_arcs.h"
#include "core/verdict.h"

#define SEQ_BITS 48
#define SEQ_SHIFT (64 - SEQ_BITS)
#define SEQ_MASK ((1ULL << SEQ_BITS) - 1)
#define SEQ_SLACK (1LL << 24)
#define SHORT_BITS 24
#define SHORT_SHIFT (32 - SHORT_BITS)
#define SEQ_HIGH_SHIFT 32

static inline __u32 type_of(const struct ks_packet *pkt)
{
	return pkt->dccp_type & KS_DCCP_TYPE_MASK;
}

/* a - b in the arithmetic of 48-bit numbers (RFC 4340 7.1). */
static inline __s64 seq_distance(__u64 a, __u64 b)
{
	return (__s64)((a - b) << SEQ_SHIFT) >> SEQ_SHIFT;
}

/* A number of a packet; one of 24 bits is the nearest to `near` that ends so (RFC 4340 7.6). */
static inline __u64 number_of(const struct ks_packet *pkt, __u32 high, __u32 low, __u64 near)
{
	__s32 ahead;

	if (!(pkt->dccp_type & KS_DCCP_SHORT))
		return (__u64)high << SEQ_HIGH_SHIFT | low;
	ahead = (__s32)((low - (__u32)near) << SHORT_SHIFT) >> SHORT_SHIFT;
	return (near + (__u64)(__s64)ahead) & SEQ_MASK;
}

__u32 ks_dccp_may_open(const struct ks_packet *pkt)
{
	return type_of(pkt) == KS_DCCP_REQUEST ? 0 : KS_REASON_NO_STATE;
}

bool ks_dccp_is_midstream(const struct ks_packet *pkt)
{
	__u32 type = type_of(pkt);

	/* Short numbers tell nothing to one who has not seen a long one. */
	return (type == KS_DCCP_DATA || type == KS_DCCP_ACK || type == KS_DCCP_DATAACK) &&
	       !(pkt->dccp_type & KS_DCCP_SHORT);
}

bool ks_dccp_reopens(const struct ks_packet *pkt, const struct ks_flow *flow)
{
	return type_of(pkt) == KS_DCCP_REQUEST && flow->state == KS_STATE_DCCP_TIMEWAIT;
}

void ks_dccp_open(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;

	flow->state = KS_STATE_DCCP_REQUEST;
	flow->dccp.last[KS_ORIGINAL] = number_of(&insp->pkt, insp->pkt.dccp.seq_high, insp->pkt.dccp.seq, 0);
	flow->dccp.first[KS_ORIGINAL] = flow->dccp.last[KS_ORIGINAL];
	if (type_of(&insp->pkt) == KS_DCCP_REQUEST)
		return;
	flow->state = KS_STATE_TAKEN_UP;
	flow->flags |= KS_FLOW_PICKUP;
	flow->dccp.first[KS_ORIGINAL] = (flow->dccp.last[KS_ORIGINAL] - (__u64)SEQ_SLACK) & SEQ_MASK;
}

/* The state of the machine: a connection that was taken up in its middle is taken for an open one. */
static inline __u32 machine_state(const struct ks_flow *flow)
{
	return flow->state == KS_STATE_TAKEN_UP ? KS_STATE_DCCP_OPEN : flow->state;
}

static inline void dccp_compare_set(struct ks_inspection *insp, __u64 have, __u64 lo, __u64 hi)
{
	insp->verdict.compare.have = (__u32)have;
	insp->verdict.compare.lo = (__u32)lo;
	insp->verdict.compare.hi = (__u32)hi;
}

static inline bool is_unanswered(const struct ks_flow *flow)
{
	return flow->state == KS_STATE_DCCP_REQUEST || flow->state == KS_STATE_TAKEN_UP;
}

/* Returns true if the other side has yet to send its first packet: any number in it will be right. */
static inline bool is_first(const struct ks_inspection *insp)
{
	return insp->dir == KS_REPLY && is_unanswered(&insp->flow.before);
}

static bool seq_ok(struct ks_inspection *insp, __u64 seq)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u64 last = flow->dccp.last[insp->dir & 1];
	__s64 ahead = seq_distance(seq, last);

	if (is_first(insp))
		return true;
	dccp_compare_set(insp, seq, last - SEQ_SLACK, last + SEQ_SLACK);
	return ahead <= SEQ_SLACK && ahead >= -SEQ_SLACK;
}

/* It acknowledges what the peer has sent, not long ago, and not before its first packet. */
static bool ack_ok(struct ks_inspection *insp, __u64 ack)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 peer = !(insp->dir & 1);
	__s64 behind = seq_distance(flow->dccp.last[peer], ack);

	dccp_compare_set(insp, ack, flow->dccp.first[peer], flow->dccp.last[peer]);
	return behind >= 0 && behind <= SEQ_SLACK && seq_distance(ack, flow->dccp.first[peer]) >= 0;
}

static __u32 dccp_numbers_check(struct ks_inspection *insp, __u64 seq)
{
	const struct ks_packet *pkt = &insp->pkt;
	__u32 type = type_of(pkt), peer = !(insp->dir & 1);
	__u64 ack;

	if (!seq_ok(insp, seq))
		return KS_REASON_DCCP_SEQ;
	if (type == KS_DCCP_REQUEST || type == KS_DCCP_DATA)
		return 0;
	/* A client may reset before it knows any number of the server. */
	if (insp->dir == KS_ORIGINAL && is_unanswered(&insp->flow.before))
		return 0;
	ack = number_of(pkt, pkt->dccp.ack_high, pkt->dccp.ack, insp->flow.before.dccp.last[peer]);
	return ack_ok(insp, ack) ? 0 : KS_REASON_DCCP_SEQ;
}

static inline void dccp_numbers_learn(struct ks_inspection *insp, __u64 seq)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 dir = insp->dir & 1;

	if (is_first(insp)) /* of a connection from its middle earlier numbers may still be acknowledged */
		flow->dccp.first[dir] = flow->state == KS_STATE_TAKEN_UP ? (seq - (__u64)SEQ_SLACK) & SEQ_MASK : seq;
	if (is_first(insp) || seq_distance(seq, flow->dccp.last[dir]) > 0)
		flow->dccp.last[dir] = seq;
}

/* Returns true for a CloseReq, Close or Reset with a number that was used, or lies before it: its receiver ignores it. */
static bool is_stale_end(const struct ks_inspection *insp, __u64 seq)
{
	__u32 type = type_of(&insp->pkt);

	if ((type != KS_DCCP_CLOSEREQ && type != KS_DCCP_CLOSE && type != KS_DCCP_RESET) || is_first(insp))
		return false;
	return seq_distance(seq, insp->flow.before.dccp.last[insp->dir & 1]) <= 0;
}

__u32 ks_dccp_update(struct ks_inspection *insp, bool *moves)
{
	const struct ks_packet *pkt = &insp->pkt;
	__u32 arc = arc_of(insp->dir, type_of(pkt), machine_state(&insp->flow.before));
	__u64 seq = number_of(pkt, pkt->dccp.seq_high, pkt->dccp.seq, insp->flow.before.dccp.last[insp->dir & 1]);
	__u32 reason;

	*moves = arc < DROP;
	if (arc == DROP)
		return KS_REASON_DCCP_STATE;
	reason = dccp_numbers_check(insp, seq);
	if (reason)
		return reason;
	if (is_stale_end(insp, seq)) {
		*moves = false;
		return KS_REASON_OK_ESTABLISHED;
	}
	dccp_numbers_learn(insp, seq);
	if (arc < DROP)
		insp->flow.after.state = (__u8)arc;
	return KS_REASON_OK_ESTABLISHED;
}
