// SPDX-License-Identifier: BSD-2-Clause
/* Further conditions of rules; see match.h. */
#include "core/match.h"

#include "core/env.h"
#include "core/header/wire.h"
#include "core/home.h"
#include "core/inspection.h"

/* --- facts --- */

#define DSCP_SHIFT \
	2 /* in the type of service or traffic class; behind it are two bits of congestion (RFC 2474, RFC 3168) */
#define TTL_MAX 255U

/* Routers have taken `hops` from it since it came; none lets a packet go on with 0. */
static inline __u8 ttl_came(const struct ks_inspection *insp)
{
	return (__u8)KS_MIN(insp->pkt.hop_limit + insp->home.hops, TTL_MAX);
}

/* Notes the source of the frame. A router gives the packet another one. */
static ks_inline void link_gather(struct ks_inspection *insp, const __u8 *head)
{
	if (insp->home.hops)
		return;
	insp->facts.known |= KS_CONDITIONS_LINK;
	if (insp->pkt.link == KS_LINK_ETHERNET)
		insp->facts.mac = (__u64)ks_be16(ks_load16(head + ETH_SRC_OFF)) << 32 |
				  ks_be32(ks_load32(head + ETH_SRC_OFF + 2));
}

/* Not inlined, because most policies ask for none. */
static __attribute__((noinline)) void facts_fill(struct ks_env *env, const struct ks_config *config,
						 struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_packet *pkt = &insp->pkt;

	insp->facts = (struct ks_facts){
		.known = KS_CONDITIONS_HEADER,
		.of = KS_FACTS_LIVE,
		.tcp_flags = pkt->tcp_flags,
		.ttl = ttl_came(insp),
		.dscp = pkt->traffic_class >> DSCP_SHIFT,
		.ip_options = pkt->ip_options,
		.fragment = !!(pkt->flags & KS_PKT_FRAGMENT),
		.length = pkt->l3_len,
	};
	link_gather(insp, head);
	if (config->asks & KS_CONDITIONS_HOME)
		env_facts(env, config->asks, &insp->facts);
}

ks_inlined void ks_facts_gather(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);

	if (ks_unlikely(config && config->asks))
		facts_fill(env, config, insp, head);
}

/* Returns true if the packet is the first one of its flow, which ingress has opened by a guess, and leaves now. */
static bool is_first_of_flow(const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;

	return insp->dir == KS_ORIGINAL && !(flow->flags & KS_FLOW_REPLIED) && ks_flow_packets(flow, KS_ORIGINAL) <= 1;
}

/* Returns true if the packet in hand opens the flow. */
static inline bool is_opening(const struct ks_inspection *insp)
{
	if (!insp->flow.found || insp->opening.replaces || insp->pkt.flags & KS_PKT_ICMP_ERROR)
		return true;
	return is_first_of_flow(insp);
}

void ks_facts_tell(const struct ks_inspection *insp, struct ks_facts *facts)
{
	if (!is_opening(insp)) {
		*facts = (struct ks_facts){};
		return;
	}
	*facts = insp->facts;
	if (insp->opening.settled) {
		facts->of = KS_FACTS_GONE;
		facts->known &= (__u16)~KS_CONDITIONS_FIRST;
	}
}

/* --- conditions --- */

#define BISECTIONS_MAX 25 /* as of core/rules.c */

/*
 * Returns true if a set of plain numbers has this one. A loop of its own, where rules.c has a callback: here is one frame more,
 * of the eight that the kernel allows.
 */
static ks_inline bool set_has(struct ks_env *env, __u32 index, __u64 number)
{
	const struct ks_set *set = env_set(env, index);
	const struct ks_range *range;
	__u32 begin, end;

	if (!set)
		return false;
	begin = set->first4;
	end = set->first4 + set->count4;
	for (__u32 i = 0; i < BISECTIONS_MAX && begin < end; i++) {
		__u32 middle = begin + (end - begin) / 2;

		range = env_range(env, middle);
		if (!range)
			return false;
		if (number < range->lo[1])
			end = middle;
		else if (number > range->hi[1])
			begin = middle + 1;
		else
			return true;
	}
	return false;
}

/* Returns true if the condition holds that asks if a number is in a set. */
static ks_inline bool number_holds(struct ks_env *env, const struct ks_conditions *c, const struct ks_facts *facts,
				   __u32 condition)
{
	switch (condition) {
	case KS_CONDITION_TTL:
		return set_has(env, c->ttl_set, facts->ttl);
	case KS_CONDITION_LENGTH:
		return set_has(env, c->length_set, facts->length);
	case KS_CONDITION_MAC:
		return set_has(env, c->mac_set, facts->mac);
	case KS_CONDITION_USER:
		return set_has(env, c->user_set, facts->uid);
	default:
		return set_has(env, c->mark_set, facts->mark & c->mark_mask);
	}
}

