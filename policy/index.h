/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash table from keys to indexes of the caller's array, so that large
 * policies load in linear time. It does not have the keys: the caller compares.
 * Nothing is locked.
 */
#ifndef KS_POLICY_INDEX_H
#define KS_POLICY_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"
#include "text/scoped.h"

struct ks_index_slot {
	__u64 hash;
	__u32 value; /* + 1; 0 is free */
};

struct ks_index {
	struct ks_index_slot *slots;
	size_t size, count;
};

/* Returns true if the element `value` of the owner's array has this key. */
typedef bool ks_index_same_fn(const void *owner, __u32 value, const void *key);

void ks_index_fini(struct ks_index *index);

KS_SCOPED_STRUCT(ks_auto_index, struct ks_index, ks_index_fini)
#define ks_auto_index ks_scoped(ks_auto_index)

__u64 ks_hash_bytes(__u64 seed, const void *data, size_t length);
__u64 ks_hash_text(const char *text);

/* Returns the index of the element with the key, or -1. */
long ks_index_find(const struct ks_index *index, __u64 hash, ks_index_same_fn *same, const void *owner,
		   const void *key);

/* Adds an index; the caller knows that its key is not there yet. Returns 0 or -ENOMEM. */
int ks_index_add(struct ks_index *index, __u64 hash, __u32 value);

#endif
