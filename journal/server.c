/* SPDX-License-Identifier: BSD-2-Clause */
/* See server.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"
#include "journal/server.h"
#include "journal/stream.h"
#include "journal/when.h"
#include "text/json.h"

#define THREADS 4U
#define CONNECTIONS_MAX 64U
#define IDLE_SECONDS 30U
#define PARAMETERS_MAX 10

typedef enum MHD_Result answer_fn(struct ks_inquiry *inquiry);

static enum MHD_Result answer_state(struct ks_inquiry *inquiry);

static const struct route {
	const char *path;
	answer_fn *answer;
	bool filters; /* knows the conditions of where.h */
	const char *parameters[PARAMETERS_MAX];
} routes[] = {
	{ "/v1/journal", answer_state, false, {} },
	{ "/v1/history", ks_answer_history, true, { "since", "until", "after", "before", "order", "limit", "follow" } },
	{ "/v1/flows", ks_answer_flows, true, { "since", "until", "after", "before", "order", "limit", "at", "who" } },
	{ "/v1/figures", ks_answer_figures, false, { "span", "since", "until" } },
	{ "/v1/policies", ks_answer_policies, false, { "at" } },
};

const char *ks_inquiry_wish(const struct ks_inquiry *inquiry, const char *name)
{
	for (size_t i = 0; i < inquiry->count; i++) {
		if (!strcmp(inquiry->wish[i].name, name))
			return inquiry->wish[i].value;
	}
	return NULL;
}

