// SPDX-License-Identifier: BSD-2-Clause
/*
 * SCTP associations seen from the middle; see sctp.h. The states are the table in sctp_arcs.h.
 *
 * Verification tags keep others out (RFC 9260 8.5): each side offers one in INIT or INIT ACK, and every packet to it
 * must carry it. Anybody can send an INIT, so an offer comes into use only when the cookie is accepted. A forged INIT
 * inside an association thus changes nothing, and a true restart (5.2.2) takes the same way as a beginning.
 *
 * On a further path (sctp.h) tags are learnt from HEARTBEAT and its answer, and again from such a pair after the
 * association restarted.
 *
 * Nothing here writes to the table: the caller commits insp->flow.after.
 */
#include "core/track/sctp.h"

#include "core/track/sctp_arcs.h"
#include "core/verdict.h"

/* The event of the packet's first part: the chunk that opens it, or the most telling one. */
static inline __u32 first_event(__u32 chunks)
{
	if (chunks & KS_SCTP_INIT)
		return EV_INIT;
	if (chunks & KS_SCTP_INIT_ACK)
		return EV_INIT_ACK;
	if (chunks & KS_SCTP_COOKIE_ECHO)
		return EV_COOKIE_ECHO;
	if (chunks & KS_SCTP_COOKIE_ACK)
		return EV_COOKIE_ACK;
	if (chunks & KS_SCTP_HEARTBEAT_ACK)
		return EV_HEARTBEAT_ACK;
	return chunks & KS_SCTP_HEARTBEAT ? EV_HEARTBEAT : EV_DATA;
}

/*
 * The event of its closing part, EV_DATA if it closes nothing. One packet may do both: accept a cookie and shut down.
 */
static inline __u32 sctp_closing_event(__u32 chunks)
{
	if (chunks & KS_SCTP_ABORT)
		return EV_ABORT;
	if (chunks & KS_SCTP_SHUTDOWN_COMPLETE)
		return EV_SHUTDOWN_COMPLETE;
	if (chunks & KS_SCTP_SHUTDOWN_ACK)
		return EV_SHUTDOWN_ACK;
	return chunks & KS_SCTP_SHUTDOWN ? EV_SHUTDOWN : EV_DATA;
}

__u32 ks_sctp_may_open(const struct ks_packet *pkt)
{
	return pkt->sctp.chunks & (KS_SCTP_INIT | KS_SCTP_HEARTBEAT) ? 0 : KS_REASON_NO_STATE;
}

bool ks_sctp_is_midstream(const struct ks_packet *pkt)
{
	return first_event(pkt->sctp.chunks) == EV_DATA && sctp_closing_event(pkt->sctp.chunks) == EV_DATA;
}

bool ks_sctp_reopens(const struct ks_packet *pkt, const struct ks_flow *flow)
{
	return pkt->sctp.chunks & KS_SCTP_INIT && flow->state == KS_STATE_SCTP_CLOSED;
}

void ks_sctp_open(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;

	if (insp->pkt.sctp.chunks & KS_SCTP_INIT) {
		flow->state = KS_STATE_SCTP_COOKIE_WAIT;
		flow->sctp.offer[KS_ORIGINAL] = insp->pkt.sctp.init_tag;
		return;
	}
	flow->state = insp->pkt.sctp.chunks & KS_SCTP_HEARTBEAT ? KS_STATE_SCTP_HEARTBEAT : KS_STATE_TAKEN_UP;
	flow->flags |= KS_FLOW_PICKUP;
	flow->sctp.tag[KS_ORIGINAL] = insp->pkt.sctp.tag;
}

/* The tag that packets of a direction carry: the one in use, before there is one the other side's offer. */
static inline __u32 tag_of(const struct ks_flow *flow, __u32 dir)
{
	__u32 tag = flow->sctp.tag[dir & 1];

	return tag ? tag : flow->sctp.offer[!dir];
}

bool ks_sctp_was_sent(const struct ks_inspection *insp, __u32 dir, __u32 tag)
{
	const struct ks_flow *flow = &insp->flow.before;

	if (tag == 0) /* an INIT, which has left its offer */
		return flow->sctp.offer[dir & 1] != 0;
	return tag == flow->sctp.tag[dir & 1] || tag == flow->sctp.offer[!dir];
}

/* Returns true if the packet carries the tag that its receiver has offered but does not use yet. */
static inline bool tag_is_offered(const struct ks_inspection *insp)
{
	__u32 dir = insp->dir & 1;

	return insp->flow.before.sctp.offer[!dir] && insp->pkt.sctp.tag == insp->flow.before.sctp.offer[!dir];
}

/* A cookie needs both offers: one that its sender was given, and one that its sender gave. */
static inline bool cookie_tag_ok(const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1;

	if (flow->sctp.tag[dir] && insp->pkt.sctp.tag == flow->sctp.tag[dir])
		return true;
	return flow->sctp.offer[dir] && tag_is_offered(insp);
}

/*
 * On a further path a heartbeat and its answer may bear tags that are new to
 * us, the answer only to a new heartbeat; nothing is ended by such a packet.
 */
static inline bool path_tag_ok(const struct ks_inspection *insp, __u32 event)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1;

	if (!(flow->flags & KS_FLOW_PICKUP) || sctp_closing_event(insp->pkt.sctp.chunks) != EV_DATA)
		return false;
	if (event == EV_HEARTBEAT)
		return true;
	return event == EV_HEARTBEAT_ACK && (flow->sctp.offer[dir] || !flow->sctp.tag[dir]);
}

/* The state of the machine: an association that was taken up in its middle is taken for an established one. */
static inline __u32 machine_state(const struct ks_flow *flow)
{
	return flow->state == KS_STATE_TAKEN_UP ? KS_STATE_SCTP_ESTABLISHED : flow->state;
}

