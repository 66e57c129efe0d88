/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bounds of the journal: its size and the age of its entries. When it is full the oldest entries go, a fiftieth at a time, of
 * packets, of flows, or of policies that are no longer in force, whichever take the most: so a flood of dropped packets does not take
 * the records of connections with it, and policies that are loaded again and again do not push the log out.
 */
#ifndef KS_JOURNAL_BOUND_H
#define KS_JOURNAL_BOUND_H

#include "journal/store.h"

/* Bytes of the file that are used; those of removed entries are not. */
int ks_bound_size(sqlite3 *db, int64_t *size);

/* Removes some of the oldest if it takes more than `limit` bytes. *more: call again soon. */
int ks_bound_trim(struct ks_store *store, int64_t limit, bool *more);

/* Removes some entries of before `oldest` (ms of the epoch); flows count by their end. */
int ks_bound_age(struct ks_store *store, int64_t oldest, bool *more);

#endif
