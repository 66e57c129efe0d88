/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of flows as the control API tells them. docs/api.md lists the members. */
#ifndef KS_DAEMON_API_FLOW_EVENT_H
#define KS_DAEMON_API_FLOW_EVENT_H

#include <stdio.h>

#include "core/table/flow_event.h"
#include "engine/translation.h"
#include "policy/policy.h"

/* "begin", "established", "end"; "drop" and "pass" of a packet, by what became of it. */
const char *ks_event_kind_name(unsigned kind);

#define KS_FLOW_NUMBER_DIGITS 16

/* The same in all events of one flow, and for as long as it lives: a hash of what names it, and of when it began. */
__u64 ks_flow_number(const struct ks_flow_key *key, __u32 created);

/*
 * Writes an event of a flow as one JSON object, without a newline. `now` is on the clock of the event. By hand: there may be as
 * many as there are connections.
 */
void ks_flow_event_print(FILE *out, const struct ks_policy *policy, __u64 now, const struct ks_flow_event *event,
			 const struct ks_translation *translation);

#endif
