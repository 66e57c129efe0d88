/* SPDX-License-Identifier: BSD-2-Clause */
/* See replay.h. */
#include "capture/replay.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/nat/clash.h"
#include "core/settle.h"
#include "core/table/table.h"
#include "capture/connections.h"
#include "capture/held_frames.h"
#include "core/fragment/fragment.h"
#include "engine/review.h"
#include "engine/set_store.h"

#define INTERFACE_CACHE 64

struct ks_replay {
	struct ks_replay_config config;
	struct ks_config policy_config; /* with the options overridden */
	struct ks_tables tables;
	struct ks_engine *engine;
	struct ks_set_store sets; /* as the policy's text begins them */
	struct ks_link_scratch scratch;
	struct ks_inspection insp;
	struct ks_replay_totals totals;
	struct ks_replay_conns conns;
	struct ks_held_frames held;
	__u64 tag; /* of the last frame */
	struct ks_capture *capture; /* being read, or NULL */
	__u8 zones[INTERFACE_CACHE]; /* of the capture's interfaces by number; KS_ZONE_UNKNOWN: not looked up */
	__u64 latest; /* time of the frame before */
};

int ks_replay_create(const struct ks_replay_config *config, struct ks_replay **replay)
{
	ks_auto_replay struct ks_replay *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	made->config = *config;
	ks_held_frames_init(&made->held);
	made->policy_config = config->policy->config;
	made->policy_config.options |= config->options_set;
	/* In a capture many checksums are those of packets that a card was to finish. */
	made->policy_config.options &= ~(config->options_clear | KS_OPT_STATE_CHECKSUM);
	ks_zone_map_networks(config->zones, &made->policy_config);
	made->tables = ks_policy_tables(config->policy);
	made->tables.config = &made->policy_config;
	ks_set_store_init(&made->sets, &ks_set_memory_native);
	err = ks_engine_create(&made->tables, &made->engine);
	if (!err)
		ks_engine_challenge_nobody(made->engine);
	if (!err)
		err = ks_set_store_adopt(&made->sets, config->policy, 0);
	if (!err)
		ks_engine_use_sets(made->engine, &made->sets, config->policy);
	if (!err)
		err = ks_replay_conns_init(&made->conns, ks_table_buckets(ks_table_entries(&made->policy_config)),
					   config->connections);
	if (err)
		return err;
	*replay = TAKE(made);
	return 0;
}

void ks_replay_destroy(struct ks_replay *replay)
{
	if (!replay)
		return;
	ks_engine_destroy(replay->engine);
	ks_set_store_fini(&replay->sets);
	ks_link_scratch_fini(&replay->scratch);
	ks_replay_conns_fini(&replay->conns);
	ks_held_frames_fini(&replay->held);
	free(replay);
}

const struct ks_replay_totals *ks_replay_totals(const struct ks_replay *replay)
{
	return &replay->totals;
}

const struct ks_replay_connection *ks_replay_connections(const struct ks_replay *replay, size_t *count)
{
	*count = replay->conns.count;
	return replay->conns.list;
}

struct ks_engine *ks_replay_engine(struct ks_replay *replay)
{
	return replay->engine;
}

void ks_replay_progress(const struct ks_replay *replay, __u64 *offset, __u64 *size)
{
	*offset = *size = 0;
	if (replay->capture)
		ks_capture_progress(replay->capture, offset, size);
}

static unsigned zone_lookup(const struct ks_replay *replay, __u32 number)
{
	const char *name = ks_capture_interface(replay->capture, number);

	if (number < replay->config.interface_count && replay->config.interfaces[number])
		name = replay->config.interfaces[number];
	return ks_zone_map_interface(replay->config.zones, name);
}

