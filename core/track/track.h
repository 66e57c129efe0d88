/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections of any protocol: what may open one, how it starts, what a
 * further packet does to it. TCP has a machine of its own (tcp.c); for the
 * rest a flow only knows whether both sides have spoken.
 */
#ifndef KS_CORE_TRACK_TRACK_H
#define KS_CORE_TRACK_TRACK_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

/* Whether the packet may open a flow at all, whatever the policy says: 0 or a reason. */
__u32 ks_track_may_open(const struct ks_config *config, const struct ks_packet *pkt);

/* Whether the packet starts again after the flow insp->flow.before is over. */
bool ks_track_reopens(const struct ks_packet *pkt, const struct ks_flow *flow);

/* Makes insp->flow.after the flow that the packet opens; insp->verdict.rule and the zones are set. */
void ks_track_open(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/*
 * Judges a packet of the flow insp->flow.before and makes insp->flow.after what follows.
 * Returns KS_REASON_OK_ESTABLISHED or the reason of the drop.
 */
__u32 ks_track_update(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

#endif
