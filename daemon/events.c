/* SPDX-License-Identifier: BSD-2-Clause */
/* See events.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <jansson.h>

#include "core/home.h"
#include "daemon/api/flow_event.h"
#include "daemon/api/forms.h"
#include "daemon/api/wall_clock.h"
#include "daemon/events.h"
#include "engine/translation.h"
#include "text/scoped.h"

#define KS_FOLLOWER_MAX (1U << 22) /* bytes that wait for a slow reader */
#define KS_BACKLOG_SECONDS 10U /* a journal is connected sooner, or does not run */

struct ks_follower {
	struct ks_events *events;
	struct ks_follower *next;
	struct ks_filter filter;
	unsigned hears; /* KS_HEARS_* */
	void (*wake)(void *arg);
	void *arg;
	bool asleep; /* it has read everything: `wake` is to be called */
	char *buf;
	size_t start, used, room; /* `used` bytes wait, from `start` on */
	__u64 lost; /* lines since the last one that fitted */
};

struct ks_events {
	struct ks_kernel *kernel;
	struct ks_policy *const *policy;
	struct ring_buffer *ring;
	struct ring_buffer *former; /* of a kernel that is about to be closed, else NULL */
	struct ks_follower *followers;
	struct ks_follower *backlog; /* one of them that nobody reads: for the follower who comes for it */
	unsigned backlog_seconds; /* that it waits yet */
	unsigned count; /* without it */
	unsigned taken; /* events of flows, in this turn */
	__u64 again; /* ks_events_look_again() */
	__u64 lost[KS_LOST_KINDS]; /* by the programs, as far as it was told */
	bool ended;
};

static bool reserve(struct ks_follower *follower, size_t size)
{
	size_t room = follower->room ? follower->room : 4096;
	char *buf;

	if (follower->start && follower->start + follower->used + size > follower->room) {
		memmove(follower->buf, follower->buf + follower->start, follower->used);
		follower->start = 0;
	}
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
	memcpy(follower->buf + follower->start + follower->used, line, size);
	follower->used += size + 1;
	follower->buf[follower->start + follower->used - 1] = '\n';
	wake_up(follower);
	return true;
}

/* Tells how many lines did not fit, but only when there is room for many: a line of its own for each would be as slow. */
static void tell_lost(struct ks_follower *follower)
{
	__u64 now = ks_kernel_now(follower->events->kernel);
	char line[128], time[KS_WALL_TEXT];
	int n;

	if (!follower->lost || follower->used > KS_FOLLOWER_MAX / 2)
		return;
	n = snprintf(line, sizeof(line), "{\"event\":\"lost\",\"time\":\"%s\",\"lost\":%llu}",
		     ks_wall_text(now, now, true, time), follower->lost);
	if (append_line(follower, line, (size_t)n))
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
	const struct ks_event_octets *octets; /* the event with the first bytes of its packet, or NULL */
};

/* Returns 0, or nonzero without memory. */
static int octets_add(json_t *root, const struct ks_event_octets *event)
{
	__u32 captured = KS_MIN(event->captured, KS_EVENT_OCTETS);
	char hex[2 * KS_EVENT_OCTETS + 1] = "";

	for (__u32 i = 0; i < captured; i++)
		snprintf(hex + 2 * i, 3, "%02x", event->octets[i]);
	return json_object_set_new(root, "link", json_string(event->link == KS_LINK_IP ? "ip" : "ethernet")) ||
	       json_object_set_new(root, "octets", json_string(hex));
}

static char *line_make(const struct folded_ctx *ctx, const struct ks_event *event, bool with_octets)
{
	ks_auto_json json_t *root = ks_event_json(*ctx->events->policy, ks_kernel_now(ctx->events->kernel), event);

	if (root && ctx->folded &&
	    (json_object_set_new(root, "folded", json_integer((json_int_t)ctx->folded)) ||
	     json_object_set_new(root, "sources", json_string(ctx->one_source ? "one" : "many"))))
		return NULL;
	if (root && with_octets && octets_add(root, ctx->octets))
		return NULL;
	return root ? json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
}

