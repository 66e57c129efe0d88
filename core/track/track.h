/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections of any protocol: which packet may open one, its first entry, and the entry after a further packet. TCP,
 * SCTP and DCCP have machines of their own; a flow of another protocol only knows if both sides have spoken.
 */
#ifndef KS_CORE_TRACK_TRACK_H
#define KS_CORE_TRACK_TRACK_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

/* Returns 0 if the packet may open a flow at all, whatever the policy says, else a reason. */
__u32 ks_track_may_open(const struct ks_config *config, const struct ks_packet *pkt);

/*
 * Returns true if the packet is of the middle of a connection: one that opens none, begins none and ends none with its own
 * numbers.
 */
bool ks_track_is_midstream(const struct ks_packet *pkt);

/*
 * Returns true if the packet says something about its connection besides data and acknowledgements: it begins, ends or names
 * it. The protocols without a machine have no such packets.
 */
static ks_inline bool ks_track_is_telling(const struct ks_packet *pkt)
{
	if (ks_likely(pkt->tuple.proto == KS_PROTO_TCP))
		return pkt->tcp_flags & (KS_TCP_SYN | KS_TCP_FIN | KS_TCP_RST);
	return (pkt->tuple.proto == KS_PROTO_SCTP || pkt->tuple.proto == KS_PROTO_DCCP) && !ks_track_is_midstream(pkt);
}

/* Returns true if the flow is over and the packet opens its key again. */
bool ks_track_reopens(const struct ks_packet *pkt, const struct ks_flow *flow);

/* Makes insp->flow.after the flow that the packet opens. insp->verdict.rule and the zones must be set. */
void ks_track_open(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/*
 * Judges a packet of the flow insp->flow.before and makes insp->flow.after what follows.
 * Returns KS_REASON_OK_ESTABLISHED or the reason of the drop.
 */
__u32 ks_track_update(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* The same where every packet comes. */
__u32 ks_track_update_inlined(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

#endif
