// SPDX-License-Identifier: BSD-2-Clause
/*
 * The TCP state machine and its windows. States follow what both ends must
 * believe, seen from the middle; the table in tcp_arcs.h is the whole machine.
 * Every segment of a synchronised connection must lie in the windows (Guido
 * van Rooij, "Real Stateful TCP Packet Filtering in IP Filter", 2001), resets
 * must be exact (RFC 5961 3, stricter: an inexact one is dropped), a FIN counts
 * when it is exact (tcp_closing.h), a SYN
 * inside a connection is left to the receiver's challenge (RFC 5961 4), and
 * roles never change: the answer to a SYN is a SYN+ACK, or, where the policy
 * allows simultaneous open (RFC 9293 3.5), a SYN that makes nobody originator.
 *
 * Nothing here writes to the table: the caller commits insp->flow.after.
 */
#include "core/track/tcp.h"

#include "core/home.h"
#include "core/track/tcp_arcs.h"
#include "core/track/tcp_closing.h"
#include "core/verdict.h"

#define QUOTE_LATE 1500 /* a segment, which was acknowledged while an error about it was on its way */
#define SYN_EVENTS (KS_TCP_SYN | KS_TCP_ACK | KS_TCP_FIN | KS_TCP_RST)

/* Windows are kept in units of the scale, rounded up. A SYN's window is not scaled. */
static inline __u16 window_in_units(__u32 window, __u32 scale)
{
	__u32 unit = 1U << (scale & KS_TCP_SCALE_MASK);
	__u32 units = (window + unit - 1) / unit;

	return (__u16)KS_MAX(units, 1U);
}

/*
 * The bounds are those of RFC 5927 4.1 and of Linux, by what has passed here: between what is acknowledged and what was sent. A
 * segment before that may have been acknowledged while its error was on the way; the SYN and probes of a silent connection are
 * there, too. Where acknowledgements are not seen, or not known, it is a window, and so where a helper has changed lengths, because
 * the quoted number is that of behind the change.
 */
bool ks_tcp_was_sent(const struct ks_inspection *insp, __u32 dir, __u32 seq, bool is_asymmetric)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 end = flow->end[dir & 1], acked = flow->ack[!(dir & 1)] - QUOTE_LATE;
	__u32 oldest = end - KS_MAX(ks_tcp_max_win(flow, !dir), KS_TCP_REACH_MIN);

	if (!is_asymmetric && !flow->helper && tcp_ack_is_known(flow, dir) && ks_seq_after(acked, oldest))
		oldest = acked;
	return !ks_seq_after(seq, end) && !ks_seq_before(seq, oldest);
}

ks_inlined __u32 ks_tcp_may_open(const struct ks_config *config, const struct ks_packet *pkt)
{
	__u32 kind = pkt->tcp_flags & SYN_EVENTS;

	if (kind == KS_TCP_SYN)
		return 0;
	if (kind == KS_TCP_ACK && config->options & (KS_OPT_PICKUP | KS_OPT_ASYMMETRIC))
		return 0;
	if (config->options & KS_OPT_ASYMMETRIC && ks_tcp_may_begin_late(pkt))
		return 0;
	return KS_REASON_NO_STATE;
}

bool ks_tcp_may_begin_late(const struct ks_packet *pkt)
{
	__u32 kind = pkt->tcp_flags & SYN_EVENTS;

	/* A SYN+ACK is the first segment seen if the SYN went another way. */
	return kind == KS_TCP_ACK || kind == (KS_TCP_SYN | KS_TCP_ACK);
}

bool ks_tcp_reopens(const struct ks_packet *pkt, const struct ks_flow *flow)
{
	return (pkt->tcp_flags & SYN_EVENTS) == KS_TCP_SYN && ks_state_is_closed(flow->state);
}

