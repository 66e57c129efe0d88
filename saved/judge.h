/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Would the policy in force let a saved flow open again?
 *
 * The rules are asked anew about its true endpoints, and of a forwarded flow about the destination that its originator knows. It
 * counts as allowed
 *
 *   - if a rule allows it now, be it another one than before;
 *   - if no rule could ever be asked about it, because a helper expected it or it came by a mapping: when the rule that
 *     let its control connection or its mapping open is in the policy, no rule before that one denies it, and the file has
 *     the control connection or the mapping too;
 *   - if it is forwarded: when its rule is in the policy, in the same words and so to the same target, and no rule before that
 *     one decides otherwise. The rule itself may not match yet, because the box gets its addresses later.
 */
#ifndef KS_SAVED_JUDGE_H
#define KS_SAVED_JUDGE_H

#include "saved/saved.h"

struct ks_saved_judge;

/* `engine` has the tables of `policy`. Looks through the file for control connections and mappings. Returns 0 or -ENOMEM. */
int ks_saved_judge_create(const struct ks_saved *saved, struct ks_engine *engine, const struct ks_policy *policy,
			  struct ks_saved_judge **judge);
void ks_saved_judge_destroy(struct ks_saved_judge *judge);

KS_SCOPED(ks_auto_saved_judge, struct ks_saved_judge *, ks_saved_judge_destroy)
#define ks_auto_saved_judge ks_scoped(ks_auto_saved_judge)

/*
 * `of` is a flow by the policy's numbers; its rule is KS_RULE_DEFAULT if the policy does not have it. Returns true if it may
 * live on, with the rule that answers for it in *rule.
 */
bool ks_saved_judge_allows(const struct ks_saved_judge *judge, const struct ks_transplant *of, __u16 *rule);

#endif
