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

/*
 * A search. A part of a tree is left at its first match, and parts that begin behind the best match are not looked at. One
 * callback does it all, a little each time, because the kernel allows no deeper calls (V2).
 */
struct rule_search_ctx {
	struct ks_env *env;
	struct ks_question *question;
	struct ks_decision *decision; /* its index is that of the best match */
};

/* Goes on at what a branch or a head names. */
static ks_inline void search_enter(struct ks_search *search, __u32 to)
{
	search->next = 0;
	if (to & KS_TREE_RULE) {
		search->at = to & KS_TREE_NUMBER;
		search->end = search->at + 1;
	} else if (to & KS_TREE_LEAF) {
		search->leaf = to & KS_TREE_NUMBER;
		search->slot = 0;
	} else {
		search->next = to;
	}
}

/* Returns 1 if the value is above the bound, without a branch, which would be taken at random. */
static ks_inline __u32 is_above(__u32 value, __u32 bound)
{
	return (__u32)(((__u64)bound - value) >> 63);
}

/* Goes down two levels. */
static ks_inline __u32 search_descend(const struct rule_search_ctx *ctx, __u32 branch)
{
	const union ks_tree_node *node = env_tree(ctx->env, branch);
	const __u32 *word = ctx->question->search.word;
	__u32 right, side;

	if (!node)
		return 0;
	right = is_above(word[node->branch.field[0] & (KS_TREE_WORDS - 1)], node->branch.split[0]);
	side = is_above(word[node->branch.field[1 + right] & (KS_TREE_WORDS - 1)], node->branch.split[1 + right]);
	return node->branch.next[2 * right + side];
}

#define SEARCH_DESCENTS 6 /* in one call */

/* Twelve levels, or down to the rules. */
static ks_inline void search_down(const struct rule_search_ctx *ctx)
{
	__u32 to = ctx->question->search.next;

	for (__u32 i = 0; i < SEARCH_DESCENTS && to && !(to & ~KS_TREE_NUMBER); i++)
		to = search_descend(ctx, to);
	search_enter(&ctx->question->search, to);
}

/* Returns false if no part is left that could have a better match. */
static ks_inline bool search_part(const struct rule_search_ctx *ctx)
{
	struct ks_search *search = &ctx->question->search;
	const union ks_tree_node *head = env_tree(ctx->env, search->head), *first;
	__u32 part = search->part;

	if (!head || part >= KS_TREE_PARTS)
		return false;
	part &= KS_TREE_PARTS - 1;
	if (!head->entry[part])
		return false;
	if (ctx->decision->index != KS_DECISION_DEFAULT) { /* else all are better */
		first = env_tree(ctx->env, search->head + 1);
		if (!first || first->entry[part] >= ctx->decision->index)
			return false;
	}
	search->part = part + 1;
	search_enter(search, head->entry[part]);
	return true;
}

/* The next rule of a leaf, KS_TREE_END behind the last one. */
static ks_inline __u32 search_leaf(const struct rule_search_ctx *ctx)
{
	struct ks_search *search = &ctx->question->search;
	const union ks_tree_node *node = env_tree(ctx->env, search->leaf);
	__u32 slot = search->slot & (KS_TREE_ENTRIES - 1);
	__u32 index = node ? node->entry[slot] : KS_TREE_END;

	search->slot = (slot + 1) & (KS_TREE_ENTRIES - 1);
	search->leaf += !search->slot;
	if (index >= ctx->decision->index) /* KS_TREE_END among them */
		index = KS_TREE_END;
	if (index == KS_TREE_END)
		search->leaf = 0;
	return index;
}

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

static ks_inline void search_found(const struct rule_search_ctx *ctx, const struct ks_rule *rule, __u32 index)
{
	decide(ctx->decision, rule, index);
	ctx->question->search.end = 0;
	ctx->question->search.leaf = 0;
}

#define SEARCH_IS_OVER (KS_TREE_END - 1) /* no rule has that index */

/*
 * Goes on with a search in trees, as far as to the next rule where it can: returns the index of a rule that is to be compared now,
 * KS_TREE_END to be called again, or SEARCH_IS_OVER. It has a frame of its own, which ends before the comparison needs the stack (V2).
 */
static __attribute__((noinline)) __u32 search_next(const struct rule_search_ctx *ctx)
{
	struct ks_search *search = &ctx->question->search;

	if (!search->leaf && !search->next && !search_part(ctx))
		return SEARCH_IS_OVER;
	if (search->next)
		search_down(ctx);
	if (search->at < search->end)
		return search->at++;
	return search->leaf ? search_leaf(ctx) : KS_TREE_END;
}

