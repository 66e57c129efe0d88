/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers of the daemon, see opener.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "journal/opener.h"
#include "text/scoped.h"

#define LINE_MAX_BYTES (64U << 20) /* the policy's text comes in one line */
#define PATIENCE 10 /* of KS_HTTP_PATIENCE_MS */

/* The beginning of a line whose end has not come. */
struct part {
	char *buf;
	size_t used, room;
};

static void part_fini(struct part *part)
{
	free(part->buf);
}

KS_SCOPED_STRUCT(auto_part, struct part, part_fini)

static int part_add(struct part *part, const char *data, size_t size)
{
	size_t room = part->room ? part->room : 4096;
	char *larger;

	while (room < part->used + size + 1)
		room *= 2;
	if (room > LINE_MAX_BYTES)
		return -EMSGSIZE;
	if (room != part->room) {
		larger = realloc(part->buf, room);
		if (!larger)
			return -ENOMEM;
		part->buf = larger;
		part->room = room;
	}
	memcpy(part->buf + part->used, data, size);
	part->used += size;
	part->buf[part->used] = '\0';
	return 0;
}

/* Hands whole lines over. Returns 1 if the taker has enough, or -errno. */
static int take_lines(struct part *part, const char *data, size_t size, ks_answer_fn *take, void *arg)
{
	const char *end;

	while ((end = memchr(data, '\n', size))) {
		size_t length = (size_t)(end - data);
		int err = part_add(part, data, length);

		if (err)
			return err;
		if (take(part->buf, part->used, arg))
			return 1;
		part->used = 0;
		data += length + 1;
		size -= length + 1;
	}
	return size ? part_add(part, data, size) : 0;
}

static int read_head(struct ks_http *http)
{
	int status = 0, err = ks_http_read_head(http, &status);

	return err || status == 200 ? err : -EPROTO;
}

int ks_answer_lines(int fd, ks_patience_fn *waits, ks_answer_fn *take, void *arg)
{
	ks_auto_free struct ks_http *http = malloc(sizeof(*http));
	ks_scoped(auto_part) struct part part = { 0 };
	char data[16384];
	ssize_t size;
	int err;

	if (!http)
		return -ENOMEM;
	ks_http_begin(http, fd, waits, arg);
	err = read_head(http);
	while (!err && (size = ks_http_read_body(http, data, sizeof(data)))) {
		if (size < 0)
			return (int)size;
		err = take_lines(&part, data, (size_t)size, take, arg);
	}
	if (!err && part.used) /* the last line has no end */
		take(part.buf, part.used, arg);
	return err > 0 ? 0 : err;
}

struct one_answer {
	json_t *value;
	unsigned waits;
};

static int take_object(const char *line, size_t size, void *arg)
{
	struct one_answer *answer = arg;

	answer->value = json_loadb(line, size, 0, NULL);
	return 1;
}

static int wait_a_while(void *arg)
{
	struct one_answer *answer = arg;

	return ++answer->waits > PATIENCE ? -ETIMEDOUT : 0;
}

int ks_answer_json(enum ks_source source, json_t **value)
{
	ks_auto_fd int fd = ks_opener_ask(source);
	struct one_answer answer = { 0 };
	int err;

	if (fd < 0)
		return fd;
	err = ks_answer_lines(fd, wait_a_while, take_object, &answer);
	if (err || !json_is_object(answer.value)) {
		json_decref(answer.value);
		return err ?: -EPROTO;
	}
	*value = answer.value;
	return 0;
}
