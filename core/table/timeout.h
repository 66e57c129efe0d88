/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adaptive timeouts: they shrink as the table fills, so that room comes back
 * before new flows are refused. From config->adaptive_low flows on a timeout
 * is multiplied by (high - flows) / (high - low); at adaptive_high and above
 * it is at its floor. The floor is a second; for a flow that both sides speak
 * on and none has closed it is five minutes (RFC 4787 REQ-5), so that a pause
 * does not cut it; ten seconds for one without a handshake that was answered and is
 * not proven yet (ks_flow_is_unproven()). A timeout that is shorter by itself stays as it is.
 */
#ifndef KS_CORE_TABLE_TIMEOUT_H
#define KS_CORE_TABLE_TIMEOUT_H

#include "core/table/flow.h"
#include "core/rules.h"
#include "core/types.h"

#define KS_ADAPTIVE_FLOOR_MS 1000U
#define KS_ADAPTIVE_FLOOR_ANSWERED_MS 10000U
#define KS_ADAPTIVE_FLOOR_ASSURED_MS 300000U

/* Returns the flow's timeout as shrunk for this number of flows. config->adaptive_high must not be 0. */
__u32 ks_timeout_adapt(const struct ks_config *config, const struct ks_flow *flow, __u32 flows);

#endif
