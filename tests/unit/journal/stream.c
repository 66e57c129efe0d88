/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/stream.c, journal/server.c: searches end, whatever their numbers are, and none of them holds up the end of the journal. */
#include "tests/unit/journal/support.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "journal/server.h"

#define PATIENCE_MS 10000
#define HANGS_SECONDS 60U /* then the test is killed: a stop that waits for ever cannot be asserted */
#define BEYOND "9223372036854775807"
#define FAR_AWAY "4000000000000000"

static struct ks_keeper keeper;
static struct ks_server server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static int begin_server(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	alarm(HANGS_SECONDS);
	if (store_begin_test(state))
		return -1;
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", test_directory) >=
	    (int)sizeof(address.sun_path))
		return -1;
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8))
		return -1;
	ks_server_init(&server, &keeper, test_path);
	return ks_server_start(&server, fd);
}

static int end_server(void **state)
{
	ks_server_stop(&server);
	unlink(address.sun_path);
	return store_end_test(state);
}

static int ask(const char *target)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", target) > 0);
	return fd;
}

/* Reads until `until` has come, or to the end without it. Returns the answer. */
static const char *receive(int fd, const char *until)
{
	static char answer[65536];
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	size_t used = 0;

	for (ssize_t size = 1; size; used += (size_t)size) {
		answer[used] = '\0';
		if (until && strstr(answer, until))
			return answer;
		assert_int_equal(poll(&polled, 1, PATIENCE_MS), 1);
		size = read(fd, answer + used, sizeof(answer) - 1 - used);
		assert_true(size >= 0);
	}
	answer[used] = '\0';
	return answer;
}

/* Asks, and returns the body of the answer. */
static const char *body_of(const char *target)
{
	int fd = ask(target);
	const char *answer = receive(fd, NULL), *body = strstr(answer, "\r\n\r\n");

	close(fd);
	assert_non_null(strstr(answer, " 200 "));
	assert_non_null(body);
	return body + strlen("\r\n\r\n");
}

static void write_drop(void)
{
	write_event("{\"event\":\"drop\",\"verdict\":\"deny\",\"reason\":\"no rule\",\"proto\":\"udp\",\"source\":"
		    "\"192.0.2.10\",\"source_port\":40000,\"destination\":\"203.0.113.1\",\"destination_port\":53}");
	commit_test();
}

/* An entry so far away from the others that nobody sees the end of a search between them. */
static void write_far_away(void)
{
	assert_int_equal(ks_store_execute(&test_store, "INSERT INTO entry(id, time, event) VALUES(" FAR_AWAY ", 1, 0)"),
			 0);
}

static void test_numbers_beyond_the_newest(void **state)
{
	static const char *const beyond[] = { "/v1/history?after=" BEYOND, "/v1/history?order=desc&after=" BEYOND,
					      "/v1/flows?after=" BEYOND, "/v1/flows?before=" BEYOND };

	write_drop();
	assert_non_null(strstr(body_of("/v1/history?before=" BEYOND), "\"cursor\":\"1\""));
	assert_non_null(strstr(body_of("/v1/history?order=desc&before=" BEYOND), "\"cursor\":\"1\""));
	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
		assert_string_equal(body_of(beyond[i]), "");
}

/* Of several values one must hold; only labels and texts may have commas of their own. */
static void test_lists(void **state)
{
	write_drop();
	assert_non_null(strstr(body_of("/v1/history?reason=rule,no%20rule"), "\"cursor\":\"1\""));
	assert_non_null(strstr(body_of("/v1/history?proto=6,17"), "\"cursor\":\"1\""));
	assert_string_equal(body_of("/v1/history?reason=!rule,no%20rule"), "");
}

static void write_at(const char *time)
{
	char line[128];

	snprintf(line, sizeof(line), "{\"event\":\"drop\",\"verdict\":\"deny\",\"time\":\"2026-11-%sZ\"}", time);
	write_event(line);
	commit_test();
}

/* A clock that was ahead is set back: entries of before are later than those behind them. */
static void test_clock_set_back(void **state)
{
	const char *body;

	write_at("30T09:00:00");
	write_at("30T10:00:00");
	write_at("29T09:00:00");
	write_at("29T09:30:00");
	body = body_of("/v1/history?since=2026-11-29T08:00:00Z&until=2026-11-29T09:15:00Z");
	assert_null(strstr(body, "\"cursor\":\"2\""));
	assert_non_null(strstr(body, "\"cursor\":\"3\""));
	assert_null(strstr(body, "\"cursor\":\"4\""));
	body = body_of("/v1/history?since=2026-11-29T09:15:00Z&until=2026-11-30T09:15:00Z");
	assert_non_null(strstr(body, "\"cursor\":\"1\""));
	assert_null(strstr(body, "\"cursor\":\"2\""));
	assert_non_null(strstr(body, "\"cursor\":\"4\""));
	assert_string_equal(body_of("/v1/history?until=2026-11-01T00:00:00Z"), "");
	assert_string_equal(body_of("/v1/history?since=2027-01-01T00:00:00Z"), "");
}

static void test_empty_journal(void **state)
{
	assert_string_equal(body_of("/v1/history"), "");
	assert_string_equal(body_of("/v1/history?before=" BEYOND "&after=" BEYOND), "");
}

/* A client that follows from a number of another, longer journal gets what comes. */
static void test_follow_from_beyond(void **state)
{
	int fd = ask("/v1/history?follow=1&after=" BEYOND);

	receive(fd, "\r\n\r\n");
	write_drop();
	ks_server_committed(&server);
	receive(fd, "\"cursor\":\"1\"");
	close(fd);
}

/* More of them than there are threads. Each shows that it goes on; others are served meanwhile, and the stop ends all. */
static void test_long_search(void **state)
{
	int fds[6];

	write_drop();
	write_far_away();
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fds[i] = ask(i % 2 ? "/v1/history?port=7" : "/v1/history?port=7&order=desc");
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		receive(fds[i], "\r\n\r\n\n\n");
	assert_non_null(strstr(body_of("/v1/history?limit=1"), "\"cursor\":\"1\""));
	ks_server_stop(&server);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		receive(fds[i], NULL);
		close(fds[i]);
	}
	ks_server_init(&server, &keeper, test_path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_server, end_server)
	const struct CMUnitTest tests[] = { TEST(test_numbers_beyond_the_newest),
					    TEST(test_lists),
					    TEST(test_clock_set_back),
					    TEST(test_empty_journal),
					    TEST(test_follow_from_beyond),
					    TEST(test_long_search) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
