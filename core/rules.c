// SPDX-License-Identifier: BSD-2-Clause
/*
 * Decides by the compiled policy: the first rule that matches. A long list has
 * trees (core/tree.h) that lead to the few rules that may match. Rules are compared
 * one after the other, the cheapest field first; sets are searched by bisection
 * over sorted ranges, further conditions (match.h) are asked last. Only packets that no flow knows come here.
 */
#include "core/rules.h"

#include "core/env.h"
#include "core/home.h"
#include "core/header/icmp.h"
#include "core/inspection.h"
#include "core/members.h"
#include "core/tree.h"

#define BISECTIONS_MAX 25 /* more than 2^24 ranges in a run are refused by the compiler of policies */

static inline bool value_below(__u64 high, __u64 low, const __u64 bound[2])
{
	return high < bound[0] || (high == bound[0] && low < bound[1]);
}

static inline bool value_above(__u64 high, __u64 low, const __u64 bound[2])
{
	return high > bound[0] || (high == bound[0] && low > bound[1]);
}

/* A bisection. */
struct bisect_ctx {
	struct ks_env *env;
	__u64 high, low; /* the value, high word first */
	__u32 begin, end; /* where it can be */
	bool found;
};

static long bisect_step(__u32 n, void *arg)
{
	struct bisect_ctx *ctx = arg;
	__u32 middle = ctx->begin + (ctx->end - ctx->begin) / 2;
	const struct ks_range *range;

	if (ctx->begin >= ctx->end)
		return 1;
	range = env_range(ctx->env, middle);
	if (!range)
		return 1;
	if (value_below(ctx->high, ctx->low, range->lo))
		ctx->end = middle;
	else if (value_above(ctx->high, ctx->low, range->hi))
		ctx->begin = middle + 1;
	else
		ctx->found = true;
	return ctx->found;
}

/* Bisects a run of sorted, disjoint ranges. Most are a single one, for which a loop costs more than the comparison. */
static ks_inline bool run_contains(struct ks_env *env, __u32 first, __u32 count, __u64 high, __u64 low)
{
	struct bisect_ctx ctx = { .env = env, .high = high, .low = low, .begin = first, .end = first + count };

	if (!bisect_step(0, &ctx) && ctx.begin < ctx.end)
		ks_loop(BISECTIONS_MAX, bisect_step, &ctx);
	return ctx.found;
}

static ks_inline bool number_in_set(struct ks_env *env, __u32 index, __u32 number)
{
	const struct ks_set *set = env_set(env, index);

	return set && run_contains(env, set->first4, set->count4, 0, number);
}

/* Answers to an address of a rule; run-time sets are asked last of all. */
enum addr_answer { ADDR_MISSES, ADDR_MATCHES, ADDR_IS_TO_ASK };

static ks_inline bool addr_in_ranges(struct ks_env *env, const struct ks_set *set, const struct ks_addr *addr,
				     __u8 family)
{
	if (family == KS_IPV4)
		return run_contains(env, set->first4, set->count4, 0, ks_be32(addr->w[3]));
	return run_contains(env, set->first6, set->count6, ks_be64(addr->d[0]), ks_be64(addr->d[1]));
}

static ks_inline __u32 addr_compare(struct ks_env *env, __u32 index, bool negated, const struct ks_addr *addr,
				    __u8 family)
{
	const struct ks_set *set;

	if (index == KS_SET_ANY)
		return ADDR_MATCHES;
	set = env_set(env, index);
	if (!set)
		return negated ? ADDR_MATCHES : ADDR_MISSES;
	if (addr_in_ranges(env, set, addr, family))
		return negated ? ADDR_MISSES : ADDR_MATCHES;
	if (set->dynamic)
		return ADDR_IS_TO_ASK;
	return negated ? ADDR_MATCHES : ADDR_MISSES;
}

