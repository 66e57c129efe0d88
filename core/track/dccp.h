/* SPDX-License-Identifier: BSD-2-Clause */
/* DCCP (RFC 4340): its header (core/header/dccp.c), its state machine and its sequence numbers (dccp.c). */
#ifndef KS_CORE_TRACK_DCCP_H
#define KS_CORE_TRACK_DCCP_H

#include "core/inspect.h"
#include "core/header/packet.h"
#include "core/types.h"

/* ks_packet.dccp_type: the packet's type (RFC 4340 5.1) ... */
enum ks_dccp_type {
	KS_DCCP_REQUEST,
	KS_DCCP_RESPONSE,
	KS_DCCP_DATA,
	KS_DCCP_ACK,
	KS_DCCP_DATAACK,
	KS_DCCP_CLOSEREQ,
	KS_DCCP_CLOSE,
	KS_DCCP_RESET,
	KS_DCCP_SYNC,
	KS_DCCP_SYNCACK,
	KS_DCCP_TYPES
};

#define KS_DCCP_TYPE_MASK 0x0f
#define KS_DCCP_SHORT 0x80 /* ... and this: sequence numbers are of 24 bits */

/* Fills in ports, type and numbers of a DCCP packet of `l4_len` octets. Returns 0 or a reason. */
__u32 ks_dccp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

/* Whether the packet may open a flow: 0, or a reason. */
__u32 ks_dccp_may_open(const struct ks_packet *pkt);

/* Whether the packet starts the connection anew after this one is over. */
bool ks_dccp_reopens(const struct ks_packet *pkt, const struct ks_flow *flow);

/* Sets up the DCCP part of insp->flow.after from the opening packet. */
void ks_dccp_open(struct ks_inspection *insp);

/*
 * Checks the packet against insp->flow.before and writes what follows into
 * insp->flow.after, which is a copy of it. Returns KS_REASON_OK_ESTABLISHED or
 * the reason of the drop; insp->verdict.compare holds the low 32 bits of what decided.
 * *moves becomes false for a packet that passes but must not touch the timer.
 */
__u32 ks_dccp_update(struct ks_inspection *insp, bool *moves);

#endif
