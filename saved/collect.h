/* SPDX-License-Identifier: BSD-2-Clause */
/* The entries of a table, as they are saved. */
#ifndef KS_SAVED_COLLECT_H
#define KS_SAVED_COLLECT_H

#include "saved/saved.h"

/*
 * Calls fn for every entry that is saved, flows first, until it returns nonzero; returns that, -ETIME, or 0. An entry that
 * packets keep changing while it is copied is left out.
 */
int ks_saved_collect(const struct ks_saved_table *table, int (*fn)(const struct ks_saved_entry *entry, void *arg),
		     void *arg);

#endif
