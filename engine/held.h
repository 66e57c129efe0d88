/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fragments that the native home holds until the first one of their
 * datagram is judged (core/env.h): copies of bounded number and size, forgotten
 * after KS_FRAGMENT_HOLD_MS. A pool belongs to one engine.
 */
#ifndef KS_ENGINE_HELD_H
#define KS_ENGINE_HELD_H

#include <stdbool.h>

#include "core/types.h"
#include "engine/engine.h"

struct ks_held_pool;

/* Returns 0 or -ENOMEM. */
int ks_held_pool_create(struct ks_held_pool **pool);
void ks_held_pool_destroy(struct ks_held_pool *pool);

/* Holds a copy of the frame for the datagram of this hash. Returns false if there is no room. */
bool ks_held_pool_add(struct ks_held_pool *pool, const struct ks_frame *frame, __u64 hash, __u64 now);

/* The datagram's first fragment was judged: its others may leave now, or never will. */
void ks_held_pool_release(struct ks_held_pool *pool, __u64 hash);
void ks_held_pool_forget(struct ks_held_pool *pool, __u64 hash);

/* Returns true if a fragment whose frame has this tag is there. */
bool ks_held_pool_has(const struct ks_held_pool *pool, __u64 tag);

/* Takes out the oldest fragment that was released; NULL without one. It is good until the next call of any function here. */
const struct ks_frame *ks_held_pool_take(struct ks_held_pool *pool);

#endif
