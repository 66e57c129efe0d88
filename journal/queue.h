/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines on their way from the thread that reads the daemon's events to the one that writes them. It holds as much as comes
 * while a disk is slow; lines beyond that are counted.
 */
#ifndef KS_JOURNAL_QUEUE_H
#define KS_JOURNAL_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KS_QUEUE_MAX (64U << 20) /* bytes */

enum ks_line_kind {
	KS_LINE_EVENT,
	KS_LINE_CONNECTED, /* the daemon's events follow */
	KS_LINE_AWAY, /* no more come from it */
};

struct ks_line {
	struct ks_line *next;
	int64_t time; /* ms of the epoch at which it came */
	enum ks_line_kind kind;
	size_t size;
	char text[];
};

struct ks_queue {
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct ks_line *first, **end;
	size_t bytes;
	uint64_t lost; /* lines that did not fit */
	bool ended;
};

void ks_queue_init(struct ks_queue *queue);
void ks_queue_fini(struct ks_queue *queue);

void ks_queue_put(struct ks_queue *queue, enum ks_line_kind kind, const char *text, size_t size);

/* Wakes the taker, for good. */
void ks_queue_end(struct ks_queue *queue);

/*
 * Takes everything, waiting up to so many ms for something. The caller frees the lines, by ks_lines_free(). *lost: how many lines
 * did not fit since the last time.
 */
struct ks_line *ks_queue_take(struct ks_queue *queue, int64_t wait_ms, uint64_t *lost);

void ks_lines_free(struct ks_line *lines);

#endif
