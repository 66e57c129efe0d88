/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters of flows and events, given in words by a user of the control API. A condition has a name and a value. Of several with
 * one name one must hold; all names must hold. A value that begins with "not " is one that must not hold.
 *
 *   address      an address or prefix, of either side
 *   source       the originator's (of a flow) or the sender's (of a packet)
 *   destination  the other one's
 *   port         of either side: a port or a range
 *   proto        a name or number
 *   zone         a zone's name; of either side
 *   from, to     a zone's name: of the side that opened the flow or sent the packet, and of the other one (flows and events)
 *   rule         a rule by its label, FILE:LINE or id
 *   state        a state's name (flows)
 *   verdict      allow, deny, reject, bypass (events of packets)
 *   reason       a reason's name (the same)
 *   why          why a flow has ended (events of flows)
 *   flow         the number of one flow, in 16 digits (flows, and events of flows)
 *
 * A flow whose addresses are translated has three faces: its true ends, and the two that its sides see. It fits if one face has all
 * that is wanted of its ends, and none has what must not be.
 */
#ifndef KS_DAEMON_API_FILTER_H
#define KS_DAEMON_API_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/event.h"
#include "core/table/flow_event.h"
#include "kernel/kernel.h"
#include "policy/policy.h"

/* For what a condition makes sense. */
#define KS_FILTER_FLOWS 1U
#define KS_FILTER_EVENTS 2U /* of packets */
#define KS_FILTER_TOLD 4U /* events of flows */

enum ks_condition_name {
	KS_CONDITION_ADDRESS,
	KS_CONDITION_SOURCE,
	KS_CONDITION_DESTINATION,
	KS_CONDITION_PORT,
	KS_CONDITION_PROTO,
	KS_CONDITION_ZONE,
	KS_CONDITION_FROM,
	KS_CONDITION_TO,
	KS_CONDITION_RULE,
	KS_CONDITION_STATE,
	KS_CONDITION_VERDICT,
	KS_CONDITION_REASON,
	KS_CONDITION_WHY,
	KS_CONDITION_FLOW,
};

/* One value of a condition: the member that its name has use for. The rules are in the filter. */
struct ks_condition {
	__u8 name; /* enum ks_condition_name */
	bool negated;
	__u16 low, high; /* a number (low == high), or a range of ports in host order */
	struct ks_prefix prefix;
	__u64 flow; /* ks_flow_number() */
};

#define KS_FILTER_CONDITIONS_MAX 64
#define KS_FILTER_RULES 65536 /* ids of rules, which are 16 bits in a flow */

struct ks_filter {
	unsigned conditions; /* how many there are */
	__u32 wanted; /* bits by name: those with a value that is not negated */
	__u32 named; /* those with a value at all */
	struct ks_condition list[KS_FILTER_CONDITIONS_MAX];
	__u8 rules[2][KS_FILTER_RULES / 8]; /* a bit for each id: wanted, and [1] those that must not be */
};

void ks_filter_init(struct ks_filter *filter);

/*
 * Adds a condition: a value, or several with commas between them (but labels, which may have commas). -ENOENT: no such condition
 * for this kind (KS_FILTER_*); -EINVAL: the value is wrong; -E2BIG: there are KS_FILTER_CONDITIONS_MAX already. With an error,
 * `complaint` says what would be right.
 */
int ks_filter_set(struct ks_filter *filter, unsigned kind, const struct ks_policy *policy, const char *name,
		  const char *value, char *complaint, size_t size);

/* Parses "192.0.2.0/24" or "2001:db8::1". Host bits are cleared. */
int ks_prefix_parse(const char *text, struct ks_prefix *prefix);
bool ks_prefix_contains(const struct ks_prefix *prefix, const struct ks_addr *addr, unsigned family);

/* Returns true if it asks from where to where, or for one flow: nothing but a flow and an event can answer that. */
bool ks_filter_is_of_flows(const struct ks_filter *filter);

/* Returns true if a flow cannot be judged without its translation. */
bool ks_filter_needs_translation(const struct ks_filter *filter);

/* Without a need of it the translation may be NULL. */
bool ks_filter_match_flow(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_flow *flow,
			  const struct ks_translation *translation);

/* The conditions about addresses, ports and the protocol alone, of something with so many faces. */
bool ks_filter_match_ends(const struct ks_filter *filter, const struct ks_tuple *faces, size_t count);

/* The conditions about state, zones and rule of something that has these; the event's own conditions are not asked. */
bool ks_filter_match_kind(const struct ks_filter *filter, unsigned state, const __u8 zone[2], __u32 rule);

/* Nothing fits that has not what is wanted: a flow has no verdict, and only one that ends has a reason for that. */
bool ks_filter_match_event(const struct ks_filter *filter, const struct ks_event *event);
bool ks_filter_match_told(const struct ks_filter *filter, const struct ks_flow_event *event,
			  const struct ks_translation *translation);

#endif