/* Gives a line to all followers that want to hear of such events. */
static void tell(const struct folded_ctx *ctx, const struct ks_event *event)
{
	unsigned hears = ks_reason_is_pass(event->reason) ? KS_HEARS_PASS : KS_HEARS_DROP;
	ks_auto_free char *plain = NULL, *whole = NULL;

	for (struct ks_follower *follower = ctx->events->followers; follower; follower = follower->next) {
		bool with_octets = ctx->octets && follower->hears & KS_HEARS_OCTETS;
		char **line = with_octets ? &whole : &plain;

		if (!(follower->hears & hears) || !ks_filter_match_event(&follower->filter, event))
			continue;
		if (!*line)
			*line = line_make(ctx, event, with_octets);
		if (*line)
			deliver(follower, *line, strlen(*line));
		else
			follower->lost++;
	}
}

static char *flow_line_make(const struct ks_events *events, const struct ks_flow_event *event,
			    const struct ks_translation *translation)
{
	ks_auto_free char *line = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return NULL;
	ks_flow_event_print(out, *events->policy, ks_kernel_now(events->kernel), event, translation);
	return fclose(out) ? NULL : TAKE(line);
}

/* The same for an event of a flow. */
static void tell_flow(const struct ks_flow_event *event, void *arg)
{
	struct ks_events *events = arg;
	ks_auto_free char *line = NULL;
	struct ks_translation translation;

	ks_flow_event_translation(event, &translation);
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next) {
		if (!(follower->hears & KS_HEARS_FLOW(event->kind)) ||
		    !ks_filter_match_told(&follower->filter, event, &translation))
			continue;
		if (!line)
			line = flow_line_make(events, event, &translation);
		if (line)
			deliver(follower, line, strlen(line));
		else
			follower->lost++;
	}
}

static int deliver_event(void *arg, void *data, size_t size)
{
	const struct folded_ctx ctx = { .events = arg, .octets = size >= sizeof(struct ks_event_octets) ? data : NULL };

	if (size >= sizeof(struct ks_event))
		tell(&ctx, data);
	return 0;
}

/* In one turn so many and no more: in a storm of connections the ring is never empty, and the daemon has other work. */
static int deliver_flow_event(void *arg, void *data, size_t size)
{
	struct ks_events *events = arg;

	if (size >= sizeof(struct ks_flow_event))
		tell_flow(data, events);
	return ++events->taken < KS_FLOWS_TOGETHER ? 0 : -EAGAIN;
}

static void tell_folded(__u64 folded, bool one_source, const struct ks_event *last, void *arg)
{
	const struct folded_ctx ctx = { .events = arg, .folded = folded, .one_source = one_source };

	tell(&ctx, last);
}

static void forget_folded(__u64 folded, bool one_source, const struct ks_event *last, void *arg)
{
}

/* Events of a kind (KS_LOST_*) that a follower would have heard of are lost to it, too. */
static void tell_lost_by_programs(struct ks_events *events, unsigned kind, unsigned hears)
{
	__u64 lost = ks_kernel_events_lost(events->kernel, kind);

	for (struct ks_follower *follower = events->followers; follower; follower = follower->next) {
		if (follower->hears & hears)
			follower->lost += lost - events->lost[kind];
	}
	events->lost[kind] = lost;
}

/* Nobody came for it. */
static void age_backlog(struct ks_events *events)
{
	if (events->backlog && !--events->backlog_seconds)
		ks_follower_destroy(events->backlog);
}

void ks_events_tell_folded(struct ks_events *events)
{
	if (events->followers) {
		ks_events_take(events); /* events that were sent come first */
		ks_kernel_folds_take(events->kernel, tell_folded, events);
	}
	tell_lost_by_programs(events, KS_LOST_PACKETS, KS_HEARS_PACKETS);
	tell_lost_by_programs(events, KS_LOST_FLOWS, KS_HEARS_FLOWS);
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next)
		tell_lost(follower);
}

void ks_events_second(struct ks_events *events)
{
	ks_events_tell_folded(events);
	age_backlog(events);
}

/*
 * The programs tell what some follower hears of, and nothing else. At the end they go on with that: the next daemon finds it in the
 * rings, and so do those that were followers.
 */
