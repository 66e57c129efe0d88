/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Further conditions of rules: what they ask about a packet besides its zones, addresses, protocol and ports.
 *
 * Overview. A rule that has some names an entry of the table of conditions (struct ks_conditions); equal ones share an entry.
 * They are asked last, when everything else of the rule matches, so that a policy without them pays for one comparison a rule
 * that matches. What is known of the packet are its facts (struct ks_facts).
 *
 * The packet that is asked about is the one that opens a flow; the packets that follow belong to the flow, whatever they look
 * like. Where the rules are asked about a flow that lives (a reload, another way out, a connection from before the start), the
 * packet that opened it is gone and its facts are not known. Then a condition that cannot be answered counts in the flow's
 * favour: a rule that allows matches, one that denies or forwards elsewhere does not. Nothing ends because nobody can tell any
 * more. Of a packet that is judged now, a fact that its home cannot tell counts against it.
 */
#ifndef KS_CORE_MATCH_H
#define KS_CORE_MATCH_H

#include "core/types.h"

struct ks_env;
struct ks_inspection;
struct ks_question;
struct ks_rule;

/* X(identifier, name): in the order in which they are asked. */
#define KS_CONDITIONS(X)          \
	X(FLAGS, "flags")         \
	X(FRAGMENT, "fragment")   \
	X(IP_OPTION, "ip-option") \
	X(TTL, "ttl")             \
	X(LENGTH, "length")       \
	X(DSCP, "dscp")           \
	X(MARK, "mark")           \
	X(MAC, "mac")             \
	X(DURING, "during")       \
	X(USER, "user")           \
	X(CGROUP, "cgroup")

enum ks_rule_condition {
#define X(id, name) KS_CONDITION_##id,
	KS_CONDITIONS(X)
#undef X
		KS_CONDITION_MAX
};

#define KS_DSCP_MAX 64U /* code points */

_Static_assert(KS_CONDITION_MAX <= 16, "bits of the fields below");

#define KS_CONDITION_BIT(condition) (1U << (condition))

/* Those that only the home can answer. Facts of the headers are there wherever the packet is. */
#define KS_CONDITIONS_HOME                                                           \
	(KS_CONDITION_BIT(KS_CONDITION_MARK) | KS_CONDITION_BIT(KS_CONDITION_USER) | \
	 KS_CONDITION_BIT(KS_CONDITION_CGROUP))

/* Those of them that are about packets which come in, so that the front, which cannot tell, leaves such packets to ingress. */
#define KS_CONDITIONS_NO_FRONT KS_CONDITION_BIT(KS_CONDITION_MARK)

/* Those of the link by which the packet came: they are gone when a router has handled it. */
#define KS_CONDITIONS_LINK KS_CONDITION_BIT(KS_CONDITION_MAC)

#define KS_CONDITIONS_HEADER (((1U << KS_CONDITION_MAX) - 1) & ~(KS_CONDITIONS_HOME | KS_CONDITIONS_LINK))

/*
 * Those that tell the first packet of a connection from the others, which have the rest in common with it. When it came is
 * among them, unless the policy ends what its schedules do not allow any more (`option schedule-end end`).
 */
#define KS_CONDITIONS_FIRST                                                               \
	(KS_CONDITION_BIT(KS_CONDITION_FLAGS) | KS_CONDITION_BIT(KS_CONDITION_FRAGMENT) | \
	 KS_CONDITION_BIT(KS_CONDITION_LENGTH) | KS_CONDITION_BIT(KS_CONDITION_DURING))

/* Conditions that all hold, or fail if the same bit of `nots` is set. Sets are of plain numbers. */
struct ks_conditions {
	__u16 asks; /* a bit for each condition that there is */
	__u16 nots; /* ... and for each that is negated */
	__u8 tcp_flags, tcp_mask; /* of the flags in the mask exactly these are set */
	__u8 ip_options; /* bit per enum ks_ip_option: the packet has one of these; 0: it has none at all */
	__u8 zero;
	__u32 ttl_set; /* TTL or hop limit */
	__u32 length_set; /* bytes of the datagram */
	__u64 dscp; /* a bit for each code point */
	__u32 mark_set, mark_mask; /* of the bits of the mark that are in the mask */
	__u32 mac_set; /* of the frame's source, the first byte highest */
	__u32 schedule; /* number (core/schedule.h) */
	__u32 user_set; /* user ids */
	__u32 pad;
	__u64 cgroups; /* a bit for each number of a control group (core/rules.h) */
	__u64 pad2;
};

_Static_assert(sizeof(struct ks_conditions) == 64, "conditions are one cache line");

/* The packet that opens a flow. */
enum ks_facts_of {
	KS_FACTS_GONE, /* it is gone: a condition that cannot be answered counts in the flow's favour */
	KS_FACTS_LIVE, /* it is judged now: what is not known counts against it */
	KS_FACTS_ANY, /* any one that may come: a rule that lets it pass matches */
};

/* The facts that are known of it. All zeros: none, because it is gone. */
struct ks_facts {
	__u16 known; /* a bit for each condition that can be answered */
	__u8 of; /* enum ks_facts_of */
	__u8 tcp_flags;
	__u8 ttl; /* as it came by the wire */
	__u8 dscp;
	__u8 ip_options; /* as of struct ks_packet */
	__u8 fragment;
	__u32 length;
	__u32 mark;
	__u64 mac; /* of the frame's source, the first byte highest; 0: its link has none */
	__u32 uid; /* of the socket of the box that sends it ... */
	__u8 has_uid; /* ... if there is one */
	__u8 cgroup; /* the number of its control group (core/rules.h), 0: none of the policy's ... */
	__u8 has_cgroup; /* ... if there is one */
	__u8 zero;
};

_Static_assert(sizeof(struct ks_facts) == 32, "facts are a part of a question");

/* Notes the facts of the packet in hand, for all questions about it. To be called by each stage that asks the rules. `head`: as for ks_inspect(). */
void ks_facts_gather(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

/* Tells the facts of the packet that opens the flow which the rules are asked about, as far as the packet in hand knows them. */
void ks_facts_tell(const struct ks_inspection *insp, struct ks_facts *facts);

#define KS_CONDITIONS_ALL 0xffffU

/*
 * The first of a rule's further conditions that fails: KS_MISS_* (core/rules.h), 0 if all hold. Only those in `mask` are asked.
 * `env` is one for isolated functions.
 */
__u32 ks_conditions_miss_isolated(struct ks_env *env, const struct ks_rule *rule, const struct ks_question *question,
				  __u32 mask);

#endif
