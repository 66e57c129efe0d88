/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clashes: two flows that would be the same to one of their ends get two ports.
 *
 * Overview: a port is chosen so that nobody has it (port.h), but two kinds of
 * flows come with ports of their own.
 *
 *   Of the box itself.  A program on the box speaks from N:p to S:q, where a masqueraded flow is known as N:p towards S:q:
 *                       time, IKE and SIP have fixed ports. The flow of the box lies under the same key with KS_LINK_OWN in
 *                       it, so that only packets of the box find it, and its source is translated like any other: it leaves
 *                       as N:p', and answers to N:p' come in as N:p.
 *   Of one client.      C:p speaks to V1 and to V2, which rules send to the same S:q. S could not tell the two flows apart.
 *                       The later one lies under C:p' and S:q; its alias[KS_ORIGINAL] is C:p and V2. So the port of the
 *                       client is part of what its side knows otherwise, and changes where V2 does, in both directions
 *                       (KS_TRANSLATE_PORT). Between the two halves of a translation a packet bears C:p', by which egress
 *                       finds its flow.
 *
 * Races: a key is looked for here and inserted later. If another CPU takes it
 * meanwhile, the packet is judged again.
 */
#ifndef KS_CORE_NAT_CLASH_H
#define KS_CORE_NAT_CLASH_H

#include "core/inspection.h"
#include "core/types.h"

struct ks_env;

/*
 * For a packet of the box that found no flow, or another's by an alias: looks for a flow of the box under the same key. If
 * there is none and an alias has the key, insp->flow.key is the one to open it under. `high` is insp->from_high for that key.
 */
void ks_clash_find_own(struct ks_env *env, struct ks_inspection *insp, __u8 high);

/* Returns true if the packet opens a flow of the box whose port is another flow's. */
bool ks_clash_is_own(const struct ks_inspection *insp);

/*
 * For a flow about to be opened under insp->flow.key with its destination translated: if the key is another flow's, gives the
 * originator another port in the key and in insp->sent. Returns 0 or a reason.
 */
__u32 ks_clash_avoid(struct ks_env *env, struct ks_inspection *insp);

#endif
