/* SPDX-License-Identifier: BSD-2-Clause */
/* See api.h: the socket, the routes, and the helpers of handlers. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/api/api.h"
#include "text/json.h"
#include "text/scoped.h"

#define KS_CONNECTIONS_MAX 64 /* clients at a time */
#define KS_CONNECTION_IDLE 30 /* seconds until a silent client is dropped */

struct ks_api {
	struct MHD_Daemon *http;
	char path[KS_INSTANCE_PATH];
};

static const struct api_route {
	const char *method;
	const char *path;
	ks_handler_fn *handler;
} routes[] = {
	{ "GET", "/v1/status", ks_api_status },
	{ "GET", "/v1/states", ks_api_states },
	{ "DELETE", "/v1/states", ks_api_states_kill },
	{ "GET", "/v1/log", ks_api_log },
	{ "GET", "/v1/counters", ks_api_counters },
	{ "POST", "/v1/reload", ks_api_reload },
	{ "GET", "/v1/policy", ks_api_policy },
	{ "POST", "/v1/explain", ks_api_explain },
	{ "POST", "/v1/stop", ks_api_stop },
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

static enum MHD_Result dispatch(struct ks_request *request, const char *path, const char *method)
{
	bool known = false;

	for (size_t i = 0; i < KS_ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].path, path))
			continue;
		known = true;
		if (!strcmp(routes[i].method, method))
			return routes[i].handler(request);
	}
	if (known)
		return ks_api_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%s does not understand %s", path, method);
	return ks_api_refuse(request, MHD_HTTP_NOT_FOUND, "there is no %s", path);
}

/* Called once for the head of a request, for each piece of its body, and at its end. */
static enum MHD_Result handle_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				      const char *version, const char *data, size_t *size, void **state)
{
	struct ks_request *request = *state;

	if (!request) {
		request = malloc(sizeof(*request));
		if (!request)
			return MHD_NO;
		request->daemon = cls;
		request->connection = connection;
		request->body_size = 0;
		*state = request;
		return MHD_YES;
	}
	if (*size) {
		if (*size > KS_REQUEST_BODY_MAX - request->body_size)
			return MHD_NO;
		memcpy(request->body + request->body_size, data, *size);
		request->body_size += *size;
		*size = 0;
		return MHD_YES;
	}
	request->body[request->body_size] = '\0';
	return dispatch(request, url, method);
}

static void end_request(void *cls, struct MHD_Connection *connection, void **state,
			enum MHD_RequestTerminationCode code)
{
	free(*state);
	*state = NULL;
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	ks_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path); /* of a daemon that is dead, because we hold the lock */
	mask = umask(0177);
	err = bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, 16) ? -errno : 0;
	umask(mask);
	return err ?: TAKE_FD(fd);
}

int ks_api_create(struct ks_daemon *daemon, struct ks_api **api)
{
	ks_auto_free struct ks_api *new = calloc(1, sizeof(*new));
	ks_auto_fd int fd = -1;

	if (!new)
		return -ENOMEM;
	snprintf(new->path, sizeof(new->path), "%s", daemon->instance.socket);
	fd = listen_on(new->path);
	if (fd < 0)
		return fd;
	new->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle_request, daemon,
				     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL,
				     MHD_OPTION_CONNECTION_LIMIT, KS_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				     KS_CONNECTION_IDLE, MHD_OPTION_END);
	if (!new->http)
		return -EIO;
	(void)TAKE_FD(fd); /* the server's from here */
	*api = TAKE(new);
	return 0;
}

void ks_api_destroy(struct ks_api *api)
{
	if (!api)
		return;
	MHD_stop_daemon(api->http);
	unlink(api->path);
	free(api);
}

int ks_api_fd(const struct ks_api *api)
{
	return MHD_get_daemon_info(api->http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int ks_api_timeout(struct ks_api *api)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(api->http, &ms) != MHD_YES)
		return -1;
	return ms > 1000 ? 1000 : (int)ms;
}

void ks_api_work(struct ks_api *api)
{
	MHD_run(api->http);
}
