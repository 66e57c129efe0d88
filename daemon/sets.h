/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of run-time sets by people: the daemon's part of `keepstate set` (core/members.h has the sets themselves).
 *
 * A change counts as a whole: entries that do not fit are refused before the first one is added. It makes no rule again, and
 * packets go on meanwhile. A replacement is filled beside the set and takes its place in one step.
 */
#ifndef KS_DAEMON_SETS_H
#define KS_DAEMON_SETS_H

#include "daemon/daemon.h"
#include "daemon/set_entries.h"

/* A set to be changed. */
struct ks_set_target {
	struct ks_daemon *daemon;
	const struct ks_set_info *info;
	struct ks_stored_set *set;
	const struct ks_dynamic *settings;
	__u64 ms; /* life of entries that do not say; KS_SET_FOR_NOT_SAID: as the set says */
};

/* The outcome of a change. */
struct ks_set_changed {
	size_t added, renewed, removed;
	size_t missing; /* that were to be removed and were not there */
	size_t no_room; /* whose places were full though the set was not: improbable */
	char refused[KS_SET_COMPLAINT]; /* why nothing was changed; "" if it was */
};

/* Finds the set of a name. Returns false if the policy in force has none. */
bool ks_set_target_find(struct ks_daemon *daemon, const char *name, struct ks_set_target *target);

/* The number of its entries that live. */
__u32 ks_set_living(const struct ks_set_target *target);

/* Each returns 0 or -errno: -ENOSPC with changed->refused set. */
int ks_set_add_entries(const struct ks_set_target *target, const struct ks_set_entries *entries,
		       struct ks_set_changed *changed);
int ks_set_remove_entries(const struct ks_set_target *target, const struct ks_set_entries *entries,
			  struct ks_set_changed *changed);
int ks_set_replace_entries(const struct ks_set_target *target, const struct ks_set_entries *entries,
			   struct ks_set_changed *changed);
int ks_set_flush_entries(const struct ks_set_target *target, struct ks_set_changed *changed);

/* Ends the states of which an end is in one of the entries. Returns how many, or -errno. */
long ks_set_end_flows(struct ks_daemon *daemon, const struct ks_set_entries *entries);

#endif
