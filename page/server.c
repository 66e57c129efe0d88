/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page's web server. A request is let in by these doors, in this order: the host that it names is ours; it comes from our own pages, if
 * it changes something; its session is valid; if it acts, the session may act, and it carries the session's second number.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/types.h"
#include "page/assets.h"
#include "page/host.h"
#include "page/rights.h"
#include "page/web.h"
#include "text/json.h"
#include "text/scoped.h"

#define KS_EXIT_OK 0
#define KS_EXIT_SYSTEM 3

#define KS_CLIENTS 96 /* connections of a listening socket */
#define KS_CLIENT_IDLE 30 /* seconds until a silent one is dropped */
#define KS_CLIENT_STACK (512U << 10)
#define KS_CLIENT_MEMORY (64U << 10) /* for the head of a request */
#define KS_BODY_MAX 65536U
#define KS_BODY_POLICY_MAX (4 * KS_POLICY_TEXT_MAX) /* a text as JSON has escapes */
#define KS_LISTEN_BACKLOG 64
#define KS_POLICY_PATHS "/api/policy/"

enum need {
	NEEDS_NOTHING,
	NEEDS_SESSION,
	NEEDS_ACT, /* a session that may act, and its second number */
};

static ks_web_handler_fn login, logout, tell_session;

static const struct route {
	const char *method;
	const char *path;
	bool is_prefix;
	enum need need;
	ks_web_handler_fn *handler;
} routes[] = {
	{ "POST", "/api/login", false, NEEDS_NOTHING, login },
	{ "POST", "/api/logout", false, NEEDS_SESSION, logout },
	{ "GET", "/api/session", false, NEEDS_SESSION, tell_session },
	{ "GET", "/api/live", false, NEEDS_SESSION, ks_web_live },
	{ "POST", "/api/names", false, NEEDS_SESSION, ks_web_names },
	{ "GET", "/api/history", false, NEEDS_SESSION, ks_web_history },
	{ "GET", "/api/log", false, NEEDS_SESSION, ks_web_log },
	{ "GET", "/api/journal-log", false, NEEDS_SESSION, ks_web_journal_log },
	{ "GET", "/api/journal/v1/", true, NEEDS_SESSION, ks_web_proxy_journal },
	{ "GET", "/api/v1/", true, NEEDS_SESSION, ks_web_proxy },
	{ "POST", "/api/v1/explain", false, NEEDS_SESSION, ks_web_proxy },
	{ "DELETE", "/api/v1/states", false, NEEDS_ACT, ks_web_proxy_control },
	{ "POST", "/api/v1/confirm", false, NEEDS_ACT, ks_web_proxy_control },
	{ "POST", "/api/v1/sets", false, NEEDS_ACT, ks_web_proxy_control },
	{ "DELETE", "/api/v1/sets", false, NEEDS_ACT, ks_web_proxy_control },
	{ "GET", "/api/policy/source", false, NEEDS_ACT, ks_web_policy_source },
	{ "POST", "/api/policy/try", false, NEEDS_ACT, ks_web_policy_try },
	{ "POST", "/api/policy/apply", false, NEEDS_ACT, ks_web_policy_apply },
	{ "POST", "/api/policy/keep", false, NEEDS_ACT, ks_web_policy_keep },
	{ "POST", "/api/policy/reload", false, NEEDS_ACT, ks_web_policy_reload },
};

/* --- who is there --- */

static json_t *session_json(const struct ks_web_request *request, const struct ks_session *session)
{
	return json_pack("{s:b, s:b, s:s}", "act", session->may_act, "may_act", request->page->opts->may_act, "version",
			 KS_VERSION);
}

static enum MHD_Result login(struct ks_web_request *request)
{
	const struct sockaddr *from =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
	enum MHD_Result result;
	ks_auto_json json_t *body = ks_web_body(request, &result);
	const char *token = json_string_value(json_object_get(body, "token"));
	struct ks_session session;
	json_t *answer;
	int err;

	if (!body)
		return result;
	err = ks_sessions_login(request->page->sessions, from, token ? token : "", ks_sessions_now(), &session);
	if (err == -EAGAIN)
		return ks_web_refuse(request, MHD_HTTP_TOO_MANY_REQUESTS,
				     "too many wrong tokens; wait some seconds and try again");
	if (err == -EACCES)
		return ks_web_refuse(request, MHD_HTTP_UNAUTHORIZED, "this is not the token");
	if (err)
		return ks_web_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "%s", strerror(-err));
	answer = session_json(request, &session);
	ks_json_set(&answer, "csrf", json_string(session.csrf.text));
	return ks_web_answer_cookie(request, session.id.text, answer);
}

