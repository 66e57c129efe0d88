// SPDX-License-Identifier: BSD-2-Clause
/*
 * Deciding by the compiled policy: the first rule that matches. Sets are
 * searched by bisection over sorted ranges; rules are asked one after the
 * other, cheapest comparison first. Only packets that no flow knows come here.
 */
#include "core/rules.h"

#include "core/env.h"
#include "core/home.h"
#include "core/track/icmp_error.h"

#define BISECTIONS_MAX 25 /* more than 2^24 ranges in a run are refused by the compiler of policies */

static inline bool value_below(__u64 high, __u64 low, const __u64 bound[2])
{
	return high < bound[0] || (high == bound[0] && low < bound[1]);
}

static inline bool value_above(__u64 high, __u64 low, const __u64 bound[2])
{
	return high > bound[0] || (high == bound[0] && low > bound[1]);
}

/* A bisection under way. */
struct search {
	struct ks_env *env;
	__u64 high, low; /* the value, high word first */
	__u32 begin, end; /* where it can be */
	bool found;
};

static long search_step(__u32 n, void *arg)
{
	struct search *s = arg;
	__u32 middle = s->begin + (s->end - s->begin) / 2;
	const struct ks_range *range;

	if (s->begin >= s->end)
		return 1;
	range = env_range(s->env, middle);
	if (!range)
		return 1;
	if (value_below(s->high, s->low, range->lo))
		s->end = middle;
	else if (value_above(s->high, s->low, range->hi))
		s->begin = middle + 1;
	else
		s->found = true;
	return s->found;
}

/* Bisects a run of sorted, disjoint ranges. */
static ks_inline bool run_contains(struct ks_env *env, __u32 first, __u32 count, __u64 high, __u64 low)
{
	struct search search = { .env = env, .high = high, .low = low, .begin = first, .end = first + count };

	ks_loop(BISECTIONS_MAX, search_step, &search);
	return search.found;
}

static ks_inline bool number_in_set(struct ks_env *env, __u32 index, __u32 number)
{
	const struct ks_set *set = env_set(env, index);

	return set && run_contains(env, set->first4, set->count4, 0, number);
}

static ks_inline bool addr_in_set(struct ks_env *env, __u32 index, const struct ks_addr *addr, __u8 family)
{
	const struct ks_set *set = env_set(env, index);

	if (!set)
		return false;
	if (family == KS_IPV4)
		return run_contains(env, set->first4, set->count4, 0, ks_be32(addr->w[3]));
	return run_contains(env, set->first6, set->count6, ks_be64(addr->d[0]), ks_be64(addr->d[1]));
}

static ks_inline bool port_matches(struct ks_env *env, __u32 set, bool negated, const struct ks_tuple *tuple,
				   __be16 port)
{
	if (set == KS_SET_ANY)
		return true;
	return ks_proto_has_ports(tuple->proto) && number_in_set(env, set, ks_be16(port)) != negated;
}

static ks_inline bool icmp_matches(struct ks_env *env, __u32 set, const struct ks_question *q)
{
	if (set == KS_SET_ANY)
		return true;
	if (q->tuple.proto != KS_PROTO_ICMP && q->tuple.proto != KS_PROTO_ICMPV6)
		return false;
	return number_in_set(env, set, q->icmp);
}

static ks_inline bool addr_matches(struct ks_env *env, __u32 set, bool negated, const struct ks_addr *addr, __u8 family)
{
	return set == KS_SET_ANY || addr_in_set(env, set, addr, family) != negated;
}

