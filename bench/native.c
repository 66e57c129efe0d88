// SPDX-License-Identifier: BSD-2-Clause
/*
 * The native home: frames from memory through engine/engine.h, one thread.
 * Frames lie in memory in the order in which they are offered, so reading them
 * is cheap; the flows they belong to are visited in random order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/frames.h"
#include "core/types.h"
#include "engine/engine.h"

#define NSEC_PER_PACKET 1000 /* the engine's clock: a million packets a second */
#define LONG_LATER (600 * KS_NSEC_PER_SEC) /* every UDP flow is dead by then */
#define FRAME_STRIDE 64

struct bench {
	const struct bench_opts *opts;
	struct ks_engine *engine;
	struct ks_policy *policy;
	__u8 *frames;
	__u32 *order;
	__u32 flows;
	__u64 now;
	struct ks_inspection insp;
	struct ks_inspection burst[KS_BURST_MAX];
};

/* Stored field by field: of a whole that is copied the CPU would wait for the stores of its parts, a tenth of a packet's time. */
static inline void frame_set(struct ks_frame *frame, const __u8 *data, bool reply)
{
	frame->data = data;
	frame->captured = BENCH_FRAME;
	frame->length = BENCH_FRAME;
	frame->link = KS_LINK_ETHERNET;
	frame->from = reply ? BENCH_WAN : BENCH_LAN;
	frame->to = reply ? BENCH_LAN : BENCH_WAN;
	frame->tag = 0;
	frame->mark = 0;
}

static __u32 offer(struct bench *b, const __u8 *data, bool reply)
{
	struct ks_frame frame;

	frame_set(&frame, data, reply);
	b->now += NSEC_PER_PACKET;
	ks_engine_set_time(b->engine, b->now);
	return ks_engine_inspect(b->engine, &frame, false, &b->insp);
}

static int open_step(enum bench_step step, bool reply, void *arg)
{
	struct bench *b = arg;
	__u8 frame[BENCH_FRAME];

	for (__u32 i = 0; i < b->flows; i++) {
		bench_frame_make(step, i, reply, frame);
		if (offer(b, frame, reply) != KS_ALLOW)
			return bench_fail(-EPROTO, "flow %u was not opened: reason %u", i, b->insp.verdict.reason);
	}
	return 0;
}

static int frames_make(struct bench *b, enum bench_step step)
{
	b->order = bench_order_make(b->flows);
	b->frames = aligned_alloc(FRAME_STRIDE, (size_t)b->flows * FRAME_STRIDE);
	if (!b->order || !b->frames)
		return -ENOMEM;
	for (__u32 i = 0; i < b->flows; i++)
		bench_frame_make(step, b->order[i], false, b->frames + (size_t)i * FRAME_STRIDE);
	return 0;
}

/* Offers a burst of the next `size` frames; returns how many met another fate than `reason`. */
static __u32 offer_burst(struct bench *b, __u32 *next, __u32 size, __u32 reason)
{
	struct ks_frame frames[KS_BURST_MAX];
	__u32 wrong = 0;

	for (__u32 i = 0; i < size; i++) {
		frame_set(&frames[i], b->frames + (size_t)*next * FRAME_STRIDE, false);
		*next = *next + 1 < b->flows ? *next + 1 : 0;
	}
	b->now += size * NSEC_PER_PACKET;
	ks_engine_set_time(b->engine, b->now);
	ks_engine_inspect_burst(b->engine, frames, size, false, b->burst);
	for (__u32 i = 0; i < size; i++)
		wrong += b->burst[i].verdict.reason != reason;
	return wrong;
}

/* Offers `count` frames in bursts and prints what one took. All must be allowed for the reason that is measured. */
static int measure(struct bench *b, __u32 count, __u32 reason)
{
	__u64 start = bench_cpu_time(), took;
	__u32 next = 0, wrong = 0;

	for (__u32 done = 0; done < count; done += KS_BURST_MAX)
		wrong += offer_burst(b, &next, KS_MIN(count - done, KS_BURST_MAX), reason);
	took = bench_cpu_time() - start;
	if (wrong)
		return bench_fail(-EPROTO, "%u of %u packets met another fate than reason %u", wrong, count, reason);
	printf("{\"ns\": %.2f, \"rate\": %.0f}\n", (double)took / count, bench_rate(count, took));
	return 0;
}

static int established(struct bench *b)
{
	int err = bench_opening_each(b->opts->tcp, open_step, b);

	for (__u32 i = 0; !err && i < b->opts->runs; i++)
		err = measure(b, b->opts->count, KS_REASON_OK_ESTABLISHED);
	return err;
}

/* The first round is not counted: it is the one that touches the table's memory first. */
static int fresh(struct bench *b)
{
	int err = open_step(BENCH_UDP, false, b);

	for (__u32 i = 0; !err && i < b->opts->runs; i++) {
		b->now += LONG_LATER;
		ks_engine_set_time(b->engine, b->now);
		ks_engine_sweep(b->engine);
		err = measure(b, b->flows, KS_REASON_OK_NEW);
	}
	return err;
}

int bench_native(const struct bench_opts *opts)
{
	struct bench b = { .opts = opts, .flows = opts->flows };
	int err = bench_policy_make(opts->rules, bench_room(opts->flows), 0, &b.policy);

	if (!err) {
		struct ks_tables tables = ks_policy_tables(b.policy);

		err = ks_engine_create(&tables, &b.engine);
	}
	if (!err)
		err = frames_make(&b, opts->fresh ? BENCH_UDP : bench_step_steady(opts->tcp));
	if (err)
		bench_fail(err, "cannot set up");
	else
		err = opts->fresh ? fresh(&b) : established(&b);
	free(b.frames);
	free(b.order);
	ks_engine_destroy(b.engine);
	ks_policy_destroy(b.policy);
	return err;
}