static enum MHD_Result logout(struct ks_web_request *request)
{
	ks_sessions_logout(request->page->sessions, request->session.id.text);
	return ks_web_answer_cookie(request, "", json_object());
}

static bool has_number(const struct ks_web_request *request)
{
	return ks_token_is(&request->session.csrf, ks_web_header(request, "X-Keepstate-Csrf"));
}

/* Tells if the number is right that was carried, but not the number: whoever has the cookie may only look. */
static enum MHD_Result tell_session(struct ks_web_request *request)
{
	json_t *answer = session_json(request, &request->session);

	ks_json_set(&answer, "number", json_boolean(has_number(request)));
	return ks_web_answer(request, MHD_HTTP_OK, answer);
}

/* --- doors --- */

static bool changes(const struct ks_web_request *request)
{
	return strcmp(request->method, "GET") && strcmp(request->method, "HEAD");
}

/* Returns true if no other site can have made the browser ask. */
static bool is_from_us(const struct ks_web_request *request)
{
	const char *origin = ks_web_header(request, "Origin"), *site = ks_web_header(request, "Sec-Fetch-Site");

	if (*origin && !ks_host_is_origin(origin, ks_web_header(request, MHD_HTTP_HEADER_HOST)))
		return false;
	return !*site || !strcmp(site, "same-origin") || (!strcmp(site, "none") && !changes(request));
}

/* Finds the session, and what it must carry. Returns true; or false after answering. */
static bool let_in(struct ks_web_request *request, const struct route *route, enum MHD_Result *result)
{
	struct ks_token id;

	if (route->need == NEEDS_NOTHING)
		return true;
	ks_web_cookie(request, &id);
	if (!ks_sessions_find(request->page->sessions, id.text, ks_sessions_now(), &request->session))
		*result = ks_web_refuse(request, MHD_HTTP_UNAUTHORIZED, "log in with the token first");
	else if (route->need == NEEDS_ACT && !request->page->opts->may_act)
		*result = ks_web_refuse(request, MHD_HTTP_FORBIDDEN,
					"this page was started without --allow-actions, so it can change nothing");
	else if (route->need == NEEDS_ACT && !request->session.may_act)
		*result = ks_web_refuse(request, MHD_HTTP_FORBIDDEN,
					"log in with the token for actions to change something");
	else if (route->need == NEEDS_ACT && !has_number(request))
		*result = ks_web_refuse(
			request, MHD_HTTP_FORBIDDEN,
			"the request does not come from the page, or the page does not know its session: log in again");
	else
		return true;
	return false;
}

/* --- routes --- */

static size_t path_length(const char *target)
{
	return strcspn(target, "?");
}

static bool route_fits(const struct route *route, const char *target)
{
	size_t length = strlen(route->path);

	if (route->is_prefix)
		return !strncmp(target, route->path, length);
	return path_length(target) == length && !strncmp(target, route->path, length);
}

/* Returns true if the target is of the letters that a URL may have: it goes on to the daemon as it is. */
static bool is_clean(const char *target)
{
	for (; *target; target++) {
		if (*target <= ' ' || *target > '~')
			return false;
	}
	return true;
}

static enum MHD_Result follow(struct ks_web_request *request, const struct route *route)
{
	enum MHD_Result result = MHD_NO;

	if (!is_from_us(request))
		return ks_web_refuse(request, MHD_HTTP_FORBIDDEN, "the request comes from another site");
	if (!let_in(request, route, &result))
		return result;
	if (request->too_long)
		return ks_web_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long");
	return route->handler(request);
}

static enum MHD_Result send_asset(struct ks_web_request *request)
{
	const struct ks_asset *asset;

	request->target[path_length(request->target)] = '\0';
	asset = ks_asset_find(request->target);
	if (!asset)
		return ks_web_refuse(request, MHD_HTTP_NOT_FOUND, "there is no such page");
	return ks_web_bytes(request, asset->type, asset->data, asset->size);
}

static enum MHD_Result dispatch(struct ks_web_request *request)
{
	const struct ks_page_opts *opts = request->page->opts;
	bool known = false;

