/* SPDX-License-Identifier: BSD-2-Clause */
/* See events.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <jansson.h>

#include "daemon/events.h"
#include "daemon/api/forms.h"
#include "text/scoped.h"

#define KS_FOLLOWER_MAX (1U << 20) /* bytes that wait for a slow reader */

struct ks_follower {
	struct ks_events *events;
	struct ks_follower *next;
	struct ks_filter filter;
	void (*wake)(void *arg);
	void *arg;
	bool asleep; /* it has read everything: `wake` is to be called */
	char *buf;
	size_t used, room;
	__u64 lost; /* lines since the last one that fitted */
};

struct ks_events {
	struct ks_kernel *kernel;
	struct ks_policy *const *policy;
	struct ring_buffer *ring;
	struct ring_buffer *former; /* of a kernel that is about to be closed, else NULL */
	struct ks_follower *followers;
	unsigned count;
	bool ended;
};

static bool reserve(struct ks_follower *follower, size_t size)
{
	size_t room = follower->room ? follower->room : 4096;
	char *buf;

	while (room < follower->used + size)
		room *= 2;
	if (room > KS_FOLLOWER_MAX)
		return false;
	if (room == follower->room)
		return true;
	buf = realloc(follower->buf, room);
	if (!buf)
		return false;
	follower->buf = buf;
	follower->room = room;
	return true;
}

static void wake_up(struct ks_follower *follower)
{
	if (!follower->asleep)
		return;
	follower->asleep = false;
	follower->wake(follower->arg);
}

static bool append_line(struct ks_follower *follower, const char *line, size_t size)
{
	if (!reserve(follower, size + 1))
		return false;
	memcpy(follower->buf + follower->used, line, size);
	follower->buf[follower->used + size] = '\n';
	follower->used += size + 1;
	wake_up(follower);
	return true;
}

static void tell_lost(struct ks_follower *follower)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "{\"lost\":%llu}", follower->lost);

	if (append_line(follower, line, (size_t)n))
		follower->lost = 0;
}

static void deliver(struct ks_follower *follower, const char *line, size_t size)
{
	if (follower->lost)
		tell_lost(follower);
	if (follower->lost || !append_line(follower, line, size))
		follower->lost++;
}

/* The event as a line, NULL without memory. */
static char *event_line(const struct ks_events *events, const struct ks_event *event)
{
	ks_auto_json json_t *root = ks_event_json(*events->policy, ks_kernel_now(events->kernel), event);

	return root ? json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
}

static int deliver_event(void *arg, void *data, size_t size)
{
	struct ks_events *events = arg;
	const struct ks_event *event = data;
	ks_auto_free char *line = NULL;

	if (size < sizeof(*event))
		return 0;
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next) {
		if (!ks_filter_match_event(&follower->filter, event))
			continue;
		if (!line)
			line = event_line(events, event);
		if (line)
			deliver(follower, line, strlen(line));
		else
			follower->lost++;
	}
	return 0;
}

int ks_events_create(struct ks_kernel *kernel, struct ks_policy *const *policy, struct ks_events **events)
{
	ks_auto_free struct ks_events *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->kernel = kernel;
	new->policy = policy;
	new->ring = ring_buffer__new(ks_kernel_map_fd(kernel, KS_MAP_EVENTS), deliver_event, new, NULL);
	if (!new->ring)
		return -errno;
	ks_kernel_control(kernel)->listeners = 0; /* those of a daemon that is dead */
	*events = TAKE(new);
	return 0;
}

void ks_events_destroy(struct ks_events *events)
{
	if (!events)
		return;
	for (struct ks_follower *follower = events->followers, *next; follower; follower = next) {
		next = follower->next;
		ks_follower_destroy(follower);
	}
	ring_buffer__free(events->former);
	ring_buffer__free(events->ring);
	free(events);
}

int ks_events_move(struct ks_events *events, struct ks_kernel *kernel)
{
	struct ring_buffer *ring =
		ring_buffer__new(ks_kernel_map_fd(kernel, KS_MAP_EVENTS), deliver_event, events, NULL);

	if (!ring)
		return -errno;
	events->former = events->ring;
	events->ring = ring;
	events->kernel = kernel;
	ks_kernel_control(kernel)->listeners = events->count;
	return 0;
}

void ks_events_forget_former(struct ks_events *events)
{
	if (events->former)
		ring_buffer__consume(events->former);
	ring_buffer__free(events->former);
	events->former = NULL;
}

int ks_events_fd(const struct ks_events *events)
{
	return ring_buffer__epoll_fd(events->ring);
}

void ks_events_take(struct ks_events *events)
{
	ring_buffer__consume(events->ring);
}

struct ks_follower *ks_events_follow(struct ks_events *events, const struct ks_filter *filter, void (*wake)(void *arg),
				     void *arg)
{
	struct ks_follower *follower = calloc(1, sizeof(*follower));

	if (!follower)
		return NULL;
	ks_events_take(events); /* earlier events are not for this one */
	follower->events = events;
	follower->filter = *filter;
	follower->wake = wake;
	follower->arg = arg;
	follower->next = events->followers;
	events->followers = follower;
	events->count++;
	__atomic_fetch_add(&ks_kernel_control(events->kernel)->listeners, 1, __ATOMIC_SEQ_CST);
	return follower;
}

void ks_follower_destroy(struct ks_follower *follower)
{
	struct ks_events *events = follower->events;
	struct ks_follower **link = &events->followers;

	while (*link != follower)
		link = &(*link)->next;
	*link = follower->next;
	events->count--;
	__atomic_fetch_sub(&ks_kernel_control(events->kernel)->listeners, 1, __ATOMIC_SEQ_CST);
	free(follower->buf);
	free(follower);
}

ssize_t ks_follower_read(struct ks_follower *follower, char *buf, size_t size)
{
	size_t n = size < follower->used ? size : follower->used;

	if (!n && follower->events->ended)
		return -EPIPE;
	if (!n) {
		follower->asleep = true;
		return 0;
	}
	memcpy(buf, follower->buf, n);
	follower->used -= n;
	memmove(follower->buf, follower->buf + n, follower->used);
	return (ssize_t)n;
}

void ks_events_end(struct ks_events *events)
{
	events->ended = true;
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next)
		wake_up(follower);
}

void ks_events_beat(struct ks_events *events)
{
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next)
		append_line(follower, "", 0);
}

unsigned ks_events_followers(const struct ks_events *events)
{
	return events->count;
}