/* The handshake was not seen: windows are not checked, only ends and roles are learnt. */
static void open_midstream(struct ks_inspection *insp, struct ks_flow *flow)
{
	flow->state = insp->pkt.tcp_flags & KS_TCP_SYN ? KS_STATE_TCP_SYN_RECV : KS_STATE_TCP_ESTABLISHED;
	flow->flags |= KS_FLOW_PICKUP;
	flow->end[KS_ORIGINAL] = ks_tcp_segment_end(&insp->pkt);
	flow->max_end[KS_ORIGINAL] = flow->end[KS_ORIGINAL];
	flow->ack[KS_ORIGINAL] = insp->pkt.ack;
	flow->end[KS_REPLY] = insp->pkt.ack;
	flow->max_end[KS_REPLY] = insp->pkt.ack + insp->pkt.window;
	flow->ack[KS_REPLY] = insp->pkt.seq;
	flow->max_win[KS_ORIGINAL] = window_in_units(insp->pkt.window, 0);
	flow->max_win[KS_REPLY] = 1;
	flow->tcp_flags[KS_ORIGINAL] = KS_TCP_LIBERAL;
	flow->tcp_flags[KS_REPLY] = KS_TCP_LIBERAL;
	flow->scale[KS_ORIGINAL] = KS_TCP_GAP | (insp->pkt.tcp_flags & KS_TCP_FIN ? KS_TCP_FIN_CLAIMED : 0);
}

void ks_tcp_open(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	const struct ks_packet *pkt = &insp->pkt;

	if (pkt->tcp_flags & KS_TCP_ACK) {
		open_midstream(insp, flow);
		return;
	}
	flow->state = KS_STATE_TCP_SYN_SENT;
	flow->end[KS_ORIGINAL] = ks_tcp_segment_end(pkt);
	flow->max_end[KS_ORIGINAL] = ks_tcp_segment_end(pkt);
	flow->ack[KS_ORIGINAL] = 0;
	flow->end[KS_REPLY] = 0;
	/* The least that the answer must acknowledge; it is more if the answer accepts data of the SYN (RFC 7413). */
	flow->ack[KS_REPLY] = pkt->seq + 1;
	flow->max_end[KS_REPLY] = 0;
	flow->scale[KS_ORIGINAL] = pkt->wscale;
	flow->scale[KS_REPLY] = 0;
	flow->max_win[KS_ORIGINAL] = KS_MAX(pkt->window, 1);
	flow->max_win[KS_REPLY] = 1;
	flow->tcp_flags[KS_ORIGINAL] = pkt->tcp_opts;
	flow->tcp_flags[KS_REPLY] = 0;
}

/* The state of the machine: a connection that was taken up in its middle is taken for an established one. */
static inline __u32 machine_state(const struct ks_flow *flow)
{
	return ks_unlikely(flow->state == KS_STATE_TAKEN_UP) ? KS_STATE_TCP_ESTABLISHED : flow->state;
}

static inline void tcp_compare_set(struct ks_inspection *insp, __u32 have, __u32 lo, __u32 hi)
{
	insp->verdict.compare.have = have;
	insp->verdict.compare.lo = lo;
	insp->verdict.compare.hi = hi;
}

/* Both must offer scaling and selective acknowledgements for either to be in effect. */
static void negotiate(struct ks_flow *flow, const struct ks_packet *pkt)
{
	__u8 both = flow->tcp_flags[KS_ORIGINAL] & pkt->tcp_opts;

	if (both & KS_TCP_WSCALE) {
		flow->scale[KS_REPLY] = pkt->wscale;
	} else {
		flow->scale[KS_ORIGINAL] = 0;
		flow->scale[KS_REPLY] = 0;
	}
	flow->tcp_flags[KS_REPLY] = pkt->tcp_opts;
	flow->tcp_flags[KS_ORIGINAL] =
		(flow->tcp_flags[KS_ORIGINAL] & (__u8)~KS_TCP_SACK_PERM) | (both & KS_TCP_SACK_PERM);
}

/* A SYN+ACK sent again, perhaps after data that followed it (RFC 7413): there is nothing to learn. */
static inline bool tcp_is_repetition(const struct ks_flow *flow, __u32 end)
{
	return !ks_seq_after(end, flow->end[KS_REPLY]) && flow->end[KS_REPLY] - end <= KS_TCP_REACH_MIN;
}

