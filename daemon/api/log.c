/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/log: events as they happen. The connection sleeps while there are none
 * (MHD_suspend_connection). An empty line every few seconds shows if the client is
 * still there: writing to one that is gone fails.
 */
#include <errno.h>
#include <stdlib.h>

#include "daemon/api/api.h"
#include "daemon/events.h"
#include "text/scoped.h"

struct log_stream {
	struct MHD_Connection *connection;
	struct ks_follower *follower;
	struct ks_places *places; /* of its socket; it has one of them */
};

static void wake_connection(void *arg)
{
	struct log_stream *stream = arg;

	MHD_resume_connection(stream->connection);
}

static ssize_t log_stream_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct log_stream *stream = state;
	ssize_t n = ks_follower_read(stream->follower, buf, max);

	if (n < 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!n)
		MHD_suspend_connection(stream->connection);
	return n;
}

static void log_stream_destroy(void *state)
{
	struct log_stream *stream = state;

	ks_follower_destroy(stream->follower);
	stream->places->taken--;
	free(stream);
}

enum MHD_Result ks_api_log(struct ks_request *request)
{
	ks_auto_free struct log_stream *stream = NULL;
	struct ks_filter filter;
	enum MHD_Result result;

	if (!ks_api_filter(request, KS_FILTER_EVENTS, NULL, &filter, &result))
		return result;
	if (request->followers->taken >= request->followers->max)
		return ks_api_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%u clients follow the log already",
				     request->followers->max);
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return MHD_NO;
	stream->connection = request->connection;
	stream->follower = ks_events_follow(request->daemon->events, &filter, wake_connection, stream);
	if (!stream->follower)
		return MHD_NO;
	stream->places = request->followers;
	stream->places->taken++;
	return ks_api_stream(request, "application/x-ndjson", log_stream_read, TAKE(stream), log_stream_destroy);
}
