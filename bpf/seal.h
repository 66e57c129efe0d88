/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seal: what ingress tells egress and the backstop of a packet, in
 * skb->tc_index, which the IP stack keeps and no packet from outside can bring.
 * Its high byte is a secret of this firewall (ks_control.seal), so that no
 * other program's number is taken for it; egress clears it. It is a shortcut:
 * a packet that lost its seal is judged once more.
 */
#ifndef KS_BPF_SEAL_H
#define KS_BPF_SEAL_H

#define KS_SEAL_SECRET_SHIFT 8
#define KS_SEAL_SECRET_MASK 0xffU
#define KS_SEAL_ZONE_MASK 0x3fU /* where it is expected to leave; of one undecided or resumed where it came from */
#define KS_SEAL_KIND_MASK 0xc0U
#define KS_SEAL_DECIDED 0x00U
#define KS_SEAL_HALF 0x40U /* decided, and its source is still to be translated */
#define KS_SEAL_UNDECIDED 0x80U /* it has no flow: where it leaves decides */
#define KS_SEAL_RESUMED 0xc0U /* a fragment that was held and is received again */

/* In skb->mark: of a frame that leaves a macvlan for another one on the same interface, judged. Kinds need no such bit. */
#define KS_SEAL_HANDED_OVER 0x40000000U

#endif