static enum MHD_Result send_text(struct ks_inquiry *inquiry, unsigned status, const char *type, char *text)
{
	struct MHD_Response *response =
		text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL;
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(inquiry->connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result ks_inquiry_answer(struct ks_inquiry *inquiry, unsigned status, json_t *value)
{
	ks_auto_json json_t *owned = value;

	return send_text(inquiry, status, "application/json",
			 owned ? json_dumps(owned, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL);
}

enum MHD_Result ks_inquiry_text(struct ks_inquiry *inquiry, char *text)
{
	return send_text(inquiry, MHD_HTTP_OK, "application/x-ndjson", text);
}

enum MHD_Result ks_inquiry_refuse(struct ks_inquiry *inquiry, unsigned status, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return ks_inquiry_answer(inquiry, status, json_pack("{s:o}", "error", ks_json_text(text)));
}

/* Counts by the first and the last number: exact enough, and for nothing. */
static void add_counts(sqlite3 *db, json_t **value)
{
	static const struct {
		const char *member, *sql;
		bool is_time;
	} counts[] = {
		{ "entries", "SELECT coalesce(max(id) - min(id) + 1, 0) FROM entry", false },
		{ "flows", "SELECT coalesce(max(id) - min(id) + 1, 0) FROM flow", false },
		{ "oldest", "SELECT min(time) FROM entry", true },
		{ "newest", "SELECT max(time) FROM entry", true },
	};
	char text[KS_WHEN_TEXT];

	for (size_t i = 0; i < KS_ARRAY_SIZE(counts); i++) {
		int64_t number = 0;

		ks_store_ask(db, counts[i].sql, &number);
		if (counts[i].is_time)
			ks_json_set(value, counts[i].member,
				    number ? json_string(ks_when_text(number, text)) : json_null());
		else
			ks_json_set(value, counts[i].member, json_integer(number));
	}
}

static enum MHD_Result answer_state(struct ks_inquiry *inquiry)
{
	json_t *value = ks_keeper_json(inquiry->server->keeper);
	ks_auto_db sqlite3 *db = NULL;

	if (value && !ks_store_read(inquiry->server->path, &db))
		add_counts(db, &value);
	return ks_inquiry_answer(inquiry, MHD_HTTP_OK, value);
}

static enum MHD_Result take_wish(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct ks_inquiry *inquiry = cls;

	if (inquiry->count == KS_SERVER_WISHES) {
		inquiry->too_many = true;
		return MHD_NO;
	}
	inquiry->wish[inquiry->count++] = (struct ks_wish){ name, value ? value : "" };
	return MHD_YES;
}

/* The first wish that the route does not know, NULL if it knows all. */
static const char *find_unknown(const struct ks_inquiry *inquiry, const struct route *route)
{
	for (size_t i = 0; i < inquiry->count; i++) {
		const char *name = inquiry->wish[i].name;
		bool known = route->filters && ks_where_knows(name);

		for (size_t k = 0; k < PARAMETERS_MAX && route->parameters[k]; k++)
			known |= !strcmp(route->parameters[k], name);
		if (!known)
			return name;
	}
	return NULL;
}

static enum MHD_Result follow_route(struct ks_inquiry *inquiry, const struct route *route)
{
	const char *unknown;

	MHD_get_connection_values(inquiry->connection, MHD_GET_ARGUMENT_KIND, take_wish, inquiry);
	if (inquiry->too_many)
		return ks_inquiry_refuse(inquiry, MHD_HTTP_BAD_REQUEST, "too many parameters: at most %d",
					 KS_SERVER_WISHES);
	unknown = find_unknown(inquiry, route);
	if (unknown)
		return ks_inquiry_refuse(inquiry, MHD_HTTP_BAD_REQUEST, "%s has no parameter '%.60s'", route->path,
					 unknown);
	return route->answer(inquiry);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **state)
{
	struct ks_inquiry inquiry = { .server = cls, .connection = connection };

	if (!*state) { /* the head is here, and a body may follow, which nobody reads */
		*state = cls;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET"))
		return ks_inquiry_refuse(&inquiry, MHD_HTTP_METHOD_NOT_ALLOWED, "the journal only understands GET");
	for (size_t i = 0; i < KS_ARRAY_SIZE(routes); i++) {
		if (!strcmp(routes[i].path, url))
			return follow_route(&inquiry, &routes[i]);
	}
	return ks_inquiry_refuse(&inquiry, MHD_HTTP_NOT_FOUND, "there is no %.100s", url);
}

void ks_server_init(struct ks_server *server, struct ks_keeper *keeper, const char *path)
{
	memset(server, 0, sizeof(*server));
	server->keeper = keeper;
	server->path = path;
	pthread_mutex_init(&server->mutex, NULL);
}

int ks_server_start(struct ks_server *server, int listen_fd)
{
	server->http = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
						MHD_USE_ITC,
					0, NULL, NULL, handle, server, MHD_OPTION_LISTEN_SOCKET, listen_fd,
					MHD_OPTION_THREAD_POOL_SIZE, THREADS, MHD_OPTION_CONNECTION_LIMIT,
					CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_END);
	return server->http ? 0 : -EIO;
}

/* Wakes the followers that sleep. Called with the mutex held. */
static void wake_all(struct ks_server *server)
{
	for (struct ks_stream *stream = server->streams; stream; stream = stream->next) {
		if (!stream->asleep)
			continue;
		stream->asleep = false;
		MHD_resume_connection(stream->connection);
	}
}

void ks_server_committed(void *arg)
{
	struct ks_server *server = arg;

	pthread_mutex_lock(&server->mutex);
	server->commits++;
	wake_all(server);
	pthread_mutex_unlock(&server->mutex);
}

void ks_server_beat(struct ks_server *server)
{
	pthread_mutex_lock(&server->mutex);
	for (struct ks_stream *stream = server->streams; stream; stream = stream->next)
		stream->beaten |= stream->asleep;
	wake_all(server);
	pthread_mutex_unlock(&server->mutex);
}

void ks_server_stop(struct ks_server *server)
{
	pthread_mutex_lock(&server->mutex);
	server->ended = true;
	wake_all(server);
	pthread_mutex_unlock(&server->mutex);
	if (server->http)
		MHD_stop_daemon(server->http);
	pthread_mutex_destroy(&server->mutex);
}
