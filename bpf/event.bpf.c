// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events on their way to the daemon. Those of packets: a ring buffer, bounded by folding (core/fold.h). What neither was sent nor
 * is counted in a cell is lost, and counted as such. Those of flows have a ring buffer of their own, so that a storm of
 * connections hides no drop; what finds it full is lost, and counted. To wake the daemon takes an interrupt of the own CPU, which is dear
 * in a virtual machine, and the daemon's time; so it is woken once in KS_FLOWS_QUIET_MS, and looks again by itself after that.
 */
#include "bpf/env.bpf.h"

#include "core/event.h"
#include "core/fold.h"
#include "core/table/flow_event.h"
#include "core/table/hash.h"
#include "core/table/table.h"

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 20); } ks_events MAP;
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 22); } ks_flow_events MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_LOST_KINDS);
	 __type(key, __u32); __type(value, __u64); } ks_events_lost MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, KS_FOLD_CELLS);
	 __type(key, __u32); __type(value, struct ks_fold); } ks_folds MAP;
/* clang-format on */

#define REASON_BITS 8

/* A hash of the event's reason and rule and, if asked for, its source (an IPv6 network of 64 bits). Never 0. */
static __u64 event_hash(struct ks_env *env, const struct ks_event *event, bool with_source)
{
	const struct ks_table_shape *shape = env_table_shape(env);
	struct ks_flow_key key = ks_source_key(&event->tuple);

	if (!shape)
		return 1;
	if (!with_source)
		key.addr[0] = (struct ks_addr){};
	key.addr[1].w[3] = event->rule << REASON_BITS | event->reason;
	return ks_flow_key_hash(&key, shape->key) | 1;
}

/* Inlined, because what ends a flow is called on deep paths (V2). */
static ks_inline void event_lose(__u32 kind)
{
	__u64 *lost = bpf_map_lookup_elem(&ks_events_lost, &kind);

	if (lost)
		(*lost)++;
}

/* Asks one of the two rates. `first`: where its cells begin. */
static enum ks_fold_answer event_ask(const struct ks_event *event, __u64 hash, __u32 first, __u32 cells, __u32 limit)
{
	__u32 at = first + ((__u32)(hash >> 32) & (cells - 1));
	struct ks_fold *cell = bpf_map_lookup_elem(&ks_folds, &at);

	return cell ? ks_fold_take(cell, hash, limit, event) : KS_FOLD_BUSY;
}

/* The event was not taken by the ring: it is folded, if its kind has a cell. */
static void event_fold(const struct ks_event *event, __u64 hash)
{
	__u32 at = KS_FOLD_SOURCES + ((__u32)(hash >> 32) & (KS_FOLD_KINDS - 1));
	struct ks_fold *cell = bpf_map_lookup_elem(&ks_folds, &at);

	if (cell && ks_fold_claim(cell, hash, event->time))
		ks_fold_count(cell, event);
	else
		event_lose(KS_LOST_PACKETS);
}

/* Sends it, with the first bytes of the packet if somebody asks for them. Returns 0, or nonzero where the ring has no room. */
static ks_inline long event_output(struct ks_env *env, const struct ks_event *event)
{
	struct ks_scratch *scratch = scratch_get();

	if (!(env_asked(env) & KS_ASKED_OCTETS) || !scratch)
		return bpf_ringbuf_output(&ks_events, (void *)event, sizeof(*event), 0);
	scratch->event.link = scratch->insp.pkt.link;
	scratch->event.captured = KS_MIN(scratch->insp.pkt.head_len, KS_EVENT_OCTETS);
	__builtin_memcpy(scratch->event.octets, scratch->head, KS_EVENT_OCTETS);
	return bpf_ringbuf_output(&ks_events, &scratch->event, sizeof(scratch->event), 0);
}

static __attribute__((noinline)) void event_send(struct ks_env *env, const struct ks_config *config,
						 const struct ks_event *event)
{
	__u64 kind;

	if (event_ask(event, event_hash(env, event, true), 0, KS_FOLD_SOURCES, config->limit_log_source) ==
	    KS_FOLD_COUNTED)
		return;
	kind = event_hash(env, event, false);
	switch (event_ask(event, kind, KS_FOLD_SOURCES, KS_FOLD_KINDS, config->limit_log)) {
	case KS_FOLD_SEND:
		if (event_output(env, event))
			event_fold(event, kind);
		return;
	case KS_FOLD_BUSY:
		event_lose(KS_LOST_PACKETS);
		return;
	case KS_FOLD_COUNTED:
		return;
	}
}

void env_event(struct ks_env *env, const struct ks_inspection *insp)
{
	const struct ks_control *control = control_get();
	const struct ks_config *config = env_config(env);
	struct ks_scratch *scratch = scratch_get();

	if (!(env_asked(env) & 1U << KS_EVENT_PACKET) || !control || !scratch || !config)
		return;
	ks_event_make(insp, &scratch->event.event);
	scratch->event.event.time = bpf_ktime_get_ns() + ks_load_relaxed(&control->clock_offset);
	event_send(env, config, &scratch->event.event);
}

__u32 env_asked(struct ks_env *env)
{
	const struct ks_control *control = control_get();

	return control ? ks_load_relaxed(&control->asked) : 0;
}

/* The next two are inlined for the same reason. */
ks_inline struct ks_flow_event *env_flow_event(struct ks_env *env)
{
	struct ks_flow_event *event = bpf_ringbuf_reserve(&ks_flow_events, sizeof(*event), 0);

	if (!event)
		event_lose(KS_LOST_FLOWS);
	return event;
}

ks_inline void env_flow_event_send(struct ks_env *env, struct ks_flow_event *event)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	__u64 flags = BPF_RB_NO_WAKEUP, now = bpf_ktime_get_ns();

	event->time = now + (control ? ks_load_relaxed(&control->clock_offset) : 0);
	if (!scratch || now - scratch->woke >= KS_FLOWS_QUIET_MS * KS_NSEC_PER_MSEC) {
		flags = BPF_RB_FORCE_WAKEUP;
		if (scratch)
			scratch->woke = now;
	}
	bpf_ringbuf_submit(event, flags);
}
