/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events of packets: what the core reports of a packet if a rule or an option asks for it. The same bytes in a BPF ring buffer
 * and in user space. Events of flows are in core/table/flow_event.h.
 */
#ifndef KS_CORE_EVENT_H
#define KS_CORE_EVENT_H

#include "core/address.h"
#include "core/types.h"

struct ks_event {
	__u64 time; /* ns on the home's clock */
	struct ks_tuple tuple; /* as in the packet */
	struct ks_tuple
		sent; /* as it leaves, or would have left: the same where it is not translated, or that is not known */
	__u32 length; /* bytes of the frame */
	__u32 rule; /* id; KS_RULE_DEFAULT if none */
	__u32 seq, ack; /* TCP */
	__u8 action; /* enum ks_action */
	__u8 reason; /* enum ks_reason */
	__u8 class; /* enum ks_class */
	__u8 state; /* enum ks_state of the flow after the packet, NONE without one */
	__u8 from, to; /* zone ids; to may be KS_ZONE_UNKNOWN */
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 logged_by_rule; /* 1: a rule with `log`, staged or not; 0: a drop reported because the option asks */
	__u16 window;
	__u32 staged; /* id of the staged rule that would have decided, KS_RULE_DEFAULT if none */
};

/* Beside the kinds of events in the mask of what is asked for (env_asked()): events of packets have their first bytes, too. */
#define KS_ASKED_OCTETS 0x80000000U
#define KS_EVENT_OCTETS 256U

/* An event and the first bytes of its packet, as they were inspected. */
struct ks_event_octets {
	struct ks_event event;
	__u32 link; /* enum ks_link */
	__u32 captured; /* bytes of octets[] */
	__u8 octets[KS_EVENT_OCTETS];
};

struct ks_inspection;

/* Fills in the event of a finished inspection. */
void ks_event_make(const struct ks_inspection *insp, struct ks_event *event);

_Static_assert(sizeof(struct ks_event) == 120, "an event has no padding");
_Static_assert(sizeof(struct ks_event_octets) == 120 + 8 + KS_EVENT_OCTETS, "nor with the bytes of its packet");

#endif
