/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firewall in the kernel, as user space handles it: loads the programs, makes
 * the maps, installs policy generations, attaches the programs to interfaces and
 * reads what they leave in the maps. The daemon, the BPF tests and the benchmarks
 * use it.
 *
 * Life cycle. ks_kernel_load() or ks_kernel_reopen(), then a policy, guards, hooks;
 * ks_kernel_close(). With a pin directory everything outlives the process; without
 * one, closing ends it (attached filters keep the programs alive until they are
 * detached).
 *
 * Threads. A ks_kernel holds descriptors and mappings, no thread and no lock: one
 * thread at a time may change it. Reading flows and counters needs no lock against
 * the programs (read.c).
 *
 *   kernel.c  load, pin, close          takeover.c  from what is pinned      load.c   the skeleton
 *   policy.c  generations of policies   guards.c    guarded interfaces       locals.c addresses of the box
 *   read.c    flows and counters        nat.c       translated flows         pins.c   files on a bpffs
 *   hooks.c   tcx.c or tc.c, front.c    backstop.c  netfilter links          bpf.c    what libbpf 1.1 lacks
 *   layout.c  tables of other builds    grow.c      into a new table         memory.c is there room
 *   seed.c    entries from user space   conntrack.c what netfilter tracks    sockets.c what sockets there are
 *   netlink*.c
 *
 * Return values are 0 or -errno unless said otherwise. What the verifier or
 * libbpf had to say is in ks_kernel_complaint() after a failed load.
 */
#ifndef KS_KERNEL_KERNEL_H
#define KS_KERNEL_KERNEL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/maps.h"
#include "core/env.h"
#include "core/table/table.h"
#include "engine/set_store.h"
#include "engine/translation.h"
#include "engine/transplant.h"
#include "policy/policy.h"
#include "text/scoped.h"

struct ks_challenges;
struct ks_kernel;

/* X(identifier, name in the kernel): every map that user space knows. */
#define KS_KERNEL_MAPS(X)                    \
	X(TABLE, ks_table)                   \
	X(SHAPE, ks_shape)                   \
	X(COUNTS, ks_counts)                 \
	X(CONTROL, ks_control)               \
	X(CONFIGS, ks_configs)               \
	X(RULES, ks_rules)                   \
	X(SETS, ks_sets)                     \
	X(RANGES, ks_ranges)                 \
	X(TARGETS, ks_targets)               \
	X(TREES, ks_trees)                   \
	X(MEMBERS, ks_members)               \
	X(LIMITS, ks_limits)                 \
	X(CONDITIONS, ks_conditions)         \
	X(EFFECTS, ks_effects)               \
	X(GUARDS, ks_guards)                 \
	X(NEAR_GUARDS, ks_near_guards)       \
	X(LOCALS, ks_locals)                 \
	X(STACKED, ks_stacked)               \
	X(REASONS, ks_reasons)               \
	X(ZONE_COUNTS, ks_zone_counts)       \
	X(FLOW_COUNTS, ks_flow_counts)       \
	X(RULE_COUNTS, ks_rule_counts)       \
	X(EVENTS, ks_events)                 \
	X(FLOW_EVENTS, ks_flow_events)       \
	X(EVENTS_LOST, ks_events_lost)       \
	X(FOLDS, ks_folds)                   \
	X(SCRATCH, ks_scratch)               \
	X(BUDGETS, ks_budgets)               \
	X(SHORTAGES, ks_shortages)           \
	X(ANSWERS, ks_answers)               \
	X(CHALLENGES, ks_challenges)         \
	X(CHALLENGE_SETS, ks_challenge_sets) \
	X(ENDED_SETS, ks_ended_sets)         \
	X(FLOOD_SETS, ks_flood_sets)         \
	X(SCAN_SETS, ks_scan_sets)           \
	X(HELD, ks_held)                     \
	X(FRONTS, ks_fronts)                 \
	X(FRONT_DROPS, ks_front_drops)       \
	X(LOOKUPS, ks_lookups)               \
	X(WAYS, ks_ways)                     \
	X(SWEEPER, ks_sweeper)               \
	X(TC_STAGES, ks_tc_stages)           \
	X(TC_HOOKS, ks_tc_hooks)             \
	X(XDP_STAGES, ks_xdp_stages)         \
	X(FRONT_STAGES, ks_front_stages)

