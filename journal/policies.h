/* SPDX-License-Identifier: BSD-2-Clause */
/* The policies that were in force, each with its text: what a inquiry about the past is judged by. */
#ifndef KS_JOURNAL_POLICIES_H
#define KS_JOURNAL_POLICIES_H

#include "journal/store.h"

struct ks_policies {
	int64_t loaded, generation; /* of the policy that was looked at last */
};

/* Asks for the policy in force if the totals tell of another one than the last time, and notes it. `now` in ms. */
int ks_policies_follow(struct ks_policies *policies, struct ks_store *store, const json_t *totals, int64_t now);

/* Notes a policy as in force from `time` on, unless its text is that of the last one. */
int ks_policy_note(struct ks_store *store, const json_t *policy, int64_t time);

#endif
