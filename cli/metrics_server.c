/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server of `keepstate metrics --listen`. Started by root it becomes another user before the first request: its only group is
 * that of the read-only socket, it has no capability, gains none by a program, and where the kernel has Landlock it can open no
 * file. A client gets nothing but GET /metrics; clients are served one after the other, each asks the daemon anew.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/confine.h"
#include "cli/metrics.h"
#include "core/types.h"
#include "daemon/api/exposition.h"
#include "text/scoped.h"

#define CLIENTS_MAX 16
#define CLIENT_IDLE 10 /* seconds until a silent client is dropped */
#define METRICS_USER "keepstate-metrics"
#define NOBODY 65534

/* --- rights --- */

/* The group that may use the read-only socket, or root's if there is none yet: Landlock keeps it from all files. */
static gid_t socket_group(const struct ks_instance *instance)
{
	const struct group *group;
	struct stat st;

	if (!stat(instance->read_socket, &st))
		return st.st_gid;
	group = getgrnam("keepstate");
	return group ? group->gr_gid : 0;
}

static int become_nobody(const struct ks_instance *instance, const char **name)
{
	const struct passwd *user = getpwnam(METRICS_USER);
	uid_t uid = user ? user->pw_uid : NOBODY;
	gid_t gid = user ? user->pw_gid : NOBODY, group = socket_group(instance);

	*name = user ? METRICS_USER : "nobody";
	if (setgroups(1, &group) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

/* Gives up all that it will not need. Returns 0 or -errno. */
static int give_up_rights(const struct ks_instance *instance)
{
	const char *name = "the user that started it";
	int err = geteuid() ? 0 : become_nobody(instance, &name);

	if (err)
		return err;
	ks_cli_confine_all();
	prctl(PR_SET_DUMPABLE, 0);
	fprintf(stderr, "keepstate: serving metrics as %s\n", name);
	return 0;
}

/* --- requests --- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, const char *text,
			      size_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return answer(connection, status, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result answer_metrics(struct MHD_Connection *connection, const struct ks_instance *instance)
{
	bool open = ks_exposition_negotiate(
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	ks_auto_free char *text = NULL;
	size_t size;
	int err = ks_metrics_fetch(instance, open, &text, &size);

	if (!err)
		return answer(connection, MHD_HTTP_OK, ks_exposition_type(open), text, size);
	fprintf(stderr, "keepstate: the daemon does not answer: %s\n", strerror(-err));
	return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the firewall's daemon does not answer\n");
}

/* Called for the head of a request, for each piece of a body, which is not read, and at its end. */
static enum MHD_Result take_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				    const char *version, const char *data, size_t *size, void **state)
{
	static int begun;

	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (!*state) {
		*state = &begun;
		return MHD_YES;
	}
	if (*size)
		return MHD_NO;
	if (!strcmp(url, "/metrics"))
		return answer_metrics(connection, arg);
	return refuse(connection, MHD_HTTP_NOT_FOUND, "there is nothing but /metrics\n");
}

/* --- the socket --- */

/* Splits "127.0.0.1:9617" or "[::1]:9617" in place. Returns false if it is neither. */
static bool split(char *text, const char **address, const char **port)
{
	char *colon = strrchr(text, ':'), *end;

	if (!colon)
		return false;
	*colon = '\0';
	*port = colon + 1;
	*address = text;
	if (*text != '[')
		return *text && !strchr(text, ':');
	end = strchr(text, ']');
	if (!end || end[1])
		return false;
	*end = '\0';
	*address = text + 1;
	return true;
}

/* The library would take 99999 for 34463. */
static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = digits && digits < 6 && !text[digits] ? strtoul(text, NULL, 10) : 0;

	return port && port <= UINT16_MAX;
}

KS_SCOPED(auto_addrinfo, struct addrinfo *, freeaddrinfo)

/* Finds the address of a text. Returns false if it is none. */
static bool find_address(const char *text, struct addrinfo **found)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
					.ai_socktype = SOCK_STREAM };
	const char *address, *port;
	char copy[80];

	return snprintf(copy, sizeof(copy), "%s", text) < (int)sizeof(copy) && split(copy, &address, &port) &&
	       is_port(port) && !getaddrinfo(address, port, &hints, found);
}

static int open_socket(const struct addrinfo *at, int *fd)
{
	ks_auto_fd int new = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (new < 0)
		return -errno;
	setsockopt(new, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(new, at->ai_addr, at->ai_addrlen) || listen(new, CLIENTS_MAX))
		return -errno;
	*fd = TAKE_FD(new);
	return 0;
}

/* Answers until a signal ends it. */
static int serve(const struct ks_instance *instance, int fd)
{
	struct MHD_Daemon *server;
	sigset_t signals;
	int which;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	server = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, take_request,
				  (void *)(uintptr_t)instance, MHD_OPTION_LISTEN_SOCKET, fd,
				  MHD_OPTION_CONNECTION_LIMIT, CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, CLIENT_IDLE,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768, MHD_OPTION_END);
	if (!server) {
		fprintf(stderr, "keepstate: the server cannot be started: %s\n", strerror(errno));
		return KS_EXIT_SYSTEM;
	}
	sigwait(&signals, &which);
	MHD_stop_daemon(server);
	return KS_EXIT_OK;
}

int ks_metrics_serve(const struct ks_usage *usage, const struct ks_instance *instance, const char *address)
{
	ks_scoped(auto_addrinfo) struct addrinfo *found = NULL;
	int err, fd = -1;

	if (!find_address(address, &found))
		return ks_usage_error(
			usage,
			"--listen %s: it is not right; give an address and a port, such as " KS_METRICS_ADDRESS
			" or [::1]:9617",
			address);
	err = open_socket(found, &fd);
	if (err) {
		fprintf(stderr, "keepstate: cannot listen at %s: %s\n", address, strerror(-err));
		return KS_EXIT_SYSTEM;
	}
	err = give_up_rights(instance);
	if (err) {
		fprintf(stderr, "keepstate: cannot give up the rights of root: %s\n", strerror(-err));
		return KS_EXIT_SYSTEM;
	}
	return serve(instance, fd);
}
