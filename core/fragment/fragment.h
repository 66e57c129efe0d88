/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams in fragments.
 *
 * Overview: datagrams are not put together. A record of the state table (struct
 * ks_datagram) remembers of each which bytes have come, and the verdict of its
 * first fragment, which alone has ports. The others carry that verdict and the
 * address translation of its flow. A fragment that comes before the first one is
 * held by the home until that one is judged, and is then given to the inspection
 * again.
 *
 * The key is what a receiver puts a datagram together by (RFC 791 3.2, RFC 8200
 * 4.5), in the direction of the packet, and the zone that it comes from: nobody
 * can spoil a datagram from another zone.
 *
 * A datagram dies, and nothing more of it passes, when its fragments overlap
 * (RFC 5722), contradict each other, make it too long or leave too many holes, or
 * when its first fragment lacks an upper header (RFC 1858, 3128, 7112). An exact
 * repetition is dropped and kills nothing: networks do repeat packets.
 *
 * Life cycle:
 *
 *   arrive.c    a fragment is noted in its datagram's record: added to the parts (parts.c), held, or refused;
 *               a first one goes on to be judged like any packet, a later one takes the verdict
 *   verdict.c   the first fragment comes back with its verdict, which is put into the record; held ones go on
 *   egress.c    where source addresses are translated as a packet leaves, a second record under the translated
 *               addresses has the verdict there; verdict.c makes it before it lets any other fragment pass
 *
 * A record lives KS_FRAGMENT_HOLD_MS until its first fragment is judged, then
 * `timeout fragments`. A complete one is freed, or kept for a second if some of it
 * were held and may still be on their way; one at egress is freed when all has left.
 *
 * Writers: any CPU that has a fragment of the datagram, on a copy that is
 * committed if nobody changed the record meanwhile. Otherwise the fragment is
 * judged again, a bounded number of times; after that it is dropped as contended.
 *
 * Races: a fragment may be held at the moment when the verdict is put into
 * the record. Its CPU commits after the verdict and sees it in its copy, so it
 * releases what is held itself; nothing is held for ever. A flow is known by its
 * slot, which may be another flow's by now: the tag tells. CPUs may overtake each
 * other between ingress and egress, so the record at egress is there first.
 *
 * Source: RFC 791, 815, 1858, 3128, 5722, 7112, 8200 4.5, 8900.
 */
#ifndef KS_CORE_FRAGMENT_FRAGMENT_H
#define KS_CORE_FRAGMENT_FRAGMENT_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/stage.h"
#include "core/table/record.h"
#include "core/types.h"

struct ks_env;

/* Fragments that a home holds, of all datagrams together, and for how long. */
#define KS_FRAGMENT_POOL 256U /* a power of two */
#define KS_FRAGMENT_BYTES 16384U /* of one, its link header included: more than of any network card; a power of two */
#define KS_FRAGMENT_HOLD_MS 2000U /* networks change the order of packets by less */
#define KS_DATAGRAM_HELD_MAX 56 /* of one datagram: 64 KiB in packets of the least size that IPv6 allows a link */

/*
 * Adds a fragment to what has come of its datagram (parts.c). Returns 0; KS_REASON_FRAGMENT_AGAIN for a repetition, which
 * changes nothing; or the reason why the datagram must die.
 */
__u32 ks_datagram_add(struct ks_record *d, const struct ks_packet *pkt);

/*
 * The source half of a translation, for a fragment that was inspected before it was routed. For a first one, insp->flow is
 * its flow, and its datagram is noted under the addresses that it has now; for another, insp->sent becomes what its
 * datagram's flow says. Leads to KS_STAGE_WRITE or to a drop.
 */
void ks_fragment_egress(struct ks_env *env, struct ks_inspection *insp);

/* The verdict stands; if the fragment passes, its bytes may have to be changed. */
static inline void ks_fragment_conclude(struct ks_inspection *insp, const struct ks_config *config)
{
	bool changes = insp->verdict.action == KS_ALLOW &&
		       (insp->translate & insp->home.halves || (config && ks_is_changed(insp, config)));

	insp->stage = changes && !insp->home.dry ? KS_STAGE_WRITE : KS_STAGE_DONE;
}

/*
 * After any stage: a first fragment that has its verdict goes back to KS_STAGE_FRAGMENT before anything is written. So it
 * comes to that stage twice: to be noted, which leads to KS_STAGE_FIND, and with its verdict.
 */
static inline void ks_fragment_resume_first(struct ks_inspection *insp)
{
	if (ks_likely(insp->frag.progress != KS_FRAGMENT_FIRST) ||
	    (insp->stage != KS_STAGE_DONE && insp->stage != KS_STAGE_WRITE))
		return;
	insp->frag.progress = KS_FRAGMENT_JUDGED;
	insp->stage = KS_STAGE_FRAGMENT;
}

#endif
