/* SPDX-License-Identifier: BSD-2-Clause */
/* See text_stream.h. */
#include "daemon/api/text_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#include "core/types.h"

int ks_text_stream_open(struct ks_text_stream *stream, int (*more)(struct ks_text_stream *stream))
{
	stream->more = more;
	stream->out = open_memstream(&stream->text, &stream->size);
	return stream->out ? 0 : -ENOMEM;
}

static void queue_put(struct ks_text_stream *stream)
{
	struct ks_text_stream **at = &stream->queue->first;

	while (*at)
		at = &(*at)->next;
	*at = stream;
	stream->next = NULL;
}

static void queue_take(struct ks_text_stream *stream)
{
	struct ks_text_stream **at = stream->queue ? &stream->queue->first : NULL;

	while (at && *at && *at != stream)
		at = &(*at)->next;
	if (at && *at)
		*at = stream->next;
}

void ks_text_stream_close(struct ks_text_stream *stream)
{
	queue_take(stream);
	if (stream->out)
		fclose(stream->out);
	free(stream->text);
}

/* Gets the next part of the text, which may be empty. */
static void stream_fill(struct ks_text_stream *stream)
{
	if (fseek(stream->out, 0, SEEK_SET)) {
		stream->end = -ENOMEM;
		return;
	}
	stream->sent = 0;
	stream->end = stream->more(stream);
	/* fflush() sets size to where the stream stands */
	if (fflush(stream->out) || ferror(stream->out))
		stream->end = -ENOMEM;
}

static bool has_nothing_yet(const struct ks_text_stream *stream)
{
	return stream->sent == stream->size && !stream->end;
}

void ks_stream_queue_step(struct ks_stream_queue *queue)
{
	struct ks_text_stream *stream = queue->first;

	if (!stream)
		return;
	queue_take(stream);
	stream_fill(stream);
	if (has_nothing_yet(stream))
		queue_put(stream);
	else
		MHD_resume_connection(stream->connection);
}

void ks_stream_queue_end(struct ks_stream_queue *queue)
{
	while (queue->first) {
		struct ks_text_stream *stream = queue->first;

		queue_take(stream);
		stream->end = -ECANCELED;
		MHD_resume_connection(stream->connection);
	}
}

ssize_t ks_text_stream_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct ks_text_stream *stream = state;
	size_t n;

	if (has_nothing_yet(stream))
		stream_fill(stream);
	if (has_nothing_yet(stream)) {
		queue_put(stream);
		MHD_suspend_connection(stream->connection);
		return 0;
	}
	n = KS_MIN(stream->size - stream->sent, max);
	if (!n)
		return stream->end == -ENODATA ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
	memcpy(buf, stream->text + stream->sent, n);
	stream->sent += n;
	return (ssize_t)n;
}
