/* SPDX-License-Identifier: BSD-2-Clause */
/* See held_frames.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/held_frames.h"

void ks_held_frames_init(struct ks_held_frames *held)
{
	*held = (struct ks_held_frames){ .end = &held->first };
}

void ks_held_frames_fini(struct ks_held_frames *held)
{
	while (held->first) {
		struct ks_held_frame *frame = held->first;

		held->first = frame->next;
		free(frame);
	}
	ks_held_frames_init(held);
}

int ks_held_frames_keep(struct ks_held_frames *held, __u64 tag, const char *path, __u64 number,
			const struct ks_capture_frame *captured)
{
	struct ks_held_frame *frame = malloc(sizeof(*frame) + captured->captured);
	__u8 *bytes = (__u8 *)(frame + 1);

	if (!frame)
		return -ENOMEM;
	*frame = (struct ks_held_frame){ .tag = tag, .path = path, .number = number, .captured = *captured };
	memcpy(bytes, captured->data, captured->captured);
	frame->captured.data = bytes;
	*held->end = frame;
	held->end = &frame->next;
	held->count++;
	return 0;
}

static struct ks_held_frame *take_at(struct ks_held_frames *held, struct ks_held_frame **at)
{
	struct ks_held_frame *frame = *at;

	*at = frame->next;
	if (!frame->next)
		held->end = at;
	held->count--;
	return frame;
}

struct ks_held_frame *ks_held_frames_take(struct ks_held_frames *held, __u64 tag)
{
	for (struct ks_held_frame **at = &held->first; *at; at = &(*at)->next) {
		if ((*at)->tag == tag)
			return take_at(held, at);
	}
	return NULL;
}

struct ks_held_frame *ks_held_frames_take_lost(struct ks_held_frames *held, const struct ks_engine *engine)
{
	for (struct ks_held_frame **at = &held->first; *at; at = &(*at)->next) {
		if (!engine || !ks_engine_holds(engine, (*at)->tag))
			return take_at(held, at);
	}
	return NULL;
}
