/* SPDX-License-Identifier: BSD-2-Clause */
/* Octet streams for capture readers; see source.h. zlib reads plain files as they are. */
#include "host/source.h"

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

struct ks_source {
	gzFile gz; /* NULL for memory */
	const uint8_t *data; /* the window; memory given by the caller, or `window` */
	size_t at, end; /* what of it is unread */
	uint8_t *window;
	size_t room;
	uint64_t size;
	bool ended;
};

static int source_create(struct ks_source **source)
{
	struct ks_source *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	*source = new;
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

int ks_source_open(const char *path, struct ks_source **source)
{
	struct ks_source *new;
	uint64_t size;
	int fd = open_input(path, &size), err;

	if (fd < 0)
		return fd;
	err = source_create(&new);
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
		ks_source_close(new);
		return -ENOMEM;
	}
	gzbuffer(new->gz, WINDOW_FIRST);
	*source = new;
	return 0;
}

int ks_source_open_memory(const void *data, size_t size, struct ks_source **source)
{
	int err = source_create(source);

	if (err)
		return err;
	(*source)->data = data;
	(*source)->end = size;
	(*source)->size = size;
	(*source)->ended = true;
	return 0;
}

void ks_source_close(struct ks_source *source)
{
	if (!source)
		return;
	if (source->gz)
		gzclose(source->gz);
	free(source->window);
	free(source);
}

/* Moves what is unread to the front, in a larger window if it must hold more. */
static int window_make_room(struct ks_source *source, size_t want)
{
	size_t left = source->end - source->at;

	if (want > source->room) {
		size_t room = source->room;
		uint8_t *window;

		while (room < want)
			room *= 2;
		window = malloc(room);
		if (!window)
			return -ENOMEM;
		memcpy(window, source->window + source->at, left);
		free(source->window);
		source->window = window;
		source->room = room;
	} else {
		memmove(source->window, source->window + source->at, left);
	}
	source->data = source->window;
	source->at = 0;
	source->end = left;
	return 0;
}

static int window_fill(struct ks_source *source)
{
	int got = gzread(source->gz, source->window + source->end, (unsigned)(source->room - source->end));

	if (got < 0)
		return -EIO;
	source->end += (size_t)got;
	source->ended = got == 0;
	return 0;
}

ssize_t ks_source_peek(struct ks_source *source, size_t want, const uint8_t **data)
{
	int err = 0;

	if (source->end - source->at < want && !source->ended) {
		if (source->at + want > source->room)
			err = window_make_room(source, want);
		while (!err && !source->ended && source->end - source->at < want)
			err = window_fill(source);
		if (err)
			return err;
	}
	*data = source->data + source->at;
	return (ssize_t)(source->end - source->at < want ? source->end - source->at : want);
}

void ks_source_skip(struct ks_source *source, size_t count)
{
	assert(count <= source->end - source->at);
	source->at += count;
}

const char *ks_source_error(const struct ks_source *source)
{
	const char *text;
	int err = Z_OK;

	if (!source->gz)
		return "end of input";
	text = gzerror(source->gz, &err);
	if (err == Z_ERRNO)
		return strerror(errno);
	return err == Z_BUF_ERROR ? "the compressed file ends too early" : text;
}

uint64_t ks_source_offset(const struct ks_source *source)
{
	z_off_t offset;

	if (!source->gz)
		return source->at;
	offset = gzoffset(source->gz);
	return offset < 0 ? 0 : (uint64_t)offset;
}

uint64_t ks_source_size(const struct ks_source *source)
{
	return source->size;
}
