/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the daemon's events into the tables. */
#ifndef KS_JOURNAL_ENTRIES_H
#define KS_JOURNAL_ENTRIES_H

#include "journal/store.h"

/* Writes what an event says. `came`: ms of the epoch, for lines that have no time. Only in a batch. */
int ks_entry_write(struct ks_store *store, const json_t *event, int64_t came);

/* When an event was, ms of the epoch. `came`: when its line came, which counts if it says nothing. */
int64_t ks_entry_time(const json_t *event, int64_t came);

/* Events that nobody could write, and a time in which nobody listened. */
int ks_entry_lost(struct ks_store *store, int64_t time, uint64_t lost);
int ks_entry_gap(struct ks_store *store, int64_t time, int64_t ms);

/* Returns true if an event tells that the firewall was taken away. */
bool ks_entry_is_stop(const json_t *event);

/* The firewall was taken away: an entry, the end of every flow, and of the policy. */
int ks_entry_stop(struct ks_store *store, const json_t *event, int64_t time);

#endif
