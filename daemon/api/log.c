/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/log: events as they happen. The connection sleeps while there are none
 * (MHD_suspend_connection). An empty line every few seconds shows if the client is
 * still there: writing to one that is gone fails.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Kinds of events by their names. */
static const struct {
	const char *name;
	unsigned hears;
} kinds[] = {
	{ "drop", KS_HEARS_DROP },
	{ "pass", KS_HEARS_PASS },
	{ "begin", KS_HEARS_FLOW(KS_EVENT_BEGIN) },
	{ "established", KS_HEARS_FLOW(KS_EVENT_ESTABLISHED) },
	{ "end", KS_HEARS_FLOW(KS_EVENT_END) },
};

/* Returns the bit of a kind, 0 if there is none with this name. */
static unsigned kind_of(const char *name, size_t length)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == length && !strncmp(kinds[i].name, name, length))
			return kinds[i].hears;
	}
	return 0;
}

/* Parses "begin,end". Returns 0 if a kind is unknown, or none is named. */
static unsigned kinds_parse(const char *text)
{
	unsigned hears = 0;

	for (;;) {
		size_t length = strcspn(text, ",");
		unsigned one = kind_of(text, length);

		if (!one)
			return 0;
		hears |= one;
		if (!text[length])
			return hears;
		text += length + 1;
	}
}

/* Adds KS_HEARS_OCTETS if the first bytes of packets are wanted. */
static bool read_octets(struct ks_request *request, unsigned *hears, enum MHD_Result *result)
{
	const char *octets = ks_api_parameter(request, "octets");

	if (octets && strcmp(octets, "1"))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "octets: '%.60s' is not right; give 1", octets);
	else if (octets && !(*hears & KS_HEARS_PACKETS))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST,
					"octets: only packets have them; let events name drop or pass");
	else {
		*hears |= octets ? KS_HEARS_OCTETS : 0;
		return true;
	}
	return false;
}

/* Only who keeps the journal has the door by which that comes, and hears of everything. */
static bool read_backlog(struct ks_request *request, unsigned hears, bool *backlog, enum MHD_Result *result)
{
	const char *wish = ks_api_parameter(request, "backlog");

	*backlog = wish != NULL;
	if (!wish || (!strcmp(wish, "1") && hears == (KS_HEARS_PACKETS | KS_HEARS_FLOWS)))
		return true;
	*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "backlog: give 1, with flows=1 and without octets");
	return false;
}

static bool read_kinds(struct ks_request *request, unsigned *hears, enum MHD_Result *result)
{
	const char *events = ks_api_parameter(request, "events"), *flows = ks_api_parameter(request, "flows");

	*hears = KS_HEARS_PACKETS | (flows ? KS_HEARS_FLOWS : 0);
	if (flows && strcmp(flows, "1"))
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "flows: '%.60s' is not right; give 1", flows);
	else if (flows && events)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "give either flows or events, not both");
	else if (events && !(*hears = kinds_parse(events)))
		*result =
			ks_api_refuse(request, MHD_HTTP_BAD_REQUEST,
				      "events: '%.60s' is not right; give some of begin, established, end, drop, pass, "
				      "with commas between them",
				      events);
	else
		return true;
	return false;
}

enum MHD_Result ks_api_log(struct ks_request *request)
{
	static const char *const others[] = { "events", "flows", "octets", "backlog", NULL };
	ks_auto_free struct log_stream *stream = NULL;
	struct ks_filter filter;
	enum MHD_Result result;
	unsigned hears;
	bool backlog;

	if (!read_kinds(request, &hears, &result) || !read_octets(request, &hears, &result) ||
	    !read_backlog(request, hears, &backlog, &result) ||
	    !ks_api_filter(request,
			   (hears & KS_HEARS_PACKETS ? KS_FILTER_EVENTS : 0) |
				   (hears & KS_HEARS_FLOWS ? KS_FILTER_TOLD : 0),
			   others, &filter, &result))
		return result;
	if (request->followers->taken >= request->followers->max)
		return ks_api_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%u clients follow the log already",
				     request->followers->max);
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return MHD_NO;
	stream->connection = request->connection;
	stream->follower = ks_events_follow(request->daemon->events, &filter, hears, wake_connection, stream);
	if (!stream->follower)
		return MHD_NO;
	if (backlog && !filter.conditions)
		ks_follower_take_backlog(stream->follower);
	stream->places = request->followers;
	stream->places->taken++;
	return ks_api_stream(request, "application/x-ndjson", log_stream_read, TAKE(stream), log_stream_destroy);
}