enum ks_kernel_map {
#define X(id, name) KS_MAP_##id,
	KS_KERNEL_MAPS(X)
#undef X
		KS_MAP_MAX
};

#define KS_KERNEL_PROGRAMS(X)                    \
	X(TC_INGRESS, ks_tc_ingress)             \
	X(TC_EGRESS, ks_tc_egress)               \
	X(FIRST_INGRESS, ks_first_ingress)       \
	X(FIRST_EGRESS, ks_first_egress)         \
	X(LATER_INGRESS, ks_later_ingress)       \
	X(LATER_EGRESS, ks_later_egress)         \
	X(BACKSTOP_INPUT, ks_backstop_input)     \
	X(BACKSTOP_FORWARD, ks_backstop_forward) \
	X(XDP, ks_xdp)                           \
	X(FRONT, ks_front)                       \
	X(START, ks_start)                       \
	X(KILL, ks_kill)                         \
	X(ASK, ks_ask)                           \
	X(ASK_RULES, ks_ask_rules)

enum ks_kernel_program {
#define X(id, name) KS_PROGRAM_##id,
	KS_KERNEL_PROGRAMS(X)
#undef X
		KS_PROGRAM_MAX
};

struct ks_kernel_opts {
	bool test_mode; /* packets' zones come from ks_control.test_from and test_to: for BPF_PROG_TEST_RUN. With ks_ask_rules */
	/*
	 * As a daemon wants it, because the verifier takes a tenth of a second for each program: XDP is left out (it attaches no ks_xdp,
	 * and ks_front not at once), and so are the stages that the policy does not need (stages.c).
	 */
	bool tc_only;
	const char *pin_dir; /* directory on a bpffs, made if missing; NULL: nothing is pinned */
};

/*
 * Loads the programs, makes a table for policy->config.limit_states flows with
 * a fresh hash key, installs the policy as generation 1 and starts the sweeper.
 * Nothing is attached yet. opts may be NULL.
 */
int ks_kernel_load(const struct ks_policy *policy, const struct ks_kernel_opts *opts, struct ks_kernel **kernel);

/*
 * Takes over what an earlier process pinned in pin_dir. If those programs came
 * from another build, loads ours on the same table beside them. The old ones
 * go on until each hook is attached again and ks_kernel_forget_old() is
 * called, so that no packet is lost; the policy must be set before the first
 * hook is attached. If `policy` (NULL: never) has a larger `limit states` than the
 * table was made for, the states are copied into a larger one. -ENOENT: nothing
 * is pinned there, or not all of it; -EMEDIUMTYPE: its table has another layout
 * than ours (core/table/layout.h).
 */
int ks_kernel_reopen(const char *pin_dir, const struct ks_policy *policy, struct ks_kernel **kernel);

/*
 * Takes over what this very process runs, into a larger table: `wanted` has the `limit states` that ks_kernel_is_too_small()
 * tells of. The new kernel goes through the same steps as that of ks_kernel_reopen(); the old one is closed when all hooks are
 * switched. Until the first one is, ks_kernel_put_back() on the old one undoes everything, also after a failure.
 */
int ks_kernel_grow(const struct ks_kernel *old, const struct ks_policy *wanted, struct ks_kernel **kernel);
int ks_kernel_put_back(const struct ks_kernel *old);
bool ks_kernel_is_too_small(const struct ks_kernel *kernel, const struct ks_policy *wanted);

/* The memory that the table of a policy takes. */
__u64 ks_kernel_table_bytes(const struct ks_policy *policy);

/*
 * Opens what is pinned for its table to be read, and nothing else: by a process that is no daemon. -ENOENT: nothing is pinned;
 * -EMEDIUMTYPE: the table has another layout.
 */
int ks_kernel_open_table(const char *pin_dir, struct ks_kernel **kernel);

/* After a takeover, when all hooks are ours: ends the old table and programs, and links that nobody needs. */
int ks_kernel_forget_old(struct ks_kernel *kernel);

/* Closes descriptors and mappings. Pins and attached filters stay. */
void ks_kernel_close(struct ks_kernel *kernel);

KS_SCOPED(ks_auto_kernel, struct ks_kernel *, ks_kernel_close)
#define ks_auto_kernel ks_scoped(ks_auto_kernel)

