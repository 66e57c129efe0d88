/* SPDX-License-Identifier: BSD-2-Clause */
/* See client.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/http.h"
#include "cli/output.h"
#include "core/types.h"
#include "daemon/beacon.h"
#include "daemon/instance.h"
#include "daemon/presence.h"
#include "text/memory_file.h"
#include "text/scoped.h"

#define BUSY_WAITS 3 /* of KS_HTTP_PATIENCE_MS, until we say that the daemon is busy */
#define SUSPENDED_WAITS 2 /* one is not enough: a debugger stops a process for a moment */
#define JOURNAL_WAITS 8
#define CONNECT_PAUSE_US 50000

struct exchange {
	struct ks_http http;
	int fd; /* -1: not connected */
	struct ks_instance instance;
	bool journal; /* it is asked, not the daemon */
	pid_t daemon; /* its process, 0 if the kernel does not tell */
	unsigned waits, suspended; /* one after the other without an answer */
	ks_line_fn *fn; /* NULL: everything into buf */
	void *arg;
	char *buf; /* the answer, or the beginning of a line */
	size_t used, room;
	bool ended; /* by fn */
	bool no_memory;
};

static bool exchange_append(struct exchange *exchange, const char *data, size_t size)
{
	size_t room = exchange->room ? exchange->room : 4096;
	char *buf;

	while (room <= exchange->used + size)
		room *= 2;
	if (room != exchange->room) {
		buf = realloc(exchange->buf, room);
		if (!buf)
			return false;
		exchange->buf = buf;
		exchange->room = room;
	}
	memcpy(exchange->buf + exchange->used, data, size);
	exchange->used += size;
	exchange->buf[exchange->used] = '\0';
	return true;
}

/* Hands whole lines over and keeps the rest. Returns false when fn has enough or memory is short. */
static bool exchange_take_lines(struct exchange *exchange, const char *data, size_t size)
{
	const char *end;

	while ((end = memchr(data, '\n', size))) {
		size_t length = (size_t)(end - data);

		if (!exchange->used) {
			exchange->ended = exchange->fn(data, length, exchange->arg);
		} else {
			if (!exchange_append(exchange, data, length))
				return false;
			exchange->ended = exchange->fn(exchange->buf, exchange->used, exchange->arg);
			exchange->used = 0;
		}
		if (exchange->ended)
			return false;
		data += length + 1;
		size -= length + 1;
	}
	return !size || exchange_append(exchange, data, size);
}

/* Prints a text in which everything but letters, digits and a few marks is written as %XX. */
static void print_escaped(const char *text, FILE *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < 0x80 && isalnum(c)) || strchr("-._~", c))
			fputc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
}

/* The path with the query, NULL without memory: a filter without its value would be another filter. */
static char *target_make(const struct ks_call *call)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	char separator = '?';

	if (ks_memory_file_open(&file))
		return NULL;
	fputs(call->path, file.out);
	for (size_t i = 0; i < call->parameter_count; i++) {
		const struct ks_parameter *parameter = &call->parameters[i];

		if (!parameter->value)
			continue;
		fprintf(file.out, "%c%s=", separator, parameter->name);
		print_escaped(parameter->value, file.out);
		separator = '&';
	}
	return ks_memory_file_take(&file);
}

/* Called every second without an answer. A daemon that is suspended would let us wait for ever; a busy one answers some time. */
static int exchange_wait(void *arg)
{
	struct exchange *exchange = arg;

	exchange->waits++;
	if (exchange->daemon && ks_process_is_suspended(exchange->daemon))
		exchange->suspended++;
	else
		exchange->suspended = 0;
	if (exchange->suspended >= SUSPENDED_WAITS)
		return -ETIMEDOUT;
	if (exchange->journal && !exchange->fn && exchange->waits >= JOURNAL_WAITS)
		return -ETIMEDOUT; /* its line is beside those of the firewall, and must not keep them back */
	if (exchange->waits == BUSY_WAITS && !exchange->fn && !exchange->journal)
		fprintf(stderr, "keepstate: the daemon (process %d) is busy; waiting for its answer\n",
			(int)exchange->daemon);
	return 0;
}

