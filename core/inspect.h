/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One inspection: a packet goes in with the zone it came from, a verdict
 * comes out with its reason and every number that was compared on the way.
 * The structure is the caller's; nothing of it outlives the packet.
 */
#ifndef KS_CORE_INSPECT_H
#define KS_CORE_INSPECT_H

#include "entry.h"
#include "flow.h"
#include "packet.h"
#include "policy.h"
#include "types.h"
#include "verdict.h"

struct ks_env;

/* Which bound decided, for explain: have was compared with lo and hi. */
struct ks_compare {
	__u32 have;
	__u32 lo;
	__u32 hi;
};

struct ks_inspection {
	/* in: set by the home before ks_inspect() */
	__u64 now; /* ns, never going back */
	__u8 from; /* zone the packet comes from; KS_ZONE_SELF if the box sent it */
	__u8 to; /* zone it goes to, KS_ZONE_UNKNOWN to have env_zone_to() asked */
	__u8 dry; /* 1: decide and explain only, change nothing */
	__u8 zero[5];

	/* out */
	__u8 action; /* enum ks_action */
	__u8 reason; /* enum ks_reason */
	__u8 class; /* enum ks_class */
	__u8 dir; /* enum ks_dir, when a flow was found or opened */
	__u8 via; /* 1 + enum ks_dir of the alias by which the flow was found, 0: by its own key */
	__u8 state; /* enum ks_state after the packet, NONE without a flow */
	__u8 log; /* 1: the rule asked for an event */
	__u8 retries; /* commits that another processor got ahead of */
	__u32 rule; /* id of the rule that decided, or that made the flow */
	__u32 rule_index; /* entry in the rule table when the policy decided, else KS_DECISION_DEFAULT */
	struct ks_compare compare;

	__u8 sender; /* 1: the sender is the key's second address */
	__u8 replaces; /* 1: the packet opens a flow over `before`, which is over */
	__u8 pending; /* 1: begun, and its flow is still to be asked */

	struct ks_packet pkt;
	struct ks_entry flow; /* the flow it belongs to, opens, or is about */
	struct ks_entry side; /* working memory for one other entry at a time: alias, mapping, expectation, ... */
};

/*
 * Decides one packet. `head` holds its first in->pkt.head_len octets; in->pkt's
 * home fields and the "in" fields are set. Returns in->action.
 * Unless in->dry, state, counters and events follow from the verdict.
 */
__u32 ks_inspect(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

/*
 * The same in two halves, for a home that handles packets in bursts: after
 * the first one in->flow.hash tells where the flow will be looked for, so that its
 * memory can be fetched while other packets are read (ks_table_place()).
 */
void ks_inspect_begin(struct ks_env *env, struct ks_inspection *in, const __u8 *head);
__u32 ks_inspect_finish(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

#endif