/* Removes the pins of pin_dir and the directory, links and backstop too; with no process left, that frees all. */
int ks_kernel_unpin(const char *pin_dir);

/*
 * Returns true if every map and program that this process pinned is pinned still: somebody may have removed files, or
 * the file system. Links are looked after by ks_kernel_hook_state() and ks_kernel_backstop().
 */
bool ks_kernel_is_pinned(const struct ks_kernel *kernel);

/* Pins everything again, so that the next process can take it over. */
int ks_kernel_pin_again(const struct ks_kernel *kernel);

/* The directory of the pins, NULL without one. */
const char *ks_kernel_pin_dir(const struct ks_kernel *kernel);

/* Says for people why the last call failed; "" if there is nothing to say. Each thread has its own. */
const char *ks_kernel_complaint(void);

/*
 * Installs the policy's tables in the inactive slot and switches to it: every
 * packet is judged by the old policy or by the new one, none by a mixture.
 * -EFBIG: config.limit_states is more than ks_kernel_capacity(). On failure
 * the old policy stays.
 */
int ks_kernel_set_policy(struct ks_kernel *kernel, const struct ks_policy *policy);

/*
 * Loads all stages of an inspection, also those that the policy does not need (stages.c): before flows are put into the table that
 * packets have not opened under this policy. Returns 0 or -errno.
 */
int ks_kernel_need_all_stages(const struct ks_kernel *kernel);

/* The run-time sets of the policy in force. */
struct ks_set_store *ks_kernel_sets(struct ks_kernel *kernel);

/*
 * Puts other memory in the place of a set's, in one step. It belongs to the set from then on; the one before is freed when no
 * program uses it. On failure nothing has changed, unless only the pin of the set is missing.
 */
int ks_kernel_replace_set(struct ks_kernel *kernel, struct ks_stored_set *set, struct ks_member_memory *memory, int fd);

/* The largest `limit states` that the table was made for, of a policy that translates no addresses. */
__u32 ks_kernel_capacity(const struct ks_kernel *kernel);

/*
 * The interfaces that the programs guard. An interface that has filters but is
 * not here passes everything: forget it after its filters are off. To shut one
 * for a moment, give it zone KS_ZONE_NONE, from which no policy allows anything.
 */
int ks_kernel_set_guard(struct ks_kernel *kernel, unsigned ifindex, const struct ks_guard *guard);
int ks_kernel_forget_guard(struct ks_kernel *kernel, unsigned ifindex);
bool ks_kernel_guard(const struct ks_kernel *kernel, unsigned ifindex, struct ks_guard *guard);

/* Calls fn for every guarded interface. fn may not change them. */
void ks_kernel_each_guard(const struct ks_kernel *kernel,
			  void (*fn)(unsigned ifindex, const struct ks_guard *guard, void *arg), void *arg);

/*
 * Links, routes or neighbours have changed: the answers of route lookups that the programs keep, in a flood and for the short
 * way, are forgotten. The functions that change guards and addresses do it, too.
 */
void ks_kernel_forget_ways(struct ks_kernel *kernel);

/* The addresses of the box and the networks of its links (bpf/maps.h). Forgetting a missing entry is no error. */
int ks_kernel_set_local(struct ks_kernel *kernel, const struct ks_local_key *key, const struct ks_local *local);
int ks_kernel_forget_local(struct ks_kernel *kernel, const struct ks_local_key *key);
void ks_kernel_each_local(const struct ks_kernel *kernel,
			  void (*fn)(const struct ks_local_key *key, const struct ks_local *local, void *arg),
			  void *arg);

/* The entry of these that an address has, by the longest match. Returns false if there is none. */
bool ks_kernel_local(const struct ks_kernel *kernel, const struct ks_addr *addr, unsigned family,
		     struct ks_local *local);

/* Lets the programs answer where a packet would go and if its source would be believed. 0 or -errno. */
int ks_kernel_ask(const struct ks_kernel *kernel, struct ks_ask *ask);

/*
 * Asks the rules in force `count` questions, up to KS_ASK_RULES_MAX: `index` are those of the rules that decide. In test mode
 * only. `ns` is how long the program took, or NULL. Returns 0 or -errno.
 */
