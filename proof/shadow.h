/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules that decide nothing, or less than they say, because rules before them take their packets: one of them, or several
 * between them. Exact, but for rules with conditions that regions do not know (proof/space.h).
 *
 * A warning is a fault: a rule never decides, or a zone or protocol that it names is lost to it, to a rule that does
 * something else. That an earlier rule takes a part of a later one is how policies are written: it is a note, if asked for.
 *
 * Each list of the rule table is looked at by itself, because a rule takes no packets from another list.
 */
#ifndef KS_PROOF_SHADOW_H
#define KS_PROOF_SHADOW_H

#include "policy/policy.h"

/* Steps that are spent: a second of time at most, and a part of it on one rule. */
#define KS_SHADOW_STEPS 100000000ULL
#define KS_SHADOW_STEPS_RULE 4000000ULL

struct ks_shadow_wish {
	bool notes; /* tell of rules that decide less than they say */
	__u64 steps, steps_rule; /* 0: as above */
};

/* The outcome, for tests and figures. */
struct ks_shadow_stats {
	unsigned never, parts,
		notes; /* rules that never decide, lose a zone or a protocol, decide less than they say */
	unsigned witnesses; /* that the inspector has confirmed */
	unsigned doubts; /* that it has refuted: a fault */
	unsigned given_up; /* rules whose steps were spent */
	__u64 steps;
};

/*
 * Adds warnings, and notes, to diags. The policy's sets of own addresses that are empty get addresses for examples, so that
 * packets can be shown. Returns 0 or -ENOMEM; *stats may be NULL.
 */
int ks_shadow_check(struct ks_policy *policy, const struct ks_shadow_wish *wish, struct ks_diags *diags,
		    struct ks_shadow_stats *stats);

#endif
