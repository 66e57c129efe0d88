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
	const uint8_t *data; /* the bytes in view: `window`, or memory given by the caller */
	size_t at, end; /* the part of it that is unread */
	uint8_t *window;
	size_t room;
	uint64_t size;
	bool ended;
};

/* Returns a descriptor or -errno, and the size of a file. A directory can be opened but not read, so it is refused here. */
static int input_open(const char *path, uint64_t *size)
{
	ks_auto_fd int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	*size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return TAKE_FD(fd);
}

int ks_stream_open(const char *path, struct ks_stream **stream)
{
	ks_auto_stream struct ks_stream *made = NULL;
	uint64_t size = 0;
	ks_auto_fd int fd = input_open(path, &size);

	if (fd < 0)
		return fd;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->window = malloc(WINDOW_FIRST);
	if (!made->window)
		return -ENOMEM;
	made->gz = gzdopen(fd, "rb");
	if (!made->gz)
		return -ENOMEM;
	fd = -1; /* gz closes it */
	gzbuffer(made->gz, WINDOW_FIRST);
	made->size = size;
	made->room = WINDOW_FIRST;
	made->data = made->window;
	*stream = TAKE(made);
	return 0;
}

int ks_stream_open_memory(const void *data, size_t size, struct ks_stream **stream)
{
	struct ks_stream *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->data = data;
	made->end = size;
	made->size = size;
	made->ended = true;
	*stream = made;
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

/* Moves the unread bytes to the front, in a larger window if `want` bytes do not fit. */
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
	int err = Z_OK;

	if (got < 0) {
		gzerror(stream->gz, &err);
		return err == Z_MEM_ERROR ? -ENOMEM : -EIO;
	}
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