int ks_kernel_ask_rules(const struct ks_kernel *kernel, const struct ks_question *questions, __u32 count, __u32 *index,
			__u64 *ns);

/* MAC addresses of devices that are stacked on an interface. `kind` is KS_STACKED_*. fn may not change them. */
int ks_kernel_set_stacked(struct ks_kernel *kernel, const struct ks_stacked_key *key, __u32 kind);
int ks_kernel_forget_stacked(struct ks_kernel *kernel, const struct ks_stacked_key *key);
void ks_kernel_each_stacked(const struct ks_kernel *kernel,
			    void (*fn)(const struct ks_stacked_key *key, __u32 kind, void *arg), void *arg);

/* The two hooks of an interface. */
#define KS_HOOK_INGRESS 1U
#define KS_HOOK_EGRESS 2U
#define KS_HOOK_BOTH (KS_HOOK_INGRESS | KS_HOOK_EGRESS)

/*
 * Attaches the programs to the hooks of an interface, as the first ones to see
 * packets: by tcx links (Linux 6.6), else by filters on a clsact qdisc. Earlier
 * ones of ours are replaced, and ours that are not first any more are put first,
 * without a packet that is inspected twice or not at all. What others have
 * attached stays. Idempotent. *created (NULL: not wanted) is set to true if a clsact
 * qdisc had to be made. -EADDRINUSE: there is an `ingress` qdisc, and no tcx.
 * With several interfaces attach all ingress hooks first: an egress hook takes a
 * packet that no ingress hook has judged for one of the box itself.
 */
int ks_kernel_attach(struct ks_kernel *kernel, unsigned ifindex, unsigned hooks, bool *created);

/* How our programs sit on an interface. Index 0 is ingress, 1 egress. */
struct ks_hook_state {
	bool tcx; /* by tcx links; false: by a clsact qdisc */
	bool first[2]; /* nobody's program sees packets before ours */
	bool present[2];
	bool shared; /* at ingress others' filters run behind ours, and may clear its seal (bpf/seal.h) */
};

/* Costs some system calls, netlink messages among them. */
int ks_kernel_hook_state(const struct ks_kernel *kernel, unsigned ifindex, struct ks_hook_state *state);

/* Returns true if an interface has programs or filters of others, before or behind ours, at either hook. */
bool ks_kernel_has_other_filters(const struct ks_kernel *kernel, unsigned ifindex);

/* The hooks that run our programs: KS_HOOK_* */
unsigned ks_hooks_present(const struct ks_hook_state *state);

/*
 * Puts the backstop in force (bpf/backstop.bpf.c), or the one of this build in
 * place of another's. It drops what comes by an interface that is neither
 * guarded nor ignored, so it is raised after all ingress hooks are attached.
 * -EOPNOTSUPP: this kernel has none (before 6.4). On another failure what was in
 * force stays so, be it another build's; call it again.
 */
int ks_kernel_raise_backstop(struct ks_kernel *kernel);

/* Takes the backstop away; to be called before the first hook is detached. Needs no ks_kernel; 0 if there was none. */
int ks_kernel_lower_backstop(const char *pin_dir);

/* Returns true if its programs can tell which upper checksums nobody has verified; otherwise they verify none. */
bool ks_kernel_verifies_checksums(const struct ks_kernel *kernel);

/* Returns true if the backstop is in force now. */
bool ks_kernel_backstop(const struct ks_kernel *kernel);

/*
 * Takes our programs off an interface; with remove_qdisc also the clsact qdisc
 * if nobody's filter is left on it. Needs no ks_kernel; 0 if nothing was there.
 */
int ks_kernel_detach(const char *pin_dir, unsigned ifindex, bool remove_qdisc);

/*
 * Puts the front (bpf/front.bpf.c) before the ingress hook of an interface, in the driver, or ours in place of another build's:
 * after both hooks are there. -EOPNOTSUPP: the driver has no XDP; -EBUSY: somebody else's program is there; -ENOEXEC: this
 * kernel does not load it. ks_kernel_detach() takes it off first.
 */
int ks_kernel_attach_front(struct ks_kernel *kernel, unsigned ifindex);
int ks_kernel_detach_front(const char *pin_dir, unsigned ifindex); /* 0 if there was none */

