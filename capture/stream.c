/* SPDX-License-Identifier: BSD-2-Clause */
/* Byte streams for capture readers; see stream.h. zlib reads plain files as they are. */
#include "capture/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define WINDOW_FIRST (1U << 18)

struct ks_stream {
	gzFile gz; /* NULL for memory */
	const uint8_t *data; /* the window; memory given by the caller, or `window` */
	size_t at, end; /* what of it is unread */
	uint8_t *window;
	size_t room;
	uint64_t size;
	bool ended;
};

static int stream_create(struct ks_stream **stream)
{
	struct ks_stream *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	*stream = new;
	return 0;
}

/* Opening a directory succeeds and reading it fails oddly: refuse it here. */
static int open_input(const char *path, uint64_t *size)
{
	struct stat st;
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || S_ISDIR(st.st_mode)) {
		close(fd);
		return -EISDIR;
	}
	*size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return fd;
}

int ks_stream_open(const char *path, struct ks_stream **stream)
{
	struct ks_stream *new;
	uint64_t size = 0;
	int fd = open_input(path, &size), err;

	if (fd < 0)
		return fd;
	err = stream_create(&new);
	if (err) {
		close(fd);
		return err;
	}
	new->size = size;
	new->gz = gzdopen(fd, "rb");
	new->window = malloc(WINDOW_FIRST);
	new->room = WINDOW_FIRST;
	new->data = new->window;
	if (!new->gz || !new->window) {
		if (!new->gz)
			close(fd);
		ks_stream_close(new);
		return -ENOMEM;
	}
	gzbuffer(new->gz, WINDOW_FIRST);
	*stream = new;
	return 0;
}

int ks_stream_open_memory(const void *data, size_t size, struct ks_stream **stream)
{
	int err = stream_create(stream);

	if (err)
		return err;
	(*stream)->data = data;
	(*stream)->end = size;
	(*stream)->size = size;
	(*stream)->ended = true;
	return 0;
}

void ks_stream_close(struct ks_stream *stream)
{
	if (!stream)
		return;
	if (stream->gz)
		gzclose(stream->gz);
	free(stream->window);
	free(stream);
}

/* Moves what is unread to the front, in a larger window if it must hold more. */
static int window_make_room(struct ks_stream *stream, size_t want)
{
	size_t left = stream->end - stream->at;

	if (want > stream->room) {
		size_t room = stream->room;
		uint8_t *window;

		while (room < want)
			room *= 2;
		window = malloc(room);
		if (!window)
			return -ENOMEM;
		memcpy(window, stream->window + stream->at, left);
		free(stream->window);
		stream->window = window;
		stream->room = room;
	} else {
		memmove(stream->window, stream->window + stream->at, left);
	}
	stream->data = stream->window;
	stream->at = 0;
	stream->end = left;
	return 0;
}

static int window_fill(struct ks_stream *stream)
{
	int got = gzread(stream->gz, stream->window + stream->end, (unsigned)(stream->room - stream->end));

	if (got < 0)
		return -EIO;
	stream->end += (size_t)got;
	stream->ended = got == 0;
	return 0;
}

ssize_t ks_stream_peek(struct ks_stream *stream, size_t want, const uint8_t **data)
{
	int err = 0;

	if (stream->end - stream->at < want && !stream->ended) {
		if (stream->at + want > stream->room)
			err = window_make_room(stream, want);
		while (!err && !stream->ended && stream->end - stream->at < want)
			err = window_fill(stream);
		if (err)
			return err;
	}
	*data = stream->data + stream->at;
	return (ssize_t)(stream->end - stream->at < want ? stream->end - stream->at : want);
}

void ks_stream_skip(struct ks_stream *stream, size_t count)
{
	assert(count <= stream->end - stream->at);
	stream->at += count;
}

const char *ks_stream_error(const struct ks_stream *stream)
{
	const char *text;
	int err = Z_OK;

	if (!stream->gz)
		return "end of input";
	text = gzerror(stream->gz, &err);
	if (err == Z_ERRNO)
		return strerror(errno);
	return err == Z_BUF_ERROR ? "the compressed file ends too early" : text;
}

uint64_t ks_stream_offset(const struct ks_stream *stream)
{
	z_off_t offset;

	if (!stream->gz)
		return stream->at;
	offset = gzoffset(stream->gz);
	return offset < 0 ? 0 : (uint64_t)offset;
}

uint64_t ks_stream_size(const struct ks_stream *stream)
{
	return stream->size;
}
