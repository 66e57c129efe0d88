/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adoption: over a reload, rules and zones keep their ids, because flows,
 * counters and everything else in the state table refer to them by id.
 *
 * - A rule gets the id that a rule of the same text had. Of several equal texts, the first gets the first id. The numbers of
 *   its limits are no part of that: a limit that is raised or lowered goes on with its counts.
 * - A zone gets the id that a zone of the same name had.
 * - A new rule or zone gets an id that none of those remembered has, so that no flow of them becomes one of its own. Only
 *   when all ids are taken, one of a rule or zone that is gone is used again.
 * - Rules and zones that are gone are remembered with their ids and get them again when they come back: all zones, and the
 *   KS_IDS_GONE_MAX rules that went last.
 *
 * The daemon keeps a struct ks_ids in its ledger (daemon/ledger.h), which outlives it. A run of a policy test keeps one
 * for its `reload` (scenario/scenario.c), so the test gives the verdicts that the daemon will give.
 */
#ifndef KS_POLICY_ADOPT_H
#define KS_POLICY_ADOPT_H

#include "policy/policy.h"
#include "text/scoped.h"

#define KS_IDS_GONE_MAX 4096

struct ks_rule_id {
	char *text; /* normal form, see `identity` of ks_rule_info */
	__u32 id;
	bool is_new; /* the latest adoption gave it to this rule: its counters begin at 0 */
};

/* The ids that rules and zones have or had. All zeroes: nothing was loaded before. */
struct ks_ids {
	struct ks_rule_id *rules; /* those of the policy first, in its order, then those gone, the latest first */
	size_t rule_count;
	char *zones[KS_ZONE_MAX]; /* name by id, NULL: never given out */
};

void ks_ids_fini(struct ks_ids *ids);

KS_SCOPED_STRUCT(ks_auto_ids, struct ks_ids, ks_ids_fini)
#define ks_auto_ids ks_scoped(ks_auto_ids)

/* Sets *ids to those that a policy has. Returns 0 or -ENOMEM. */
int ks_ids_of(const struct ks_policy *policy, struct ks_ids *ids);

/*
 * Gives the rules and zones of `policy` their ids, everywhere in its tables,
 * and sets *new to what is to be remembered from now on. Returns 0, -ENOSPC
 * when there is no id for a rule, or -ENOMEM; with an error the policy is as it
 * was. The policy's tests are run before, because they name zones by the ids
 * that these were loaded with.
 */
int ks_ids_adopt(const struct ks_ids *old, struct ks_policy *policy, struct ks_ids *new);

/*
 * The zones that are remembered but not in the policy, a bit per id. What comes from there is dropped: its sender is known in
 * another zone. What goes there passes as long as the rules allow the flow with the zone where its interface is now.
 */
__u64 ks_ids_gone_zones(const struct ks_ids *ids, const struct ks_policy *policy);

/* The ids that were those of zones that are gone, and that others got because no id was left, a bit per id. */
__u64 ks_ids_taken_zones(const struct ks_ids *old, const struct ks_ids *new);

#endif
