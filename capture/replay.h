/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replay: runs captured frames through a policy with the inspector itself, on
 * the clock of the capture, and remembers every connection it made. One
 * replay may read several captures, one after the other; it is used by one
 * thread.
 *
 * A frame that the capture cut is judged by the headers that are there and
 * counted with its length on the wire; one whose headers are cut is
 * "truncated". A TCP connection whose beginning the captures missed has no
 * flow: its packets are "no state" unless the policy, or the caller, says to
 * pick it up.
 */
#ifndef KS_CAPTURE_REPLAY_H
#define KS_CAPTURE_REPLAY_H

#include "capture/capture.h"
#include "engine/engine.h"
#include "capture/zone_map.h"
#include "policy/policy.h"

struct ks_replay;

enum ks_replay_kind {
	KS_REPLAY_JUDGED, /* as it came; a fragment that has to wait has the verdict "hold" */
	KS_REPLAY_RESUMED, /* it waited, and is judged now */
	KS_REPLAY_LOST, /* it waited, and never goes on: the first one of its datagram did not come in time, or was denied */
};

/* A frame that was judged, for `each` of the config. All pointers are good only during the call. */
struct ks_replay_frame {
	const char *path; /* of the capture */
	__u64 number; /* in it, from 1 */
	enum ks_replay_kind kind;
	__u64 since; /* ns since the first frame of the replay */
	const struct ks_capture_frame *captured;
	const struct ks_frame *frame; /* as the engine saw it; NULL for one that is lost */
	const struct ks_inspection *insp; /* NULL for one that is lost */
	struct ks_env *env; /* of the engine, for ks_reject_source() */
};

/* Returns 0 to go on; anything else ends the replay, which returns it. */
typedef int ks_replay_fn(const struct ks_replay_frame *frame, void *arg);

struct ks_replay_config {
	const struct ks_policy *policy;
	const struct ks_zone_map *zones;
	__u32 options_set, options_clear; /* KS_OPT_*, over the policy's own */
	bool settles; /* the firewall starts with the first frame (core/settle.h) */
	bool arriving_only; /* leave out frames on their way out that the box forwards: they were seen when they came in */
	__u32 connections; /* how many to remember at most, 0 for none */
	const char *const *interfaces; /* names for interface numbers of captures without names; NULL where unknown */
	__u32 interface_count;
	ks_replay_fn *each; /* may be NULL */
	void *arg;
};

/* A flow from its first packet to its last. */
struct ks_replay_connection {
	struct ks_tuple tuple; /* of its originator */
	struct ks_tuple ends; /* those that it has in truth, also where it was sent to another address */
	__u64 first, last; /* ns since the first frame of the replay */
	__u64 packets[2], bytes[2]; /* by enum ks_dir */
	__u64 dropped; /* packets of it that were dropped as invalid */
	__u32 rule; /* id */
	__u8 state; /* after the last packet */
	__u8 from, to; /* zones */
	__u8 zero;
};

struct ks_replay_totals {
	__u64 frames, bytes; /* judged, by their length on the wire */
	__u64 resumed; /* fragments among them that were held, and have gone on: each is counted under both verdicts */
	__u64 lost; /* fragments that were held, and never went on */
	__u64 skipped; /* left out: arriving_only */
	__u64 cut; /* by the snap length */
	__u64 outside; /* IP frames with both ends in the outside zone because nothing else was known of them */
	__u64 backwards; /* frames older than their predecessor */
	__u64 actions[KS_ACTION_MAX];
	__u64 classes[KS_CLASS_MAX];
	__u64 midstream; /* TCP packets without a flow that are not a SYN: denied "no state" */
	__u64 midstream_flows; /* connections of these packets; at most KS_REPLAY_MIDSTREAM_MAX are told apart */
	__u64 forgotten; /* connections for which there was no room */
	__u64 first, last; /* ns since 1970 of the first and the latest frame */
};

#define KS_REPLAY_MIDSTREAM_MAX 65536U

/* The config's pointers must outlive the replay. Returns 0 or -ENOMEM. */
int ks_replay_create(const struct ks_replay_config *config, struct ks_replay **replay);
void ks_replay_destroy(struct ks_replay *replay);

KS_SCOPED(ks_auto_replay, struct ks_replay *, ks_replay_destroy)
#define ks_auto_replay ks_scoped(ks_auto_replay)

/* To be called when all captures were read: reports the fragments that still wait. Returns as ks_replay_file(). */
int ks_replay_finish(struct ks_replay *replay);

/*
 * Reads a capture ("-": standard input) to its end. Returns 0; what `each`
 * returned; -EINVAL for a file that is no capture, or is damaged (all frames
 * before that were judged), or has an unknown link type; another -errno.
 * `error` says what is wrong, for negative results. The path outlives the replay.
 */
int ks_replay_file(struct ks_replay *replay, const char *path, char error[KS_CAPTURE_ERROR]);

/* The same from an open capture, for tests and fuzzers; `path` is its name. */
int ks_replay_capture(struct ks_replay *replay, struct ks_capture *capture, const char *path,
		      char error[KS_CAPTURE_ERROR]);

const struct ks_replay_totals *ks_replay_totals(const struct ks_replay *replay);

/* The connections in the order in which they began. */
const struct ks_replay_connection *ks_replay_connections(const struct ks_replay *replay, size_t *count);

/* The engine as the replay left it: counters by reason and rule, live flows. */
struct ks_engine *ks_replay_engine(struct ks_replay *replay);

/* The position in the capture that is being read, and its size, in bytes; size 0: unknown. */
void ks_replay_progress(const struct ks_replay *replay, __u64 *offset, __u64 *size);

#endif
