/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events on their way from the kernel's ring buffers to their followers. Each follower says which kinds it hears of, and has a
 * bounded buffer of JSON lines: one that reads too slowly loses lines and is told how many as soon as half of the buffer is free
 * again, and no other waits for it. The programs send only what ks_control.asked says that some follower hears of. Used by the
 * daemon's thread.
 */
#ifndef KS_DAEMON_EVENTS_H
#define KS_DAEMON_EVENTS_H

#include <stddef.h>
#include <sys/types.h>

#include "daemon/api/filter.h"
#include "kernel/kernel.h"

struct ks_events;
struct ks_follower;

/*
 * `policy` points to the daemon's current policy, which may change. If it keeps a journal, events wait from the start on for the follower
 * who keeps it, for ten seconds and in a buffer as bounded as any follower's: else those before it is connected were told to nobody.
 */
int ks_events_create(struct ks_kernel *kernel, struct ks_policy *const *policy, struct ks_events **events);

/* The same from still earlier on: events of a kernel whose hooks are about to be put in place wait in its rings. */
void ks_events_expect(struct ks_kernel *kernel, const struct ks_policy *policy);
void ks_events_destroy(struct ks_events *events);

/* Poll for reading; then ks_events_take(). */
int ks_events_fd(const struct ks_events *events);
void ks_events_take(struct ks_events *events);

#define KS_FLOWS_LOOK_MS (KS_FLOWS_QUIET_MS + 5U) /* after the last one: those that have woken nobody are whole then */
#define KS_FLOWS_TOGETHER 2048U /* events of flows that are told before the daemon looks at its other work */

/*
 * Returns when to look for events that have woken nobody, ns of the kernel's clock, or 0: there are none. `taken`: events of flows that
 * were found now; `again`: the answer of the last time. A look that finds nothing may be one for something else, and too early.
 */
__u64 ks_events_look_again(unsigned taken, __u64 again, __u64 now);

/*
 * The ms until ks_events_take() is to be called though nothing can be read from the descriptor, or -1: behind one event of a flow others
 * come for a while that wake nobody (KS_FLOWS_QUIET_MS).
 */
int ks_events_timeout(const struct ks_events *events);

/* The kinds of events that a follower hears of, a bit each. */
#define KS_HEARS_OCTETS 0x80000000U /* of packets: their first bytes, too */
#define KS_HEARS_DROP 0x1U
#define KS_HEARS_PASS 0x2U
#define KS_HEARS_PACKETS (KS_HEARS_DROP | KS_HEARS_PASS)
#define KS_HEARS_FLOW(kind) (0x4U << ((kind) - KS_EVENT_BEGIN)) /* enum ks_event_kind */
#define KS_HEARS_FLOWS \
	(KS_HEARS_FLOW(KS_EVENT_BEGIN) | KS_HEARS_FLOW(KS_EVENT_ESTABLISHED) | KS_HEARS_FLOW(KS_EVENT_END))

/* `hears`: KS_HEARS_*. `wake` is called when there is something to read after ks_follower_read() had nothing. */
struct ks_follower *ks_events_follow(struct ks_events *events, const struct ks_filter *filter, unsigned hears,
				     void (*wake)(void *arg), void *arg);
void ks_follower_destroy(struct ks_follower *follower);

/* Gives a follower that has just begun what has waited since the start, unless somebody had it, or it is too long ago. */
void ks_follower_take_backlog(struct ks_follower *follower);

/* Moves waiting lines to buf. Returns bytes; 0 if nothing waits: wake will be called; -EPIPE at the end. */
ssize_t ks_follower_read(struct ks_follower *follower, char *buf, size_t size);

/* Tells every follower that the firewall is taken away now, and with it every flow. `saved`: the next start may take them back. */
void ks_events_tell_stop(struct ks_events *events, bool saved);

/* Returns true if some follower has not read all that it was told. */
bool ks_events_are_unread(const struct ks_events *events);

/* Nothing more will come: wakes everybody up to read that. */
void ks_events_end(struct ks_events *events);

/* Tells what was folded or lost since the last time. */
void ks_events_tell_folded(struct ks_events *events);

/* To be called every second: the same, and what waits for a follower gets older. */
void ks_events_second(struct ks_events *events);

/* Sends an empty line to every client, to detect closed connections. */
void ks_events_beat(struct ks_events *events);

/*
 * The events come from another kernel from now on. The former one is read until ks_events_forget_former(), before it is
 * closed. Returns 0 or -errno: nothing has changed.
 */
int ks_events_move(struct ks_events *events, struct ks_kernel *kernel);
void ks_events_forget_former(struct ks_events *events);

unsigned ks_events_followers(const struct ks_events *events);

/* Returns true if events are to be taken: somebody follows, or they wait for somebody. */
bool ks_events_are_awaited(const struct ks_events *events);

#endif
