/* SPDX-License-Identifier: BSD-2-Clause */
/* See http.h. */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/http.h"
#include "core/types.h"
#include "text/memory_file.h"

#define LENGTH_DIGITS_MAX 18 /* of a decimal length: below 2^63 */
#define STATUS_DIGITS 3
#define CHUNK_DIGITS_MAX 15 /* of a hexadecimal size */

void ks_http_begin(struct ks_http *http, int fd, ks_http_wait_fn *waits, void *arg)
{
	http->fd = fd;
	http->waits = waits;
	http->arg = arg;
	http->accept = NULL;
	http->framing = KS_HTTP_UNTIL_CLOSE;
	http->left = 0;
	http->chunk_begun = false;
	http->at = http->end = 0;
}

/* Returns 0 when the socket is ready, or -errno. */
static int wait_for(struct ks_http *http, short events)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = http->fd, .events = events };
		int n = poll(&poll_fd, 1, KS_HTTP_PATIENCE_MS);
		int err;

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		err = n ? 0 : http->waits(http->arg);
		if (err)
			return err;
	}
}

static int send_all(struct ks_http *http, const char *data, size_t size)
{
	while (size) {
		ssize_t n = send(http->fd, data, size, MSG_NOSIGNAL);
		int err;

		if (n >= 0) {
			data += n;
			size -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_for(http, POLLOUT);
		if (err)
			return err;
	}
	return 0;
}

int ks_http_send(struct ks_http *http, const char *method, const char *target, const char *body)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;
	int err = ks_memory_file_open(&file);

	if (err)
		return err;
	fprintf(file.out, "%s %s HTTP/1.1\r\nHost: keepstate\r\nConnection: close\r\n", method, target);
	if (http->accept)
		fprintf(file.out, "Accept: %s\r\n", http->accept);
	if (body)
		fprintf(file.out, "Content-Type: application/json\r\n");
	if (body || strcmp(method, "GET"))
		fprintf(file.out, "Content-Length: %zu\r\n", body ? strlen(body) : 0);
	fprintf(file.out, "\r\n%s", body ? body : "");
	text = ks_memory_file_take(&file);
	return text ? send_all(http, text, strlen(text)) : -ENOMEM;
}

/* Reads more into the empty buffer. Returns 1, 0 at the end of the connection, or -errno. */
static int fill(struct ks_http *http)
{
	for (;;) {
		ssize_t n = recv(http->fd, http->in, sizeof(http->in), 0);
		int err;

		if (n >= 0) {
			http->at = 0;
			http->end = (size_t)n;
			return n > 0;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_for(http, POLLIN);
		if (err)
			return err;
	}
}

/* Reads a line without its end, CRLF or LF. Returns 0 or -errno. */
static int read_line(struct ks_http *http, char line[KS_HTTP_LINE_MAX])
{
	size_t used = 0;

	for (;;) {
		int n = http->at < http->end ? 1 : fill(http);
		char c;

		if (n <= 0)
			return n ? n : -ECONNRESET;
		c = http->in[http->at++];
		if (c == '\n')
			break;
		if (!c || used + 1 >= KS_HTTP_LINE_MAX)
			return -EPROTO;
		line[used++] = c;
	}
	if (used && line[used - 1] == '\r')
		used--;
	line[used] = '\0';
	return 0;
}

/* "HTTP/1.1 200 OK" */
static int parse_status(const char *line, int *status)
{
	const char *code = line + sizeof("HTTP/1.1 ") - 1;

	if (strncmp(line, "HTTP/1.1 ", 9) && strncmp(line, "HTTP/1.0 ", 9))
		return -EPROTO;
	if (strspn(code, "0123456789") != STATUS_DIGITS || (code[3] && code[3] != ' '))
		return -EPROTO;
	*status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
	return 0;
}

/* Digits only; returns -EPROTO for anything else, and for too many. */
static int parse_length(const char *text, unsigned long long *length)
{
	unsigned long long value = 0;
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[digits] || digits > LENGTH_DIGITS_MAX)
		return -EPROTO;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	*length = value;
	return 0;
}