/* Returns true if the run-time sets of a set say that the rule matches. */
static ks_inline bool members_match(struct ks_env *env, __u32 index, bool negated, const struct ks_addr *addr,
				    __u8 family)
{
	const struct ks_set *set = env_set(env, index);

	return set && ks_sets_have(env, set->dynamic, addr, family) != negated;
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

/* Inlined in both its callers: the kernel allows eight frames, and this is deep already. */
static ks_inline __u32 rule_compare(struct ks_env *env, const struct ks_rule *rule, const struct ks_question *q)
{
	const struct ks_tuple *tuple = &q->tuple;
	__u32 src, dst;

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
	src = addr_compare(env, rule->src_set, rule->flags & KS_RULE_NOT_SRC, &tuple->src, tuple->family);
	if (src == ADDR_MISSES)
		return KS_MISS_SRC;
	dst = addr_compare(env, rule->dst_set, rule->flags & KS_RULE_NOT_DST, &tuple->dst, tuple->family);
	if (dst == ADDR_MISSES)
		return KS_MISS_DST;
	if (src == ADDR_IS_TO_ASK &&
	    !members_match(env, rule->src_set, rule->flags & KS_RULE_NOT_SRC, &tuple->src, tuple->family))
		return KS_MISS_SRC;
	if (dst == ADDR_IS_TO_ASK &&
	    !members_match(env, rule->dst_set, rule->flags & KS_RULE_NOT_DST, &tuple->dst, tuple->family))
		return KS_MISS_DST;
	return ks_unlikely(rule->conditions) ? ks_conditions_miss_isolated(env, rule, q, KS_CONDITIONS_ALL)
					     : KS_MISS_NOTHING;
}

void ks_question_make(const struct ks_inspection *insp, const struct ks_tuple *tuple, enum ks_list list,
		      struct ks_question *question)
{
	question->tuple = *tuple;
	question->icmp = (__u16)(insp->pkt.icmp_type << KS_ICMP_TYPE_SHIFT | insp->pkt.icmp_code);
	question->list = (__u8)list;
	question->from = insp->home.from;
	question->to = insp->to;
	ks_facts_tell(insp, &question->facts);
}

__u32 ks_rule_compare(struct ks_env *env, const struct ks_rule *rule, const struct ks_inspection *insp)
{
	struct ks_question question = {};

	ks_question_make(insp, &insp->opening.as_filtered, KS_LIST_FILTER, &question);
	return rule_compare(env, rule, &question);
}

bool ks_rule_condition_fails(struct ks_env *env, const struct ks_rule *rule, const struct ks_inspection *insp,
			     __u32 condition)
{
	struct ks_question question = {};

	ks_question_make(insp, &insp->opening.as_filtered, KS_LIST_FILTER, &question);
	return ks_conditions_miss_isolated(env, rule, &question, KS_CONDITION_BIT(condition)) != KS_MISS_NOTHING;
}

/* A search. One callback does it all, a little each time, because the kernel allows no deeper calls (V2). */
struct rule_search_ctx {
	struct ks_env *env;
	struct ks_question *question;
	struct ks_decision *decision; /* its index is that of the best match */
};

static ks_inline void decide(struct ks_decision *decision, const struct ks_rule *rule, __u32 index)
{
	decision->index = index;
	decision->id = rule->id;
	decision->action = rule->action;
	decision->flags = rule->flags;
	decision->helper = rule->helper;
	decision->effects = rule->effects;
	decision->target = rule->target;
	decision->targets = rule->targets;
}

/*
 * The next rule that is to be compared, or KS_TREE_*. A search in trees has a frame of its own, which ends before the comparison needs
 * the stack (V2). Most lists are short, and need no other call.
 */
static ks_inline __u32 search_go_on(const struct rule_search_ctx *ctx)
{
	struct ks_search *search = &ctx->question->search;

	if (search->at < search->end)
		return search->at++;
	return search->head ? ks_tree_next(ctx->env, ctx->question, ctx->decision) : KS_TREE_OVER;
}

/* Compares one rule, or goes on to where rules are. */
static long rule_search_step(__u32 n, void *arg)
{
	const struct rule_search_ctx *ctx = arg;
	__u32 index = search_go_on(ctx);
	const struct ks_rule *rule;

	if (index == KS_TREE_OVER)
		return 1;
	rule = index < ctx->decision->index ? env_rule(ctx->env, index) : NULL;
	if (rule && rule_compare(ctx->env, rule, ctx->question) == KS_MISS_NOTHING) {
		ctx->decision->index = index;
		ctx->question->search.end = 0;
		ctx->question->search.to = 0;
	}
	return 0;
}

static ks_inline void decide_default(struct ks_decision *decision)
{
	const struct ks_rule none = { .id = KS_RULE_DEFAULT, .action = KS_DENY };

	decide(decision, &none, KS_DECISION_DEFAULT);
}

/* More steps than any search takes: each part leads to each box once, at most. */
#define SEARCH_STEPS (KS_TREE_PARTS * (2 * KS_TREE_BOXES_MAX + KS_TREE_DEPTH_MAX))

static ks_inline void search_begin(const struct ks_config *config, struct ks_question *question)
{
	__u32 list = question->list & (KS_LIST_SLOTS - 1);
	struct ks_search *search = &question->search;
	__u32 count = list == KS_LIST_FILTER ? config->rules : config->list[list].count;

	search->at = list == KS_LIST_FILTER ? 0 : config->list[list].first;
	search->end = search->at + count;
	search->head = 0;
	if (!config->tree_nodes || count < KS_TREE_RULES_MIN)
		return;
	search->end = 0;
	ks_tree_begin(question);
}

/* Tells what else the rule says that decides. */
static ks_inline void decide_by(struct ks_env *env, struct ks_decision *decision)
{
	__u32 index = decision->index;
	const struct ks_rule *rule = env_rule(env, index);

	if (rule)
		decide(decision, rule, index);
}

/* ks_rules_ask(), with pointers that are not NULL. */
static ks_inline __u32 list_ask(struct ks_env *env, struct ks_question *question, struct ks_decision *decision)
{
	const struct ks_config *config = env_config(env);
	struct rule_search_ctx ctx = { .env = env, .question = question, .decision = decision };

	decide_default(decision);
	if (!config)
		return KS_DENY;
	search_begin(config, question);
	if (question->search.at < question->search.end || question->search.head)
		ks_loop(SEARCH_STEPS, rule_search_step, &ctx);
	if (decision->index != KS_DECISION_DEFAULT)
		decide_by(env, decision);
	return decision->action;
}

ks_isolated __u32 ks_rules_ask_isolated(struct ks_env *env, struct ks_question *question, struct ks_decision *decision)
{
	if (ks_missing(env) || ks_missing(question) || ks_missing(decision))
		return KS_DENY;
	/* The compiler must not move anything of what follows before the checks. */
	ks_hide_bound(env);
	ks_hide_bound(question);
	ks_hide_bound(decision);
	return list_ask(env, question, decision);
}

__u32 ks_rules_ask_behind(struct ks_env *env, const struct ks_question *question, struct ks_decision *decision)
{
	const struct ks_config *config = env_config(env);
	const struct ks_rule_list filter = { .count = config->rules };
	const struct ks_rule_list *list =
		question->list == KS_LIST_FILTER ? &filter : &config->list[question->list & (KS_LIST_SLOTS - 1)];
	const struct ks_rule *rule;
	__u32 index = decision->index + 1;

	decide_default(decision);
	for (; index < list->first + list->count; index++) {
		rule = env_rule(env, index);
		if (!rule || rule_compare(env, rule, question) != KS_MISS_NOTHING)
			continue;
		decide(decision, rule, index);
		break;
	}
	return decision->action;
}

ks_isolated __u32 ks_set_holds_isolated(struct ks_env *env, const struct ks_set_ask *ask)
{
	__u32 answer;

	if (ks_missing(env) || ks_missing(ask))
		return 0;
	ks_hide_bound(env);
	ks_hide_bound(ask);
	answer = addr_compare(env, ask->set, false, &ask->addr, (__u8)ask->family);
	if (answer == ADDR_IS_TO_ASK)
		return members_match(env, ask->set, false, &ask->addr, (__u8)ask->family);
	return answer == ADDR_MATCHES;
}
