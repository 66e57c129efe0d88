/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The JSON forms of what all commands and the control API show: rules, packets,
 * tuples, flows. Each returns a new reference; NULL without memory.
 */
#ifndef KS_EXPLAIN_JSON_H
#define KS_EXPLAIN_JSON_H

#include <jansson.h>

#include "core/inspect.h"
#include "policy/policy.h"

/* { id, file, line, action, text, label? } of a rule by its id; null for the default deny and ids that are gone. */
json_t *ks_json_rule(const struct ks_policy *policy, __u32 id);

/* { family, proto, source, destination, source_port?, destination_port? }: ports where the protocol has them. */
json_t *ks_json_tuple(const struct ks_tuple *tuple);

/* A tuple with the fields of its protocol: length, flags, seq, ack, window, type, code; { ip: false } if it is not IP. */
json_t *ks_json_packet(const struct ks_packet *pkt);

/*
 * A flow: its tuple as the originator sees it, state, zones, age and remaining
 * time in ms at `now` (ns), packets and bytes of both directions, flags, and
 * the windows of TCP. policy may be NULL: zones are then numbers and the rule its id.
 */
json_t *ks_json_flow(const struct ks_policy *policy, const struct ks_flow_key *key, const struct ks_flow *flow,
		     __u64 now);

/* "SYN,ACK" of TCP flag bits, "none" without any; returns buf. */
#define KS_TCP_FLAGS_TEXT 32
const char *ks_tcp_flags_text(unsigned flags, char buf[KS_TCP_FLAGS_TEXT]);

/* The tuple of a flow as its originator sent it. */
void ks_flow_tuple(const struct ks_flow_key *key, const struct ks_flow *flow, struct ks_tuple *tuple);

/* Members of an object: the text, "" without one; the number, 0 without one. */
const char *ks_member_text(const json_t *object, const char *name);
long long ks_member_number(const json_t *object, const char *name);

#endif