/* Learns from the responder's SYN its numbers and options, and that it accepts the originator's bytes from `acked`. */
static void answer_learn(struct ks_inspection *insp, __u32 acked, __u32 offered)
{
	struct ks_flow *flow = &insp->flow.after;
	const struct ks_packet *pkt = &insp->pkt;

	negotiate(flow, pkt);
	flow->end[KS_REPLY] = ks_tcp_segment_end(pkt);
	flow->ack[KS_ORIGINAL] = pkt->seq + 1; /* the least that the originator will acknowledge */
	flow->max_end[KS_REPLY] = flow->end[KS_REPLY] + offered;
	flow->max_end[KS_ORIGINAL] = acked + KS_MAX(pkt->window, 1);
	flow->max_win[KS_ORIGINAL] = window_in_units(offered, flow->scale[KS_ORIGINAL]);
	flow->max_win[KS_REPLY] = window_in_units(pkt->window, flow->scale[KS_REPLY]);
}

/*
 * Simultaneous open (RFC 9293 3.5), where the policy has the option: both
 * sides send a SYN, then both a SYN+ACK. The originator stays who it is; the
 * connection is established when both SYNs are acknowledged, in any order.
 * Returns where the machine goes when the SYN of `dir` is.
 */
static __u32 crossing_acked(struct ks_flow *flow, __u32 dir)
{
	flow->tcp_flags[dir & 1] &= (__u8)~KS_TCP_SYN_UNACKED;
	if ((flow->tcp_flags[KS_ORIGINAL] | flow->tcp_flags[KS_REPLY]) & KS_TCP_SYN_UNACKED)
		return KS_STATE_TCP_SYN_RECV;
	return KS_STATE_TCP_ESTABLISHED;
}

static inline bool is_crossed(const struct ks_flow *flow)
{
	return flow->tcp_flags[KS_REPLY] & KS_TCP_CROSSED;
}

/* The responder's SYN in answer to one, or repeated. Until an answer the originator's window is as its SYN says: unscaled. */
static __u32 crossing_syn(const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;

	if (flow->state == KS_STATE_TCP_SYN_RECV)
		return is_crossed(flow) && insp->pkt.seq + 1 == flow->ack[KS_ORIGINAL] ? PASS : SPLIT;
	if (!(config->options & KS_OPT_SIMULTANEOUS))
		return SPLIT;
	answer_learn(insp, flow->ack[KS_REPLY], flow->max_win[KS_ORIGINAL]);
	flow->tcp_flags[KS_ORIGINAL] |= KS_TCP_SYN_UNACKED;
	flow->tcp_flags[KS_REPLY] |= KS_TCP_SYN_UNACKED | KS_TCP_CROSSED;
	return KS_STATE_TCP_SYN_RECV;
}

/* The originator's SYN+ACK: its first number again, and it must acknowledge the responder's SYN. */
static __u32 crossing_answer(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	const struct ks_packet *pkt = &insp->pkt;

	if (flow->state != KS_STATE_TCP_SYN_RECV)
		return PASS;
	tcp_compare_set(insp, pkt->ack, flow->ack[KS_ORIGINAL], flow->end[KS_REPLY]);
	if (ks_seq_before(pkt->ack, flow->ack[KS_ORIGINAL]) || ks_seq_after(pkt->ack, flow->end[KS_REPLY]) ||
	    flow->ack[KS_REPLY] - (pkt->seq + 1) > KS_TCP_REACH_MIN)
		return SPLIT;
	return crossing_acked(flow, KS_REPLY);
}

/* A SYN of the responder or a SYN+ACK of the originator, which the table refuses with `arc`. */
static __u32 judge_simultaneous_open(const struct ks_config *config, struct ks_inspection *insp, __u32 event, __u32 arc)
{
	if (insp->dir == KS_REPLY && event == EV_SYN && arc == SPLIT)
		return crossing_syn(config, insp);
	if (insp->dir == KS_ORIGINAL && event == EV_SYNACK && arc != DEAD && is_crossed(&insp->flow.before))
		return crossing_answer(insp);
	return arc;
}

