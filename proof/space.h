/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of a policy as regions (proof/region.h), list by list of the rule table.
 *
 * A rule with more sets or conditions than there are variables is `vague`: its regions hold all packets that it may match, so
 * that it can be seen to be covered, but it covers nothing.
 */
#ifndef KS_PROOF_SPACE_H
#define KS_PROOF_SPACE_H

#include "policy/policy.h"
#include "proof/region.h"

/* A set whose members come later, at one end of the packet; or a condition of rules (proof/condition.h), whose set is that of packets. */
struct ks_variable_set {
	__u8 dim; /* KS_DIM_SRC or KS_DIM_DST */
	bool is_dynamic; /* a run-time set of that name; else what follows the interfaces of the zone of that name */
	bool is_own; /* it is the firewall's own addresses there */
	__u8 side; /* of two policies: which knows it by ... */
	__u32 index; /* ... this set of its tables */
	const struct ks_address_set *follows; /* and how it follows them; NULL of a run-time set */
	const char *name;
	const struct ks_policy *policy; /* `index` is one of its sets, or of its table of conditions */
	/* Of a condition: */
	bool is_condition;
	__u8 condition; /* which of those: enum ks_rule_condition */
	bool is_negated; /* it is the set of packets for which `not` holds */
	bool lets; /* of rules that allow, where others answer otherwise when nobody can tell */
};

struct ks_variables {
	struct ks_variable_set set[KS_VARIABLES_MAX];
	unsigned count;
	__u64 conditions; /* a bit for each that is a condition */
	bool opens_only; /* a TCP packet that begins no connection is none of those that are looked at */
};

/* A region of an entry of the rule table. */
struct ks_claim {
	struct ks_region region;
	__u32 entry; /* index in ks_policy.rules, or one of the two below */
	__u8 side; /* of two policies in one space (proof/diff.h): which */
	bool vague;
};

#define KS_CLAIM_NOBODY 0xffffffffU /* packets that are dropped, or do not come by, whatever the rules say */
#define KS_CLAIM_PASSING 0xfffffffeU /* packets that pass though no rule allows them */

static inline bool ks_claim_is_rule(const struct ks_claim *claim)
{
	return claim->entry < KS_CLAIM_PASSING;
}

/* The claims of a list, in the order in which its rules are asked. Around them stand those of no rule (proof/unasked.h). */
struct ks_space {
	const struct ks_policy *policy;
	enum ks_list list;
	__u64 zones; /* a bit for each zone of it */
	const char *const *zone_names; /* by bit, of two policies in one space; NULL: those of the policy */
	struct ks_claim *claims;
	size_t count, room;
	__u8 side; /* of the policy whose claims are added */
	bool is_whole; /* claims of all that is decided without rules stand there */
	struct ks_variables variables;
	struct ks_pool pool; /* ranges that are not in the policy's tables */
};

/* The entries of a list. */
static inline struct ks_rule_list ks_list_of(const struct ks_policy *policy, enum ks_list list)
{
	if (list == KS_LIST_FILTER)
		return (struct ks_rule_list){ .first = 0, .count = policy->config.rules };
	return policy->config.list[list];
}

/* Makes it; the policy must outlive it. Returns 0 or -ENOMEM. */
int ks_space_init(struct ks_space *space, const struct ks_policy *policy, enum ks_list list);

/* As above, with all that is decided without rules, and with variables that have their bits already; NULL: none. */
int ks_space_init_with(struct ks_space *space, const struct ks_policy *policy, enum ks_list list,
		       const struct ks_variables *variables);
void ks_space_fini(struct ks_space *space);

KS_SCOPED_STRUCT(ks_auto_space, struct ks_space, ks_space_fini)
#define ks_auto_space ks_scoped(ks_auto_space)

/*
 * Adds the claims of a list of another policy behind those that there are, as those of a side; its run-time sets and zones' own
 * addresses are the same if they have the same names. Returns 0 or -ENOMEM.
 */
int ks_space_join(struct ks_space *space, const struct ks_policy *policy, enum ks_list list, __u8 side);

/* Adds one claim, if it has packets. Returns 0 or -ENOMEM. */
int ks_space_claim(struct ks_space *space, const struct ks_region *region, __u32 entry, bool vague);

/* Adds the claims of an entry that is in no list, such as a question's. Returns 0 or -ENOMEM. */
int ks_space_add(struct ks_space *space, const struct ks_rule *rule, __u32 entry);

static inline const char *ks_space_zone_name(const struct ks_space *space, unsigned zone)
{
	return space->zone_names ? space->zone_names[zone] : ks_policy_zone_name(space->policy, zone);
}

/* A bit for each zone that packets come from and go to. */
__u64 ks_policy_zone_bits(const struct ks_policy *policy);

#endif
