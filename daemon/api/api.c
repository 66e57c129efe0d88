/* SPDX-License-Identifier: BSD-2-Clause */
/* See api.h: the sockets, the routes, and the helpers of handlers. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "daemon/api/api.h"
#include "daemon/api/connections.h"
#include "daemon/api/text_stream.h"
#include "text/json.h"
#include "text/scoped.h"

#define KS_CONNECTIONS_SPARE 64 /* those that were ended, and the server has not noticed yet */
#define KS_CONNECTION_IDLE 30 /* seconds until a silent client is dropped */

static const struct door_kind {
	unsigned clients, followers, scrapes, groups; /* at a time */
	const char *group; /* that may connect besides root */
	bool reads_only;
} kinds[KS_DOORS] = {
	[KS_DOOR_CONTROL] = { 64, 48, 4, 8, NULL, false },
	[KS_DOOR_READ] = { 32, 16, 4, 8, "keepstate", true },
};

/* A socket with a server of its own, so that the clients of one take no place of the other's. */
struct door {
	const struct door_kind *kind;
	struct ks_daemon *daemon;
	struct MHD_Daemon *http;
	struct ks_connections connections;
	struct ks_places followers, scrapes, groups;
	char path[KS_INSTANCE_PATH];
};

struct ks_api {
	struct door doors[KS_DOORS];
	struct ks_stream_queue queue; /* answers that are being looked for */
	struct ks_request *put_off; /* the first of them */
	int poll_fd; /* an epoll of the listening sockets and of the servers' own */
};

#define KS_SETS_PATH "/v1/sets"

#define KS_PARAMETERS_MAX 4

static const struct api_route {
	const char *method;
	const char *path;
	ks_handler_fn *handler;
	bool filters; /* ks_api_filter() looks at the parameters */
	const char *parameters[KS_PARAMETERS_MAX]; /* all that the handler knows, if it does not filter */
} routes[] = {
	{ "GET", "/v1/status", ks_api_status, false, {} },
	{ "GET", "/v1/states", ks_api_states, true, {} },
	{ "DELETE", "/v1/states", ks_api_states_kill, true, {} },
	{ "GET", "/v1/log", ks_api_log, true, {} },
	{ "GET", "/v1/counters", ks_api_counters, false, { "part" } },
	{ "GET", "/metrics", ks_api_metrics, false, {} },
	{ "POST", "/v1/reload", ks_api_reload, false, {} },
	{ "GET", "/v1/totals", ks_api_totals, false, {} },
	{ "GET", "/v1/policy", ks_api_policy, false, {} },
	{ "GET", "/v1/mappings", ks_api_mappings, true, {} },
	{ "POST", "/v1/confirm", ks_api_confirm, false, {} },
	{ "GET", "/v1/limits", ks_api_limits, false, {} },
	{ "POST", "/v1/explain", ks_api_explain, false, {} },
	{ "POST", "/v1/stop", ks_api_stop, false, {} },
	{ "GET", KS_SETS_PATH, ks_api_sets, false, { "name", "address", "format" } },
	{ "POST", KS_SETS_PATH, ks_api_sets_add, false, { "name", "for", "end_states" } },
	{ "PUT", KS_SETS_PATH, ks_api_sets_replace, false, { "name", "for" } },
	{ "DELETE", KS_SETS_PATH, ks_api_sets_remove, false, { "name", "all" } },
};

KS_SCOPED(auto_response, struct MHD_Response *, MHD_destroy_response)

static enum MHD_Result send_text(struct ks_request *request, unsigned status, const char *text)
{
	ks_scoped(auto_response) struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	return MHD_queue_response(request->connection, status, response);
}

enum MHD_Result ks_api_answer(struct ks_request *request, unsigned status, json_t *value)
{
	ks_auto_json json_t *owned = value;
	ks_auto_free char *text =
		owned ? json_dumps(owned, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY) : NULL;

	return text ? send_text(request, status, text) : MHD_NO;
}