/* The answer: it must acknowledge the SYN, and as much of its data as it took. */
static __u32 judge_answer(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	const struct ks_packet *pkt = &insp->pkt;
	__u32 offered = flow->max_win[KS_ORIGINAL];

	tcp_compare_set(insp, pkt->ack, flow->ack[KS_REPLY], flow->end[KS_ORIGINAL]);
	if (ks_seq_before(pkt->ack, flow->ack[KS_REPLY]) || ks_seq_after(pkt->ack, flow->end[KS_ORIGINAL]))
		return PASS;
	/* Until the answer the originator's window is kept as its SYN says: unscaled. */
	if (flow->state == KS_STATE_TCP_SYN_RECV) {
		if (tcp_is_repetition(flow, ks_tcp_segment_end(pkt)))
			return is_crossed(flow) ? crossing_acked(flow, KS_ORIGINAL) : KS_STATE_TCP_SYN_RECV;
		offered = ks_tcp_max_win(flow, KS_ORIGINAL);
	}
	answer_learn(insp, pkt->ack, offered);
	return KS_STATE_TCP_SYN_RECV;
}

/*
 * A reset is accepted only at a number that the true sender must use: the end of what it sent, if that came without a gap,
 * or what the receiver acknowledged last. In answer to a SYN it must acknowledge the SYN (RFC 9293 3.10.7.3). Where a gap is,
 * its sender repeats it at the receiver's next acknowledgement.
 */
static bool reset_is_exact(struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	const struct ks_packet *pkt = &insp->pkt;
	__u32 dir = insp->dir & 1;
	bool gap = flow->scale[dir] & KS_TCP_GAP, at_end = pkt->seq == flow->end[dir] && !gap;

	if (dir == KS_REPLY && flow->state == KS_STATE_TCP_SYN_SENT) {
		tcp_compare_set(insp, pkt->ack, flow->ack[KS_REPLY], flow->end[KS_ORIGINAL]);
		return pkt->tcp_flags & KS_TCP_ACK && !ks_seq_before(pkt->ack, flow->ack[KS_REPLY]) &&
		       !ks_seq_after(pkt->ack, flow->end[KS_ORIGINAL]);
	}
	tcp_compare_set(insp, pkt->seq, flow->ack[!dir], flow->end[dir]);
	if (flow->state == KS_STATE_TCP_SYN_SENT || !tcp_ack_is_known(flow, dir))
		return at_end && !tcp_is_unheard(flow, dir);
	if (gap || machine_state(flow) == KS_STATE_TCP_ESTABLISHED || flow->state == KS_STATE_TCP_SYN_RECV)
		return at_end || pkt->seq == flow->ack[!dir];
	/* While closing, anything between what is acknowledged and what was sent. */
	return !ks_seq_before(pkt->seq, flow->ack[!dir]) && !ks_seq_after(pkt->seq, flow->end[dir]);
}

/*
 * Resets of another connection than ours: the originator's in answer to a challenge that an old connection made the
 * responder send, and a responder's, at number 0, to the SYN inside a connection that it has forgotten (RFC 9293
 * 3.10.7.1).
 */
static bool reset_is_foreign(const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	const struct ks_packet *pkt = &insp->pkt;

	if (insp->dir == KS_ORIGINAL)
		return flow->state == KS_STATE_TCP_SYN_SENT;
	return flow->flags & KS_FLOW_SYN_SEEN && pkt->seq == 0 && pkt->tcp_flags & KS_TCP_ACK &&
	       pkt->ack == flow->ack[KS_ORIGINAL];
}

/*
 * The four bounds of van Rooij: data not past the offered window, not older
 * than a window; acknowledgement not of unsent data, not older than a window.
 */
