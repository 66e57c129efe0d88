/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths of the control API and of the journal, passed on as they are: /api/v1/status is GET /v1/status of read.sock. */
#include <stdlib.h>
#include <string.h>

#include "page/upstream.h"
#include "page/web.h"
#include "text/scoped.h"

#define KS_API "/api"
#define KS_API_JOURNAL "/api/journal"

static ssize_t proxy_read(void *state, uint64_t position, char *buf, size_t max)
{
	ssize_t n = ks_upstream_read(state, buf, max);

	if (n < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return n ? n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void proxy_destroy(void *state)
{
	ks_upstream_close(state);
}

static enum MHD_Result pass_on(struct ks_web_request *request, enum ks_opener_wish socket, const char *target)
{
	const struct ks_upstream_call call = {
		.socket = socket, .method = request->method, .target = target, .body = request->body
	};
	struct ks_upstream *upstream = NULL;
	int err = ks_upstream_open(request->page->opener, &call, &upstream);

	if (err)
		return ks_web_refuse(request, MHD_HTTP_BAD_GATEWAY, "%s", ks_upstream_complaint(socket, err));
	return ks_web_stream(request, (unsigned)upstream->status, "application/json", proxy_read, upstream,
			     proxy_destroy);
}

enum MHD_Result ks_web_proxy(struct ks_web_request *request)
{
	return pass_on(request, KS_OPEN_READ, request->target + strlen(KS_API));
}

enum MHD_Result ks_web_proxy_control(struct ks_web_request *request)
{
	return pass_on(request, KS_OPEN_CONTROL, request->target + strlen(KS_API));
}

enum MHD_Result ks_web_proxy_journal(struct ks_web_request *request)
{
	return pass_on(request, KS_OPEN_JOURNAL, request->target + strlen(KS_API_JOURNAL));
}