enum MHD_Result ks_api_refuse(struct ks_request *request, unsigned status, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return ks_api_answer(request, status, json_pack("{s:o}", "error", ks_json_text(text)));
}

enum MHD_Result ks_api_put_off(struct ks_request *request, json_t *wish, void (*run)(struct ks_request *request))
{
	struct ks_request **end = &request->daemon->api->put_off;

	while (*end)
		end = &(*end)->next;
	*end = request;
	request->wish = wish;
	request->run = run;
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

/* Takes the first request that was put off; its connection goes on at the next turn of the server. */
static struct ks_request *put_off_take(struct ks_api *api)
{
	struct ks_request *request = api->put_off;

	api->put_off = request->next;
	request->next = NULL;
	MHD_resume_connection(request->connection);
	return request;
}

void ks_api_refuse_put_off(struct ks_api *api)
{
	while (api && api->put_off) {
		struct ks_request *request = put_off_take(api);

		request->answer = json_pack("{s:s}", "error", "the daemon ends");
		request->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	}
}

enum MHD_Result ks_api_stream(struct ks_request *request, const char *type, MHD_ContentReaderCallback reader,
			      void *state, MHD_ContentReaderFreeCallback destroy)
{
	ks_scoped(auto_response) struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, reader, state, destroy);

	if (!response) {
		destroy(state);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", type);
	return MHD_queue_response(request->connection, MHD_HTTP_OK, response);
}

enum MHD_Result ks_api_text(struct ks_request *request, const char *type, struct ks_text_stream *stream,
			    MHD_ContentReaderFreeCallback destroy)
{
	stream->connection = request->connection;
	stream->queue = &request->daemon->api->queue;
	return ks_api_stream(request, type, ks_text_stream_read, stream, destroy);
}

json_t *ks_api_body(struct ks_request *request, enum MHD_Result *result)
{
	ks_auto_json json_t *root = NULL;
	json_error_t error;

	*result = MHD_NO; /* out of memory */
	if (!request->body_size)
		return json_object();
	root = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(root))
		return TAKE(root);
	*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "the body must be a JSON object%s%s", root ? "" : ": ",
				root ? "" : error.text);
	return NULL;
}

const char *ks_api_parameter(struct ks_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct filter_ctx {
	unsigned kind;
	const char *const *others;
	const struct ks_policy *policy;
	struct ks_filter *filter;
	bool wrong;
	char complaint[2048];
};

static enum MHD_Result read_parameter(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct filter_ctx *ctx = cls;

	for (size_t i = 0; ctx->others && ctx->others[i]; i++) {
		if (!strcmp(ctx->others[i], key))
			return MHD_YES;
	}
	if (!ks_filter_set(ctx->filter, ctx->kind, ctx->policy, key, value ? value : "", ctx->complaint,
			   sizeof(ctx->complaint)))
		return MHD_YES;
	ctx->wrong = true;
	return MHD_NO;
}

bool ks_api_filter(struct ks_request *request, unsigned kind, const char *const *others, struct ks_filter *filter,
		   enum MHD_Result *result)
{
	struct filter_ctx ctx = { .kind = kind, .others = others, .policy = request->daemon->policy, .filter = filter };

	ks_filter_init(filter);
	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, read_parameter, &ctx);
	if (ctx.wrong)
		*result = ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "%s", ctx.complaint);
	return !ctx.wrong;
}

/* A search for a parameter that the route does not know: one with a typing error would change what is done, and nobody would know. */
struct parameters_ctx {
	const struct api_route *route;
	const char *unknown;
};

static enum MHD_Result parameter_look(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct parameters_ctx *ctx = cls;

	for (size_t i = 0; i < KS_PARAMETERS_MAX && ctx->route->parameters[i]; i++) {
		if (!strcmp(ctx->route->parameters[i], key))
			return MHD_YES;
	}
	ctx->unknown = key;
	return MHD_NO;
}