static __u32 window_check(struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	const struct ks_packet *pkt = &insp->pkt;
	__u32 dir = insp->dir & 1, peer = !dir;
	__u32 end = ks_tcp_segment_end(pkt);
	__u32 oldest = flow->end[dir] - ks_tcp_max_win(flow, peer);
	__u32 oldest_ack = flow->end[peer] - KS_MAX(ks_tcp_max_win(flow, dir), KS_TCP_REACH_MIN);
	__u32 ack;

	if (flow->tcp_flags[dir] & KS_TCP_LIBERAL)
		return 0;
	tcp_compare_set(insp, end, oldest, flow->max_end[dir]);
	if (ks_seq_after(end, flow->max_end[dir]))
		return KS_REASON_TCP_WINDOW_SEQ;
	tcp_compare_set(insp, pkt->ack, oldest_ack, flow->end[peer]);
	if (ks_seq_after(pkt->ack, flow->end[peer]))
		return KS_REASON_TCP_ACK_AHEAD;
	/* With data lost on the way the acknowledgement stands still, and SACK tells how far the peer is. */
	ack = flow->tcp_flags[dir] & flow->tcp_flags[peer] & KS_TCP_SACK_PERM ? pkt->sack : pkt->ack;
	tcp_compare_set(insp, ack, oldest_ack, flow->end[peer]);
	if (ks_seq_after(ack, flow->end[peer]))
		return KS_REASON_TCP_ACK_AHEAD;
	if (ks_seq_before(ack, oldest_ack))
		return KS_REASON_TCP_ACK_OLD;
	tcp_compare_set(insp, end, oldest, flow->max_end[dir]);
	return ks_seq_before(end, oldest) ? KS_REASON_TCP_OLD_SEQ : 0;
}

/*
 * Data that are sent again although the window has moved on, because acknowledgements were lost behind us. The receiver
 * must see them to acknowledge once more. They may not be older than one more window, so that a blind attacker, whose
 * acknowledgement must be right besides, gains little.
 */
static bool is_repeated_data(const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 reach = KS_MAX(ks_tcp_max_win(flow, !insp->dir), KS_TCP_REACH_MIN);

	return insp->verdict.compare.lo - insp->verdict.compare.have <= reach;
}

/*
 * The responder accepts the SYN that the originator sent inside an old connection: both have forgotten that one, only
 * our entry has not. The options of the SYN were not kept, so the windows of the new connection are not checked.
 */
static __u32 answer_resync(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 sent = flow->ack[KS_ORIGINAL];

	flow->flags = (flow->flags & (__u8) ~(KS_FLOW_SYN_SEEN | KS_FLOW_ASSURED)) | KS_FLOW_PICKUP;
	flow->end[KS_ORIGINAL] = sent;
	flow->max_end[KS_ORIGINAL] = sent;
	flow->ack[KS_REPLY] = sent;
	flow->end[KS_REPLY] = ks_tcp_segment_end(&insp->pkt);
	flow->max_end[KS_REPLY] = ks_tcp_segment_end(&insp->pkt);
	flow->ack[KS_ORIGINAL] = ks_tcp_segment_end(&insp->pkt);
	flow->scale[KS_ORIGINAL] = 0;
	flow->scale[KS_REPLY] = 0;
	flow->tcp_flags[KS_ORIGINAL] = KS_TCP_LIBERAL;
	flow->tcp_flags[KS_REPLY] = KS_TCP_LIBERAL;
	return KS_STATE_TCP_SYN_RECV;
}

/*
 * A SYN inside a connection, or the answer to one. The responder challenges the SYN if it knows the connection, and
 * accepts it if not. Returns the arc.
 */
static __u32 judge_syn_in_connection(struct ks_inspection *insp, __u32 event)
{
	/* The connection's own SYN, late: nobody will accept that again. */
	bool own = insp->flow.before.end[KS_ORIGINAL] - ks_tcp_segment_end(&insp->pkt) <= KS_TCP_REACH_MIN;

	if (event == EV_SYN && insp->flow.before.state != KS_STATE_TCP_SYN_RECV && !own) {
		insp->flow.after.flags |= KS_FLOW_SYN_SEEN;
		insp->flow.after.ack[KS_ORIGINAL] = ks_tcp_segment_end(&insp->pkt);
	}
	if (event == EV_SYNACK && insp->flow.before.flags & KS_FLOW_SYN_SEEN &&
	    insp->pkt.ack == insp->flow.before.ack[KS_ORIGINAL])
		return answer_resync(insp);
	return PASS;
}

/* The first segment of a side tells where it is, and what it acknowledges where the other one is, unless that has spoken. */
static void numbers_begin(struct ks_flow *flow, const struct ks_packet *pkt, __u32 dir)
{
	__u32 peer = !dir;

	flow->end[dir] = ks_tcp_segment_end(pkt);
	flow->max_end[dir] = flow->end[dir];
	flow->ack[dir] = pkt->ack;
	if (!tcp_is_unheard(flow, peer))
		return;
	flow->end[peer] = pkt->ack;
	flow->max_end[peer] = pkt->ack;
	flow->ack[peer] = pkt->seq;
}

