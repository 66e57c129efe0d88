/* SPDX-License-Identifier: BSD-2-Clause */
/* The policies that were in force, each with its text: what a inquiry about the past is judged by. */
#ifndef KS_JOURNAL_POLICIES_H
#define KS_JOURNAL_POLICIES_H

#include "journal/store.h"

struct ks_policies {
	int64_t loaded, generation; /* of the policy that was looked at last */
	int64_t started; /* s of the epoch: the daemon that has it */
};

/*
 * Asks for the policy in force if the totals tell of another one than the last time, and notes it. `heard`: when the daemon was heard
 * before, ms; one that found no firewall has begun a new time of its policy, even of the same text.
 */
int ks_policies_follow(struct ks_policies *policies, struct ks_store *store, const json_t *totals, int64_t heard);

/* The policy that is in force is not any longer from `time` on. */
int ks_policy_end(struct ks_store *store, int64_t time);

/* Notes a policy as in force from `time` on, unless its text is that of the one that is. */
int ks_policy_note(struct ks_store *store, const json_t *policy, int64_t time);

#endif