/* The first packet of the other side of an association that was taken up in its middle: it tells the tag that we do not know. */
static inline bool is_first_answer(const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;

	return flow->state == KS_STATE_TAKEN_UP && insp->dir == KS_REPLY && !flow->sctp.tag[KS_REPLY] &&
	       ks_sctp_is_midstream(&insp->pkt);
}

static bool tag_ok(struct ks_inspection *insp, __u32 event)
{
	__u32 dir = insp->dir & 1, expected = tag_of(&insp->flow.before, dir);

	if (insp->pkt.sctp.chunks & KS_SCTP_REFLECTED)
		expected = tag_of(&insp->flow.before, !dir);
	insp->verdict.compare.have = insp->pkt.sctp.tag;
	insp->verdict.compare.lo = expected;
	insp->verdict.compare.hi = expected;
	switch (event) {
	case EV_INIT: /* it bears none */
		return true;
	case EV_INIT_ACK:
		return tag_is_offered(insp);
	case EV_COOKIE_ECHO:
	case EV_COOKIE_ACK:
		return cookie_tag_ok(insp);
	default:
		return (expected && insp->pkt.sctp.tag == expected) || path_tag_ok(insp, event) ||
		       is_first_answer(insp);
	}
}

/* The cookie was accepted: from now on the offered tags are in use. */
static inline bool offers_adopt(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 dir = insp->dir & 1;

	if (!tag_is_offered(insp) || !flow->sctp.offer[dir])
		return false;
	flow->sctp.tag[dir] = flow->sctp.offer[!dir];
	flow->sctp.tag[!dir] = flow->sctp.offer[dir];
	flow->sctp.offer[0] = 0;
	flow->sctp.offer[1] = 0;
	flow->flags &= (__u8)~KS_FLOW_PICKUP;
	return true;
}

/* The answer to a heartbeat with a tag that is new to us: both tags are those of this pair. */
static inline void path_adopt(struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u32 dir = insp->dir & 1;

	if (!(flow->flags & KS_FLOW_PICKUP))
		return;
	if (flow->sctp.offer[dir] && (insp->pkt.sctp.tag != flow->sctp.tag[dir] || !flow->sctp.tag[!dir])) {
		flow->sctp.tag[!dir] = flow->sctp.offer[dir];
		flow->sctp.offer[dir] = 0;
	}
	flow->sctp.tag[dir] = insp->pkt.sctp.tag;
}

/* A heartbeat proves nothing if its tag is not the one in use: it is kept until it is answered. */
static inline __u32 path_ask(struct ks_inspection *insp, __u32 arc)
{
	__u32 dir = insp->dir & 1;

	if (insp->pkt.sctp.tag == insp->flow.before.sctp.tag[dir] || !(insp->flow.before.flags & KS_FLOW_PICKUP))
		return arc;
	insp->flow.after.sctp.offer[!dir] = insp->pkt.sctp.tag;
	return PASS;
}

/* Learns tags from the packet; returns the arc to take, which is `arc` unless the tags say otherwise. */
static __u32 tags_learn(struct ks_inspection *insp, __u32 event, __u32 arc)
{
	switch (event) {
	case EV_INIT:
		insp->flow.after.sctp.offer[insp->dir & 1] = insp->pkt.sctp.init_tag;
		/* Anybody can send this, so it does not show that the other side is alive. */
		return insp->dir == KS_REPLY ? PASS : arc;
	case EV_INIT_ACK:
		insp->flow.after.sctp.offer[insp->dir & 1] = insp->pkt.sctp.init_tag;
		return arc;
	case EV_COOKIE_ACK:
		return offers_adopt(insp) ? KS_STATE_SCTP_ESTABLISHED : arc;
	case EV_HEARTBEAT:
		return path_ask(insp, arc);
	case EV_HEARTBEAT_ACK:
		path_adopt(insp);
		return arc;
	case EV_DATA:
		if (is_first_answer(insp))
			insp->flow.after.sctp.tag[KS_REPLY] = insp->pkt.sctp.tag;
		return arc;
	default:
		return arc;
	}
}

/*
 * The closing part of a packet. An ABORT that bears an offer refuses a restart;
 * the association that it was to replace goes on.
 */
static inline __u32 close(const struct ks_inspection *insp, __u32 event, __u32 arc)
{
	const struct ks_flow *flow = &insp->flow.before;

	if (event == EV_ABORT && flow->sctp.tag[insp->dir & 1] && insp->pkt.sctp.tag != flow->sctp.tag[insp->dir & 1] &&
	    !(insp->pkt.sctp.chunks & KS_SCTP_REFLECTED))
		return PASS;
	return arc_of(event, arc < DROP ? arc : machine_state(flow));
}

__u32 ks_sctp_update(struct ks_inspection *insp, bool *moves)
{
	__u32 first = first_event(insp->pkt.sctp.chunks), closing = sctp_closing_event(insp->pkt.sctp.chunks);
	__u32 arc = PASS;

	if (!tag_ok(insp, first) && !(closing == EV_ABORT && tag_is_offered(insp)))
		return KS_REASON_SCTP_TAG;
	if (first != EV_DATA || closing == EV_DATA) {
		arc = arc_of(first, machine_state(&insp->flow.before));
		if (arc != DROP)
			arc = tags_learn(insp, first, arc);
	}
	if (arc != DROP && closing != EV_DATA)
		arc = close(insp, closing, arc);
	*moves = arc < DROP;
	if (arc == DROP)
		return KS_REASON_SCTP_STATE;
	if (arc < DROP)
		insp->flow.after.state = (__u8)arc;
	return KS_REASON_OK_ESTABLISHED;
}
