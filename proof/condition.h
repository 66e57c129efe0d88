/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Further conditions of rules (core/match.h) as variables of regions: equal ones are one variable, in whatever rule of whatever
 * policy they stand. So nothing is taken for left that is not, and what is left of different conditions may be what no packet
 * has: their values tell.
 *
 * `not` is the other side of the variable. It is not where a packet may have nothing to ask about (no source of a frame, no user)
 * or where nobody can tell (the source of a frame, when a router had the packet; the time): then both fail, and those have
 * variables of their own. Of a packet of which nobody can tell, rules that allow miss and others match, so that these have
 * variables of their own, too.
 */
#ifndef KS_PROOF_CONDITION_H
#define KS_PROOF_CONDITION_H

#include "core/inspection.h"
#include "proof/space.h"

#define KS_CONDITION_VARIABLES_MAX 32U /* of a space: the others are for sets */

/* Bounds a region by the conditions of a rule. Returns false if there are too many different ones: the region is not bounded by those. */
bool ks_conditions_bound(struct ks_space *space, const struct ks_rule *rule, struct ks_region *region);

/* The variables of conditions that bound a region: a bit each. */
static inline __u64 ks_region_conditions(const struct ks_variables *variables, const struct ks_region *region)
{
	return variables->conditions & ~(region->in & region->out);
}

/* Returns false if no packet can meet the conditions of both regions. */
bool ks_conditions_are_possible(const struct ks_variables *variables, const struct ks_region *a,
				const struct ks_region *b);

/* Chooses a value for each condition that bounds a region: facts[], and a bit for each that was chosen. Returns the bits. */
__u16 ks_conditions_choose(const struct ks_variables *variables, const struct ks_region *region,
			   __u64 facts[KS_CONDITION_MAX]);

/* Returns true if the packet in hand is one of those of `in` and `out`, as of a region; false also where nobody can tell. */
bool ks_conditions_are_met(const struct ks_variables *variables, __u64 in, __u64 out, const struct ks_facts *facts);

/* The path of a control group that was chosen as a value. */
const char *ks_fact_cgroup(__u64 value);

/* "ttl not 1-9". Returns buf. */
#define KS_CONDITION_TEXT 160
const char *ks_condition_text(const struct ks_variable_set *set, bool in, char buf[KS_CONDITION_TEXT]);

#endif