/* Returns true if a condition holds, as it is written without `not`. */
static ks_inline bool condition_holds(struct ks_env *env, const struct ks_conditions *c, const struct ks_facts *facts,
				      __u32 condition)
{
	switch (condition) {
	case KS_CONDITION_FLAGS:
		return (facts->tcp_flags & c->tcp_mask) == c->tcp_flags;
	case KS_CONDITION_FRAGMENT:
		return facts->fragment;
	case KS_CONDITION_IP_OPTION:
		return c->ip_options ? facts->ip_options & c->ip_options : !facts->ip_options;
	case KS_CONDITION_DSCP:
		return c->dscp >> (facts->dscp & (KS_DSCP_MAX - 1)) & 1;
	case KS_CONDITION_CGROUP:
		return c->cgroups >> (facts->cgroup & KS_CGROUPS_MASK) & 1;
	default:
		return number_holds(env, c, facts, condition);
	}
}

/* Asks the clock, or nobody where the moment that counts is that of a packet which is gone. */
static ks_inline __u32 schedule_state(struct ks_env *env, __u32 number, const struct ks_facts *facts)
{
	const struct ks_config *config = env_config(env);
	const struct ks_schedule *schedule;

	if (!config)
		return KS_SCHEDULE_UNKNOWN;
	if (!(facts->known >> KS_CONDITION_DURING & 1) && config->schedule_end == KS_SCHEDULE_END_KEEP)
		return KS_SCHEDULE_UNKNOWN;
	schedule = env_schedule(env, number);
	return schedule ? ks_schedule_at(schedule, env_now(env)) : KS_SCHEDULE_UNKNOWN;
}

/* The answer to a condition where it cannot be known. A flow that is forwarded is not asked about: see core/reroute.c. */
static ks_inline bool unknown_passes(const struct ks_rule *rule, const struct ks_question *question)
{
	bool allows = rule->action == KS_ALLOW || rule->action == KS_BYPASS;

	if (question->facts.of == KS_FACTS_LIVE)
		return !allows;
	if (question->facts.of == KS_FACTS_ANY)
		return allows;
	return allows && !(rule->targets && question->list == KS_LIST_FILTER);
}

static ks_inline bool during_passes(struct ks_env *env, const struct ks_rule *rule, const struct ks_conditions *c,
				    const struct ks_question *question)
{
	__u32 state = schedule_state(env, c->schedule, &question->facts);

	if (state == KS_SCHEDULE_UNKNOWN)
		return unknown_passes(rule, question);
	return (state == KS_SCHEDULE_OPEN) != (c->nots >> KS_CONDITION_DURING & 1);
}

/* Returns true if the packet has not got what the condition asks about: then it fails, with `not` and without. */
static ks_inline bool is_without(const struct ks_facts *facts, __u32 condition)
{
	return (condition == KS_CONDITION_MAC && !facts->mac) || (condition == KS_CONDITION_USER && !facts->has_uid) ||
	       (condition == KS_CONDITION_CGROUP && !facts->has_cgroup);
}

/* Returns true if a condition that the rule has does not fail. */
static ks_inline bool condition_passes(struct ks_env *env, const struct ks_rule *rule, const struct ks_conditions *c,
				       const struct ks_question *question, __u32 condition)
{
	if (condition == KS_CONDITION_DURING)
		return during_passes(env, rule, c, question);
	if (!(question->facts.known >> condition & 1))
		return unknown_passes(rule, question);
	if (is_without(&question->facts, condition))
		return false;
	return condition_holds(env, c, &question->facts, condition) != (c->nots >> condition & 1);
}

ks_isolated __u32 ks_conditions_miss_isolated(struct ks_env *env, const struct ks_rule *rule,
					      const struct ks_question *question, __u32 mask)
{
	const struct ks_conditions *c;

	if (ks_missing(env) || ks_missing(rule) || ks_missing(question))
		return KS_MISS_CONDITION;
	ks_hide_bound(env);
	ks_hide_bound(rule);
	ks_hide_bound(question);
	c = env_conditions(env, rule->conditions);
	if (!c)
		return KS_MISS_CONDITION;
	for (__u32 n = 0; n < KS_CONDITION_MAX; n++) {
		if (c->asks & mask & KS_CONDITION_BIT(n) && !condition_passes(env, rule, c, question, n))
			return KS_MISS_CONDITION + n;
	}
	return KS_MISS_NOTHING;
}
