/* SPDX-License-Identifier: BSD-2-Clause */
/* What the stages of an inspection share: how a verdict is put down, and when a packet is judged again. */
#ifndef KS_CORE_STAGE_H
#define KS_CORE_STAGE_H

#include "core/group.h"
#include "core/inspect.h"

/* How often a packet is judged anew because another processor was first. */
#define JUDGE_TRIES 8

/* What a try at judging decides. */
static inline void ks_outcome_init(struct ks_inspection *in)
{
	in->action = KS_DENY;
	in->class = KS_CLASS_NONE;
	in->dir = KS_ORIGINAL;
	in->flow.found = 0;
	in->flow.busy = 0;
	in->state = KS_STATE_NONE;
	in->log = 0;
	in->rule = KS_RULE_DEFAULT;
	in->rule_index = KS_DECISION_DEFAULT;
	in->compare = (struct ks_compare){};
	in->replaces = 0;
	in->via = 0;
	in->translate = 0;
	in->opened = 0;
	in->grown = 0;
	in->source_rule = KS_RULE_DEFAULT;
	in->to = in->to_given;
}

static inline void ks_inspection_init(struct ks_inspection *in)
{
	in->to_given = in->to;
	ks_outcome_init(in);
	in->retries = 0;
	in->sender = 0;
	in->stage = KS_STAGE_DONE;
	in->leaving = 0;
	in->rerouted = 0;
	in->fragment = KS_FRAGMENT_NONE;
	in->flow.clock = ks_flow_clock(in->now);
	in->side.clock = in->flow.clock;
}

static inline __u32 ks_deny(struct ks_inspection *in, __u32 class, __u32 reason)
{
	in->action = KS_DENY;
	in->class = class;
	return reason;
}

static inline __u32 ks_pass(struct ks_inspection *in, __u32 class, __u32 reason)
{
	in->action = KS_ALLOW;
	in->class = class;
	return reason;
}

/* Returns true if octets of a passed packet are to be changed. */
static inline bool ks_is_changed(const struct ks_inspection *in, const struct ks_config *config)
{
	return in->translate & in->phase || config->scrub;
}

/* What follows a verdict: an allowed packet may be a question to a group, and may have to be changed. */
static inline void ks_conclude(struct ks_inspection *in, const struct ks_config *config, __u32 reason)
{
	in->reason = reason;
	in->stage = KS_STAGE_DONE;
	if (in->action != KS_ALLOW || in->dry)
		return;
	if (ks_unlikely(ks_group_is_asked(in) && in->state != KS_STATE_NONE))
		in->stage = KS_STAGE_GROUP;
	else if (ks_is_changed(in, config))
		in->stage = KS_STAGE_WRITE;
}

/* Another processor was first: the packet is judged anew, a bounded number of times. */
static inline bool ks_again(struct ks_inspection *in, __u32 reason, __u32 stage)
{
	if (ks_likely(reason != KS_REASON_CONTENDED) || in->retries >= JUDGE_TRIES - 1)
		return false;
	in->retries++;
	ks_outcome_init(in);
	in->stage = stage;
	return true;
}

/* Returns true if a packet of the flow found comes from another zone than its sender is known in. */
static inline bool ks_comes_from_elsewhere(const struct ks_inspection *in)
{
	return !ks_zone_equal(in->from, in->flow.before.zone[in->dir & 1]);
}

/* Returns true if it is known to leave by another zone than its receiver is in. One to an alias goes elsewhere than its address says. */
static inline bool ks_leaves_elsewhere(const struct ks_inspection *in)
{
	return in->to_given < KS_ZONE_MAX && !in->via &&
	       !ks_zone_equal(in->to_given, in->flow.before.zone[!(in->dir & 1)]);
}

/* The policy's word on a packet that no flow knows: in->rule and in->log are its rule's. Returns the action. */
__u32 ks_open_ask(struct ks_env *env, struct ks_inspection *in, struct ks_decision *decision);

/* All that needs no state. in->stage says what is to be asked. Returns the reason. */
__u32 ks_inspect_read(struct ks_env *env, struct ks_inspection *in, const __u8 *head);

/* The policy was asked for a bypass only: whatever else it said does not count. */
static inline void ks_open_forget(struct ks_inspection *in)
{
	in->rule = KS_RULE_DEFAULT;
	in->rule_index = KS_DECISION_DEFAULT;
	in->log = 0;
}

#endif