static void asked_set(const struct ks_events *events)
{
	__u32 asked = 0;

	if (events->ended)
		return;
	for (const struct ks_follower *follower = events->followers; follower; follower = follower->next) {
		asked |= follower->hears & KS_HEARS_PACKETS ? 1U << KS_EVENT_PACKET : 0;
		asked |= follower->hears & KS_HEARS_OCTETS ? KS_ASKED_OCTETS : 0;
		for (__u32 kind = KS_EVENT_BEGIN; kind < KS_EVENT_KINDS; kind++)
			asked |= follower->hears & KS_HEARS_FLOW(kind) ? 1U << kind : 0;
	}
	ks_store_relaxed(&ks_kernel_control(events->kernel)->asked, asked);
}

KS_SCOPED(auto_ring, struct ring_buffer *, ring_buffer__free)

/* The rings of a kernel: events of packets, and of flows. NULL with errno. */
static struct ring_buffer *ring_make(struct ks_kernel *kernel, struct ks_events *events)
{
	ks_scoped(auto_ring) struct ring_buffer *ring =
		ring_buffer__new(ks_kernel_map_fd(kernel, KS_MAP_EVENTS), deliver_event, events, NULL);
	int err;

	if (!ring)
		return NULL;
	err = ring_buffer__add(ring, ks_kernel_map_fd(kernel, KS_MAP_FLOW_EVENTS), deliver_flow_event, events);
	if (!err)
		return TAKE(ring);
	errno = -err;
	return NULL;
}

/* Nobody is told of what was lost so far. */
static void lost_note(struct ks_events *events)
{
	for (unsigned kind = 0; kind < KS_LOST_KINDS; kind++)
		events->lost[kind] = ks_kernel_events_lost(events->kernel, kind);
}

/* From now on the events are those of the kernel. */
static void kernel_use(struct ks_events *events, struct ks_kernel *kernel)
{
	events->kernel = kernel;
	lost_note(events);
	ks_kernel_tell_flows(kernel, tell_flow, events);
	asked_set(events); /* followers of a daemon that is dead may have asked for others */
}

/* For followers who keep everything. */
static bool is_kept(const struct ks_policy *policy)
{
	return policy && policy->config.journal;
}

void ks_events_expect(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	__u32 asked = 1U << KS_EVENT_PACKET;

	for (__u32 kind = KS_EVENT_BEGIN; kind < KS_EVENT_KINDS; kind++)
		asked |= 1U << kind;
	if (is_kept(policy))
		ks_store_relaxed(&ks_kernel_control(kernel)->asked, asked);
}

static void never_wake(void *arg)
{
}

/* Events that wait in the rings are of the time before this daemon, or of the moment in which it started: they come first. */
static void begin_backlog(struct ks_events *events)
{
	struct ks_follower *backlog = is_kept(*events->policy) ? calloc(1, sizeof(*backlog)) : NULL;

	if (!backlog) /* without memory events are told to nobody, as before */
		return;
	ks_filter_init(&backlog->filter);
	backlog->events = events;
	backlog->hears = KS_HEARS_PACKETS | KS_HEARS_FLOWS;
	backlog->wake = never_wake;
	events->followers = events->backlog = backlog;
	events->backlog_seconds = KS_BACKLOG_SECONDS;
}

int ks_events_create(struct ks_kernel *kernel, struct ks_policy *const *policy, struct ks_events **events)
{
	ks_auto_free struct ks_events *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	new->policy = policy;
	new->ring = ring_make(kernel, new);
	if (!new->ring)
		return -errno;
	begin_backlog(new);
	kernel_use(new, kernel);
	*events = TAKE(new);
	return 0;
}

static void follower_free(struct ks_follower *follower)
{
	free(follower->buf);
	free(follower);
}

void ks_events_destroy(struct ks_events *events)
{
	if (!events)
		return;
	ks_kernel_tell_flows(events->kernel, NULL, NULL);
	for (struct ks_follower *follower = events->followers, *next; follower; follower = next) {
		next = follower->next;
		follower_free(follower);
	}
	ring_buffer__free(events->former);
	ring_buffer__free(events->ring);
	free(events);
}

