// SPDX-License-Identifier: BSD-2-Clause
/* The native home's held fragments; see held.h. */
#include "engine/held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/fragment/fragment.h"

#define HOLD_NS (KS_FRAGMENT_HOLD_MS * KS_NSEC_PER_MSEC)

enum held_state { HELD_FREE, HELD_WAITING, HELD_RELEASED };

struct held_fragment {
	enum held_state state;
	__u64 hash; /* of its datagram */
	__u64 since;
	__u64 order; /* counts up, so that fragments leave in the order in which they came */
	struct ks_frame frame;
	__u8 bytes[KS_FRAGMENT_BYTES];
};

struct ks_held_pool {
	__u64 added; /* fragments so far */
	struct held_fragment fragments[KS_FRAGMENT_POOL];
};

int ks_held_pool_create(struct ks_held_pool **pool)
{
	struct ks_held_pool *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	*pool = made;
	return 0;
}

void ks_held_pool_destroy(struct ks_held_pool *pool)
{
	free(pool);
}

/* One that is free, or has waited too long. */
static struct held_fragment *fragment_room(struct ks_held_pool *pool, __u64 now)
{
	for (unsigned i = 0; i < KS_FRAGMENT_POOL; i++) {
		struct held_fragment *held = &pool->fragments[i];

		if (held->state == HELD_FREE || (held->state == HELD_WAITING && now - held->since > HOLD_NS))
			return held;
	}
	return NULL;
}

bool ks_held_pool_add(struct ks_held_pool *pool, const struct ks_frame *frame, __u64 hash, __u64 now)
{
	struct held_fragment *held = frame->captured <= KS_FRAGMENT_BYTES ? fragment_room(pool, now) : NULL;

	if (!held)
		return false;
	held->state = HELD_WAITING;
	held->hash = hash;
	held->since = now;
	held->order = pool->added++;
	held->frame = *frame;
	memcpy(held->bytes, frame->data, frame->captured);
	held->frame.data = held->bytes;
	return true;
}

static void datagram_mark(struct ks_held_pool *pool, __u64 hash, enum held_state state)
{
	for (unsigned i = 0; i < KS_FRAGMENT_POOL; i++) {
		if (pool->fragments[i].state == HELD_WAITING && pool->fragments[i].hash == hash)
			pool->fragments[i].state = state;
	}
}

void ks_held_pool_release(struct ks_held_pool *pool, __u64 hash)
{
	datagram_mark(pool, hash, HELD_RELEASED);
}

void ks_held_pool_forget(struct ks_held_pool *pool, __u64 hash)
{
	datagram_mark(pool, hash, HELD_FREE);
}

const struct ks_frame *ks_held_pool_take(struct ks_held_pool *pool)
{
	struct held_fragment *oldest = NULL;

	for (unsigned i = 0; i < KS_FRAGMENT_POOL; i++) {
		struct held_fragment *held = &pool->fragments[i];

		if (held->state == HELD_RELEASED && (!oldest || held->order < oldest->order))
			oldest = held;
	}
	if (!oldest)
		return NULL;
	oldest->state = HELD_FREE;
	return &oldest->frame;
}

bool ks_held_pool_has(const struct ks_held_pool *pool, __u64 tag)
{
	for (unsigned i = 0; i < KS_FRAGMENT_POOL; i++) {
		if (pool->fragments[i].state != HELD_FREE && pool->fragments[i].frame.tag == tag)
			return true;
	}
	return false;
}
