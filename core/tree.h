/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decision trees over the lists of rules, as the core reads them: a plain table of nodes, the same bytes in every home.
 * policy/tree.c writes it, core/rules.c goes down in it. A tree only narrows the rules that may match; each that it
 * leads to is still compared in full, so a tree may name too many rules, and must not leave out one that matches.
 *
 * A list that is long has several trees for each family, each over a part of its rules ("part"). The table begins with two
 * nodes for each list and family: where the parts begin, and the first rule of each, in the order of those.
 */
#ifndef KS_CORE_TREE_H
#define KS_CORE_TREE_H

#include "core/rules.h"
#include "core/types.h"

/* The numbers of a packet that trees ask for: words of 32 bits, those of addresses the highest first. */
enum ks_tree_word {
	KS_WORD_FROM,
	KS_WORD_TO,
	KS_WORD_PROTO,
	KS_WORD_ICMP,
	KS_WORD_SPORT,
	KS_WORD_DPORT,
	KS_WORD_SRC, /* of IPv4 the address; of IPv6 its first word */
	KS_WORD_DST,
	KS_WORDS_IPV4,
	KS_WORD_SRC_REST = KS_WORDS_IPV4, /* the other three */
	KS_WORD_DST_REST = KS_WORD_SRC_REST + 3,
	KS_WORDS = KS_WORD_DST_REST + 3
};

#define KS_TREE_WORDS KS_SEARCH_WORDS
_Static_assert(KS_WORDS <= KS_TREE_WORDS, "fields are masked");

/* Two levels of a tree: a value above split[0] goes to split[2], another to split[1], and from there in the same way. */
struct ks_tree_branch {
	__u32 split[3];
	__u8 field[3]; /* enum ks_tree_word of each */
	__u8 zero;
	__u32 next[4]; /* KS_TREE_*; 0: nothing */
};

#define KS_TREE_ENTRIES 8U /* a power of two */

union ks_tree_node {
	struct ks_tree_branch branch;
	__u32 entry
		[KS_TREE_ENTRIES]; /* of a head: the parts; of a leaf: indexes of rules, ascending. KS_TREE_END ends them */
};

_Static_assert(sizeof(union ks_tree_node) == 32, "nodes are table entries, two in a cache line");

/* Where a branch leads: to a branch by its number, or to one of these, by the number in the other bits. */
#define KS_TREE_RULE 0x40000000U /* one rule */
#define KS_TREE_LEAF 0x80000000U /* a node of rules; those behind it go on with them */
#define KS_TREE_NUMBER 0x3fffffffU
#define KS_TREE_END 0xffffffffU

#define KS_TREE_PARTS KS_TREE_ENTRIES

/* Nodes before all trees. The first two are no head's, because 0 is none. */
#define KS_TREE_HEADS (2U + 2U * 2U * KS_LIST_SLOTS)

/* Levels of a tree, at most. */
#define KS_TREE_DEPTH_MAX 64U

/* The number of the head of a list: its parts. The node behind it has their first rules. */
static inline __u32 ks_tree_head(__u32 list, __u8 family)
{
	return 2 + 2 * (2 * (list & (KS_LIST_SLOTS - 1)) + (family == KS_IPV6));
}

/* Shorter lists are compared rule by rule: that costs less than a tree (docs/design/rules.md). */
#define KS_TREE_RULES_MIN 12U

#endif
