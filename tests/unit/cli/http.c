/* SPDX-License-Identifier: BSD-2-Clause */
/* cli/http.c: answers whole, in pieces, cut, and wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/http.h"
#include "core/types.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static int give_up(void *arg)
{
	return -ETIMEDOUT;
}

/* Reads an answer that arrives in pieces of `step` bytes from a peer that closes behind it. Returns the status or -errno. */
static int answer_read(const char *text, size_t length, size_t step, char *body, size_t room)
{
	struct ks_http *http = malloc(sizeof(*http));
	int fds[2], status = 0, err;
	size_t used = 0;
	ssize_t size;

	assert_non_null(http);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	for (size_t at = 0; at < length; at += step)
		assert_true(write(fds[1], text + at, KS_MIN(step, length - at)) > 0);
	close(fds[1]);
	ks_http_begin(http, fds[0], give_up, NULL);
	err = ks_http_read_head(http, &status);
	while (!err && used < room - 1) {
		size = ks_http_read_body(http, body + used, KS_MIN(step, room - 1 - used));
		if (size < 0)
			err = (int)size;
		if (size <= 0)
			break;
		used += (size_t)size;
	}
	body[used] = '\0';
	close(fds[0]);
	free(http);
	return err ? err : status;
}

static void check_answer(const char *text, int wanted, const char *wanted_body)
{
	char body[4096];

	for (size_t step = 1; step < 64; step += step) {
		assert_int_equal(answer_read(text, strlen(text), step, body, sizeof(body)), wanted);
		if (wanted > 0)
			assert_string_equal(body, wanted_body);
	}
}

static void test_bodies(void **state)
{
	check_answer(OK_HEAD "Content-Length: 5\r\n\r\nhello", 200, "hello");
	check_answer(OK_HEAD "content-length:5\n\nhello and more", 200, "hello");
	check_answer(OK_HEAD "Content-Length: 0\r\n\r\n", 200, "");
	check_answer("HTTP/1.0 404 No\r\nDate: now\r\n\r\nuntil the end", 404, "until the end");
	check_answer("HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n", 204, "");
	check_answer(OK_HEAD
		     "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nB;x=1\r\n, and again\r\n0\r\nX: y\r\n\r\n",
		     200, "hello, and again");
	check_answer("HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Content-Length: 2\r\n\r\nok", 200, "ok");
}

static void test_broken_off(void **state)
{
	check_answer("", -ECONNRESET, NULL);
	check_answer("HTTP/1.1 200 OK\r\nContent-Le", -ECONNRESET, NULL);
	check_answer(OK_HEAD "Content-Length: 6\r\n\r\nhello", -ECONNRESET, NULL);
	check_answer(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", -ECONNRESET, NULL);
	check_answer(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", -ECONNRESET, NULL);
	check_answer(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", -ECONNRESET, NULL);
}

static void test_wrong(void **state)
{
	static const char *const list[] = {
		"SSH-2.0-x\r\n\r\n",
		"HTTP/2 200\r\n\r\n",
		"HTTP/1.1 20\r\n\r\n",
		"HTTP/1.1 2000\r\n\r\n",
		"HTTP/1.1 099 x\r\n\r\n",
		OK_HEAD "no colon\r\n\r\n",
		OK_HEAD ": no name\r\n\r\n",
		OK_HEAD "Content-Length: -1\r\n\r\n",
		OK_HEAD "Content-Length: 0x5\r\n\r\nhello",
		OK_HEAD "Content-Length: 99999999999999999999\r\n\r\n",
		OK_HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		OK_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
		OK_HEAD "Transfer-Encoding: gzip\r\n\r\n",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\nx\r\n",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(list); i++)
		check_answer(list[i], -EPROTO, NULL);
}

static void test_bounds(void **state)
{
	char *text = malloc(2 * KS_HTTP_LINE_MAX + 256), body[16];
	size_t used = (size_t)sprintf(text, OK_HEAD "X: ");

	memset(text + used, 'x', KS_HTTP_LINE_MAX);
	strcpy(text + used + KS_HTTP_LINE_MAX, "\r\n\r\n");
	assert_int_equal(answer_read(text, strlen(text), 4096, body, sizeof(body)), -EPROTO);
	used = (size_t)sprintf(text, OK_HEAD);
	for (int i = 0; i <= KS_HTTP_HEADERS_MAX; i++)
		used += (size_t)sprintf(text + used, "X: y\r\n");
	strcpy(text + used, "\r\n");
	assert_int_equal(answer_read(text, strlen(text), 4096, body, sizeof(body)), -EPROTO);
	assert_int_equal(
		answer_read(OK_HEAD "X: a\0b\r\n\r\n", sizeof(OK_HEAD "X: a\0b\r\n\r\n") - 1, 4096, body, sizeof(body)),
		-EPROTO);
	free(text);
}

/* A peer that says nothing: the caller decides how long. */
static void test_silence(void **state)
{
	struct ks_http *http = malloc(sizeof(*http));
	int fds[2], status;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ks_http_begin(http, fds[0], give_up, NULL);
	assert_int_equal(ks_http_read_head(http, &status), -ETIMEDOUT);
	close(fds[0]);
	close(fds[1]);
	free(http);
}

static void check_request(const char *method, const char *body, const char *wanted)
{
	struct ks_http *http = malloc(sizeof(*http));
	char text[512] = "";
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ks_http_begin(http, fds[0], give_up, NULL);
	assert_int_equal(ks_http_send(http, method, "/v1/x?a=b", body), 0);
	assert_true(read(fds[1], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, wanted);
	close(fds[0]);
	close(fds[1]);
	free(http);
}

static void test_requests(void **state)
{
	check_request("GET", NULL, "GET /v1/x?a=b HTTP/1.1\r\nHost: keepstate\r\nConnection: close\r\n\r\n");
	check_request("DELETE", NULL,
		      "DELETE /v1/x?a=b HTTP/1.1\r\nHost: keepstate\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
	check_request("POST", "{}",
		      "POST /v1/x?a=b HTTP/1.1\r\nHost: keepstate\r\nConnection: close\r\n"
		      "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies), cmocka_unit_test(test_broken_off), cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_silence),	  cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