/* The zone of the interface that saw the frame, looked up once for each. */
static unsigned interface_zone(struct ks_replay *replay, const struct ks_capture_frame *captured,
			       const struct ks_link_info *info)
{
	__u32 number = captured->interface;

	if (info->ifindex)
		number = info->ifindex;
	else if (number == KS_CAPTURE_NO_INTERFACE)
		number = 0;
	if (number >= INTERFACE_CACHE)
		return zone_lookup(replay, number);
	if (replay->zones[number] == KS_ZONE_UNKNOWN)
		replay->zones[number] = (__u8)zone_lookup(replay, number);
	return replay->zones[number];
}

/* Turns the clock to the time of the frame; it stands still for frames that are older than one before, or have no time. */
static int clock_turn(struct ks_replay *replay, __u64 time)
{
	int err;

	if (!replay->totals.frames)
		replay->totals.first = time;
	if (time < replay->latest)
		replay->totals.backwards++;
	replay->latest = time;
	if (time <= replay->totals.last)
		return 0;
	replay->totals.last = time;
	err = ks_engine_turn(replay->engine, &replay->sets, replay->config.policy, time);
	if (replay->config.settles && !ks_engine_settling(replay->engine)->since)
		ks_engine_settle(replay->engine, ks_engine_time(replay->engine));
	return err;
}

static void totals_count(struct ks_replay *replay, const struct ks_frame *frame)
{
	const struct ks_inspection *insp = &replay->insp;
	struct ks_replay_totals *totals = &replay->totals;

	totals->frames++;
	totals->bytes += frame->length;
	totals->cut += frame->captured < frame->length;
	totals->actions[insp->verdict.action]++;
	totals->classes[insp->verdict.class]++;
	if (ks_unlikely(insp->verdict.reason == KS_REASON_NO_STATE && insp->pkt.tuple.proto == KS_PROTO_TCP &&
			!(insp->pkt.tcp_flags & KS_TCP_SYN))) {
		totals->midstream++;
		totals->midstream_flows += ks_replay_conns_midstream(&replay->conns, &insp->pkt.tuple);
	}
}

static int report(struct ks_replay *replay, struct ks_replay_frame *report)
{
	__u64 time = report->captured->time;

	report->since = time > replay->totals.first ? time - replay->totals.first : 0;
	report->env = ks_engine_env(replay->engine);
	return replay->config.each ? replay->config.each(report, replay->config.arg) : 0;
}

static int lost_report(struct ks_replay *replay, struct ks_held_frame *lost)
{
	ks_auto_free struct ks_held_frame *frame = lost;
	struct ks_replay_frame line = {
		.path = frame->path, .number = frame->number, .kind = KS_REPLAY_LOST, .captured = &frame->captured
	};

	replay->totals.lost++;
	return report(replay, &line);
}

/* Reports those that the engine has forgotten, or with `all` every one that waits. */
static int lost_report_each(struct ks_replay *replay, bool all)
{
	struct ks_held_frame *lost;
	int err = 0;

	while (!err && (lost = ks_held_frames_take_lost(&replay->held, all ? NULL : replay->engine)))
		err = lost_report(replay, lost);
	return err;
}

static int frame_report(struct ks_replay *replay, const char *path, __u64 number,
			const struct ks_capture_frame *captured, const struct ks_frame *frame)
{
	struct ks_replay_frame line = {
		.path = path, .number = number, .captured = captured, .frame = frame, .insp = &replay->insp
	};
	int err = 0;

	if (replay->insp.verdict.action == KS_HOLD)
		err = ks_held_frames_keep(&replay->held, frame->tag, path, number, captured);
	if (!err)
		err = report(replay, &line);
	if (!err && replay->held.count > 2 * KS_FRAGMENT_POOL) /* the engine holds no more than one pool */
		err = lost_report_each(replay, false);
	return err;
}

