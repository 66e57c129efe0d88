// SPDX-License-Identifier: BSD-2-Clause
/*
 * TCP where only one direction of a connection may come this way (`option asymmetric`), because the other goes by
 * another gateway.
 *
 * Checks that need both directions are not made: windows, acknowledgements, the order of the handshake, the exact number
 * of a reset or a FIN. These remain: which packets may open a connection, that roles never change, that a reset or a FIN lies
 * within a window of numbers that were seen, and timeouts that follow SYN, FIN and RST as far as they are seen. Nobody is cut
 * off by a guess: data behind a FIN take it back, and after a reset segments pass until the entry times out.
 *
 * The first packet seen of a connection may be its SYN+ACK or one in its middle. Its sender is then the originator,
 * because the policy was asked about that packet.
 */
#include "core/home.h"
#include "core/track/tcp.h"
#include "core/verdict.h"

/* Returns true if `seq` lies within a window of `known`, on either side. */
static inline bool is_near(__u32 seq, __u32 known, __u32 window)
{
	return seq - known <= window || known - seq <= window;
}

/* A reset beside what its sender sent last, or what the other side acknowledged last. */
static bool reset_is_near(struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1, peer = !dir;
	__u32 window = KS_MAX(ks_tcp_max_win(flow, peer), KS_TCP_REACH_MIN);

	insp->verdict.compare =
		(struct ks_compare){ .have = insp->pkt.seq, .lo = flow->ack[peer], .hi = flow->end[dir] };
	if (ks_flow_packets(flow, dir) && is_near(insp->pkt.seq, flow->end[dir], window))
		return true;
	return ks_flow_packets(flow, peer) && is_near(insp->pkt.seq, flow->ack[peer], window);
}

/* In answer to a SYN a reset must acknowledge it, as ever (RFC 9293 3.10.7.3). */
static bool reset_is_believed(struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;

	if (insp->dir == KS_ORIGINAL || flow->state != KS_STATE_TCP_SYN_SENT)
		return reset_is_near(insp);
	insp->verdict.compare =
		(struct ks_compare){ .have = insp->pkt.ack, .lo = flow->ack[KS_REPLY], .hi = flow->end[KS_ORIGINAL] };
	return insp->pkt.tcp_flags & KS_TCP_ACK && !ks_seq_before(insp->pkt.ack, flow->ack[KS_REPLY]) &&
	       !ks_seq_after(insp->pkt.ack, flow->end[KS_ORIGINAL]);
}

/* Returns true if a segment is no repeated one: it goes beyond what its side has sent, or is too far away to be of the same connection. */
static bool is_ahead(const struct ks_flow *flow, __u32 dir, __u32 end)
{
	return !ks_flow_packets(flow, dir) || !is_near(end, flow->end[dir & 1], KS_TCP_REACH_MIN) ||
	       ks_seq_after(end, flow->end[dir & 1]);
}

/* The latest numbers of this side; nothing is compared with them but resets, FINs and quoted packets. */
static void numbers_learn(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 dir = insp->dir & 1, end = ks_tcp_segment_end(&insp->pkt);

	if (is_ahead(flow, dir, end))
		flow->end[dir] = end;
	if (insp->pkt.tcp_flags & KS_TCP_ACK)
		flow->ack[dir] = insp->pkt.ack;
	if (insp->pkt.window > flow->max_win[dir])
		flow->max_win[dir] = insp->pkt.window;
	flow->tcp_flags[KS_ORIGINAL] |= KS_TCP_LIBERAL;
	flow->tcp_flags[KS_REPLY] |= KS_TCP_LIBERAL;
}

/* Returns true for a SYN of the responder, or a SYN+ACK of the originator. */
static bool role_is_wrong(const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	bool answers = insp->pkt.tcp_flags & KS_TCP_ACK;

	/* If the first segment seen was an answer, its sender is the originator. */
	if (insp->dir == KS_ORIGINAL && answers)
		return !(flow->flags & KS_FLOW_PICKUP);
	return insp->dir == KS_REPLY && !answers;
}

