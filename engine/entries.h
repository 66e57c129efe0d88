/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lives in the memory of a state table, of whatever kind: for tests and
 * for people who look into it. Nothing is locked: a slot that is written
 * meanwhile is read torn, which matters to nobody here.
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