/* One attempt: -EAGAIN if so many clients wait already that the kernel takes no more. */
static int connect_once(struct exchange *exchange)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(struct ucred);
	struct ucred peer = { 0 };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", exchange->instance.socket);
	if (connect(exchange->fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	if (!getsockopt(exchange->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		exchange->daemon = peer.pid;
	return 0;
}

static int exchange_connect(struct exchange *exchange)
{
	int err = ks_instance_find(&exchange->instance);

	if (err)
		return err;
	if (exchange->journal)
		snprintf(exchange->instance.socket, sizeof(exchange->instance.socket), KS_JOURNAL_RUN_DIR "/%s.sock",
			 exchange->instance.name);
	exchange->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (exchange->fd < 0)
		return -errno;
	for (unsigned i = 1;; i++) {
		err = connect_once(exchange);
		if (err != -EAGAIN)
			return err;
		exchange->daemon = ks_beacon_see(KS_BEACON_DAEMON);
		usleep(CONNECT_PAUSE_US);
		if (i % (KS_HTTP_PATIENCE_MS * 1000 / CONNECT_PAUSE_US) == 0 && (err = exchange_wait(exchange)))
			return err;
	}
}

static int exchange_send(struct exchange *exchange, const struct ks_call *call)
{
	ks_auto_free char *target = target_make(call);
	ks_auto_free char *body = call->body ? json_dumps(call->body, JSON_COMPACT) : NULL;

	if (!target || (call->body && !body))
		return -ENOMEM;
	ks_http_begin(&exchange->http, exchange->fd, exchange_wait, exchange);
	return ks_http_send(&exchange->http, call->method, target, call->text ? call->text : body);
}

/* Reads the body: as lines to fn if it is a stream and no error, else into buf. */
static int exchange_read(struct exchange *exchange, int status)
{
	bool lines = exchange->fn && status < 400;
	char data[65536];
	ssize_t size;

	while ((size = ks_http_read_body(&exchange->http, data, sizeof(data))) > 0) {
		bool good = lines ? exchange_take_lines(exchange, data, (size_t)size)
				  : exchange_append(exchange, data, (size_t)size);

		exchange->waits = exchange->suspended = 0;
		if (exchange->ended)
			return 0;
		if (!good)
			return -ENOMEM;
	}
	return (int)size;
}

static void exchange_fini(struct exchange *exchange)
{
	if (exchange->fd >= 0)
		close(exchange->fd);
	free(exchange->buf);
}

KS_SCOPED_STRUCT(auto_exchange, struct exchange, exchange_fini)
#define auto_exchange ks_scoped(auto_exchange)

static void complain_of_presence(const struct exchange *exchange)
{
	struct ks_presence presence;

	ks_presence_find(&exchange->instance, &presence);
	fputs("keepstate: ", stderr);
	ks_presence_describe(&presence, &exchange->instance, stderr);
	fputc('\n', stderr);
}

static void complain_of_journal(int err)
{
	if (err == -EACCES)
		fputs("keepstate: the journal answers root and the group keepstate only\n", stderr);
	else if (err == -ECONNRESET || err == -EPIPE)
		fputs("keepstate: the journal's answer broke off: it ended meanwhile\n", stderr);
	else if (err == -ETIMEDOUT)
		fputs("keepstate: the journal does not answer: it is suspended, or waits for its disk\n", stderr);
	else
		fputs("keepstate: no journal runs here: the past is known to keepstate-journal only (systemctl start "
		      "keepstate-journal)\n",
		      stderr);
}

static void exchange_complain(const struct exchange *exchange, int err)
{
	if (err == -ENOMEM)
		ks_cli_no_memory();
	else if (exchange->journal && err != -EPROTO)
		complain_of_journal(err);
	else if (err == -ENOENT || err == -ECONNREFUSED || err == -EACCES || err == -ETIMEDOUT)
		complain_of_presence(exchange);
	else if (err == -ECONNRESET || err == -EPIPE)
		fputs("keepstate: the daemon's answer broke off: it ended meanwhile, or serves too many clients\n",
		      stderr);
	else if (err == -EPROTO)
		fputs("keepstate: the daemon's answer is no HTTP\n", stderr);
	else
		fprintf(stderr, "keepstate: %s: %s\n", exchange->instance.socket, strerror(-err));
}

/* Prints the error of an answer of 400 or more. Returns the exit code. */
static int answer_error(const struct exchange *exchange, int status)
{
	ks_auto_json json_t *answer = json_loadb(exchange->buf ? exchange->buf : "", exchange->used, 0, NULL);
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (error)
		fprintf(stderr, "keepstate: %s\n", error);
	else
		fprintf(stderr, "keepstate: the daemon answers with HTTP status %d\n", status);
	return status < 500 ? KS_EXIT_USAGE : KS_EXIT_SYSTEM;
}

/* Makes the call. Returns the HTTP status, or 0 after complaining. */
static int exchange_run(struct exchange *exchange, const struct ks_call *call)
{
	int status = 0, err;

	exchange->journal = call->journal;
	err = exchange_connect(exchange);
	if (!err)
		err = exchange_send(exchange, call);
	if (!err)
		err = ks_http_read_head(&exchange->http, &status);
	if (!err)
		err = exchange_read(exchange, status);
	if (err)
		exchange_complain(exchange, err);
	return err ? 0 : status;
}

int ks_client_call(const struct ks_call *call, json_t **answer)
{
	auto_exchange struct exchange exchange = { .fd = -1 };
	int status = exchange_run(&exchange, call);
	json_t *value;

	if (!status)
		return KS_EXIT_SYSTEM;
	if (status >= 400 && !(status == 422 && call->details))
		return answer_error(&exchange, status);
	value = json_loadb(exchange.buf ? exchange.buf : "", exchange.used, 0, NULL);
	if (!value) {
		fprintf(stderr, "keepstate: the daemon's answer is not JSON\n");
		return KS_EXIT_SYSTEM;
	}
	*answer = value;
	return status < 400 ? KS_EXIT_OK : KS_EXIT_USAGE;
}

int ks_client_lines(const struct ks_call *call, ks_line_fn *fn, void *arg)
{
	auto_exchange struct exchange exchange = { .fd = -1, .fn = fn, .arg = arg };
	int status = exchange_run(&exchange, call);

	if (!status)
		return KS_EXIT_SYSTEM;
	return status < 400 ? KS_EXIT_OK : answer_error(&exchange, status);
}

bool ks_client_journal_runs(void)
{
	auto_exchange struct exchange exchange = { .fd = -1, .journal = true };

	return !exchange_connect(&exchange);
}