/* Learns from a valid segment about both windows. */
static void window_learn(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	const struct ks_packet *pkt = &insp->pkt;
	__u32 dir = insp->dir & 1, peer = !dir;
	__u32 end = ks_tcp_segment_end(pkt);
	__u32 offered = (__u32)pkt->window << (flow->scale[dir] & KS_TCP_SCALE_MASK);
	__u32 limit = pkt->ack + KS_MAX(offered, 1U); /* a closed window admits a probe of one byte */

	gap_note(insp);
	if (ks_unlikely(tcp_is_unheard(&insp->flow.before, dir)))
		numbers_begin(flow, pkt, dir);
	if (ks_seq_after(end, flow->end[dir]))
		flow->end[dir] = end;
	if (pkt->window > flow->max_win[dir])
		flow->max_win[dir] = pkt->window;
	/* The connection is alive after all: the SYN inside it was an old or a forged one. */
	if (dir == KS_ORIGINAL && flow->flags & KS_FLOW_SYN_SEEN) {
		flow->flags &= (__u8)~KS_FLOW_SYN_SEEN;
		flow->ack[dir] = pkt->ack;
	}
	if (ks_seq_after(pkt->ack, flow->ack[dir]))
		flow->ack[dir] = pkt->ack;
	if (ks_seq_after(limit, flow->max_end[peer]))
		flow->max_end[peer] = limit;
	/* Mid-stream, the first answer tells where the other side really is. */
	if (flow->tcp_flags[dir] & KS_TCP_LIBERAL && ks_seq_after(flow->end[dir], flow->max_end[dir]))
		flow->max_end[dir] = flow->end[dir];
}

/* Notes FINs and their acknowledgements, and names what the segment did about them. */
static __u32 tcp_closing_event(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 dir = insp->dir & 1, peer = !dir;
	__u8 *mine = &flow->tcp_flags[dir], *theirs = &flow->tcp_flags[peer];
	bool fin = fin_note(insp), acked = false, proven = false;

	if (ks_unlikely(flow->scale[peer] & KS_TCP_GAP) && insp->pkt.ack == flow->end[peer])
		proven = gap_close(flow, peer);
	if (*theirs & KS_TCP_FIN_SEEN && insp->pkt.ack == flow->end[peer]) {
		*theirs |= KS_TCP_FIN_ACKED;
		acked = true;
	}
	if (*mine & *theirs & KS_TCP_FIN_ACKED)
		return EV_DONE;
	/* The responder closed before the handshake was complete: that is the first FIN of this state. */
	if (!acked && insp->flow.before.state == KS_STATE_TCP_SYN_RECV && dir == KS_ORIGINAL &&
	    *theirs & KS_TCP_FIN_SEEN && !(*mine & KS_TCP_FIN_SEEN))
		return EV_FIN;
	if (fin || (proven && *mine & KS_TCP_FIN_SEEN))
		return *theirs & KS_TCP_FIN_SEEN ? EV_FIN2 : EV_FIN;
	return acked ? EV_ACKFIN : EV_ACK;
}

/* The third segment must acknowledge the answer, and may acknowledge data that followed it (RFC 7413). */
static bool completes_handshake(struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;

	if (!ks_seq_before(insp->pkt.ack, flow->ack[KS_ORIGINAL]))
		return true;
	tcp_compare_set(insp, insp->pkt.ack, flow->ack[KS_ORIGINAL], flow->end[KS_REPLY]);
	return false;
}

/* The responder acknowledges the originator's SYN after both have crossed. */
static inline bool acknowledges_crossed(const struct ks_inspection *insp)
{
	return insp->dir == KS_REPLY && is_crossed(&insp->flow.before) &&
	       !ks_seq_before(insp->pkt.ack, insp->flow.before.ack[KS_REPLY]);
}

