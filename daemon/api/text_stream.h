/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A long answer that is made as it is sent: text of which one part at a time is in memory. Whoever lists something has one as
 * the first member of its state, and a function that prints the next part.
 */
#ifndef KS_DAEMON_API_TEXT_STREAM_H
#define KS_DAEMON_API_TEXT_STREAM_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct ks_text_stream {
	/* Prints more to `out`, something or nothing. Returns 0, -ENODATA at the end, or -errno: the answer is cut off there. */
	int (*more)(struct ks_text_stream *stream);
	FILE *out;
	char *text; /* that was printed to `out` */
	size_t size, sent; /* bytes of it */
};

/* Returns 0 or -ENOMEM. The stream is zero before. */
int ks_text_stream_open(struct ks_text_stream *stream, int (*more)(struct ks_text_stream *stream));

/* Frees what the stream has, and not the stream. One that was never opened may be given. */
void ks_text_stream_close(struct ks_text_stream *stream);

/* A callback of ks_api_stream(); `state` begins with the stream. */
ssize_t ks_text_stream_read(void *state, uint64_t position, char *buf, size_t max);

#endif
