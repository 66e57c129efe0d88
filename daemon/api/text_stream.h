/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A long answer that is made as it is sent: text of which one part at a time is in memory. Whoever lists something has one as
 * the first member of its state, and a function that prints the next part.
 *
 * That function works for a millisecond or two and returns, with or without text: a large table may have nothing to show for a
 * long time. The stream waits in a queue then, its connection sleeps, and each round of the daemon's loop gives one of the queue
 * another try. So nobody else waits for it.
 */
#ifndef KS_DAEMON_API_TEXT_STREAM_H
#define KS_DAEMON_API_TEXT_STREAM_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct MHD_Connection;
struct ks_text_stream;

/* Streams that have nothing to send yet; the first is the one that has waited longest. */
struct ks_stream_queue {
	struct ks_text_stream *first;
};

struct ks_text_stream {
	/* Prints more to `out`, something or nothing. Returns 0, -ENODATA at the end, or -errno: the answer is cut off there. */
	int (*more)(struct ks_text_stream *stream);
	FILE *out;
	char *text; /* that was printed to `out` */
	size_t size, sent; /* bytes of it */
	struct MHD_Connection *connection;
	struct ks_stream_queue *queue;
	struct ks_text_stream *next; /* in the queue */
	int end; /* 0, or what `more` returned */
};

/* Returns 0 or -ENOMEM. The stream is zero before. */
int ks_text_stream_open(struct ks_text_stream *stream, int (*more)(struct ks_text_stream *stream));

/* Frees what the stream has, and not the stream. One that was never opened may be given. */
void ks_text_stream_close(struct ks_text_stream *stream);

/* Lets the one that has waited longest try again. */
void ks_stream_queue_step(struct ks_stream_queue *queue);

/* Ends all that wait: a server must not be stopped while connections sleep. */
void ks_stream_queue_end(struct ks_stream_queue *queue);

/* A callback of ks_api_text(); `state` begins with the stream. */
ssize_t ks_text_stream_read(void *state, uint64_t position, char *buf, size_t max);

#endif
