/* SPDX-License-Identifier: BSD-2-Clause */
/* See memory_file.h. */
#include "text/memory_file.h"

#include <errno.h>
#include <string.h>

#include "core/types.h"

#define ROOM_MIN 256U

/* Makes room for `length` more bytes and a NUL behind them. */
static int reserve_memory(struct ks_memory_file *file, size_t length)
{
	size_t room = KS_MAX(file->room, (size_t)ROOM_MIN);
	char *text;

	while (room <= file->length + length)
		room *= 2;
	if (room == file->room)
		return 0;
	text = realloc(file->text, room);
	if (!text)
		return -ENOMEM;
	file->text = text;
	file->room = room;
	return 0;
}

/* Returns 0 if nothing could be written, as fopencookie() wants it. */
static ssize_t write_memory(void *cookie, const char *data, size_t length)
{
	struct ks_memory_file *file = cookie;

	if (reserve_memory(file, length)) {
		file->failed = true;
		return 0;
	}
	memcpy(file->text + file->length, data, length);
	file->length += length;
	return (ssize_t)length;
}

int ks_memory_file_open(struct ks_memory_file *file)
{
	*file = (struct ks_memory_file){ 0 };
	if (!reserve_memory(file, 0))
		file->out = fopencookie(file, "w", (cookie_io_functions_t){ .write = write_memory });
	if (file->out)
		return 0;
	ks_memory_file_fini(file);
	return -ENOMEM;
}

char *ks_memory_file_take(struct ks_memory_file *file)
{
	FILE *out = TAKE(file->out);

	if (fclose(out) || file->failed)
		return NULL;
	file->text[file->length] = '\0';
	return TAKE(file->text);
}

void ks_memory_file_fini(struct ks_memory_file *file)
{
	if (file->out)
		fclose(file->out);
	free(file->text);
	*file = (struct ks_memory_file){ 0 };
}