static int take_header(struct ks_http *http, const char *line)
{
	const char *colon = strchr(line, ':');
	const char *value = colon ? colon + 1 + strspn(colon + 1, " \t") : NULL;
	size_t length = colon ? (size_t)(colon - line) : 0;

	if (!length)
		return -EPROTO;
	if (length == sizeof("Content-Length") - 1 && !strncasecmp(line, "Content-Length", length)) {
		if (http->framing != KS_HTTP_UNTIL_CLOSE || parse_length(value, &http->left))
			return -EPROTO;
		http->framing = KS_HTTP_LENGTH;
	}
	if (length == sizeof("Transfer-Encoding") - 1 && !strncasecmp(line, "Transfer-Encoding", length)) {
		if (http->framing != KS_HTTP_UNTIL_CLOSE || strcasecmp(value, "chunked"))
			return -EPROTO;
		http->framing = KS_HTTP_CHUNKED;
	}
	return 0;
}

/* One head; *status may be 100 to 199, and another head follows then. */
static int read_one_head(struct ks_http *http, int *status)
{
	char line[KS_HTTP_LINE_MAX] = "";
	int err = read_line(http, line);

	if (!err)
		err = parse_status(line, status);
	for (unsigned n = 0; !err; n++) {
		err = read_line(http, line);
		if (err || !*line)
			return err;
		err = n < KS_HTTP_HEADERS_MAX ? take_header(http, line) : -EPROTO;
	}
	return err;
}

int ks_http_read_head(struct ks_http *http, int *status)
{
	int err, value = 0;

	for (unsigned n = 0; n < KS_HTTP_HEADERS_MAX; n++) {
		err = read_one_head(http, &value);
		if (err)
			return err;
		if (value < 100)
			return -EPROTO;
		if (value >= 200) {
			*status = value;
			return 0;
		}
	}
	return -EPROTO;
}

/* "1f4", perhaps with an extension behind a semicolon. */
static int parse_chunk_size(const char *line, unsigned long long *size)
{
	size_t digits = strspn(line, "0123456789abcdefABCDEF");
	unsigned long long value = 0;

	if (!digits || digits > CHUNK_DIGITS_MAX || (line[digits] && !strchr("; \t", line[digits])))
		return -EPROTO;
	for (size_t i = 0; i < digits; i++) {
		unsigned char c = (unsigned char)line[i];

		value = value * 16 + (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	*size = value;
	return 0;
}

/* Reads lines up to an empty one. */
static int skip_trailer(struct ks_http *http)
{
	char line[KS_HTTP_LINE_MAX] = "";

	for (unsigned n = 0; n <= KS_HTTP_HEADERS_MAX; n++) {
		int err = read_line(http, line);

		if (err || !*line)
			return err;
	}
	return -EPROTO;
}

/* Begins the next chunk; the last one, which is empty, ends the answer. */
static int next_chunk(struct ks_http *http)
{
	char line[KS_HTTP_LINE_MAX] = "";
	int err = http->chunk_begun ? read_line(http, line) : 0; /* behind the chunk before */

	if (!err && http->chunk_begun && *line)
		err = -EPROTO;
	http->chunk_begun = true;
	if (!err)
		err = read_line(http, line);
	if (!err)
		err = parse_chunk_size(line, &http->left);
	if (err || http->left)
		return err;
	http->framing = KS_HTTP_ENDED;
	return skip_trailer(http);
}

/* Returns 1 if there is more of the body, 0 at its end, or -errno. */
static int more_body(struct ks_http *http)
{
	int n;

	if (http->framing == KS_HTTP_CHUNKED && !http->left) {
		n = next_chunk(http);
		if (n)
			return n;
	}
	if (http->framing == KS_HTTP_ENDED || (http->framing == KS_HTTP_LENGTH && !http->left))
		return 0;
	n = http->at < http->end ? 1 : fill(http);
	return n || http->framing == KS_HTTP_UNTIL_CLOSE ? n : -ECONNRESET;
}

ssize_t ks_http_read_body(struct ks_http *http, char *buf, size_t size)
{
	int n = more_body(http);

	if (n <= 0)
		return n;
	size = KS_MIN(size, http->end - http->at);
	if (http->framing != KS_HTTP_UNTIL_CLOSE) {
		size = (size_t)KS_MIN((unsigned long long)size, http->left);
		http->left -= size;
	}
	memcpy(buf, http->in + http->at, size);
	http->at += size;
	return (ssize_t)size;
}
