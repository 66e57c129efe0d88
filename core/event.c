// SPDX-License-Identifier: BSD-2-Clause
/* Events; see event.h. */
#include "core/event.h"

#include "core/inspection.h"

void ks_event_make(const struct ks_inspection *insp, struct ks_event *event)
{
	*event = (struct ks_event){
		.time = insp->home.now,
		.tuple = insp->pkt.tuple,
		.sent = *ks_tuple_sent(insp),
		.length = insp->pkt.wire_len,
		.rule = insp->verdict.rule,
		.seq = insp->pkt.seq,
		.ack = insp->pkt.ack,
		.action = insp->verdict.action,
		.reason = insp->verdict.reason,
		.class = insp->verdict.class,
		.state = insp->verdict.state,
		.from = insp->home.from,
		.to = insp->to,
		.tcp_flags = insp->pkt.tcp_flags,
		.icmp_type = insp->pkt.icmp_type,
		.icmp_code = insp->pkt.icmp_code,
		.logged_by_rule = insp->verdict.log | insp->verdict.staged_log,
		.window = insp->pkt.window,
		.staged = insp->verdict.staged,
	};
}
