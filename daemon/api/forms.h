/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows and events as the control API shows them. docs/api.md lists the members. */
#ifndef KS_DAEMON_API_FORMS_H
#define KS_DAEMON_API_FORMS_H

#include <jansson.h>
#include <stdio.h>

#include "core/event.h"
#include "kernel/kernel.h"
#include "policy/policy.h"

/* A flow and what belongs to it in a listing. */
struct ks_listed_flow {
	const struct ks_flow_key *key;
	const struct ks_flow *flow;
	const struct ks_translation *translation; /* all absent where nothing is translated */
};

/* One line of JSON. `now` is on the clock of the flow. Written by hand: a table may have a million of them. */
void ks_flow_print_json(FILE *out, const struct ks_policy *policy, __u64 now, const struct ks_listed_flow *listed);

/* One line as in /proc/net/nf_conntrack: both directions as they are on the wire. */
void ks_flow_print_conntrack(FILE *out, __u64 now, const struct ks_listed_flow *listed);

/* NULL without memory. */
json_t *ks_event_json(const struct ks_policy *policy, __u64 now, const struct ks_event *event);

/* {"id", "file", "line", "text", "label"} of a rule; null for the default deny; only the id of a rule that is gone. */
json_t *ks_rule_json(const struct ks_policy *policy, __u32 id);

#endif
