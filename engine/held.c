// SPDX-License-Identifier: BSD-2-Clause
/* The native home's kept fragments; see held.h. */
#include "engine/held.h"

#include <stdlib.h>
#include <string.h>

#include "core/fragment/fragment.h"

#define HELD_NS (KS_FRAGMENT_HOLD_MS * KS_NSEC_PER_MSEC)

enum place_state { PLACE_FREE, PLACE_KEPT, PLACE_RELEASED };

struct place {
	enum place_state state;
	__u64 hash;
	__u64 since;
	__u64 order; /* counts what was kept, so that it goes on in the order in which it came */
	struct ks_frame frame;
	__u8 bytes[KS_FRAGMENT_BYTES];
};

struct ks_held {
	__u64 kept;
	struct place places[KS_FRAGMENT_POOL];
};

struct ks_held *ks_held_create(void)
{
	return calloc(1, sizeof(struct ks_held));
}

void ks_held_destroy(struct ks_held *held)
{
	free(held);
}

static struct place *place_find(struct ks_held *held, __u64 now)
{
	for (unsigned i = 0; i < KS_FRAGMENT_POOL; i++) {
		struct place *place = &held->places[i];

		if (place->state == PLACE_FREE || (place->state == PLACE_KEPT && now - place->since > HELD_NS))
			return place;
	}
	return NULL;
}

bool ks_held_add(struct ks_held *held, const struct ks_frame *frame, __u64 hash, __u64 now)
{
	struct place *place = frame->captured <= KS_FRAGMENT_BYTES ? place_find(held, now) : NULL;

	if (!place)
		return false;
	place->state = PLACE_KEPT;
	place->hash = hash;
	place->since = now;
	place->order = held->kept++;
	place->frame = *frame;
	memcpy(place->bytes, frame->data, frame->captured);
	place->frame.data = place->bytes;
	return true;
}

static void places_mark(struct ks_held *held, __u64 hash, enum place_state state)
{
	for (unsigned i = 0; i < KS_FRAGMENT_POOL; i++) {
		if (held->places[i].state == PLACE_KEPT && held->places[i].hash == hash)
			held->places[i].state = state;
	}
}

void ks_held_release(struct ks_held *held, __u64 hash)
{
	places_mark(held, hash, PLACE_RELEASED);
}

void ks_held_forget(struct ks_held *held, __u64 hash)
{
	places_mark(held, hash, PLACE_FREE);
}

const struct ks_frame *ks_held_take(struct ks_held *held)
{
	struct place *oldest = NULL;

	for (unsigned i = 0; i < KS_FRAGMENT_POOL; i++) {
		struct place *place = &held->places[i];

		if (place->state == PLACE_RELEASED && (!oldest || place->order < oldest->order))
			oldest = place;
	}
	if (!oldest)
		return NULL;
	oldest->state = PLACE_FREE;
	return &oldest->frame;
}
