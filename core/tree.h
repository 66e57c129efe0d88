/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decision trees over the lists of rules, as the core reads them: a plain table of nodes, the same bytes in every home.
 * policy/tree.c writes it, core/tree.c goes down in it. A tree leads to boxes of rules. A box that holds nothing but packets of its
 * rule decides; another only says that the rule may match, and it is compared in full. So a box may be too large, and none
 * may be left out.
 *
 * A list that is long has several trees for each family, each over a part of its rules ("part"). The table begins with two
 * nodes for each list and family: where the parts begin, and the first rule of each, in the order of those.
 *
 * Nodes lie in pages, because a kernel looks up a page at the price of a node.
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

/*
 * A box of a rule, in a leaf. Ranges are inclusive; of IPv6 addresses they are about the first word. A box without ports, say, has
 * the range of all ports.
 */
struct ks_tree_box {
	__u64 head; /* KS_BOX_* */
	__u16 sport[2], dport[2];
	__u32 src[2], dst[2];
};

/* Its head: the entry of the rule, the zones and the protocol, as ks_tree_key() has them, and which bits of these count. */
#define KS_BOX_RULE_MASK 0xffffU
#define KS_BOX_KEY_SHIFT 16
#define KS_BOX_MASK_SHIFT 40
/* Flags, in bits of the key that no zone has and no mask. */
#define KS_BOX_LAST (0x40ULL << KS_BOX_KEY_SHIFT) /* it ends the leaf */
#define KS_BOX_SURE (0x80ULL << KS_BOX_KEY_SHIFT) /* whatever lies in it matches the rule */

_Static_assert(KS_RULES_MAX <= KS_BOX_RULE_MASK + 1, "a box names its rule");

#define KS_TREE_KEY_TO_SHIFT 8
#define KS_TREE_KEY_PROTO_SHIFT 16

static inline __u32 ks_tree_key(__u32 from, __u32 to, __u32 proto)
{
	return (from & (KS_ZONE_MAX - 1)) | (to & (KS_ZONE_MAX - 1)) << KS_TREE_KEY_TO_SHIFT |
	       proto << KS_TREE_KEY_PROTO_SHIFT;
}

_Static_assert(KS_ZONE_MAX <= 0x40, "flags lie behind a zone");

#define KS_TREE_PARTS 8U /* a power of two */

union ks_tree_node {
	struct ks_tree_branch branch;
	struct ks_tree_box box;
	__u32 part[KS_TREE_PARTS]; /* of a head: where they begin, or their first rules. KS_TREE_END: there is none */
};

_Static_assert(sizeof(union ks_tree_node) == 32, "nodes are table entries, two in a cache line");

/* Where a branch leads: to a branch by its number, or to the first box of a leaf, by the number in the other bits. */
#define KS_TREE_LEAF 0x80000000U
#define KS_TREE_NUMBER 0x3fffffffU
#define KS_TREE_END 0xffffffffU

#define KS_TREE_PAGE_SHIFT 11
#define KS_TREE_PAGE_NODES (1U << KS_TREE_PAGE_SHIFT)

struct ks_tree_page {
	union ks_tree_node node[KS_TREE_PAGE_NODES];
};

static inline __u32 ks_tree_pages(__u32 nodes)
{
	return (nodes + KS_TREE_PAGE_NODES - 1) >> KS_TREE_PAGE_SHIFT;
}

/* Nodes before all trees. The first two are no head's, because 0 is none. */
#define KS_TREE_HEADS (2U + 2U * 2U * KS_LIST_SLOTS)

/* Levels of a tree, at most. */
#define KS_TREE_DEPTH_MAX 64U

/* Boxes of a list, about. */
#define KS_TREE_BOXES_MAX 131072U

/* The number of the head of a list: its parts. The node behind it has their first rules. */
static inline __u32 ks_tree_head(__u32 list, __u8 family)
{
	return 2 + 2 * (2 * (list & (KS_LIST_SLOTS - 1)) + (family == KS_IPV6));
}

/* A rule alone is compared: that costs no more than a tree (docs/design/rules.md). */
#define KS_TREE_RULES_MIN 2U

/* Begins a search in the trees of the question's list, which is long enough to have any. */
void ks_tree_begin(struct ks_question *question);

/*
 * Goes on: returns the entry of a rule that is to be compared, KS_TREE_AGAIN to be called again, or KS_TREE_OVER. Sets
 * decision->index where a box is sure, and leaves out what could not be better.
 */
__u32 ks_tree_next(struct ks_env *env, struct ks_question *question, struct ks_decision *decision);

#define KS_TREE_AGAIN KS_TREE_END
#define KS_TREE_OVER (KS_TREE_END - 1)

#endif
