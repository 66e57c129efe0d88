/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fragments that the native home keeps until the first one of their
 * datagram is judged (core/env.h). Copies of bounded number and size, which are
 * forgotten after a while. A pool belongs to one engine.
 */
#ifndef KS_ENGINE_HELD_H
#define KS_ENGINE_HELD_H

#include <stdbool.h>

#include "core/types.h"
#include "engine/engine.h"

struct ks_held;

/* Returns NULL without memory. */
struct ks_held *ks_held_create(void);
void ks_held_destroy(struct ks_held *held);

/* Keeps a copy of the frame for the datagram of this hash. Returns false if there is no room. */
bool ks_held_add(struct ks_held *held, const struct ks_frame *frame, __u64 hash, __u64 now);

/* Those of a datagram may go on, or never will. */
void ks_held_release(struct ks_held *held, __u64 hash);
void ks_held_forget(struct ks_held *held, __u64 hash);

/* Takes the oldest that may go on; NULL when there is none. It is good until the next call of anything here. */
const struct ks_frame *ks_held_take(struct ks_held *held);

#endif
