/* SPDX-License-Identifier: BSD-2-Clause */
/* See aside.h. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/aside.h"
#include "daemon/api/api.h"
#include "daemon/daemon.h"
#include "text/scoped.h"

struct aside_ctx {
	void (*fn)(void *arg);
	void *arg;
	int done_fd; /* an eventfd that the thread writes to when it ends */
};

static void *work(void *arg)
{
	const struct aside_ctx *ctx = arg;
	const __u64 one = 1;

	ctx->fn(ctx->arg);
	while (write(ctx->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
	return NULL;
}

static void take_news_until(struct ks_daemon *daemon, int done_fd, struct ks_api *api)
{
	struct pollfd fds[] = { { .fd = done_fd, .events = POLLIN },
				{ .fd = daemon->news_fd, .events = POLLIN },
				{ .fd = daemon->routes_fd, .events = POLLIN },
				{ .fd = api ? ks_api_fd(api) : -1, .events = POLLIN } };

	while (!fds[0].revents) {
		if (poll(fds, KS_ARRAY_SIZE(fds), api ? ks_api_timeout(api) : -1) < 0)
			continue;
		if (fds[1].revents || fds[2].revents)
			ks_daemon_take_news(daemon);
		if (api)
			ks_api_work(api);
	}
}

static void run(struct ks_daemon *daemon, void (*fn)(void *arg), void *arg, struct ks_api *api)
{
	ks_auto_fd int done_fd = eventfd(0, EFD_CLOEXEC);
	struct aside_ctx ctx = { .fn = fn, .arg = arg, .done_fd = done_fd };
	pthread_t thread;

	if (done_fd < 0 || pthread_create(&thread, NULL, work, &ctx)) {
		fn(arg); /* without a thread the news wait */
		return;
	}
	take_news_until(daemon, done_fd, api);
	pthread_join(thread, NULL);
}

void ks_aside_run(struct ks_daemon *daemon, void (*fn)(void *arg), void *arg)
{
	run(daemon, fn, arg, NULL);
}

void ks_aside_run_serving(struct ks_daemon *daemon, void (*fn)(void *arg), void *arg)
{
	run(daemon, fn, arg, daemon->api);
}
