/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/1.1 over a connected unix socket, as much as the control API needs: one
 * request, one answer whose body has a Content-Length, comes in chunks, or ends
 * with the connection. Every line and size of an answer is bounded. A library for
 * all of HTTP would bring TLS, LDAP and Kerberos into a program that root runs.
 *
 *	ks_http_begin(&http, fd, waits, arg);
 *	ks_http_send(&http, "GET", "/v1/status", NULL);
 *	ks_http_read_head(&http, &status);
 *	while ((size = ks_http_read_body(&http, buf, sizeof(buf))) > 0)
 *		...
 *
 * Errors are -errno: -EPROTO for an answer that is no HTTP, -ECONNRESET for one that breaks off, or what
 * the caller's function returned.
 */
#ifndef KS_CLI_HTTP_H
#define KS_CLI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define KS_HTTP_LINE_MAX 8192
#define KS_HTTP_HEADERS_MAX 100

/* Called when nothing has come for KS_HTTP_PATIENCE_MS. Returns 0 to go on waiting, or -errno to give up. */
typedef int ks_http_wait_fn(void *arg);

#define KS_HTTP_PATIENCE_MS 1000

enum ks_http_framing {
	KS_HTTP_UNTIL_CLOSE,
	KS_HTTP_LENGTH, /* `left` bytes are still to come */
	KS_HTTP_CHUNKED, /* `left` bytes of this chunk */
	KS_HTTP_ENDED,
};

struct ks_http {
	int fd; /* the caller's, not blocking */
	ks_http_wait_fn *waits;
	void *arg;
	const char *accept; /* the types that the answer may have; NULL: whichever */
	enum ks_http_framing framing;
	unsigned long long left;
	bool chunk_begun;
	size_t at, end; /* read and not yet taken: in[at..end] */
	char in[65536];
};

void ks_http_begin(struct ks_http *http, int fd, ks_http_wait_fn *waits, void *arg);

/* Sends a request; body may be NULL. */
int ks_http_send(struct ks_http *http, const char *method, const char *target, const char *body);

/* Reads the head of the answer. */
int ks_http_read_head(struct ks_http *http, int *status);

/* Reads a part of the body. Returns its size, 0 at the end, or -errno. */
ssize_t ks_http_read_body(struct ks_http *http, char *buf, size_t size);

#endif
