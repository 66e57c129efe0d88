/* SPDX-License-Identifier: BSD-2-Clause */
/* See upstream.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page/upstream.h"
#include "text/memory_file.h"
#include "text/scoped.h"

#define KS_PATIENCE 30 /* seconds; the daemon is silent while it verifies programs for a reload */
#define KS_PATIENCE_STREAM 15 /* it sends something every five */
#define KS_ANSWER_MAX (64U << 20)

static int waits(void *arg)
{
	struct ks_upstream *upstream = arg;

	return ++upstream->waited >= upstream->patience ? -ETIMEDOUT : 0;
}

void ks_upstream_close(struct ks_upstream *upstream)
{
	if (!upstream)
		return;
	if (upstream->http.fd >= 0)
		close(upstream->http.fd);
	free(upstream);
}

KS_SCOPED(auto_upstream, struct ks_upstream *, ks_upstream_close)

int ks_upstream_open(int opener, const struct ks_upstream_call *call, struct ks_upstream **upstream)
{
	ks_scoped(auto_upstream) struct ks_upstream *new = calloc(1, sizeof(*new));
	int fd = -1, err;

	if (!new)
		return -ENOMEM;
	new->http.fd = -1;
	new->patience = call->stays ? KS_PATIENCE_STREAM : KS_PATIENCE;
	err = ks_opener_ask(opener, call->socket, -1, &fd, NULL);
	if (err)
		return err;
	ks_http_begin(&new->http, fd, waits, new);
	err = ks_http_send(&new->http, call->method, call->target, call->body)
		      ?: ks_http_read_head(&new->http, &new->status);
	if (err)
		return err;
	*upstream = TAKE(new);
	return 0;
}

ssize_t ks_upstream_read(struct ks_upstream *upstream, char *buf, size_t size)
{
	upstream->waited = 0;
	return ks_http_read_body(&upstream->http, buf, size);
}

/* Copies the whole body. Returns 0 or -errno. */
static int copy_body(struct ks_upstream *upstream, FILE *out)
{
	size_t total = 0;
	char buf[16384];
	ssize_t n;

	while ((n = ks_upstream_read(upstream, buf, sizeof(buf))) > 0) {
		total += (size_t)n;
		if (total > KS_ANSWER_MAX)
			return -EFBIG;
		if (fwrite(buf, 1, (size_t)n, out) != (size_t)n)
			return -ENOMEM;
	}
	return (int)n;
}

int ks_upstream_json(int opener, const struct ks_upstream_call *call, int *status, json_t **answer)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_scoped(auto_upstream) struct ks_upstream *upstream = NULL;
	ks_auto_free char *text = NULL;
	int err = ks_memory_file_open(&file) ?: ks_upstream_open(opener, call, &upstream);

	if (!err)
		err = copy_body(upstream, file.out);
	if (err)
		return err;
	text = ks_memory_file_take(&file);
	if (!text)
		return -ENOMEM;
	*status = upstream->status;
	*answer = json_loads(text, 0, NULL);
	return 0;
}

const char *ks_upstream_complaint(enum ks_opener_wish socket, int err)
{
	if (socket == KS_OPEN_JOURNAL)
		return "no journal runs, so there is nothing of before: only what is live";
	if (err == -ENOENT || err == -ECONNREFUSED)
		return "no daemon answers; if the firewall is in force, the kernel filters on without it";
	if (err == -EACCES)
		return "the page may not use the daemon's socket: start it as root, or put its user into the group "
		       "keepstate";
	if (err == -EPERM)
		return "this page was started without --allow-actions, so it can change nothing";
	if (err == -ETIMEDOUT || err == -EAGAIN)
		return "the daemon is busy and did not answer in time";
	return "the daemon's answer broke off";
}