/* The same for any search. Most are not in trees, and need no other call. */
static ks_inline __u32 search_go_on(const struct rule_search_ctx *ctx)
{
	struct ks_search *search = &ctx->question->search;

	if (search->at < search->end)
		return search->at++;
	return search->head ? search_next(ctx) : SEARCH_IS_OVER;
}

/* Compares one rule, or goes on to where rules are. */
static long rule_search_step(__u32 n, void *arg)
{
	const struct rule_search_ctx *ctx = arg;
	__u32 index = search_go_on(ctx);
	const struct ks_rule *rule;

	if (index == SEARCH_IS_OVER)
		return 1;
	rule = index < ctx->decision->index ? env_rule(ctx->env, index) : NULL;
	if (rule && rule_compare(ctx->env, rule, ctx->question) == KS_MISS_NOTHING)
		search_found(ctx, rule, index);
	return 0;
}

/* The words of an address that trees ask for. */
static ks_inline void address_words(const struct ks_addr *addr, __u8 family, __u32 first, __u32 rest,
				    __u32 word[KS_TREE_WORDS])
{
	if (family == KS_IPV4) {
		word[first] = ks_be32(addr->w[3]);
		return;
	}
	word[first] = ks_be32(addr->w[0]);
	for (__u32 i = 0; i < 3; i++)
		word[rest + i] = ks_be32(addr->w[1 + i]);
}

static ks_inline void question_words(const struct ks_question *q, __u32 word[KS_TREE_WORDS])
{
	word[KS_WORD_FROM] = q->from & (KS_ZONE_MAX - 1);
	word[KS_WORD_TO] = q->to & (KS_ZONE_MAX - 1);
	word[KS_WORD_PROTO] = q->tuple.proto;
	word[KS_WORD_ICMP] = q->icmp;
	word[KS_WORD_SPORT] = ks_be16(q->tuple.sport);
	word[KS_WORD_DPORT] = ks_be16(q->tuple.dport);
	address_words(&q->tuple.src, q->tuple.family, KS_WORD_SRC, KS_WORD_SRC_REST, word);
	address_words(&q->tuple.dst, q->tuple.family, KS_WORD_DST, KS_WORD_DST_REST, word);
}

static ks_inline void decide_default(struct ks_decision *decision)
{
	const struct ks_rule none = { .id = KS_RULE_DEFAULT, .action = KS_DENY };

	decide(decision, &none, KS_DECISION_DEFAULT);
}

/* More steps than any search takes: each part leads to each rule once, at most. */
#define SEARCH_STEPS (KS_TREE_PARTS * (KS_RULES_MAX + KS_TREE_DEPTH_MAX))

/* Begins in the trees of a list, if it has any. */
static ks_inline void search_trees(struct ks_env *env, struct ks_question *question)
{
	__u32 number = ks_tree_head(question->list, question->tuple.family);
	const union ks_tree_node *head = env_tree(env, number);
	struct ks_search *search = &question->search;

	if (!head || !head->entry[0])
		return;
	search->at = 0;
	search->end = 0;
	search->head = number;
	question_words(question, search->word);
}

static ks_inline void search_begin(struct ks_env *env, const struct ks_config *config, struct ks_question *question)
{
	__u32 list = question->list & (KS_LIST_SLOTS - 1);
	struct ks_search *search = &question->search;
	__u32 count = list == KS_LIST_FILTER ? config->rules : config->list[list].count;

	search->at = list == KS_LIST_FILTER ? 0 : config->list[list].first;
	search->end = search->at + count;
	search->leaf = 0;
	search->next = 0;
	search->head = 0;
	search->part = 0;
	if (config->tree_nodes && count >= KS_TREE_RULES_MIN)
		search_trees(env, question);
}

/* ks_rules_ask(), with pointers that are not NULL. */
static ks_inline __u32 list_ask(struct ks_env *env, struct ks_question *question, struct ks_decision *decision)
{
	const struct ks_config *config = env_config(env);
	struct rule_search_ctx ctx = { .env = env, .question = question, .decision = decision };

	decide_default(decision);
	if (!config)
		return KS_DENY;
	search_begin(env, config, question);
	if (question->search.at < question->search.end || question->search.head)
		ks_loop(SEARCH_STEPS, rule_search_step, &ctx);
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