	if (!ks_host_is_ours(ks_web_header(request, MHD_HTTP_HEADER_HOST), opts->names, opts->name_count))
		return ks_web_refuse(request, MHD_HTTP_MISDIRECTED_REQUEST,
				     "this page is not called so: ask by its address, or start it with --host NAME");
	if (!is_clean(request->target))
		return ks_web_refuse(request, MHD_HTTP_BAD_REQUEST, "the path has letters that a path has not");
	for (size_t i = 0; i < KS_ARRAY_SIZE(routes); i++) {
		if (!route_fits(&routes[i], request->target))
			continue;
		known = true;
		if (!strcmp(routes[i].method, request->method))
			return follow(request, &routes[i]);
	}
	if (known || changes(request))
		return ks_web_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%.8s is not understood here",
				     request->method);
	return send_asset(request);
}

/* --- libmicrohttpd --- */

/* How large the body may be. Only who may change the policy may send one; whoever else reaches the page cannot fill its memory. */
static size_t body_most(const struct ks_web_request *request)
{
	struct ks_session session;
	struct ks_token id;

	if (!request->page->opts->may_act || strncmp(request->target, KS_POLICY_PATHS, strlen(KS_POLICY_PATHS)))
		return KS_BODY_MAX;
	ks_web_cookie(request, &id);
	if (!ks_sessions_look(request->page->sessions, id.text, ks_sessions_now(), &session) || !session.may_act)
		return KS_BODY_MAX;
	return KS_BODY_POLICY_MAX;
}

/* Called with the first line of a request: the request is made here. */
static void *begin_request(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct ks_web_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->page = cls;
	request->connection = connection;
	request->target = strdup(target);
	return request;
}

static void add_body(struct ks_web_request *request, const char *data, size_t size)
{
	size_t needed = request->body_size + size + 1, room = request->body_room ? request->body_room : 4096;
	char *larger;

	if (request->too_long || needed > request->body_most) {
		request->too_long = true;
		return;
	}
	while (room < needed)
		room *= 2;
	larger = room == request->body_room ? request->body : realloc(request->body, room);
	if (!larger) {
		request->too_long = true;
		return;
	}
	request->body = larger;
	request->body_room = room;
	memcpy(request->body + request->body_size, data, size);
	request->body_size += size;
	request->body[request->body_size] = '\0';
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **state)
{
	struct ks_web_request *request = *state;

	if (!request || !request->target)
		return MHD_NO;
	if (!request->method) { /* the head alone */
		request->method = method;
		request->body_most = body_most(request);
		return MHD_YES;
	}
	if (*size) {
		add_body(request, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return dispatch(request);
}

static void end_request(void *cls, struct MHD_Connection *connection, void **state,
			enum MHD_RequestTerminationCode code)
{
	struct ks_web_request *request = *state;

	if (!request)
		return;
	free(request->target);
	free(request->body);
	free(request);
	*state = NULL;
}

static int listen_at(const char *text)
{
	struct sockaddr_storage address;
	int yes = 1;
	socklen_t size;
	ks_auto_fd int fd = -1;
	int err = ks_host_parse(text, KS_PAGE_PORT, &address, &size);

	if (err)
		return err;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)&address, size) || listen(fd, KS_LISTEN_BACKLOG))
		return -errno;
	return TAKE_FD(fd);
}

static int serve_at(struct ks_page *page, int fd)
{
	const struct MHD_Daemon *daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL, 0, NULL, NULL, handle,
		page, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, end_request, page,
		MHD_OPTION_URI_LOG_CALLBACK, begin_request, page, MHD_OPTION_CONNECTION_LIMIT, KS_CLIENTS,
		MHD_OPTION_CONNECTION_TIMEOUT, KS_CLIENT_IDLE, MHD_OPTION_THREAD_STACK_SIZE, (size_t)KS_CLIENT_STACK,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)KS_CLIENT_MEMORY, MHD_OPTION_END);

	return daemon ? 0 : -EIO;
}

/* --- the two processes --- */

static const char *const usual[] = { "127.0.0.1", "[::1]" };

struct listening {
	int fds[KS_PAGE_LISTENS_MAX];
	size_t count;
};

/* Without IPv6 there is no ::1; the other loopback is enough then. */
static int listen_everywhere(const struct ks_page_opts *opts, struct listening *listening)
{
	const char *const *texts = opts->listen_count ? opts->listen : usual;
	size_t count = opts->listen_count ? opts->listen_count : KS_ARRAY_SIZE(usual);

	for (size_t i = 0; i < count; i++) {
		int fd = listen_at(texts[i]);

		if (fd < 0 && !opts->listen_count && i)
			continue;
		if (fd < 0) {
			fprintf(stderr, "keepstate: %s: %s\n", texts[i],
				fd == -EINVAL ? "give an address, or ADDRESS:PORT" : strerror(-fd));
			return fd;
		}
		listening->fds[listening->count++] = fd;
	}
	return 0;
}

