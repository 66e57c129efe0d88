/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to a policy: which packets of a kind does it let open a connection, by which lines, and which not? Answered from the
 * filter, with a packet of each answer that the inspector has judged.
 *
 * A packet reaches the zones of the question if the filter allows it there, or forwards it there from another address.
 */
#ifndef KS_PROOF_ASK_H
#define KS_PROOF_ASK_H

#include <jansson.h>

#include "proof/effect.h"
#include "proof/witness.h"
#include "proof/words.h"

#define KS_ANSWER_REGIONS_MAX 4
#define KS_ANSWER_PASSING \
	"no rule denies them: neighbours, routers and multicast listeners pass" /* of a class that no rule lets */

enum ks_reach { KS_REACH_NEVER, KS_REACH_ONLY, KS_REACH_YES };

/* Packets of the question about which one line decides, or none. */
struct ks_answer_class {
	const struct ks_space *space;
	struct ks_deed deed;
	bool lets; /* they get where the question asks */
	bool vague; /* the line or the question has more sets or conditions than there are variables: perhaps */
	bool is_unsure; /* perhaps no packet meets the conditions: none is shown */
	struct ks_region region[KS_ANSWER_REGIONS_MAX];
	unsigned regions; /* KS_ANSWER_REGIONS_MAX: there are perhaps more */
	struct ks_witness witness;
	bool is_shown; /* the inspector does with the witness what is said */
};

typedef int ks_answer_fn(const struct ks_answer_class *found, void *arg);

/*
 * Makes the rule that a question asks about of its words, "can wan reach lan tcp port 22?" or "wan > lan tcp port 22": zones, and
 * clauses of rules. Returns 0 with *asked, a policy of this rule alone; -EINVAL with complaints in diags, or -ENOMEM.
 */
int ks_question_load(const struct ks_policy *policy, const char *words, struct ks_policy **asked,
		     struct ks_diags *diags);

/*
 * Answers: calls fn with each class, those that get there first, and sets *reach. Empty sets of own addresses get addresses for
 * examples. Returns 0, what fn returned, -E2BIG if it would take too many steps, or -ENOMEM.
 */
int ks_policy_ask(struct ks_policy *policy, struct ks_policy *asked, ks_answer_fn *fn, void *arg, enum ks_reach *reach);

/* The same of a policy that stays as it is: without addresses for examples, some packets are not shown. */
int ks_policy_ask_only(const struct ks_policy *policy, struct ks_policy *asked, ks_answer_fn *fn, void *arg,
		       enum ks_reach *reach);

#endif