/* The originator's begins again; an answer to a SYN counts until the connection is established. */
static __u32 syn_update(struct ks_inspection *insp, bool *moves)
{
	struct ks_flow *flow = &insp->flow.after;

	if (role_is_wrong(insp))
		return ks_state_is_half_open(flow->state) ? KS_REASON_TCP_SPLIT : KS_REASON_TCP_STATE;
	if (ks_state_is_closed(flow->state) || (insp->dir == KS_REPLY && !ks_state_is_half_open(flow->state))) {
		*moves = false;
		return KS_REASON_OK_ESTABLISHED;
	}
	if (insp->dir == KS_ORIGINAL) {
		flow->flags &= (__u8) ~(KS_FLOW_PICKUP | KS_FLOW_SYN_SEEN | KS_FLOW_ASSURED);
		ks_tcp_open(insp);
	} else {
		flow->state = KS_STATE_TCP_SYN_RECV;
	}
	numbers_learn(insp);
	return KS_REASON_OK_ESTABLISHED;
}

static __u32 reset_update(struct ks_inspection *insp)
{
	if (!reset_is_believed(insp))
		return KS_REASON_TCP_RST_SEQ;
	insp->flow.after.state = KS_STATE_TCP_CLOSE;
	return KS_REASON_OK_ESTABLISHED;
}

/* The state after a segment without SYN and RST, by the FINs and last acknowledgements seen so far. */
static __u32 state_of(struct ks_flow *flow, __u32 dir)
{
	__u8 mine = flow->tcp_flags[dir & 1], theirs = flow->tcp_flags[!dir];

	if (mine & theirs & KS_TCP_FIN_ACKED)
		return KS_STATE_TCP_TIME_WAIT;
	if (mine & theirs & KS_TCP_FIN_SEEN)
		return KS_STATE_TCP_LAST_ACK;
	if ((mine | theirs) & KS_TCP_FIN_SEEN)
		return (mine | theirs) & KS_TCP_FIN_ACKED ? KS_STATE_TCP_CLOSE_WAIT : KS_STATE_TCP_FIN_WAIT;
	return KS_STATE_TCP_ESTABLISHED;
}

/* A FIN counts near what its side has sent, and not before the end of that; data behind one that nobody acknowledged take it back. */
static void asymmetric_fin_note(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 dir = insp->dir & 1, end = ks_tcp_segment_end(&insp->pkt);
	__u32 window = KS_MAX(ks_tcp_max_win(flow, !dir), KS_TCP_REACH_MIN);

	if (!(insp->pkt.tcp_flags & KS_TCP_FIN)) {
		if (flow->tcp_flags[dir] & KS_TCP_FIN_SEEN && !(flow->tcp_flags[dir] & KS_TCP_FIN_ACKED) &&
		    is_ahead(flow, dir, end))
			flow->tcp_flags[dir] &= (__u8)~KS_TCP_FIN_SEEN;
		return;
	}
	if (!ks_flow_packets(flow, dir) || (is_near(end, flow->end[dir], window) && ks_seq_after(end, flow->end[dir])))
		flow->tcp_flags[dir] |= KS_TCP_FIN_SEEN;
}

static __u32 data_update(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 dir = insp->dir & 1, peer = !dir;

	asymmetric_fin_note(insp);
	if (flow->tcp_flags[peer] & KS_TCP_FIN_SEEN && insp->pkt.ack == flow->end[peer])
		flow->tcp_flags[peer] |= KS_TCP_FIN_ACKED;
	numbers_learn(insp);
	flow->state = (__u8)state_of(flow, dir);
	return KS_REASON_OK_ESTABLISHED;
}

__u32 ks_tcp_asymmetric_update(struct ks_inspection *insp, bool *moves)
{
	__u8 flags = insp->pkt.tcp_flags;

	*moves = true;
	if (flags & KS_TCP_SYN)
		return syn_update(insp, moves);
	/*
	 * The connection is over: segments still under way pass until the ports are used again or the entry times out.
	 */
	if (ks_state_is_closed(insp->flow.before.state)) {
		*moves = false;
		return KS_REASON_OK_ESTABLISHED;
	}
	if (flags & KS_TCP_RST)
		return reset_update(insp);
	return data_update(insp);
}
