/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams in fragments. They are not put together: an entry of the state
 * table remembers of each datagram which bytes have come, and the verdict of
 * its first fragment, which alone has ports. The others carry that verdict,
 * and the address translation of their flow. A fragment that comes before the
 * first one is kept by the home until that one is judged.
 *
 * The key is what a receiver puts a datagram together by (RFC 791 3.2, RFC
 * 8200 4.5), in the direction of the packet and not folded, and the zone that
 * it comes from: nobody can spoil a datagram from another zone.
 *
 * A datagram dies, and nothing more of it passes, when its fragments overlap
 * (RFC 5722), contradict each other, make it too long, leave too many holes,
 * or when its first fragment lacks an upper header (RFC 1858, 3128, 7112). An exact
 * repetition is dropped and kills nothing: networks do repeat packets.
 */
#ifndef KS_CORE_FRAGMENT_FRAGMENT_H
#define KS_CORE_FRAGMENT_FRAGMENT_H

#include "core/table/flow.h"
#include "core/inspection.h"
#include "core/types.h"

/* A run of bytes that have come, in units of 8; the end of the last one is rounded up. */
struct ks_part {
	__u16 start, end;
};

/* What a home keeps of fragments that wait for the first one of their datagram, all together, and for how long. */
#define KS_FRAGMENT_POOL 256U /* a power of two */
#define KS_FRAGMENT_BYTES 2048U /* of one, its link header included; a power of two */
#define KS_FRAGMENT_HOLD_MS 2000U /* networks change the order of packets by less */

#define KS_DATAGRAM_PARTS 12 /* more at a time, and the datagram dies */
#define KS_DATAGRAM_HELD_MAX 48 /* fragments kept: 64 KiB in Ethernet's */

/* ks_datagram.flags */
#define KS_DATAGRAM_JUDGED 0x01 /* the first fragment has its verdict */
#define KS_DATAGRAM_DEAD 0x02
#define KS_DATAGRAM_COMPLETE 0x04 /* all of it has come */
#define KS_DATAGRAM_TCP 0x08 /* `seq` holds */
#define KS_DATAGRAM_HIGH 0x10 /* the sender is the second address of the flow's key */
#define KS_DATAGRAM_REPLY 0x20 /* it goes in that direction of its flow */
#define KS_DATAGRAM_HELD 0x80 /* fragments of it were kept, and may be on their way here again */
#define KS_DATAGRAM_ALIAS 0x40 /* its destination is translated: it bears an alias of its flow */

/* What the table remembers of a datagram, over the part of a flow that is the kind's own. */
struct ks_datagram {
	__u32 version;
	__u8 state; /* KS_STATE_FRAGMENTS */
	__u8 flags; /* KS_DATAGRAM_* */
	__u8 parts; /* how many of part[] */
	__u8 held; /* fragments that the home keeps */
	__u32 seen; /* when its first packet came, or its verdict */
	__u32 timeout;
	__u32 flow; /* the place of its flow, 0 without one */
	__u32 tag; /* of that flow's key, because places are reused; without a flow, the zone that it goes to */
	__u32 seq; /* TCP: the sequence number at the datagram's beginning, SYN and FIN counted */
	__u16 rule;
	__u16 total; /* its bytes, 0 until its last fragment came */
	__u16 unit; /* units of 8 bytes in each of its fragments but the last; 0xffff when they differ */
	__u16 last; /* where its last fragment begins, in units */
	__u8 action, reason, class; /* the verdict */
	__u8 zero;
	struct ks_part part[KS_DATAGRAM_PARTS];
};

_Static_assert(sizeof(struct ks_datagram) == sizeof(struct ks_flow), "a datagram lies over a flow");

/*
 * Adds a fragment to what has come of its datagram (parts.c). Returns 0;
 * KS_REASON_FRAGMENT_AGAIN and changes nothing, for a repetition; or the reason
 * why the datagram must die.
 */
__u32 ks_datagram_add(struct ks_datagram *d, const struct ks_packet *pkt);

/*
 * KS_STAGE_FRAGMENT. A first fragment comes here twice: to be noted, which
 * leads to KS_STAGE_FIND, and with its verdict. Any other comes here once.
 */

/*
 * The source half of a translation, for a fragment that was inspected before it was routed. A first one's flow is in
 * insp->flow, and its datagram is noted under the addresses that it has now; of another, insp->sent is what its datagram's
 * flow says. Leads to KS_STAGE_WRITE or to a drop.
 */
void ks_fragment_leaving(struct ks_env *env, struct ks_inspection *insp);

/* After any stage: a first fragment with its verdict goes back to KS_STAGE_FRAGMENT before anything is written. */
static inline void ks_fragment_resume_first(struct ks_inspection *insp)
{
	if (ks_likely(insp->frag.progress != KS_FRAGMENT_FIRST) ||
	    (insp->stage != KS_STAGE_DONE && insp->stage != KS_STAGE_WRITE))
		return;
	insp->frag.progress = KS_FRAGMENT_JUDGED;
	insp->stage = KS_STAGE_FRAGMENT;
}

#endif