/* Data, acknowledgements and FINs of a connection that was answered. Returns a reason, or 0 with *arc. */
static __u32 synchronised_update(struct ks_inspection *insp, __u32 *arc)
{
	const struct ks_flow *before = &insp->flow.before;
	__u32 reason = window_check(insp), event;

	*arc = PASS;
	if (reason == KS_REASON_TCP_OLD_SEQ && is_repeated_data(insp))
		return 0;
	if (reason)
		return reason;
	/* Nothing comes after a FIN. */
	if (before->tcp_flags[insp->dir & 1] & KS_TCP_FIN_SEEN && !tcp_is_unheard(before, insp->dir) &&
	    ks_seq_after(ks_tcp_segment_end(&insp->pkt), before->end[insp->dir & 1]))
		return KS_REASON_TCP_STATE;
	if (insp->dir == KS_ORIGINAL && before->state == KS_STATE_TCP_SYN_RECV && !completes_handshake(insp))
		return KS_REASON_TCP_ACK_OLD;
	window_learn(insp);
	event = tcp_closing_event(insp);
	*arc = arc_of(insp->dir, event, machine_state(before));
	if (*arc == KS_STATE_TCP_SYN_RECV && event == EV_ACK && acknowledges_crossed(insp))
		*arc = crossing_acked(&insp->flow.after, KS_ORIGINAL);
	return 0;
}

static inline __u32 basic_event(__u8 flags)
{
	if (flags & KS_TCP_RST)
		return EV_RST;
	if (flags & KS_TCP_SYN)
		return flags & KS_TCP_ACK ? EV_SYNACK : EV_SYN;
	return flags & KS_TCP_FIN ? EV_FIN : EV_ACK;
}

/* The numbers of the segment, by its kind. Returns a reason, or 0 with *arc where the machine goes. */
static __u32 tcp_numbers_check(struct ks_inspection *insp, __u32 event, __u32 *arc)
{
	switch (event) {
	case EV_SYN:
		ks_tcp_open(insp);
		/* The same SYN again without its data: the data of the first one may still be accepted. */
		if (insp->flow.after.ack[KS_REPLY] == insp->flow.before.ack[KS_REPLY] &&
		    ks_seq_before(insp->flow.after.end[KS_ORIGINAL], insp->flow.before.end[KS_ORIGINAL]))
			insp->flow.after.end[KS_ORIGINAL] = insp->flow.before.end[KS_ORIGINAL];
		return 0;
	case EV_SYNACK:
		*arc = judge_answer(insp);
		return 0;
	case EV_RST:
		if (reset_is_exact(insp))
			return 0;
		*arc = PASS;
		return reset_is_foreign(insp) ? 0 : KS_REASON_TCP_RST_SEQ;
	default:
		return 0;
	}
}

/* Arcs that are no state become a verdict; only a state moves the flow and its timer. */
static inline __u32 arc_verdict(__u32 arc, bool *moves)
{
	*moves = arc < DROP;
	if (arc == DROP)
		return KS_REASON_TCP_STATE;
	if (arc == DEAD)
		return KS_REASON_TCP_RESET;
	return arc == SPLIT ? KS_REASON_TCP_SPLIT : KS_REASON_OK_ESTABLISHED;
}

__u32 ks_tcp_update(const struct ks_config *config, struct ks_inspection *insp, bool *moves)
{
	__u32 event = basic_event(insp->pkt.tcp_flags);
	__u32 arc = arc_of(insp->dir, event, machine_state(&insp->flow.before));
	__u32 reason;

	if (arc >= DROP) {
		if (event == EV_SYN || event == EV_SYNACK)
			arc = arc == PASS ? judge_syn_in_connection(insp, event)
					  : judge_simultaneous_open(config, insp, event, arc);
		if (arc < DROP)
			insp->flow.after.state = (__u8)arc;
		return arc_verdict(arc, moves);
	}
	if (event == EV_ACK || event == EV_FIN)
		reason = synchronised_update(insp, &arc);
	else
		reason = tcp_numbers_check(insp, event, &arc);
	if (reason)
		return reason;
	if (arc >= DROP) {
		insp->flow.after = insp->flow.before;
		return arc_verdict(arc, moves);
	}
	insp->flow.after.state = (__u8)arc;
	return KS_REASON_OK_ESTABLISHED;
}
