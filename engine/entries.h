/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the entries of a state table, of every kind, while CPUs may write it: each is copied as it was at one moment. For
 * tests, for people who look into a table, and for the copy of a whole one.
 */
#ifndef KS_ENGINE_ENTRIES_H
#define KS_ENGINE_ENTRIES_H

#include "core/table/table.h"

/* Copies a slot as it was at one moment, a free one too. Returns false if other CPUs keep writing to it. */
bool ks_slot_copy(const struct ks_slot *slot, struct ks_slot *copy);

/*
 * Calls fn with a copy of every entry that is alive at `now` until it returns nonzero; returns that, or 0. An alias lives as
 * long as its flow. An entry that other CPUs keep writing to is left out.
 */
int ks_entries_each(const struct ks_bucket *table, __u32 buckets, __u64 now,
		    int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg);

#endif
