/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters of flows and events, given in words by a user of the control API. Every
 * condition that is set must hold. A flow whose addresses are translated matches by
 * its true endpoints, or by those that one of its sides sees.
 *
 *   address      an address or prefix, of either side
 *   source       the originator's (of a flow) or the sender's (of a packet)
 *   destination  the other one's
 *   port         of either side
 *   proto        a name or number
 *   zone         a zone's name; of either side
 *   state        a state's name (flows)
 *   verdict      allow, deny, reject, bypass (events)
 *   reason       a reason's name (events)
 */
#ifndef KS_DAEMON_API_FILTER_H
#define KS_DAEMON_API_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/event.h"
#include "kernel/kernel.h"
#include "policy/policy.h"

/* For what a condition makes sense. */
#define KS_FILTER_FLOWS 1U
#define KS_FILTER_EVENTS 2U

/* A condition that is not set has -1, or family 0. */
struct ks_filter {
	struct ks_prefix address, source, destination;
	int port; /* host order */
	int proto;
	int zone;
	int state;
	int verdict;
	int reason;
	unsigned conditions; /* how many are set */
};

void ks_filter_init(struct ks_filter *filter);

/*
 * Sets one condition. -ENOENT: no such condition for this kind (KS_FILTER_*);
 * -EINVAL: the value is wrong. With an error, `complaint` says what would be right.
 */
int ks_filter_set(struct ks_filter *filter, unsigned kind, const struct ks_policy *policy, const char *name,
		  const char *value, char *complaint, size_t size);

/* Parses "192.0.2.0/24" or "2001:db8::1". Host bits are cleared. */
int ks_prefix_parse(const char *text, struct ks_prefix *prefix);
bool ks_prefix_contains(const struct ks_prefix *prefix, const struct ks_addr *addr, unsigned family);

bool ks_filter_match_flow(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_flow *flow,
			  const struct ks_translation *translation);
/* The conditions about addresses, ports and the protocol alone. */
bool ks_filter_match_ends(const struct ks_filter *filter, const struct ks_tuple *tuple);

bool ks_filter_match_event(const struct ks_filter *filter, const struct ks_event *event);

#endif