static enum MHD_Result parameter_refuse(struct ks_request *request, const struct api_route *route, const char *name)
{
	char known[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < KS_PARAMETERS_MAX && route->parameters[i]; i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, " %s", route->parameters[i]);
	return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "%s %s has no parameter '%.60s'; %s%s", route->method,
			     route->path, name, used ? "there are:" : "it has none", known);
}

static enum MHD_Result route_follow(struct ks_request *request, const struct api_route *route)
{
	struct parameters_ctx ctx = { .route = route };

	if (!route->filters)
		MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, parameter_look, &ctx);
	return ctx.unknown ? parameter_refuse(request, route, ctx.unknown) : route->handler(request);
}

/* Returns true if a request of this route changes nothing. */
static bool route_reads(const struct api_route *route)
{
	return !strcmp(route->method, "GET") || route->handler == ks_api_explain;
}

static enum MHD_Result dispatch(struct ks_request *request, const struct door_kind *kind, const char *path,
				const char *method)
{
	bool known = false;

	for (size_t i = 0; i < KS_ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].path, path))
			continue;
		known = true;
		if (strcmp(routes[i].method, method))
			continue;
		if (kind->reads_only && !route_reads(&routes[i]))
			return ks_api_refuse(
				request, MHD_HTTP_FORBIDDEN,
				"%s %s: by this socket nothing can be changed; control.sock beside it is root's",
				method, path);
		return route_follow(request, &routes[i]);
	}
	if (known)
		return ks_api_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%s does not understand %s", path, method);
	return ks_api_refuse(request, MHD_HTTP_NOT_FOUND, "there is no %s", path);
}

/* Makes a request of its head. NULL without memory. */
static struct ks_request *request_begin(struct door *door, struct MHD_Connection *connection, const char *url)
{
	struct ks_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->daemon = door->daemon;
	request->connection = connection;
	request->followers = &door->followers;
	request->scrapes = &door->scrapes;
	request->groups = &door->groups;
	request->body_max =
		strcmp(url, KS_SETS_PATH) || door->kind->reads_only ? KS_REQUEST_BODY_MAX : KS_REQUEST_LARGE_MAX;
	return request;
}

/* Adds a piece of the body. Returns false if it is too long, or without memory. */
static bool body_add(struct ks_request *request, const char *data, size_t size)
{
	size_t needed = request->body_size + size + 1, room = request->body_room ? request->body_room : 4096;
	char *larger;

	if (size > request->body_max - request->body_size)
		return false;
	while (room < needed)
		room *= 2;
	if (room != request->body_room) {
		larger = realloc(request->body, room);
		if (!larger)
			return false;
		request->body = larger;
		request->body_room = room;
	}
	memcpy(request->body + request->body_size, data, size);
	request->body_size += size;
	request->body[request->body_size] = '\0';
	return true;
}

/* Called once for the head of a request, for each piece of its body, and at its end. */
static enum MHD_Result handle_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				      const char *version, const char *data, size_t *size, void **state)
{
	struct ks_request *request = *state;
	struct door *door = cls;

	if (!request) {
		*state = request_begin(door, connection, url);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*size) {
		if (!body_add(request, data, *size))
			return MHD_NO;
		*size = 0;
		return MHD_YES;
	}
	ks_connections_mark(&door->connections, connection, true);
	return dispatch(request, door->kind, url, method);
}

static void end_request(void *cls, struct MHD_Connection *connection, void **state,
			enum MHD_RequestTerminationCode code)
{
	struct ks_request *request = *state;
	struct door *door = cls;

	ks_connections_mark(&door->connections, connection, false);
	if (request) {
		free(request->body);
		json_decref(request->wish);
		json_decref(request->answer);
	}
	free(request);
	*state = NULL;
}

