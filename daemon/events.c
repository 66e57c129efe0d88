/* SPDX-License-Identifier: BSD-2-Clause */
/* See events.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <jansson.h>

#include "core/home.h"
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
	__u64 lost; /* by the programs, as far as it was told */
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

/* Tells how many lines did not fit, but only when there is room for many: a line of its own for each would be as slow. */
static void tell_lost(struct ks_follower *follower)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "{\"lost\":%llu}", follower->lost);

	if (follower->lost && follower->used <= KS_FOLLOWER_MAX / 2 && append_line(follower, line, (size_t)n))
		follower->lost = 0;
}

static void deliver(struct ks_follower *follower, const char *line, size_t size)
{
	tell_lost(follower);
	if (follower->lost || !append_line(follower, line, size))
		follower->lost++;
}

/* Events that were counted instead of being sent: the last of them, and how many. */
struct folded_ctx {
	struct ks_events *events;
	__u64 folded; /* 0: one event that was sent */
	bool one_source;
};

static char *line_make(const struct folded_ctx *ctx, const struct ks_event *event)
{
	ks_auto_json json_t *root = ks_event_json(*ctx->events->policy, ks_kernel_now(ctx->events->kernel), event);

	if (root && ctx->folded &&
	    (json_object_set_new(root, "folded", json_integer((json_int_t)ctx->folded)) ||
	     json_object_set_new(root, "sources", json_string(ctx->one_source ? "one" : "many"))))
		return NULL;
	return root ? json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
}

/* Gives a line to all followers that want to hear of such events. */
static void tell(const struct folded_ctx *ctx, const struct ks_event *event)
{
	ks_auto_free char *line = NULL;

	for (struct ks_follower *follower = ctx->events->followers; follower; follower = follower->next) {
		if (!ks_filter_match_event(&follower->filter, event))
			continue;
		if (!line)
			line = line_make(ctx, event);
		if (line)
			deliver(follower, line, strlen(line));
		else
			follower->lost++;
	}
}

static int deliver_event(void *arg, void *data, size_t size)
{
	const struct folded_ctx ctx = { .events = arg };

	if (size >= sizeof(struct ks_event))
		tell(&ctx, data);
	return 0;
}

static void tell_folded(__u64 folded, bool one_source, const struct ks_event *last, void *arg)
{
	const struct folded_ctx ctx = { .events = arg, .folded = folded, .one_source = one_source };

	tell(&ctx, last);
}

static void forget_folded(__u64 folded, bool one_source, const struct ks_event *last, void *arg)
{
}

void ks_events_tell_folded(struct ks_events *events)
{
	__u64 lost = ks_kernel_events_lost(events->kernel, KS_LOST_PACKETS);

	if (events->followers) {
		ks_events_take(events); /* events that were sent come first */
		ks_kernel_folds_take(events->kernel, tell_folded, events);
	}
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next) {
		follower->lost += lost - events->lost;
		tell_lost(follower);
	}
	events->lost = lost;
}

/* The programs tell what a follower wants to hear, and nothing else. */
static void asked_set(const struct ks_events *events)
{
	__u32 asked = events->followers ? 1U << KS_EVENT_PACKET : 0;

	ks_store_relaxed(&ks_kernel_control(events->kernel)->asked, asked);
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
	ks_kernel_control(kernel)->asked = 0; /* by followers of a daemon that is dead */
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
	events->lost = ks_kernel_events_lost(kernel, KS_LOST_PACKETS);
	asked_set(events);
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
	if (!events->followers) {
		ks_kernel_folds_take(events->kernel, forget_folded, NULL);
		events->lost = ks_kernel_events_lost(events->kernel, KS_LOST_PACKETS);
	}
	follower->events = events;
	follower->filter = *filter;
	follower->wake = wake;
	follower->arg = arg;
	follower->next = events->followers;
	events->followers = follower;
	events->count++;
	asked_set(events);
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
	asked_set(events);
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
