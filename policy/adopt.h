/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Adoption: over a reload rules and zones keep their ids, because flows,
 * counters and everything else in the state table name them by id only.
 *
 * - A rule takes the id that the same text had; equal texts pair in their order.
 * - A zone takes the id that the same name had.
 * - What is new takes an id that nobody has or had, so that no flow of a rule or zone that is gone becomes one of it.
 *   Only when all ids were given out, one whose bearer is gone is given again.
 * - What is gone is remembered with its id, and takes it again when it comes back: of rules the latest
 *   KS_IDS_GONE_MAX, of zones all.
 *
 * The daemon keeps a struct ks_ids in its ledger (daemon/ledger.h), which outlives it; the run of a policy test keeps one
 * for its `reload` (scenario/scenario.c). So a test foretells what the daemon will do.
 */
#ifndef KS_POLICY_ADOPT_H
#define KS_POLICY_ADOPT_H

#include "policy/policy.h"
#include "text/scoped.h"

#define KS_IDS_GONE_MAX 4096

struct ks_rule_id {
	char *text; /* normal form, see ks_rule_info */
	__u32 id;
	bool is_new; /* this text got the id by the latest adoption: its counters begin at 0 */
};

/* The ids that rules and zones have, and had. Zeroes are one that knows of none. */
struct ks_ids {
	struct ks_rule_id *rules; /* those of the policy first, in its order, then those gone, the latest first */
	size_t rule_count;
	char *zones[KS_ZONE_MAX]; /* name by id, NULL: nobody's */
};

void ks_ids_fini(struct ks_ids *ids);

KS_SCOPED_STRUCT(ks_auto_ids, struct ks_ids, ks_ids_fini)
#define ks_auto_ids ks_scoped(ks_auto_ids)

/* Takes down the ids that a policy has as it is. Returns 0 or -ENOMEM. */
int ks_ids_of(const struct ks_policy *policy, struct ks_ids *ids);

/*
 * Gives the rules and zones of `policy` the ids they had in `old`, wherever the
 * tables name them, and sets *new to the ids that go with it. Returns 0,
 * -ENOSPC without an id for a rule, or -ENOMEM; then the policy is as it was.
 * Run the policy's tests before: they name zones by the ids of the loaded text.
 */
int ks_ids_adopt(const struct ks_ids *old, struct ks_policy *policy, struct ks_ids *new);

/* The zones that are remembered but are not in the policy, a bit per id: what belongs to them is cut off. */
__u64 ks_ids_gone_zones(const struct ks_ids *ids, const struct ks_policy *policy);

#endif
