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

#include "core/table/record.h"
#include "core/inspection.h"
#include "core/types.h"

/* What a home keeps of fragments that wait for the first one of their datagram, all together, and for how long. */
#define KS_FRAGMENT_POOL 256U /* a power of two */
#define KS_FRAGMENT_BYTES 2048U /* of one, its link header included; a power of two */
#define KS_FRAGMENT_HOLD_MS 2000U /* networks change the order of packets by less */

#define KS_DATAGRAM_HELD_MAX 48 /* fragments kept: 64 KiB in Ethernet's */

/*
 * Adds a fragment to what has come of its datagram (parts.c). Returns 0;
 * KS_REASON_FRAGMENT_AGAIN and changes nothing, for a repetition; or the reason
 * why the datagram must die.
 */
__u32 ks_datagram_add(struct ks_record *d, const struct ks_packet *pkt);

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