/* Inlined twice: the kernel allows eight frames, and the walk is deep. */
static ks_inline __u32 rule_compare(struct ks_env *env, const struct ks_rule *rule, const struct ks_question *q)
{
	const struct ks_tuple *tuple = &q->tuple;

	if (!(rule->from_zones >> (q->from & (KS_ZONE_MAX - 1)) & 1))
		return KS_MISS_FROM;
	if (!(rule->to_zones >> (q->to & (KS_ZONE_MAX - 1)) & 1))
		return KS_MISS_TO;
	if (rule->family && rule->family != tuple->family)
		return KS_MISS_FAMILY;
	if (!(rule->flags & KS_RULE_ANY_PROTO) && rule->proto != tuple->proto)
		return KS_MISS_PROTO;
	if (!port_matches(env, rule->sport_set, rule->flags & KS_RULE_NOT_SPORT, tuple, tuple->sport))
		return KS_MISS_SPORT;
	if (!port_matches(env, rule->dport_set, rule->flags & KS_RULE_NOT_DPORT, tuple, tuple->dport))
		return KS_MISS_DPORT;
	if (!icmp_matches(env, rule->icmp_set, q))
		return KS_MISS_ICMP;
	if (!addr_matches(env, rule->src_set, rule->flags & KS_RULE_NOT_SRC, &tuple->src, tuple->family))
		return KS_MISS_SRC;
	if (!addr_matches(env, rule->dst_set, rule->flags & KS_RULE_NOT_DST, &tuple->dst, tuple->family))
		return KS_MISS_DST;
	return KS_MISS_NOTHING;
}

void ks_question_make(const struct ks_inspection *insp, const struct ks_tuple *tuple, enum ks_list list,
		      struct ks_question *question)
{
	question->tuple = *tuple;
	question->icmp = insp->pkt.icmp_type << KS_ICMP_TYPE_SHIFT | insp->pkt.icmp_code;
	question->list = list;
	question->from = insp->home.from;
	question->to = insp->to;
}

__u32 ks_rule_compare(struct ks_env *env, const struct ks_rule *rule, const struct ks_inspection *insp)
{
	struct ks_question question = {};

	ks_question_make(insp, &insp->opening.as_filtered, KS_LIST_FILTER, &question);
	return rule_compare(env, rule, &question);
}

/* What the walk over the rules carries along. */
struct walk {
	struct ks_env *env;
	const struct ks_question *question;
	struct ks_decision *decision;
	__u32 first;
};

static long walk_rule(__u32 n, void *arg)
{
	struct walk *walk = arg;
	__u32 index = walk->first + n;
	const struct ks_rule *rule = env_rule(walk->env, index);

	if (!rule)
		return 1;
	if (rule_compare(walk->env, rule, walk->question) != KS_MISS_NOTHING)
		return 0;
	walk->decision->index = index;
	walk->decision->id = rule->id;
	walk->decision->action = rule->action;
	walk->decision->flags = rule->flags;
	walk->decision->helper = rule->helper;
	walk->decision->target = rule->target;
	walk->decision->targets = rule->targets;
	return 1;
}

/* The answering itself; its pointers are known to be there. */
static ks_inline __u32 list_ask(struct ks_env *env, const struct ks_question *question, struct ks_decision *decision)
{
	const struct ks_config *config = env_config(env);
	struct walk walk = { .env = env, .question = question, .decision = decision };
	__u32 count;

	decision->index = KS_DECISION_DEFAULT;
	decision->id = KS_RULE_DEFAULT;
	decision->action = KS_DENY;
	decision->flags = 0;
	decision->helper = 0;
	decision->target = 0;
	decision->targets = 0;
	if (!config)
		return KS_DENY;
	if (question->list == KS_LIST_FILTER) {
		count = config->rules;
	} else {
		walk.first = config->list[question->list & (KS_LIST_MAX - 1)].first;
		count = config->list[question->list & (KS_LIST_MAX - 1)].count;
	}
	ks_loop(count, walk_rule, &walk);
	return decision->action;
}

ks_isolated __u32 ks_rules_ask_isolated(struct ks_env *env, const struct ks_question *question,
					struct ks_decision *decision)
{
	if (!env || !question || !decision)
		return KS_DENY;
	/* Nothing of what follows may be moved before the checks. */
	ks_hide_bound(env);
	ks_hide_bound(question);
	ks_hide_bound(decision);
	return list_ask(env, question, decision);
}

void ks_policy_decide(struct ks_env *env, const struct ks_inspection *insp, struct ks_decision *decision)
{
	struct ks_question question = {};

	ks_question_make(insp, &insp->opening.as_filtered, KS_LIST_FILTER, &question);
	ks_rules_ask(env, &question, decision);
}
