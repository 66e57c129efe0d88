/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk over all live entries of a state table, of every kind: for tests and for
 * people who look into it. Nothing is locked: an entry that is written meanwhile
 * may be read half old and half new, which harms no caller of this.
 */
#ifndef KS_ENGINE_ENTRIES_H
#define KS_ENGINE_ENTRIES_H

#include "core/table/table.h"

/*
 * Calls fn for every entry that is alive at `now` until it returns nonzero;
 * returns that, or 0. An alias lives as long as its flow.
 */
int ks_entries_each(const struct ks_bucket *table, __u32 buckets, __u64 now,
		    int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg);

#endif
