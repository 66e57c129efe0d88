// SPDX-License-Identifier: BSD-2-Clause
/* Timeouts that follow how full the table is; see timeout.h. */
#include "core/table/timeout.h"

static inline __u32 floor_of(const struct ks_flow *flow)
{
	bool closing = (flow->state >= KS_STATE_TCP_FIN_WAIT && flow->state <= KS_STATE_TCP_CLOSE) ||
		       ks_state_is_closed(flow->state);

	if (closing)
		return KS_ADAPTIVE_FLOOR_MS;
	if (flow->flags & KS_FLOW_ASSURED)
		return KS_ADAPTIVE_FLOOR_ASSURED_MS;
	return flow->flags & KS_FLOW_REPLIED && ks_state_is_plain(flow->state) ? KS_ADAPTIVE_FLOOR_ANSWERED_MS
									       : KS_ADAPTIVE_FLOOR_MS;
}

__u32 ks_timeout_adapt(const struct ks_config *config, const struct ks_flow *flow, __u32 flows)
{
	__u32 low = config->adaptive_low, high = config->adaptive_high, shrunk = 0;

	if (flows <= low)
		return flow->timeout;
	if (flows < high)
		shrunk = (__u32)((__u64)flow->timeout * (high - flows) / (high - low));
	return KS_MIN(flow->timeout, KS_MAX(shrunk, floor_of(flow)));
}