static int give_up(const char *what, int err)
{
	fprintf(stderr, "keepstate: %s: %s\n", what, strerror(-err));
	return KS_EXIT_SYSTEM;
}

/* The page's process. */
static int serve(const struct ks_page_opts *opts, int opener, const struct listening *listening,
		 const struct ks_tokens *tokens)
{
	struct ks_page page = { .opts = opts, .opener = opener };
	int err;

	ks_assets_read_library();
	err = ks_rights_become_page() ?: ks_rights_drop_capabilities();
	if (err)
		return give_up("cannot give up rights", err);
	ks_rights_deny_files();
	json_object_seed(0);
	page.sessions = ks_sessions_create(tokens);
	page.sampler = ks_sampler_create(opener);
	page.names = ks_names_create(opts, opener);
	if (!page.sessions || !page.sampler || !page.names)
		return give_up("cannot start", -ENOMEM);
	err = ks_names_start(page.names);
	if (err)
		return give_up("cannot start", err);
	for (size_t i = 0; i < listening->count; i++) {
		err = serve_at(&page, listening->fds[i]);
		if (err)
			return give_up("cannot start the web server", err);
	}
	ks_sampler_run(page.sampler); /* until the opener has ended */
	return KS_EXIT_OK;
}

/* The opener's process. Each of the two ends when the other one's end of their socket is closed: neither may signal the other. */
static int open_for_page(const struct ks_page_opts *opts, int fd, pid_t child)
{
	int err = ks_rights_drop_capabilities(), status = 0;

	if (err)
		return give_up("cannot give up rights", err);
	if (!opts->may_act)
		ks_rights_deny_changes();
	ks_opener_serve(fd, opts);
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : KS_EXIT_SYSTEM;
}

static int get_tokens(const struct ks_page_opts *opts, struct ks_tokens *tokens)
{
	int err;

	if (opts->tokens)
		return ks_tokens_read(opts->tokens, opts->may_act, tokens);
	err = ks_token_make(&tokens->view);
	return err || !opts->may_act ? err : ks_token_make(&tokens->act);
}

/* Where the page is, and how to come in. A token in the fragment of an address is not sent to anybody. */
static void tell(const struct ks_page_opts *opts, int fd, const struct ks_tokens *tokens)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);
	char host[64], port[16], base[128];

	if (getsockname(fd, (struct sockaddr *)&address, &size) ||
	    getnameinfo((const struct sockaddr *)&address, size, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	snprintf(base, sizeof(base), address.ss_family == AF_INET6 ? "http://[%s]:%s/" : "http://%s:%s/", host, port);
	if (opts->tokens) {
		printf("%s\nthe tokens are in %s: view%s\n", base, opts->tokens,
		       opts->may_act ? ", and act for changes" : "");
		return;
	}
	printf("%s#token=%s\n", base, tokens->view.text);
	if (opts->may_act)
		printf("%s#token=%s   (may change things)\n", base, tokens->act.text);
}

int ks_page_run(const struct ks_page_opts *opts)
{
	struct listening listening = { .count = 0 };
	struct ks_tokens tokens = { 0 };
	int fds[2], err;
	pid_t child;

	if (listen_everywhere(opts, &listening))
		return KS_EXIT_SYSTEM;
	err = get_tokens(opts, &tokens);
	if (err == -EINVAL)
		fprintf(stderr, "keepstate: %s: a token has %d letters; remove the file, and one is made\n",
			opts->tokens, KS_TOKEN_LENGTH);
	if (err)
		return give_up(opts->tokens ? opts->tokens : "tokens", err);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return give_up("cannot start", -errno);
	signal(SIGPIPE, SIG_IGN);
	tell(opts, listening.fds[0], &tokens);
	fflush(stdout);
	child = fork();
	if (child < 0)
		return give_up("cannot start", -errno);
	close(fds[child ? 1 : 0]);
	if (!child)
		_exit(serve(opts, fds[1], &listening, &tokens));
	for (size_t i = 0; i < listening.count; i++)
		close(listening.fds[i]);
	return open_for_page(opts, fds[0], child);
}
