// SPDX-License-Identifier: BSD-2-Clause
/*
 * New TCP connections per second: a server that answers one byte with one
 * byte, and a client that keeps a number of connections under way, each from
 * the first SYN to the last FIN. The client closes first, so that the ports it
 * used are its own to reuse. Both are one thread around epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

#define PORTS 8 /* the client takes them in turn: more port pairs than it can use up */
#define PARALLEL 64
#define BACKLOG 4096
#define EVENTS 256
#define PATIENCE_MS 5000
#define SECONDS_MAX 60

struct epoll {
	int fd;
	struct sockaddr_in address;
};

static int epoll_init(struct epoll *e, const struct bench_opts *opts)
{
	e->address = (struct sockaddr_in){ .sin_family = AF_INET };
	if (!opts->address || inet_pton(AF_INET, opts->address, &e->address.sin_addr) != 1)
		return -EINVAL;
	e->fd = epoll_create1(EPOLL_CLOEXEC);
	return e->fd < 0 ? -errno : 0;
}

static int watch(const struct epoll *e, int fd, __u32 events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(e->fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int listen_on(struct epoll *e, __u32 port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	e->address.sin_port = htons((__u16)port);
	if (bind(fd, (struct sockaddr *)&e->address, sizeof(e->address)) || listen(fd, BACKLOG)) {
		int err = -errno;

		close(fd);
		return err;
	}
	watch(e, fd, EPOLLIN);
	return fd;
}

static void accept_all(const struct epoll *e, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (watch(e, fd, EPOLLIN))
			close(fd);
	}
}

/* One byte back for what came; the end of the connection ends it here too. */
static void answer(int fd)
{
	char bytes[64];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n > 0 && write(fd, bytes, 1) == 1)
		return;
	if (n < 0 && errno == EAGAIN)
		return;
	close(fd);
}

static void serve_until_end(const struct epoll *e, int last_listener)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(e->fd, events, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			return;
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == STDIN_FILENO)
				return;
			if (fd <= last_listener)
				accept_all(e, fd);
			else
				answer(fd);
		}
	}
}

int bench_serve(const struct bench_opts *opts)
{
	struct epoll e;
	int last = -1, err = epoll_init(&e, opts);

	for (__u32 i = 0; !err && i < PORTS; i++) {
		last = listen_on(&e, opts->port + i);
		if (last < 0)
			err = last;
	}
	if (!err)
		err = watch(&e, STDIN_FILENO, EPOLLIN | EPOLLHUP);
	if (err)
		return bench_fail(err, "serve --address=%s --port=%u", opts->address, opts->port);
	puts("{\"ready\": true}");
	serve_until_end(&e, last);
	return 0;
}

struct client {
	struct epoll e;
	const struct bench_opts *opts;
	struct sockaddr_in source; /* the first of them */
	__u32 started, finished, failed;
	__u64 start, deadline;
	__u32 second[SECONDS_MAX + 1]; /* finished in each */
};

/* The sources take turns, so that there are more pairs of addresses and ports than any table has room for. */
static int bind_source(const struct client *c, int fd)
{
	struct sockaddr_in source = c->source;
	int one = 1;

	if (!c->opts->sources)
		return 0;
	source.sin_addr.s_addr = htonl(ntohl(source.sin_addr.s_addr) + c->started / PORTS % c->opts->sources);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&source, sizeof(source)) ? -errno : 0;
}

static int start_one(struct client *c)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	c->e.address.sin_port = htons((__u16)(c->opts->port + c->started % PORTS));
	c->started++;
	err = bind_source(c, fd);
	if (!err && connect(fd, (struct sockaddr *)&c->e.address, sizeof(c->e.address)) && errno != EINPROGRESS)
		err = -errno;
	if (!err)
		err = watch(&c->e, fd, EPOLLOUT);
	if (err)
		close(fd);
	return err;
}

static void finish_one(struct client *c)
{
	__u64 second = (bench_wall_time() - c->start) / KS_NSEC_PER_SEC;

	c->finished++;
	c->second[KS_MIN(second, SECONDS_MAX)]++;
}

/* Connected: ask. Answered: close, and the next begins. */
static int step(struct client *c, const struct epoll_event *event)
{
	struct epoll_event next = { .events = EPOLLIN, .data.fd = event->data.fd };
	int fd = event->data.fd;
	char byte = '?';

	if (!(event->events & (EPOLLERR | EPOLLHUP))) {
		if (event->events & EPOLLOUT) {
			if (write(fd, &byte, 1) == 1 && epoll_ctl(c->e.fd, EPOLL_CTL_MOD, fd, &next) == 0)
				return 0;
		} else if (read(fd, &byte, 1) == 1) {
			finish_one(c);
			close(fd);
			return c->started < c->opts->count && bench_wall_time() < c->deadline ? start_one(c) : 0;
		}
	}
	c->failed++;
	close(fd);
	return c->started < c->opts->count && bench_wall_time() < c->deadline ? start_one(c) : 0;
}

static int run_client(struct client *c)
{
	struct epoll_event events[EVENTS];
	int err = 0;

	for (__u32 i = 0; !err && i < PARALLEL && i < c->opts->count; i++)
		err = start_one(c);
	while (!err && c->finished + c->failed < c->started) {
		int n = epoll_wait(c->e.fd, events, EVENTS, PATIENCE_MS);

		if (c->opts->sustain && bench_wall_time() > c->deadline)
			break; /* connections under way may wait for long */
		if (n == 0 && !c->opts->sustain)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; !err && i < n; i++)
			err = step(c, &events[i]);
	}
	return err;
}

static void print_seconds(const struct client *c)
{
	printf(", \"seconds\": [");
	for (__u32 i = 0; i < c->opts->seconds; i++)
		printf("%s%u", i ? ", " : "", c->second[i]);
	printf("]");
}

static void print_client(const struct client *c)
{
	printf("{\"connections\": %u, \"failed\": %u, \"rate\": %.1f", c->finished, c->failed,
	       bench_rate(c->finished, bench_wall_time() - c->start));
	if (c->opts->sustain)
		print_seconds(c);
	puts("}");
}

int bench_connect(const struct bench_opts *opts)
{
	struct client c = { .opts = opts, .start = bench_wall_time(), .source.sin_family = AF_INET };
	int err = epoll_init(&c.e, opts);

	if (!err && opts->sources && (!opts->from || inet_pton(AF_INET, opts->from, &c.source.sin_addr) != 1))
		err = -EINVAL;

	c.deadline = c.start + opts->seconds * KS_NSEC_PER_SEC;
	if (!err)
		err = run_client(&c);
	if (err)
		bench_fail(err, "connect --address=%s --port=%u, after %u connections", opts->address, opts->port,
			   c.finished);
	else
		print_client(&c);
	return err;
}