/* Returns true if it is there now, and this build's. */
bool ks_kernel_has_front(const struct ks_kernel *kernel, unsigned ifindex);

/* Descriptors stay the kernel's. That of a program which was left out is -1. */
int ks_kernel_map_fd(const struct ks_kernel *kernel, enum ks_kernel_map map);
int ks_kernel_program_fd(const struct ks_kernel *kernel, enum ks_kernel_program program);

/* Shared memory of the maps, live. The control block is writable. */
struct ks_control *ks_kernel_control(struct ks_kernel *kernel);
const struct ks_table_counts *ks_kernel_counts(const struct ks_kernel *kernel);
const struct ks_bucket *ks_kernel_table(const struct ks_kernel *kernel);
const struct ks_table_shape *ks_kernel_shape(const struct ks_kernel *kernel);
const struct ks_config *ks_kernel_config(const struct ks_kernel *kernel); /* of the active generation */

/* Reads the state of the challenge of SYNs (core/challenge.h). Returns 0 or -errno. */
int ks_kernel_challenges(const struct ks_kernel *kernel, struct ks_challenges *challenges);

/* Returns how many half-open flows have their originator in a zone (core/table/share.h). */
__u32 ks_kernel_half_open(const struct ks_kernel *kernel, __u32 zone);

/* Gives an engine whose table is empty the secret of the kernel's hash, and what it remembers by that beside the table. Returns 0 or -errno. */
int ks_kernel_copy_remembered(const struct ks_kernel *kernel, struct ks_engine *engine);

/* The kernel's monotonic clock, ns, and the clock of the programs, which tests may set forward. */
__u64 ks_kernel_clock(void);
__u64 ks_kernel_now(const struct ks_kernel *kernel);

/*
 * Schedules (core/schedule.h): what is to be added to the packet clock for nanoseconds since 1970; the programs are told anew by
 * it, at most every second; what they know. Tests set the wall clock.
 */
__s64 ks_kernel_wall(const struct ks_kernel *kernel);
void ks_kernel_set_wall(struct ks_kernel *kernel, __s64 wall);
void ks_kernel_tell_schedules(struct ks_kernel *kernel, const struct ks_policy *policy);
const struct ks_schedule *ks_kernel_schedules(const struct ks_kernel *kernel);

/*
 * Control groups (policy/cgroup.h): looks for those of the policy in force, and tells the programs. Returns a bit for each that
 * exists. ks_kernel_set_policy() does it, too.
 */
__u64 ks_kernel_tell_cgroups(struct ks_kernel *kernel, const struct ks_policy *policy);

/* The folder of all groups. Returns 0, or -ENOENT where there is none, or only that of a namespace. */
int ks_cgroup_root(char path[PATH_MAX]);

typedef int ks_kernel_flow_fn(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg);

/*
 * Calls fn with a consistent copy of every flow that is live now, until it
 * returns nonzero; returns that, or 0. Flows that come or go meanwhile may be
 * seen or not. The _from form starts at bucket *cursor and stops after
 * `buckets` of them, leaving the next in *cursor (ks_kernel_shape()->buckets at
 * the end).
 */
int ks_kernel_each_flow(const struct ks_kernel *kernel, ks_kernel_flow_fn *fn, void *arg);
int ks_kernel_each_flow_from(const struct ks_kernel *kernel, __u32 *cursor, __u32 buckets, ks_kernel_flow_fn *fn,
			     void *arg);

/* The same with the slot id of each flow (core/table/table.h), by which it is found again as long as it lives. */
typedef int ks_kernel_slot_fn(__u32 id, const struct ks_slot *slot, void *arg);
int ks_kernel_each_slot_from(const struct ks_kernel *kernel, __u32 *cursor, __u32 buckets, ks_kernel_slot_fn *fn,
			     void *arg);

/* Copies the live flow of a slot. Returns false if there is none. */
bool ks_kernel_slot(const struct ks_kernel *kernel, __u32 id, struct ks_slot *copy);

/* Frees the flows of n keys. `why`: enum ks_end, as it is told. Returns how many were there, or -errno. */
long ks_kernel_kill(struct ks_kernel *kernel, const struct ks_flow_key *keys, size_t n, enum ks_end why);

/*
 * Tells `tell`, if that is not NULL, of flows that end here and not by a program: connections that are closed because their
 * address is lost. The programs tell of their own.
 */
