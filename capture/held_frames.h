/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The captured frames of fragments that the engine holds. It keeps what it judges, without the link header of the capture; whoever
 * writes frames to a file wants them as they were. One that the engine releases is asked for by its number; one that it has
 * forgotten never goes on.
 */
#ifndef KS_CAPTURE_HELD_FRAMES_H
#define KS_CAPTURE_HELD_FRAMES_H

#include "capture/capture.h"
#include "engine/engine.h"

struct ks_held_frame {
	struct ks_held_frame *next;
	__u64 tag; /* by which the engine knows it (struct ks_frame) */
	const char *path; /* of the capture; the caller's */
	__u64 number; /* in it */
	struct ks_capture_frame captured; /* its bytes lie behind */
};

struct ks_held_frames {
	struct ks_held_frame *first, **end; /* the oldest one comes first */
	unsigned count;
};

void ks_held_frames_init(struct ks_held_frames *held);
void ks_held_frames_fini(struct ks_held_frames *held);

/* Keeps a copy. Returns 0 or -ENOMEM. */
int ks_held_frames_keep(struct ks_held_frames *held, __u64 tag, const char *path, __u64 number,
			const struct ks_capture_frame *captured);

/* Takes out the one with this tag, NULL if it is not there. It is the caller's to free(). */
struct ks_held_frame *ks_held_frames_take(struct ks_held_frames *held, __u64 tag);

/* Takes out the oldest one that the engine does not hold any more (engine NULL: the oldest one), NULL without one. */
struct ks_held_frame *ks_held_frames_take_lost(struct ks_held_frames *held, const struct ks_engine *engine);

#endif
