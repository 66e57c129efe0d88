/* SPDX-License-Identifier: BSD-2-Clause */
/* The effect of an entry of the rule table on the packets that it decides about. */
#ifndef KS_PROOF_EFFECT_H
#define KS_PROOF_EFFECT_H

#include "policy/policy.h"

/* An entry of a policy's rule table; KS_DECISION_DEFAULT if no rule decides. */
struct ks_deed {
	const struct ks_policy *policy;
	enum ks_list list;
	__u32 entry;
	bool passes; /* though no rule decides (proof/unasked.h) */
};

static inline const struct ks_rule *ks_deed_rule(const struct ks_deed *deed)
{
	return deed->entry == KS_DECISION_DEFAULT ? NULL : &deed->policy->rules[deed->entry];
}

static inline const struct ks_rule_info *ks_deed_info(const struct ks_deed *deed)
{
	return deed->entry == KS_DECISION_DEFAULT ? NULL : &deed->policy->infos[deed->policy->rule_info[deed->entry]];
}

/* Returns enum ks_action. */
unsigned ks_deed_action(const struct ks_deed *deed);

/* The ways in which two entries may differ. */
#define KS_DIFFERS_VERDICT 0x01U
#define KS_DIFFERS_TRANSLATION 0x02U
#define KS_DIFFERS_LOG 0x04U
#define KS_DIFFERS_LIMITS 0x08U
#define KS_DIFFERS_HELPER 0x10U
#define KS_DIFFERS_TIMEOUT 0x20U
#define KS_DIFFERS_SETS 0x40U /* to which it adds addresses */
#define KS_DIFFERS_PACKETS 0x80U /* how it changes them, and if their numbers are checked (asymmetric) */

/* Returns KS_DIFFERS_* of two entries of lists of one kind, perhaps of two policies; 0 if they do the same. */
unsigned ks_deeds_differ(const struct ks_deed *a, const struct ks_deed *b);

/* "verdict, log": the bits in words; returns buf. */
#define KS_DIFFERS_TEXT 80
const char *ks_differs_text(unsigned differs, char buf[KS_DIFFERS_TEXT]);

/* "allow": what the entry would do, and "allows": what it does. "give a helper to" of a helper rule. */
const char *ks_deed_verb(const struct ks_deed *deed);
const char *ks_deed_verbs(const struct ks_deed *deed);

#endif
