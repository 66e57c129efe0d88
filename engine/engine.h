/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native home of the inspector: a state table in memory, counters, and a
 * clock that the caller turns. One engine is used by one thread at a time; several
 * threads may work on one table, each by an engine of its own (ks_engine_create_beside()).
 * Replay, policy tests, explain, fuzzers and benchmarks are built on it.
 *
 * Life of a frame: ks_engine_inspect() judges it, ks_engine_output() gives it as it leaves, and ks_engine_resume()
 * judges the fragments that waited for it. All of them are good until the next inspection.
 */
#ifndef KS_ENGINE_ENGINE_H
#define KS_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/env.h"
#include "core/inspect.h"
#include "core/table/table.h"
#include "text/scoped.h"

struct ks_engine;
struct ks_policy;
struct ks_settling;

/* The tables to decide by; the pointers must outlive the engine or the next ks_engine_set_tables(). */
struct ks_tables {
	const struct ks_config *config;
	const struct ks_rule *rules;
	const struct ks_set *sets;
	const struct ks_range *ranges;
	const struct ks_target *targets;
	const struct ks_limit *limits;
	const struct ks_tree_page *tree; /* for config->tree_nodes; NULL: every list is walked */
	const struct ks_conditions *conditions;
	const struct ks_effects *effects;
	const struct ks_calendar *calendars; /* config->schedules of them (policy/calendar.h) */
};

/* The tables of a policy, which must outlive their use. */
struct ks_tables ks_policy_tables(const struct ks_policy *policy);

/* The memory of a run-time set (core/members.h): its pages, the head first. */
struct ks_member_memory {
	struct ks_member_page *page;
	__u32 pages; /* 0: there is none */
};

/* A frame to be judged: `data` has `captured` bytes, the wire had `length`. */
struct ks_frame {
	const __u8 *data;
	__u32 captured;
	__u32 length;
	__u8 link; /* enum ks_link */
	__u8 from; /* zone ids */
	__u8 to;
	__u64 tag; /* the caller's own: a fragment that is held has it still when it is released */
	__u32 mark; /* fwmark, see core/match.h */
	__u32 uid; /* of the socket that sends it, the same ... */
	bool has_uid; /* ... if there is one */
	__u8 cgroup; /* the number of its control group in the policy (policy/cgroup.h), 0: another one, the same ... */
	bool has_cgroup; /* ... if there is one */
};

/*
 * Routes and addresses of a kernel, for an engine whose caller knows one: asked instead of the policy's networks and
 * addresses. Each member is the function of core/env.h with that name. `from` is the zone that the frame comes from.
 */
struct ks_world {
	__u32 (*zone_to)(const struct ks_tuple *tuple, __u32 from, void *arg);
	__u64 (*other_zones)(const struct ks_tuple *tuple, __u32 from, void *arg);
	__u32 (*broadcast)(const struct ks_tuple *tuple, __u32 from, void *arg);
	bool (*source_is_at_home)(const struct ks_tuple *tuple, __u32 from, __u32 to, bool by_route, void *arg);
	bool (*source_is_near)(const struct ks_tuple *tuple, __u32 from, void *arg);
	bool (*zones_are_one)(__u32 a, __u32 b, void *arg);
	bool (*send_back)(__u32 zone, void *arg);
	bool (*address_of)(__u32 zone, __u8 family, struct ks_addr *addr, void *arg);
	/* Says why that source is or is not at home, for people: "the route back to it leads to zone lan". */
	void (*tell_home)(const struct ks_tuple *tuple, __u32 from, char *buf, size_t size, void *arg);
	void *arg;
};

/* Makes an engine with an empty table for config->limit_states flows. Returns 0, -ENOMEM or -EINVAL. */
int ks_engine_create(const struct ks_tables *tables, struct ks_engine **engine);

/*
 * Makes an engine for another thread on the table of `owner`, which must outlive it. The table and its counts are shared;
 * policy, clock, counters of reasons and rules, and held fragments are each engine's own. So all fragments of a datagram
 * must be given to one engine, or those that wait are not released.
 */
int ks_engine_create_beside(const struct ks_engine *owner, const struct ks_tables *tables, struct ks_engine **engine);

/* A table that somebody else made, and that others may write meanwhile by the rules of core/table/table.h: a kernel's, mapped. */
struct ks_table_memory {
	struct ks_bucket *buckets;
	struct ks_table_shape shape;
	struct ks_table_counts *counts;
	struct ks_budget *budgets; /* KS_BUDGETS of them */
	struct ks_challenges *challenges; /* or NULL: each engine has its own */
	struct ks_challenge_set *challenge_sets; /* or NULL: there are none, and no answer is remembered */
	__u64 now; /* on the table's clock, ns */
};

/* Makes an engine on such a table, which must outlive it. Its clock begins at memory->now; it sweeps nothing before that. */
int ks_engine_create_on(const struct ks_table_memory *memory, const struct ks_tables *tables,
			struct ks_engine **engine);

void ks_engine_destroy(struct ks_engine *engine);

KS_SCOPED(ks_auto_engine, struct ks_engine *, ks_engine_destroy)
#define ks_auto_engine ks_scoped(ks_auto_engine)

/* Changes the policy and keeps flows and counters (a reload). */
void ks_engine_set_tables(struct ks_engine *engine, const struct ks_tables *tables);

/* Gives the engine a world, which must outlive it, or none (NULL). */
void ks_engine_set_world(struct ks_engine *engine, const struct ks_world *world);
const struct ks_world *ks_engine_world(const struct ks_engine *engine);

/* The clock, in ns from any start. It never goes back: an earlier time is taken as the present one. */
void ks_engine_set_time(struct ks_engine *engine, __u64 now);
__u64 ks_engine_time(const struct ks_engine *engine);