static int watch(const struct ks_api *api, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(api->poll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int start_server(struct ks_api *api, struct door *door)
{
	int fd;

	door->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
				      NULL, handle_request, door, MHD_OPTION_NOTIFY_COMPLETED, end_request, door,
				      MHD_OPTION_NOTIFY_CONNECTION, ks_connections_notify, &door->connections,
				      MHD_OPTION_CONNECTION_LIMIT, door->kind->clients + KS_CONNECTIONS_SPARE,
				      MHD_OPTION_CONNECTION_TIMEOUT, KS_CONNECTION_IDLE, MHD_OPTION_END);
	if (!door->http)
		return -EIO;
	fd = MHD_get_daemon_info(door->http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	return watch(api, fd) ?: watch(api, door->connections.fd);
}

/* Opens a socket at the path. */
static int door_open(struct ks_api *api, enum ks_door which, struct ks_daemon *daemon, const char *path)
{
	struct door *door = &api->doors[which];

	door->kind = &kinds[which];
	door->daemon = daemon;
	door->followers.max = door->kind->followers;
	door->scrapes.max = door->kind->scrapes;
	door->groups.max = door->kind->groups;
	snprintf(door->path, sizeof(door->path), "%s", path);
	door->connections.path = door->path;
	door->connections.group = door->kind->group;
	door->connections.max = door->kind->clients;
	return ks_connections_listen(&door->connections) ?: start_server(api, door);
}

static void door_close(struct door *door)
{
	if (door->http)
		MHD_stop_daemon(door->http);
	ks_connections_close(&door->connections);
}

static void api_free(struct ks_api *api)
{
	ks_stream_queue_end(&api->queue);
	for (unsigned i = 0; i < KS_DOORS; i++)
		door_close(&api->doors[i]);
	if (api->poll_fd >= 0)
		close(api->poll_fd);
	free(api);
}

KS_SCOPED(auto_api, struct ks_api *, api_free)

int ks_api_create(struct ks_daemon *daemon, struct ks_api **api)
{
	ks_scoped(auto_api) struct ks_api *new = calloc(1, sizeof(*new));
	int err;

	if (!new)
		return -ENOMEM;
	for (unsigned i = 0; i < KS_DOORS; i++)
		new->doors[i].connections.fd = -1;
	new->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (new->poll_fd < 0)
		return -errno;
	err = door_open(new, KS_DOOR_CONTROL, daemon, daemon->instance.socket)
		      ?: door_open(new, KS_DOOR_READ, daemon, daemon->instance.read_socket);
	if (err)
		return err;
	*api = TAKE(new);
	return 0;
}

void ks_api_destroy(struct ks_api *api)
{
	if (!api)
		return;
	for (unsigned i = 0; i < KS_DOORS; i++) {
		if (ks_connections_are_reachable(&api->doors[i].connections))
			unlink(api->doors[i].path);
	}
	api_free(api);
}

int ks_api_mend(struct ks_api *api, enum ks_door which)
{
	struct ks_connections *connections = &api->doors[which].connections;
	int err;

	if (ks_connections_are_reachable(connections))
		return 0;
	ks_connections_close(connections); /* which takes it out of the epoll */
	err = ks_connections_listen(connections) ?: watch(api, connections->fd);
	return err ?: 1;
}

int ks_api_fd(const struct ks_api *api)
{
	return api->poll_fd;
}

int ks_api_timeout(struct ks_api *api)
{
	MHD_UNSIGNED_LONG_LONG ms, least = 1000;
	bool bounded = false;

	if (api->queue.first)
		return 0;
	for (unsigned i = 0; i < KS_DOORS; i++) {
		if (MHD_get_timeout(api->doors[i].http, &ms) != MHD_YES)
			continue;
		bounded = true;
		least = KS_MIN(least, ms);
	}
	return bounded ? (int)least : -1;
}

void ks_api_work(struct ks_api *api)
{
	ks_stream_queue_step(&api->queue);
	for (unsigned i = 0; i < KS_DOORS; i++) {
		struct door *door = &api->doors[i];

		ks_connections_accept(&door->connections, door->http);
		MHD_run(door->http);
	}
}

void ks_api_turn(struct ks_api *api)
{
	ks_api_work(api);
	while (api->put_off) {
		struct ks_request *request = api->put_off;

		request->run(request); /* it stays the first, so that others come behind it meanwhile */
		put_off_take(api);
	}
}
