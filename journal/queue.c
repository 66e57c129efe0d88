/* SPDX-License-Identifier: BSD-2-Clause */
/* See queue.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/queue.h"
#include "journal/when.h"

void ks_queue_init(struct ks_queue *queue)
{
	pthread_condattr_t attributes;

	memset(queue, 0, sizeof(*queue));
	queue->end = &queue->first;
	pthread_mutex_init(&queue->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->filled, &attributes);
	pthread_condattr_destroy(&attributes);
}

void ks_queue_fini(struct ks_queue *queue)
{
	ks_lines_free(queue->first);
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->mutex);
}

static struct ks_line *line_make(enum ks_line_kind kind, const char *text, size_t size)
{
	struct ks_line *line = malloc(sizeof(*line) + size + 1);

	if (!line)
		return NULL;
	line->next = NULL;
	line->time = ks_when_now();
	line->kind = kind;
	line->size = size;
	if (size)
		memcpy(line->text, text, size);
	line->text[size] = '\0';
	return line;
}

void ks_queue_put(struct ks_queue *queue, enum ks_line_kind kind, const char *text, size_t size)
{
	struct ks_line *line;

	pthread_mutex_lock(&queue->mutex);
	line = kind != KS_LINE_EVENT || queue->bytes + size <= KS_QUEUE_MAX ? line_make(kind, text, size) : NULL;
	if (line) {
		*queue->end = line;
		queue->end = &line->next;
		queue->bytes += size;
		pthread_cond_signal(&queue->filled);
	} else {
		queue->lost++;
	}
	pthread_mutex_unlock(&queue->mutex);
}

void ks_queue_end(struct ks_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->ended = true;
	pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->mutex);
}

static struct timespec moment_in(int64_t ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec += (time_t)(ms / 1000);
	now.tv_nsec += (long)(ms % 1000) * 1000000L;
	if (now.tv_nsec >= 1000000000L) {
		now.tv_sec++;
		now.tv_nsec -= 1000000000L;
	}
	return now;
}

struct ks_line *ks_queue_take(struct ks_queue *queue, int64_t wait_ms, uint64_t *lost)
{
	struct timespec until = moment_in(wait_ms > 0 ? wait_ms : 0);
	struct ks_line *lines;

	pthread_mutex_lock(&queue->mutex);
	while (!queue->first && !queue->ended && wait_ms > 0) {
		if (pthread_cond_timedwait(&queue->filled, &queue->mutex, &until))
			break;
	}
	lines = queue->first;
	queue->first = NULL;
	queue->end = &queue->first;
	queue->bytes = 0;
	*lost = queue->lost;
	queue->lost = 0;
	pthread_mutex_unlock(&queue->mutex);
	return lines;
}

void ks_lines_free(struct ks_line *lines)
{
	while (lines) {
		struct ks_line *next = lines->next;

		free(lines);
		lines = next;
	}
}