/*
 * Says what is to be added to the clock for nanoseconds since 1970, by which the policy's schedules are asked: 0 before it is
 * called, as the clock of a capture is.
 */
void ks_engine_set_wall(struct ks_engine *engine, __s64 wall);
__s64 ks_engine_wall(const struct ks_engine *engine);

/* The same for an engine whose clock shows the present moment. */
void ks_engine_set_wall_now(struct ks_engine *engine);

/* A bit for each schedule of the policy that is open. */
__u64 ks_engine_open(struct ks_engine *engine);

/* Says since when the engine settles (core/settle.h), on its clock; 0: it does not. */
void ks_engine_settle(struct ks_engine *engine, __u64 since);
const struct ks_settling *ks_engine_settling(const struct ks_engine *engine);

/* Says that no SYN is challenged: nobody is there to answer. */
void ks_engine_challenge_nobody(struct ks_engine *engine);

/* All that a home remembers beside its table, by the hash of that. */
struct ks_remembered {
	struct ks_challenge_set *challenged; /* KS_CHALLENGE_SETS */
	struct ks_ended_set *ended; /* KS_ENDED_SETS */
	struct ks_flood_set *floods; /* KS_FLOOD_SETS */
	struct ks_scan_set *scans; /* KS_SCAN_SETS */
};

/* Copies what a home remembers whose hash has the same secret. */
void ks_engine_remember(struct ks_engine *engine, const struct ks_remembered *what);

/* NULL after ks_engine_challenge_nobody(). */
const struct ks_challenges *ks_engine_challenges(const struct ks_engine *engine);

/* Starts the sequence of random numbers (for ports) again, so that two homes can be compared. */
void ks_engine_set_random(struct ks_engine *engine, __u64 seed);

/* Sets the secret of the table's hash, for the same end. Only while the table is empty. */
void ks_engine_set_key(struct ks_engine *engine, const __u64 key[2]);

/*
 * Decides a frame; the whole inspection is left in *insp for the caller to read.
 * With dry, nothing changes. Returns the action.
 */
__u32 ks_engine_inspect(struct ks_engine *engine, const struct ks_frame *frame, bool dry, struct ks_inspection *insp);

/*
 * Fragments may be held (KS_HOLD) until the first one of their datagram is judged. This inspects the next one that was
 * released since: to be called after every inspection that is not dry, until it returns NULL. Returns the fragment's
 * frame, good until the next call.
 */
const struct ks_frame *ks_engine_resume(struct ks_engine *engine, struct ks_inspection *insp);

/* Returns true if a fragment with this tag is held, or released and not yet resumed. */
bool ks_engine_holds(const struct ks_engine *engine, __u64 tag);

/* The last frame as it leaves: translated, if it was. Good until the next inspection, and only after one that passed. */
const __u8 *ks_engine_output(const struct ks_engine *engine, __u32 *length);

/*
 * Returns 0, or -ENOMEM if there was no memory for a frame that is changed, ever since the engine was made: such a frame
 * is denied, and it is no verdict of the policy.
 */
int ks_engine_error(const struct ks_engine *engine);

/* How many packets were reported for the log since the engine was made. */
__u64 ks_engine_reported(const struct ks_engine *engine);

/* The engine as the core sees it: for ks_rule_compare() and other functions of the core that take a home. */
struct ks_env *ks_engine_env(struct ks_engine *engine);

#define KS_BURST_MAX 16 /* frames: of more, the first ones are out of the cache again before they are judged */

/*
 * The same for a burst of frames, in their order: the memory of their flows is
 * fetched while they are parsed, which a table larger than the cache needs.
 * `insp` has room for `count` inspections.
 */
void ks_engine_inspect_burst(struct ks_engine *engine, const struct ks_frame *frames, unsigned count, bool dry,
			     struct ks_inspection *insp);

/* Calls fn with a copy of every live flow until it returns nonzero; returns that, or 0. */
int ks_engine_each_flow(struct ks_engine *engine,
			int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg);

/* The same for every live entry of the table: aliases, mappings and the like too. */
int ks_engine_each_entry(struct ks_engine *engine,
			 int (*fn)(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg), void *arg);

#define KS_ENGINE_LISTEN_MAX 8

/* Tells `tell` of flows that begin, are established and end, from now on; nobody, if that is NULL. */
typedef void ks_engine_tell_fn(const struct ks_flow_event *event, void *arg);
void ks_engine_tell_flows(struct ks_engine *engine, ks_engine_tell_fn *tell, void *arg);

/* Says that a process of the box has a port of a protocol, which translations must not use. Returns 0 or -ENOSPC. */
int ks_engine_listen(struct ks_engine *engine, __u8 proto, __u16 port);

/* Returns true below the limit of flows: what is put into the table as it is takes nobody's place. */
bool ks_engine_has_room(const struct ks_engine *engine);

/* Puts a flow into the table as it is: a snapshot for explain, one of a file. Returns 0, -EEXIST or -ENOSPC. */
int ks_engine_add_flow(struct ks_engine *engine, const struct ks_flow_key *key, const struct ks_flow *flow);

/* Frees dead flows; returns how many. */
unsigned ks_engine_sweep(struct ks_engine *engine);

const struct ks_count *ks_engine_reasons(const struct ks_engine *engine); /* [KS_REASON_MAX], as of this moment */
const struct ks_zone_count *ks_engine_zones(const struct ks_engine *engine); /* [KS_ZONE_PAIRS] */
const struct ks_count *ks_engine_established(const struct ks_engine *engine); /* [KS_FLOW_PAIRS] */
const struct ks_rule_count *ks_engine_rule_count(const struct ks_engine *engine, __u32 rule);
const struct ks_table_counts *ks_engine_counts(const struct ks_engine *engine);

#endif