void ks_kernel_tell_flows(struct ks_kernel *kernel, ks_engine_tell_fn *tell, void *arg);

/* Gets the translation of a flow. Returns false if there is none; one side may be translated and the other not. */
bool ks_kernel_translation(const struct ks_kernel *kernel, const struct ks_flow_key *key, const struct ks_flow *flow,
			   struct ks_translation *translation);

/*
 * Copies the live flow that packets of this key belong to, be it the flow's own
 * key or an alias of it, with all its aliases. Returns false if there is none.
 */
bool ks_kernel_transplant(const struct ks_kernel *kernel, const struct ks_flow_key *key,
			  struct ks_transplant *transplant);

/* Copies the live entry of this very key, of whatever kind. Returns false if there is none. */
bool ks_kernel_entry(const struct ks_kernel *kernel, const struct ks_flow_key *key, struct ks_flow *entry);

/* A TCP segment that resets an end of a connection, in the name of the other one. */
struct ks_reset {
	struct ks_tuple tuple;
	__u32 seq, ack;
};

typedef void ks_reset_fn(const struct ks_reset *reset, void *arg);

/*
 * Ends the flows of which a side knows the other end by this address. A TCP connection is closed, and answers its inside with
 * a reset; `reset` is called for it. Returns how many, or -errno; looks through the table.
 */
long ks_kernel_kill_translated(struct ks_kernel *kernel, const struct ks_addr *addr, unsigned family,
			       ks_reset_fn *reset, void *arg);

/* Counters, summed over CPUs. */
int ks_kernel_reasons(const struct ks_kernel *kernel, struct ks_count counts[KS_REASON_MAX]);
int ks_kernel_zones(const struct ks_kernel *kernel, struct ks_zone_count counts[KS_ZONE_PAIRS]);
int ks_kernel_established(const struct ks_kernel *kernel, struct ks_count counts[KS_FLOW_PAIRS]);
int ks_kernel_zone_reset(struct ks_kernel *kernel,
			 __u32 zone); /* an id that gets another zone starts at 0, in each pair */
int ks_kernel_rule_count(const struct ks_kernel *kernel, __u32 rule, struct ks_rule_count *count);
int ks_kernel_rule_reset(struct ks_kernel *kernel, __u32 rule); /* an id that gets a new rule starts at 0 */
/* Runs of a program, and their time: counted while the sysctl kernel.bpf_stats_enabled is 1, which ks_kernel_times_programs() tells. */
struct ks_program_times {
	__u64 runs, ns;
};
bool ks_kernel_times_programs(void);

/* Returns 0 or -errno: -ENOENT if the program was left out. */
int ks_kernel_program_times(const struct ks_kernel *kernel, enum ks_kernel_program program,
			    struct ks_program_times *times);

/* "ks_tc_ingress" */
const char *ks_kernel_program_name(enum ks_kernel_program program);

/* Packets that the front has dropped; they are among those of the reasons. */
__u64 ks_kernel_front_drops(const struct ks_kernel *kernel);
__u64 ks_kernel_front_drops_at(const struct ks_kernel *kernel, unsigned ifindex); /* of these, at one interface */

/* Packets that went past the kernel's forwarding; they are among those of the reasons. */
struct ks_shortened {
	__u64 by_ingress; /* the short way (bpf/short.bpf.c) */
	__u64 by_express; /* bpf/express.bpf.c */
};

int ks_kernel_shortened(const struct ks_kernel *kernel, struct ks_shortened *shortened);

/* Events that nobody was told of: of packets, which were not even folded, or of flows (KS_LOST_*, bpf/maps.h). */
__u64 ks_kernel_events_lost(const struct ks_kernel *kernel, unsigned kind);

/*
 * Takes out what was folded instead of being told: calls fn with how many events, and the last of them; of one source, else
 * of many. Returns 0 or -errno.
 */
int ks_kernel_folds_take(const struct ks_kernel *kernel,
			 void (*fn)(__u64 folded, bool one_source, const struct ks_event *last, void *arg), void *arg);

/* How many rejected packets got no answer, because others had enough (core/answer.h). */
__u64 ks_kernel_answers_withheld(const struct ks_kernel *kernel);

#endif
