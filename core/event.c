// SPDX-License-Identifier: BSD-2-Clause
/* The record of an inspection for whoever listens; see event.h. */
#include "core/event.h"

#include "core/inspect.h"

void ks_event_make(const struct ks_inspection *in, struct ks_event *event)
{
	*event = (struct ks_event){
		.time = in->now,
		.tuple = in->pkt.tuple,
		.length = in->pkt.wire_len,
		.rule = in->rule,
		.seq = in->pkt.seq,
		.ack = in->pkt.ack,
		.action = in->action,
		.reason = in->reason,
		.class = in->class,
		.state = in->state,
		.from = in->from,
		.to = in->to,
		.tcp_flags = in->pkt.tcp_flags,
		.icmp_type = in->pkt.icmp_type,
		.icmp_code = in->pkt.icmp_code,
		.logged_by_rule = in->log,
		.window = in->pkt.window,
	};
}
