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

void ks_text_stream_close(struct ks_text_stream *stream)
{
	if (stream->out)
		fclose(stream->out);
	free(stream->text);
}

/* Fills the text with the next part. Returns 0 or what `more` said. */
static int stream_fill(struct ks_text_stream *stream)
{
	int err;

	if (fseek(stream->out, 0, SEEK_SET))
		return -ENOMEM;
	stream->sent = 0;
	do {
		err = stream->more(stream);
		if (err)
			return err;
	} while (ftell(stream->out) == 0);
	/* fflush() sets size to where the stream stands */
	return fflush(stream->out) || ferror(stream->out) ? -ENOMEM : 0;
}

ssize_t ks_text_stream_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct ks_text_stream *stream = state;
	int err = stream->sent == stream->size ? stream_fill(stream) : 0;
	size_t n;

	if (err)
		return err == -ENODATA ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
	n = KS_MIN(stream->size - stream->sent, max);
	memcpy(buf, stream->text + stream->sent, n);
	stream->sent += n;
	return (ssize_t)n;
}
