// SPDX-License-Identifier: BSD-2-Clause
/*
 * Goes down in the trees of a list (tree.h). A part is left at its first match, and parts that begin behind the best match are
 * not looked at. The state of a search lies in the question, so that it can be called again where the kernel allows
 * no longer loop (V5).
 */
#include "core/tree.h"

#include "core/env.h"
#include "core/home.h"

/* The page that a search is in. */
struct tree_place {
	const struct ks_tree_page *page; /* NULL: there is no such page */
	__u32 number;
};

static ks_inline void place_enter(struct ks_env *env, struct tree_place *place, __u32 number)
{
	place->page = env_tree_page(env, number);
	place->number = number;
}

static ks_inline const union ks_tree_node *place_node(const struct tree_place *place, __u32 node)
{
	return &place->page->node[node & (KS_TREE_PAGE_NODES - 1)];
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

ks_inlined void ks_tree_begin(struct ks_question *question)
{
	struct ks_search *search = &question->search;

	search->head = ks_tree_head(question->list, question->tuple.family);
	search->part = 0;
	search->to = 0;
	search->key = ks_tree_key(question->from, question->to, question->tuple.proto);
	question_words(question, search->word);
}

/* Returns 1 if the value is above the bound, without a branch, which would be taken at random. */
static ks_inline __u32 is_above(__u32 value, __u32 bound)
{
	return (__u32)(((__u64)bound - value) >> 63);
}

/* Two levels down. */
static ks_inline __u32 branch_follow(const struct ks_tree_branch *branch, const __u32 word[KS_TREE_WORDS])
{
	__u32 right = is_above(word[branch->field[0] & (KS_TREE_WORDS - 1)], branch->split[0]);
	__u32 side = is_above(word[branch->field[1 + right] & (KS_TREE_WORDS - 1)], branch->split[1 + right]);

	return branch->next[2 * right + side];
}

/* Its highest bit is set if the value is outside of the range. */
static ks_inline __u64 is_outside(__u64 value, __u64 lo, __u64 hi)
{
	return (value - lo) | (hi - value);
}

static ks_inline bool box_holds(const struct ks_tree_box *box, const struct ks_search *search)
{
	const __u32 *word = search->word;
	__u64 outside = is_outside(word[KS_WORD_SRC], box->src[0], box->src[1]) |
			is_outside(word[KS_WORD_DST], box->dst[0], box->dst[1]) |
			is_outside(word[KS_WORD_SPORT], box->sport[0], box->sport[1]) |
			is_outside(word[KS_WORD_DPORT], box->dport[0], box->dport[1]);
	__u64 differs = (box->head >> KS_BOX_KEY_SHIFT ^ search->key) & box->head >> KS_BOX_MASK_SHIFT;

	return !(outside >> 63 | differs);
}

/* Where the next part begins, KS_TREE_END if none is left that could have a better match. */
static ks_inline __u32 part_next(const struct ks_tree_page *roots, struct ks_search *search, __u32 best)
{
	__u32 part = search->part & (KS_TREE_PARTS - 1), head = search->head & (KS_TREE_PAGE_NODES - 2);

	if (roots->node[head + 1].part[part] >= best) /* none is left: KS_TREE_END */
		return KS_TREE_END;
	search->part = part + 1;
	return roots->node[head].part[part];
}

/* Looks at a box. Returns the rule if it is to be compared, else KS_TREE_AGAIN. */
static ks_inline __u32 box_ask(const struct ks_tree_box *box, struct ks_search *search, __u32 *to,
			       struct ks_decision *decision)
{
	__u32 rule = box->head & KS_BOX_RULE_MASK;
	bool holds = box_holds(box, search);

	*to = box->head & KS_BOX_LAST || rule >= decision->index ? 0 : *to + 1;
	if (!holds || rule >= decision->index)
		return KS_TREE_AGAIN;
	if (!(box->head & KS_BOX_SURE))
		return rule;
	decision->index = rule;
	*to = 0;
	return KS_TREE_AGAIN;
}

#define TREE_STEPS 16 /* of a call */

__attribute__((noinline)) __u32 ks_tree_next(struct ks_env *env, struct ks_question *question,
					     struct ks_decision *decision)
{
	struct ks_search *search = &question->search;
	const struct ks_tree_page *roots = env_tree_page(env, 0);
	struct tree_place place = { .page = roots };
	__u32 to = search->to, rule = KS_TREE_AGAIN;

	if (!roots)
		return KS_TREE_OVER;
	for (__u32 i = 0; i < TREE_STEPS && rule == KS_TREE_AGAIN; i++) {
		if (!to)
			to = part_next(roots, search, decision->index);
		if (to == KS_TREE_END)
			return KS_TREE_OVER;
		if ((to & KS_TREE_NUMBER) >> KS_TREE_PAGE_SHIFT != place.number)
			place_enter(env, &place, (to & KS_TREE_NUMBER) >> KS_TREE_PAGE_SHIFT);
		if (!place.page)
			return KS_TREE_OVER;
		if (to & KS_TREE_LEAF)
			rule = box_ask(&place_node(&place, to)->box, search, &to, decision);
		else
			to = branch_follow(&place_node(&place, to)->branch, search->word);
	}
	search->to = to;
	return rule;
}
