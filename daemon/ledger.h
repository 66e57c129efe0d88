/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outlives the daemon, as the kernel's maps do: the ids of rules and
 * zones with their texts and names, so that a reload and a successor give the
 * same rule the same id, and what must be cleaned up at the end. Kept as JSON
 * in the instance's directory, replaced atomically before the kernel is
 * switched to a new policy.
 */
#ifndef KS_DAEMON_LEDGER_H
#define KS_DAEMON_LEDGER_H

#include <stddef.h>

#include "daemon/settle/settle.h"
#include "policy/adopt.h"

struct ks_ledger {
	long long since; /* seconds of the epoch: when this table first guarded an interface; 0: not yet */
	unsigned long long cookie; /* of the network namespace it belongs to */
	struct ks_ids ids;
	struct ks_settled settled; /* by the start */
	unsigned *qdiscs; /* interfaces that got their clsact qdisc from us */
	unsigned qdisc_count;
	bool changed; /* the file does not have it yet */
};

/* Reads a ledger; -ENOENT without one, -EINVAL for one that is damaged. *ledger is valid with 0 only. */
int ks_ledger_read(const char *path, struct ks_ledger *ledger);

/* Writes it beside and renames it over the old one. */
int ks_ledger_write(const struct ks_ledger *ledger, const char *path);

void ks_ledger_fini(struct ks_ledger *ledger);

KS_SCOPED_STRUCT(ks_auto_ledger, struct ks_ledger, ks_ledger_fini)
#define ks_auto_ledger ks_scoped(ks_auto_ledger)

/* Gives a policy the ids of `old` (ks_ids_adopt()) and sets *new to the ledger that goes with it. */
int ks_ledger_adopt(const struct ks_ledger *old, struct ks_policy *policy, struct ks_ledger *new);

/* Notes that an interface's qdisc is ours, or no more. */
int ks_ledger_add_qdisc(struct ks_ledger *ledger, unsigned ifindex);
void ks_ledger_drop_qdisc(struct ks_ledger *ledger, unsigned ifindex);
bool ks_ledger_has_qdisc(const struct ks_ledger *ledger, unsigned ifindex);

#endif
