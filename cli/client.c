/* SPDX-License-Identifier: BSD-2-Clause */
/* See client.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "daemon/instance.h"
#include "text/memory_file.h"
#include "text/scoped.h"

struct exchange {
	CURL *curl;
	char *url;
	char *body;
	struct ks_instance instance;
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

static size_t exchange_take_data(char *data, size_t one, size_t size, void *arg)
{
	struct exchange *exchange = arg;
	long status = 0;
	bool good;

	curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
	if (exchange->fn && status < 400)
		good = exchange_take_lines(exchange, data, size);
	else
		good = exchange_append(exchange, data, size);
	exchange->no_memory = !good && !exchange->ended;
	return good ? size : 0;
}

static bool exchange_make_url(struct exchange *exchange, const struct ks_call *call)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	char separator = '?';

	if (ks_memory_file_open(&file))
		return false;
	fprintf(file.out, "http://keepstate%s", call->path);
	for (size_t i = 0; i < call->parameter_count; i++) {
		const struct ks_parameter *parameter = &call->parameters[i];
		char *value;

		if (!parameter->value)
			continue;
		value = curl_easy_escape(exchange->curl, parameter->value, 0);
		if (!value)
			return false; /* a filter without its value would be another filter */
		fprintf(file.out, "%c%s=%s", separator, parameter->name, value);
		curl_free(value);
		separator = '&';
	}
	exchange->url = ks_memory_file_take(&file);
	return exchange->url;
}

/* Returns 0 or -errno. */
static int exchange_init(struct exchange *exchange, const struct ks_call *call)
{
	int err = ks_instance_find(&exchange->instance);

	if (err)
		return err;
	exchange->curl = curl_easy_init();
	if (!exchange->curl || !exchange_make_url(exchange, call))
		return -ENOMEM;
	if (call->body)
		exchange->body = json_dumps(call->body, JSON_COMPACT);
	if (call->body && !exchange->body)
		return -ENOMEM;
	curl_easy_setopt(exchange->curl, CURLOPT_URL, exchange->url);
	curl_easy_setopt(exchange->curl, CURLOPT_UNIX_SOCKET_PATH, exchange->instance.socket);
	curl_easy_setopt(exchange->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(exchange->curl, CURLOPT_NOSIGNAL, 1L);
	if (exchange->body)
		curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDS, exchange->body);
	else if (!strcmp(call->method, "POST"))
		curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDS, "");
	curl_easy_setopt(exchange->curl, CURLOPT_CUSTOMREQUEST, call->method);
	curl_easy_setopt(exchange->curl, CURLOPT_WRITEFUNCTION, exchange_take_data);
	curl_easy_setopt(exchange->curl, CURLOPT_WRITEDATA, exchange);
	return 0;
}

static void exchange_fini(struct exchange *exchange)
{
	curl_easy_cleanup(exchange->curl);
	free(exchange->url);
	free(exchange->body);
	free(exchange->buf);
}

KS_SCOPED_STRUCT(auto_exchange, struct exchange, exchange_fini)
#define auto_exchange ks_scoped(auto_exchange)

static void connection_error(const struct exchange *exchange, CURLcode code)
{
	bool missing = access(exchange->instance.socket, F_OK) && errno == ENOENT;

	if (code == CURLE_COULDNT_CONNECT && geteuid() != 0)
		fprintf(stderr, "keepstate: cannot connect to the daemon: this needs root\n");
	else if (code == CURLE_COULDNT_CONNECT && missing && !access(exchange->instance.lock, F_OK))
		fprintf(stderr,
			"keepstate: the daemon of this network namespace (%s) is still starting, or died before it was "
			"ready\n",
			exchange->instance.name);
	else if (code == CURLE_COULDNT_CONNECT && missing)
		fprintf(stderr,
			"keepstate: no daemon runs in this network namespace (%s); `keepstate run FILE` starts one, "
			"--netns NAME looks into another\n",
			exchange->instance.name);
	else if (code == CURLE_COULDNT_CONNECT)
		fprintf(stderr,
			"keepstate: no daemon answers at %s; if it died, its firewall is still in force: "
			"`keepstate run FILE` takes it over, `keepstate stop` removes it\n",
			exchange->instance.socket);
	else
		fprintf(stderr, "keepstate: the daemon's answer broke off: %s\n", curl_easy_strerror(code));
}

/* Prints the error of an answer of 400 or more. Returns the exit code. */
static int answer_error(const struct exchange *exchange, long status)
{
	ks_auto_json json_t *answer = json_loadb(exchange->buf ? exchange->buf : "", exchange->used, 0, NULL);
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (error)
		fprintf(stderr, "keepstate: %s\n", error);
	else
		fprintf(stderr, "keepstate: the daemon answers with HTTP status %ld\n", status);
	return status < 500 ? KS_EXIT_USAGE : KS_EXIT_SYSTEM;
}

/* Makes the call. Returns the HTTP status, or 0 after complaining. */
static long exchange_run(struct exchange *exchange, const struct ks_call *call)
{
	int err = exchange_init(exchange, call);
	long status = 0;
	CURLcode code;

	if (err) {
		fprintf(stderr, "keepstate: %s\n", strerror(-err));
		return 0;
	}
	code = curl_easy_perform(exchange->curl);
	if (exchange->no_memory) {
		ks_cli_no_memory();
		return 0;
	}
	if (code != CURLE_OK && !exchange->ended) {
		connection_error(exchange, code);
		return 0;
	}
	curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

int ks_client_call(const struct ks_call *call, json_t **answer)
{
	auto_exchange struct exchange exchange = { 0 };
	long status = exchange_run(&exchange, call);
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
	auto_exchange struct exchange exchange = { .fn = fn, .arg = arg };
	long status = exchange_run(&exchange, call);

	if (!status)
		return KS_EXIT_SYSTEM;
	return status < 400 ? KS_EXIT_OK : answer_error(&exchange, status);
}