/* Reports the fragments that this frame has released. They were counted as frames before: only their verdicts count. */
static int resumed_report(struct ks_replay *replay)
{
	const struct ks_frame *frame;
	int err = 0;

	while (!err && (frame = ks_engine_resume(replay->engine, &replay->insp))) {
		ks_auto_free struct ks_held_frame *held = ks_held_frames_take(&replay->held, frame->tag);
		struct ks_replay_frame line = { .kind = KS_REPLAY_RESUMED, .frame = frame, .insp = &replay->insp };

		assert(held);
		line.path = held->path;
		line.number = held->number;
		line.captured = &held->captured;
		replay->totals.resumed++;
		replay->totals.actions[replay->insp.verdict.action]++;
		replay->totals.classes[replay->insp.verdict.class]++;
		err = report(replay, &line);
	}
	return err;
}

int ks_replay_finish(struct ks_replay *replay)
{
	return lost_report_each(replay, true);
}

/*
 * Returns true if a frame on its way out was forwarded, false if the box itself has sent it. A frame with the box's
 * address may have been translated: then its flow is found by its alias, under which the box itself opens none.
 */
static bool was_forwarded(struct ks_replay *replay, const struct ks_frame *frame)
{
	if (frame->from != KS_ZONE_SELF)
		return true;
	ks_engine_inspect(replay->engine, frame, true, &replay->insp);
	return replay->insp.by_alias || (ks_clash_is_own(&replay->insp) && !replay->insp.flow.found);
}

static int link_refuse(__u64 number, __u16 type, char *error)
{
	char supported[KS_LINK_SUPPORTED];

	ks_link_supported(supported);
	snprintf(error, KS_CAPTURE_ERROR, "frame %llu: link type %u (%.60s) cannot be judged; these can: %s", number,
		 type, ks_link_name(type), supported);
	return -EINVAL;
}

static int frame_replay(struct ks_replay *replay, const char *path, __u64 number,
			const struct ks_capture_frame *captured, char *error)
{
	struct ks_link_info info;
	struct ks_frame frame;
	bool placed;
	int err = ks_link_frame(captured, &replay->scratch, &frame, &info);

	if (err == -EOPNOTSUPP)
		return link_refuse(number, captured->link_type, error);
	if (err)
		return err;
	frame.tag = ++replay->tag;
	placed = ks_zone_map_assign(replay->config.zones, interface_zone(replay, captured, &info), &info, &frame);
	err = clock_turn(replay, captured->time);
	if (err)
		return err;
	if (replay->config.arriving_only && info.way == KS_WAY_OUT && was_forwarded(replay, &frame)) {
		replay->totals.skipped++;
		return 0;
	}
	ks_engine_inspect(replay->engine, &frame, false, &replay->insp);
	err = ks_engine_error(replay->engine);
	if (err)
		return err;
	totals_count(replay, &frame);
	replay->totals.outside += !placed;
	replay->totals.forgotten += ks_replay_conns_track(&replay->conns, &frame, &replay->insp, replay->totals.first);
	err = frame_report(replay, path, number, captured, &frame);
	return err ? err : resumed_report(replay);
}

int ks_replay_capture(struct ks_replay *replay, struct ks_capture *capture, const char *path,
		      char error[KS_CAPTURE_ERROR])
{
	struct ks_capture_frame captured;
	__u64 number = 0;
	int err;

	assert(!replay->capture);
	replay->capture = capture;
	memset(replay->zones, KS_ZONE_UNKNOWN, sizeof(replay->zones));
	while ((err = ks_capture_next(capture, &captured)) == 1) {
		err = frame_replay(replay, path, ++number, &captured, error);
		if (err)
			break;
	}
	if (err == -ENOMEM && !*error)
		snprintf(error, KS_CAPTURE_ERROR, "%s", strerror(ENOMEM));
	else if (err < 0 && !*error)
		snprintf(error, KS_CAPTURE_ERROR, "after frame %llu: %.200s", number, ks_capture_error(capture));
	replay->capture = NULL;
	return err;
}

int ks_replay_file(struct ks_replay *replay, const char *path, char error[KS_CAPTURE_ERROR])
{
	ks_auto_capture struct ks_capture *capture = NULL;
	int err = ks_capture_open(path, &capture, error);

	if (err)
		return err;
	*error = 0;
	return ks_replay_capture(replay, capture, path, error);
}
