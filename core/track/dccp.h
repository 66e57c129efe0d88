/* SPDX-License-Identifier: BSD-2-Clause */
/* DCCP (RFC 4340): its state machine and its sequence numbers; see dccp.c. */
#ifndef KS_CORE_TRACK_DCCP_H
#define KS_CORE_TRACK_DCCP_H

#include "core/inspection.h"
#include "core/header/dccp.h"
#include "core/types.h"

/* Returns 0 if the packet may open a flow, else a reason. */
__u32 ks_dccp_may_open(const struct ks_packet *pkt);

/* Returns true if the packet is of the middle of a connection. */
bool ks_dccp_is_midstream(const struct ks_packet *pkt);

/* Returns true if the packet starts the connection again after this one is over. */
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
