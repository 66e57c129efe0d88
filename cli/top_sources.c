/* SPDX-License-Identifier: BSD-2-Clause */
/* See top_sources.h. */
#include "cli/top_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/client.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/scoped.h"

/* --- the child --- */

static int line_hand_on(const char *line, size_t length, void *arg)
{
	const int *fd = arg;
	char text[8192];

	if (!length || length + 1 >= sizeof(text))
		return 0;
	memcpy(text, line, length);
	text[length] = '\n';
	return write(*fd, text, length + 1) != (ssize_t)length + 1;
}

/* Does not come back. What goes wrong is no business of this screen: no lines come then. */
static void __attribute__((noreturn)) follow(int fd)
{
	const struct ks_parameter parameters[] = { { "verdict", "deny,reject" } };
	const struct ks_call call = { .method = "GET",
				      .path = "/v1/log",
				      .parameters = parameters,
				      .parameter_count = KS_ARRAY_SIZE(parameters) };
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGINT, SIG_IGN);
	for (int i = 0; nowhere >= 0 && i <= STDERR_FILENO; i++)
		dup2(nowhere, i);
	ks_client_lines(&call, line_hand_on, &fd);
	_exit(0);
}

int ks_top_sources_begin(struct ks_top_sources *sources, uint64_t now)
{
	int pipe_fds[2];

	if (sources->child)
		return 0;
	if (!sources->list)
		sources->list = calloc(KS_TOP_SOURCES, sizeof(*sources->list));
	if (!sources->list)
		return -ENOMEM;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	sources->child = fork();
	if (!sources->child) {
		close(pipe_fds[0]);
		follow(pipe_fds[1]);
	}
	close(pipe_fds[1]);
	if (sources->child < 0) {
		sources->child = 0;
		close(pipe_fds[0]);
		return -errno;
	}
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	sources->fd = pipe_fds[0];
	if (!sources->begun)
		sources->begun = sources->beaten = now;
	return 0;
}

static void child_end(struct ks_top_sources *sources)
{
	if (!sources->child)
		return;
	kill(sources->child, SIGTERM);
	waitpid(sources->child, NULL, 0);
	close(sources->fd);
	sources->child = 0;
	sources->used = 0;
}

void ks_top_sources_end(struct ks_top_sources *sources)
{
	child_end(sources);
	free(sources->list);
	*sources = (struct ks_top_sources){ 0 };
}

/* --- the counts --- */

/* The place of a source: its own, a free one, or that of the source with the fewest packets. */
static struct ks_top_source *place_of(struct ks_top_sources *sources, const char *source)
{
	struct ks_top_source *least = sources->list;

	for (size_t i = 0; i < sources->count; i++) {
		if (!strcmp(sources->list[i].source, source))
			return &sources->list[i];
		if (sources->list[i].packets < least->packets)
			least = &sources->list[i];
	}
	if (sources->count < KS_TOP_SOURCES)
		least = &sources->list[sources->count++];
	else
		sources->lost += least->packets;
	*least = (struct ks_top_source){ 0 };
	snprintf(least->source, sizeof(least->source), "%s", source);
	return least;
}

void ks_top_sources_line(struct ks_top_sources *sources, const char *line, size_t length)
{
	ks_auto_json json_t *event = json_loadb(line, length, 0, NULL);
	uint64_t packets = (uint64_t)ks_member_number(event, "folded");
	struct ks_top_source *place;

	sources->lost += (uint64_t)ks_member_number(event, "lost");
	if (!*ks_member_text(event, "source"))
		return;
	if (packets && !strcmp(ks_member_text(event, "sources"), "many")) {
		sources->many += packets;
		return;
	}
	place = place_of(sources, ks_member_text(event, "source"));
	place->packets += packets ? packets : 1;
	snprintf(place->reason, sizeof(place->reason), "%s", ks_member_text(event, "reason"));
	snprintf(place->packet, sizeof(place->packet), "%s", ks_member_text(event, "packet"));
}

/* Hands over the whole lines of what was read, and keeps the rest. One that is longer than the buffer is left out. */
static void lines_take(struct ks_top_sources *sources)
{
	char *begin = sources->rest, *end;

	while ((end = memchr(begin, '\n', sources->used - (size_t)(begin - sources->rest)))) {
		ks_top_sources_line(sources, begin, (size_t)(end - begin));
		begin = end + 1;
	}
	sources->used -= (size_t)(begin - sources->rest);
	memmove(sources->rest, begin, sources->used);
	if (sources->used == sizeof(sources->rest))
		sources->used = 0;
}

#define READS_MAX 256 /* in one call: a flood of lines must not keep the keys waiting */

void ks_top_sources_take(struct ks_top_sources *sources)
{
	for (unsigned i = 0; sources->child && i < READS_MAX; i++) {
		ssize_t n = read(sources->fd, sources->rest + sources->used, sizeof(sources->rest) - sources->used);

		if (!n) /* the daemon is gone: begin again at the next look */
			child_end(sources);
		if (n <= 0)
			return;
		sources->used += (size_t)n;
		lines_take(sources);
	}
}

static int source_order(const void *a, const void *b)
{
	const struct ks_top_source *one = a, *other = b;

	if (one->packets != other->packets)
		return one->packets > other->packets ? -1 : 1;
	return strcmp(one->source, other->source);
}

void ks_top_sources_beat(struct ks_top_sources *sources, uint64_t now)
{
	double seconds = (double)(now - sources->beaten) / (double)KS_NSEC_PER_SEC;

	for (size_t i = 0; i < sources->count; i++) {
		struct ks_top_source *source = &sources->list[i];

		source->rate = seconds > 0 ? (double)(source->packets - source->before) / seconds : 0;
		source->before = source->packets;
	}
	sources->beaten = now;
	if (sources->count)
		qsort(sources->list, sources->count, sizeof(*sources->list), source_order);
}

void ks_top_sources_reset(struct ks_top_sources *sources, uint64_t now)
{
	sources->count = 0;
	sources->many = sources->lost = 0;
	sources->begun = sources->beaten = now;
}
