/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seal: what ingress writes into skb->tc_index for whoever sees the packet
 * later, the backstop and egress. The upper byte is control->seal, a secret of
 * this instance; the lower one says what ingress found out.
 *
 * Takeovers by another build read seals that the old one wrote, so a change of
 * their meaning raises KS_TABLE_LAYOUT (core/layout.h).
 */
#ifndef KS_BPF_SEAL_H
#define KS_BPF_SEAL_H

#define KS_SEAL_ZONE_MASK 0x3f /* the zone that the packet leaves by; of an undecided one: the zone it came from */
#define KS_SEAL_HALF 0x40 /* its source is still to be translated */
#define KS_SEAL_UNDECIDED 0x80 /* ingress could not tell where it goes: egress judges it, and no socket may get it */
#define KS_SEAL_RESUMED 0xc0 /* a held fragment that is received anew */
#define KS_SEAL_SECRET_SHIFT 8

#endif
