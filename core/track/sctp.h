/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCTP (RFC 9260): its state machine and its verification tags.
 *
 * A flow is one path of an association: a pair of addresses and a pair of ports. The path on which INIT travels is the
 * association's first. Another path of a multihomed association is a flow of its own, which a HEARTBEAT may open where
 * the rules allow that packet: by it every address is confirmed before it is used (RFC 9260 5.4). The flows of an
 * association do not know each other. When it ends on one path, the others time out.
 */
#ifndef KS_CORE_TRACK_SCTP_H
#define KS_CORE_TRACK_SCTP_H

#include "core/inspection.h"
#include "core/header/sctp.h"
#include "core/types.h"

/* Returns 0 if the packet may open a flow, else a reason. */
__u32 ks_sctp_may_open(const struct ks_packet *pkt);

/* Returns true if the packet is of the middle of an association. */
bool ks_sctp_is_midstream(const struct ks_packet *pkt);

/* Returns true if the packet starts an association after this one is over. */
bool ks_sctp_reopens(const struct ks_packet *pkt, const struct ks_flow *flow);

/* Sets up the SCTP part of insp->flow.after from the opening packet. */
void ks_sctp_open(struct ks_inspection *insp);

/*
 * Checks the packet against insp->flow.before and writes what follows into
 * insp->flow.after, which is a copy of it. Returns KS_REASON_OK_ESTABLISHED or
 * the reason of the drop. *moves becomes false for a packet that passes but
 * must not touch the timer.
 */
__u32 ks_sctp_update(struct ks_inspection *insp, bool *moves);

/* Returns true if side `dir` of insp->flow.before can have sent a packet with this tag. */
bool ks_sctp_was_sent(const struct ks_inspection *insp, __u32 dir, __u32 tag);

#endif
