/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers of a FIN.
 *
 * A FIN that moved the state wherever it lies in the window would end a connection by a guess in some hundred: what its side
 * sends afterwards lies behind the end. So a FIN counts when it is exact:
 *
 *   it follows without a gap what its side has sent, and all of that came without a gap, or
 *   it follows without a gap what the other side has acknowledged, or
 *   the other side acknowledges it.
 *
 * The receiver takes it at the same time: a FIN behind a gap waits there until the gap is filled. Until it counts it passes
 * like data, moves no state, and is remembered as a claim of its side (KS_TCP_FIN_CLAIMED), which octets at its place or
 * behind it take back. A FIN before the end of what its side has sent is no claim, unless it is the one that counted.
 *
 * KS_TCP_GAP: octets came behind a gap, because some were lost on the way to us or because somebody has guessed. It is closed
 * when the other side acknowledges the end. An attacker on one side cannot do that: packets of each side must come from its
 * zone. Of a connection from its middle nothing is proven before the other side has spoken.
 */
#ifndef KS_CORE_TRACK_TCP_CLOSING_H
#define KS_CORE_TRACK_TCP_CLOSING_H

#include "core/header/tcp.h"
#include "core/home.h"
#include "core/inspection.h"

/* Returns true if nothing of this side was seen yet, of a connection that began before we did. */
static inline bool tcp_is_unheard(const struct ks_flow *flow, __u32 dir)
{
	return flow->tcp_flags[dir & 1] & KS_TCP_LIBERAL && !ks_flow_packets(flow, dir);
}

/* Returns true if ack[] of the other side than `dir` is what that has acknowledged: not what a SYN inside says, and not a guess. */
static inline bool tcp_ack_is_known(const struct ks_flow *flow, __u32 dir)
{
	if (dir == KS_REPLY && flow->flags & KS_FLOW_SYN_SEEN)
		return false;
	return !tcp_is_unheard(flow, !dir);
}

/* Returns true if a FIN follows what the other side has acknowledged. */
static inline bool fin_follows_acked(const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1, acked = flow->ack[!dir];

	return tcp_ack_is_known(flow, dir) && !ks_seq_after(insp->pkt.seq, acked) &&
	       ks_seq_after(ks_tcp_segment_end(&insp->pkt), acked);
}

/* Returns true if a FIN counts at once. */
static bool fin_is_exact(const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1, end = ks_tcp_segment_end(&insp->pkt);

	if (flow->tcp_flags[dir] & KS_TCP_FIN_SEEN)
		return end == flow->end[dir];
	if (end == flow->end[dir] && flow->scale[dir] & KS_TCP_FIN_CLAIMED)
		return fin_follows_acked(insp);
	if (!ks_seq_after(end, flow->end[dir]))
		return false;
	if (!(flow->scale[dir] & KS_TCP_GAP) && !tcp_is_unheard(flow, dir) &&
	    !ks_seq_after(insp->pkt.seq, flow->end[dir]))
		return true;
	return fin_follows_acked(insp);
}

/* Notes that octets came behind a gap: the first ones of a side of which nothing was seen are, unless the other side knows them. */
static inline void gap_note(struct ks_inspection *insp)
{
	const struct ks_flow *before = &insp->flow.before;
	__u32 dir = insp->dir & 1;

	if (!tcp_is_unheard(before, dir)) {
		if (ks_unlikely(ks_seq_after(insp->pkt.seq, before->end[dir])))
			insp->flow.after.scale[dir] |= KS_TCP_GAP;
	} else if (insp->pkt.seq != before->end[dir] || tcp_is_unheard(before, !dir)) {
		insp->flow.after.scale[dir] |= KS_TCP_GAP;
	}
}

/* Returns true if a segment without FIN has octets where a claimed FIN would be, or behind it. */
static inline bool fin_is_refuted(const struct ks_inspection *insp)
{
	__u32 dir = insp->dir & 1, end = ks_tcp_segment_end(&insp->pkt), claimed = insp->flow.before.end[dir];

	return ks_seq_after(end, claimed) || (end == claimed && insp->pkt.payload_len);
}

/* Notes a FIN that counts, claims one, or takes a claim back. Returns true if the segment has a FIN that counts. */
static inline bool fin_note(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 dir = insp->dir & 1;

	if (ks_likely(!(insp->pkt.tcp_flags & KS_TCP_FIN))) {
		if (ks_unlikely(insp->flow.before.scale[dir] & KS_TCP_FIN_CLAIMED) && fin_is_refuted(insp))
			flow->scale[dir] &= (__u8)~KS_TCP_FIN_CLAIMED;
		return false;
	}
	if (fin_is_exact(insp)) {
		flow->tcp_flags[dir] |= KS_TCP_FIN_SEEN;
		flow->scale[dir] &= KS_TCP_SCALE_MASK;
		return true;
	}
	if (!(flow->tcp_flags[dir] & KS_TCP_FIN_SEEN) && flow->scale[dir] & KS_TCP_GAP &&
	    ks_tcp_segment_end(&insp->pkt) == flow->end[dir])
		flow->scale[dir] |= KS_TCP_FIN_CLAIMED;
	return false;
}

/* Side `dir` is acknowledged to its end: no gap is left, and a claimed FIN is proven. Returns true if there was one. */
static inline bool gap_close(struct ks_flow *flow, __u32 dir)
{
	bool claimed = flow->scale[dir & 1] & KS_TCP_FIN_CLAIMED;

	flow->scale[dir & 1] &= KS_TCP_SCALE_MASK;
	if (claimed)
		flow->tcp_flags[dir & 1] |= KS_TCP_FIN_SEEN;
	return claimed;
}

#endif
