/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine from the inside, for engine.c (its life and its callers) and env.c (what the core asks of it).
 * To the core an engine is its struct ks_env.
 */
#ifndef KS_ENGINE_INTERNAL_H
#define KS_ENGINE_INTERNAL_H

#include "core/answer.h"
#include "core/challenge.h"
#include "core/nat/port.h"
#include "core/env.h"
#include "core/flood.h"
#include "core/members.h"
#include "core/port_scan.h"
#include "core/table/ended.h"
#include "core/settle.h"
#include "core/table/flow_event.h"
#include "engine/engine.h"
#include "engine/held.h"

/* A port that a process of the box has taken. */
struct ks_listener {
	__u8 proto;
	__u16 port;
};

struct ks_engine {
	struct ks_tables tables;
	struct ks_table_shape shape;
	struct ks_table_counts own_counts;
	struct ks_table_counts *counts; /* its own, or those of the engine whose table this is */
	struct ks_member_memory members[KS_DYNAMIC_MAX]; /* of the run-time sets by number; somebody else's memory */
	struct ks_budget own_budgets[KS_BUDGETS];
	struct ks_budget *budgets; /* the same for these */
	struct ks_bucket *buckets;
	__u32 length; /* of that array: ks_table_length() */
	size_t mapped; /* bytes at `buckets`; 0: another engine's */
	__u64 now;
	__u64 reported; /* packets that were reported: ks_engine_reported() */
	__s64 wall; /* ks_engine_set_wall() */
	struct ks_schedule schedules[KS_SCHEDULES_MAX];
	__u64 schedules_since, schedules_known; /* when they were told, and until when they are good (schedules.c) */
	struct ks_settling settling;
	__u64 swept; /* when the table was last swept */
	__u64 swept_created; /* flows made until then */
	__u32 ending; /* ks_overload_round.ending then */
	const struct ks_world *world; /* NULL: the policy's networks and addresses stand for it */
	const struct ks_frame *frame; /* the one being inspected */
	__u8 *output; /* the frame as it leaves, if `changed` */
	__u32 output_len, output_room;
	bool changed;
	int error; /* 0, or -ENOMEM: see ks_engine_error() */
	struct ks_held_pool *held;
	__u64 random;
	struct ks_listener listeners[KS_ENGINE_LISTEN_MAX];
	unsigned listener_count;
	struct ks_count reasons[KS_REASON_MAX]; /* packets of flows are in `established` only */
	struct ks_count *shown; /* the same with these, for ks_engine_reasons() */
	struct ks_shortage shortages[KS_SHORTAGES];
	struct ks_answers answers;
	struct ks_challenges own_challenges;
	struct ks_challenges *challenges; /* the same for these; NULL: nobody is challenged */
	struct ks_challenge_set
		*challenge_sets; /* KS_CHALLENGE_SETS of them behind its own table, or another engine's, or NULL */
	struct ks_ended_set ended[KS_ENDED_SETS];
	struct ks_flood_set floods[KS_FLOOD_SETS];
	struct ks_scan_set scans[KS_SCAN_SETS];
	struct ks_rule_count *rules; /* KS_RULE_ID_MAX of them */
	struct ks_zone_count *zones; /* KS_ZONE_PAIRS of them */
	struct ks_count *established; /* KS_FLOW_PAIRS of them */
	__u8 transcript[KS_TRANSCRIPT_MAX];
	ks_engine_tell_fn *tell; /* hears of flows, if not NULL */
	void *tell_arg;
	struct ks_flow_event event; /* the one in hand */
};

static inline struct ks_engine *ks_engine_of(struct ks_env *env)
{
	return (struct ks_engine *)env;
}

#endif