int ks_events_move(struct ks_events *events, struct ks_kernel *kernel)
{
	struct ring_buffer *ring = ring_make(kernel, events);

	if (!ring)
		return -errno;
	events->former = events->ring;
	events->ring = ring;
	kernel_use(events, kernel);
	return 0;
}

void ks_events_forget_former(struct ks_events *events)
{
	do
		events->taken = 0;
	while (events->former && ring_buffer__consume(events->former) == -EAGAIN);
	ring_buffer__free(events->former);
	events->former = NULL;
}

int ks_events_fd(const struct ks_events *events)
{
	return ring_buffer__epoll_fd(events->ring);
}

void ks_events_take(struct ks_events *events)
{
	events->taken = 0;
	ring_buffer__consume(events->ring);
	events->again = ks_events_look_again(events->taken, events->again, ks_kernel_clock());
}

__u64 ks_events_look_again(unsigned taken, __u64 again, __u64 now)
{
	if (taken >= KS_FLOWS_TOGETHER)
		return now;
	if (taken)
		return now + KS_FLOWS_LOOK_MS * KS_NSEC_PER_MSEC;
	return again > now ? again : 0;
}

int ks_events_timeout(const struct ks_events *events)
{
	const __u64 now = ks_kernel_clock();

	if (!events->again)
		return -1;
	return events->again <= now ? 0 : (int)((events->again - now) / KS_NSEC_PER_MSEC) + 1;
}

struct ks_follower *ks_events_follow(struct ks_events *events, const struct ks_filter *filter, unsigned hears,
				     void (*wake)(void *arg), void *arg)
{
	struct ks_follower *follower = calloc(1, sizeof(*follower));

	if (!follower)
		return NULL;
	ks_events_take(events); /* earlier events are not for this one, but for some of a storm */
	if (events->backlog) { /* nor what was folded or lost before it */
		ks_events_tell_folded(events);
	} else if (!events->followers) {
		ks_kernel_folds_take(events->kernel, forget_folded, NULL);
		lost_note(events);
	}
	follower->events = events;
	follower->filter = *filter;
	follower->hears = hears;
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
	events->count -= follower != events->backlog;
	if (follower == events->backlog)
		events->backlog = NULL;
	asked_set(events);
	follower_free(follower);
}

void ks_follower_take_backlog(struct ks_follower *follower)
{
	struct ks_follower *backlog = follower->events->backlog;

	if (!backlog || follower->used)
		return;
	free(follower->buf);
	follower->buf = TAKE(backlog->buf);
	follower->start = backlog->start;
	follower->used = backlog->used;
	follower->room = backlog->room;
	follower->lost += backlog->lost;
	ks_follower_destroy(backlog);
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
	memcpy(buf, follower->buf + follower->start, n);
	follower->used -= n;
	follower->start = follower->used ? follower->start + n : 0;
	return (ssize_t)n;
}

/* Ends that were told by the programs come first. */
void ks_events_tell_stop(struct ks_events *events, bool saved)
{
	__u64 now = ks_kernel_now(events->kernel);
	char line[128], time[KS_WALL_TEXT];
	int n = snprintf(line, sizeof(line), "{\"event\":\"stop\",\"time\":\"%s\",\"saved\":%s}",
			 ks_wall_text(now, now, true, time), saved ? "true" : "false");

	if (!events->followers)
		return;
	ks_events_tell_folded(events);
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next)
		deliver(follower, line, (size_t)n);
}

bool ks_events_are_unread(const struct ks_events *events)
{
	for (const struct ks_follower *follower = events->followers; follower; follower = follower->next) {
		if (follower->used && follower != events->backlog)
			return true;
	}
	return false;
}

void ks_events_end(struct ks_events *events)
{
	events->ended = true;
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next)
		wake_up(follower);
}

void ks_events_beat(struct ks_events *events)
{
	for (struct ks_follower *follower = events->followers; follower; follower = follower->next) {
		if (follower != events->backlog)
			append_line(follower, "", 0);
	}
}

bool ks_events_are_awaited(const struct ks_events *events)
{
	return events->followers;
}

unsigned ks_events_followers(const struct ks_events *events)
{
	return events->count;
}
