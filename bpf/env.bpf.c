// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel home: answers core/env.h with maps and helpers; routes are in
 * route.bpf.c, the packet's bytes in write.bpf.c, held fragments in held.bpf.c.
 * The maps outlive the loader because they are pinned; maps.h says who writes
 * them when. Counters are per CPU; the table guards itself (core/table/table.h).
 */
#include "bpf/env.bpf.h"
#include "bpf/kernel.h"

#include "core/answer.h"
#include "core/challenge.h"
#include "core/flood.h"
#include "core/header/wire.h"
#include "core/nat/port.h"
#include "core/port_scan.h"
#include "core/table/ended.h"
#include "core/table/hash.h"
#include "core/table/table.h"
#include "core/members.h"
#include "core/tree.h"

#include <bpf/bpf_core_read.h>
#include <linux/in.h>

const volatile __u8 ks_test_mode __attribute__((visibility("default"))) = 0;
const volatile __u8 ks_has_kernel_skb __attribute__((visibility("default"))) = 0;

/* A payload that this CPU writes again (core/env.h), and room for a write that begins with its last byte. */
struct ks_transcript {
	__u8 bytes[KS_TRANSCRIPT_MAX + KS_EDIT_MAX];
};

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 64);
	 __type(key, __u32); __type(value, struct ks_bucket); } ks_table MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_table_shape); } ks_shape MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_table_counts); } ks_counts MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_control); } ks_control MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 2);
	 __type(key, __u32); __type(value, struct ks_config); } ks_configs MAP;

struct rules_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_rule); };
struct sets_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_set); };
struct ranges_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_range); };
struct trees_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __uint(key_size, sizeof(__u32)); __uint(value_size, sizeof(struct ks_tree_page)); };
struct targets_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_target); };
struct limits_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_limit); };
struct effects_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_effects); };
struct conditions_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_conditions); };

struct members_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	 __uint(max_entries, 1); __type(key, __u32); __type(value, struct ks_member_page); };

struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2 * KS_DYNAMIC_MAX);
	 __type(key, __u32); __array(values, struct members_inner); } ks_members MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct trees_inner); } ks_trees MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct targets_inner); } ks_targets MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct limits_inner); } ks_limits MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct conditions_inner); } ks_conditions MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct effects_inner); } ks_effects MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct rules_inner); } ks_rules MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct sets_inner); } ks_sets MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct ranges_inner); } ks_ranges MAP;

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4096);
	 __type(key, __u32); __type(value, struct ks_guard); } ks_guards MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, KS_NEAR_GUARDS);
	 __type(key, __u32); __type(value, struct ks_near_guard); } ks_near_guards MAP;
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096);
	 __type(key, struct ks_stacked_key); __type(value, __u32); } ks_stacked MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_REASON_MAX);
	 __type(key, __u32); __type(value, struct ks_count); } ks_reasons MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_ZONE_PAIRS);
	 __type(key, __u32); __type(value, struct ks_zone_count); } ks_zone_counts MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_FLOW_PAIRS);
	 __type(key, __u32); __type(value, struct ks_count); } ks_flow_counts MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_RULE_ID_MAX);
	 __type(key, __u32); __type(value, struct ks_rule_count); } ks_rule_counts MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, KS_BUDGETS);
	 __type(key, __u32); __type(value, struct ks_budget); } ks_budgets MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, KS_SHORTAGES);
	 __type(key, __u32); __type(value, struct ks_shortage); } ks_shortages MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_answers); } ks_answers MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_challenges); } ks_challenges MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, KS_CHALLENGE_SETS);
	 __type(key, __u32); __type(value, struct ks_challenge_set); } ks_challenge_sets MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, KS_ENDED_SETS);
	 __type(key, __u32); __type(value, struct ks_ended_set); } ks_ended_sets MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, KS_FLOOD_SETS);
	 __type(key, __u32); __type(value, struct ks_flood_set); } ks_flood_sets MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_MMAPABLE); __uint(max_entries, KS_SCAN_SETS);
	 __type(key, __u32); __type(value, struct ks_scan_set); } ks_scan_sets MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_scratch); } ks_scratch MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_scratch); } ks_kill_scratch MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_transcript); } ks_transcripts MAP;
/* clang-format on */

struct ks_scratch *scratch_get(void)
{
	return first_of(&ks_scratch);
}

struct ks_scratch *kill_scratch_get(void)
{
	return first_of(&ks_kill_scratch);
}

__u8 *env_transcript(struct ks_env *env)
{
	struct ks_transcript *transcript = first_of(&ks_transcripts);

	return transcript ? transcript->bytes : NULL;
}

const struct ks_control *control_get(void)
{
	return first_of(&ks_control);
}

struct ks_guard *guard_get(__u32 ifindex)
{
	__u32 slot = ifindex & (KS_NEAR_GUARDS - 1);
	struct ks_near_guard *near = bpf_map_lookup_elem(&ks_near_guards, &slot);

	if (near && near->ifindex == ifindex && ifindex) /* an empty slot has 0 */
		return &near->guard;
	return bpf_map_lookup_elem(&ks_guards, &ifindex);
}

bool seal_counts(const struct __sk_buff *skb)
{
	const struct ks_guard *in_guard;

	if (!skb->ingress_ifindex)
		return ks_has_kernel_skb;
	in_guard = guard_get(skb->ingress_ifindex);
	return in_guard && !(in_guard->flags & KS_GUARD_IGNORED);
}

__u32 stacked_kind(const struct ks_stacked_key *key)
{
	const __u32 *kind = bpf_map_lookup_elem(&ks_stacked, key);

	return kind ? *kind : 0;
}

/*
 * A macvlan hands a frame for another one on the same interface to the ingress of that, where nothing tells it from one of the
 * cable but its link address, which anybody may write.
 */
bool env_answers_for_box(struct ks_env *env)
{
	const struct ks_scratch *scratch = env->scratch;
	struct ks_stacked_key key = { .ifindex = scratch->relay.ifindex };

	if (!scratch->relay.stacked || scratch->relay.is_egress)
		return false;
	__builtin_memcpy(key.mac, scratch->head + ETH_SRC_OFF, sizeof(key.mac));
	return stacked_kind(&key) != 0;
}

void stacked_learn(const struct ks_stacked_key *key)
{
	__u32 kind = KS_STACKED_LEARNT;

	bpf_map_update_elem(&ks_stacked, key, &kind, BPF_NOEXIST);
}

/* Not inlined, so that clang describes the value of an inner map (V11). */
#define ks_type_shown __attribute__((noinline))

struct ks_env *env_isolated(struct ks_env *env)
{
	env->scratch->env.generation = env->generation;
	return (struct ks_env *)&env->scratch->env;
}

const struct ks_config *env_config(struct ks_env *env)
{
	__u32 generation =
		env->generation; /* on the stack: 6.1 takes no key from the arguments of an isolated function (V9) */

	return bpf_map_lookup_elem(&ks_configs, &generation);
}

ks_type_shown const struct ks_rule *env_rule(struct ks_env *env, __u32 index)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_rules, &generation);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

ks_type_shown const struct ks_set *env_set(struct ks_env *env, __u32 index)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_sets, &generation);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

ks_type_shown const struct ks_range *env_range(struct ks_env *env, __u32 index)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_ranges, &generation);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

/* Inlined, because a search calls it several times. Its map is declared by sizes, so clang need not describe a page (V11). */
__attribute__((always_inline)) const struct ks_tree_page *env_tree_page(struct ks_env *env, __u32 index)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_trees, &generation);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

ks_type_shown const struct ks_target *env_target(struct ks_env *env, __u32 index)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_targets, &generation);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

ks_type_shown const struct ks_limit *env_limit(struct ks_env *env, __u32 index)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_limits, &generation);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

ks_type_shown const struct ks_conditions *env_conditions(struct ks_env *env, __u32 index)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_conditions, &generation);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

ks_type_shown const struct ks_effects *env_effects(struct ks_env *env, __u32 rule)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_effects, &generation);

	return inner ? bpf_map_lookup_elem(inner, &rule) : NULL;
}

ks_type_shown const struct ks_schedule *env_schedule(struct ks_env *env, __u32 index)
{
	const struct ks_config *config = env_config(env);
	__u32 half;

	if (!config)
		return NULL;
	half = ks_load_acquire(&config->schedule_turn) & (KS_SCHEDULE_HALVES - 1);
	return &config->schedule[half][index & (KS_SCHEDULES_MAX - 1)];
}

/* The user of the socket that sends the packet. A connection that is not complete yet, and one that waits for its end, has none. */
static ks_inline void user_tell(struct __sk_buff *skb, struct ks_facts *facts)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk || !bpf_sk_fullsock(sk))
		return;
	facts->uid = bpf_get_socket_uid(skb);
	facts->has_uid = 1;
}

/* The deepest control group of the policy that the socket's is in. A kernel may have no groups of sockets, and no such helpers. */
static ks_inline void cgroup_tell(struct __sk_buff *skb, const struct ks_config *config, struct ks_facts *facts)
{
	__u32 level = 0;

	if (!bpf_core_field_exists(struct sock_cgroup_data, cgroup) || !config || !bpf_skb_cgroup_id(skb))
		return;
	facts->has_cgroup = 1;
	for (__u32 i = 0; i < KS_CGROUPS_MAX; i++) {
		const struct ks_cgroup *cgroup = &config->cgroup[i];

		if (!cgroup->id || cgroup->level <= level ||
		    bpf_skb_ancestor_cgroup_id(skb, (int)cgroup->level) != cgroup->id)
			continue;
		level = cgroup->level;
		facts->cgroup = (__u8)(i + 1);
	}
}

static ks_inline void test_facts(const struct ks_control *control, struct ks_facts *facts)
{
	if (!control)
		return;
	facts->mark = control->test_mark;
	facts->uid = control->test_uid;
	facts->has_uid = control->test_has_uid;
	facts->cgroup = control->test_cgroup;
	facts->has_cgroup = control->test_has_cgroup;
}

/* A frame at XDP has no mark: the front leaves packets whose mark is asked for to ingress. */
void env_facts(struct ks_env *env, __u32 asks, struct ks_facts *facts)
{
	struct __sk_buff *skb = env->ctx;

	if (ks_test_mode) {
		test_facts(control_get(), facts);
	} else if (env->hook == HOOK_TC) {
		facts->mark = skb->mark;
		if (asks & KS_CONDITION_BIT(KS_CONDITION_USER))
			user_tell(skb, facts);
		if (asks & KS_CONDITION_BIT(KS_CONDITION_CGROUP))
			cgroup_tell(skb, env_config(env), facts);
	}
	facts->known |= KS_CONDITIONS_HOME;
}

void env_mark(struct ks_env *env, const struct ks_inspection *insp)
{
	struct __sk_buff *skb = env->ctx;

	if (!ks_test_mode && env->hook == HOOK_TC)
		skb->mark = (skb->mark & ~insp->mark_mask) | (insp->mark & insp->mark_mask);
}

const struct ks_table_shape *env_table_shape(struct ks_env *env)
{
	return first_of(&ks_shape);
}

struct ks_table_counts *env_table_counts(struct ks_env *env)
{
	return first_of(&ks_counts);
}

struct ks_settling *env_settling(struct ks_env *env)
{
	struct ks_control *control = first_of(&ks_control);

	return control ? &control->settling : NULL;
}

struct ks_bucket *env_bucket(struct ks_env *env, __u32 index)
{
	return bpf_map_lookup_elem(&ks_table, &index);
}

/* Inlined, because it is called on the deepest path (V2). */
__attribute__((always_inline)) struct ks_member_page *env_member_page(struct ks_env *env, __u32 set, __u32 index)
{
	__u32 slot = (env->generation & 1) * KS_DYNAMIC_MAX + (set & (KS_DYNAMIC_MAX - 1));
	void *inner = bpf_map_lookup_elem(&ks_members, &slot);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

ks_type_shown struct ks_member_page *member_head(struct ks_env *env, __u32 set)
{
	return env_member_page(env, set, 0);
}

__u64 env_now(struct ks_env *env)
{
	const struct ks_control *control = control_get();

	return control ? env_clock(control) : 0;
}

struct ks_budget *env_budget(struct ks_env *env, __u32 index)
{
	return bpf_map_lookup_elem(&ks_budgets, &index);
}

struct ks_shortage *env_shortage(struct ks_env *env, __u32 index)
{
	return bpf_map_lookup_elem(&ks_shortages, &index);
}

struct ks_answers *env_answers(struct ks_env *env)
{
	return first_of(&ks_answers);
}

struct ks_challenges *env_challenges(struct ks_env *env)
{
	return first_of(&ks_challenges);
}

struct ks_challenge_set *env_challenge_set(struct ks_env *env, __u32 index)
{
	return bpf_map_lookup_elem(&ks_challenge_sets, &index);
}

struct ks_ended_set *env_ended_set(struct ks_env *env, __u32 index)
{
	return bpf_map_lookup_elem(&ks_ended_sets, &index);
}

struct ks_flood_set *env_flood_set(struct ks_env *env, __u32 index)
{
	return bpf_map_lookup_elem(&ks_flood_sets, &index);
}

struct ks_scan_set *env_scan_set(struct ks_env *env, __u32 index)
{
	return bpf_map_lookup_elem(&ks_scan_sets, &index);
}

/* Returns true if the test has put a socket of the box there. */
static bool test_listens(const struct ks_tuple *tuple)
{
	const struct ks_control *control = control_get();

	for (__u32 i = 0; control && i < KS_ARRAY_SIZE(control->test_listen); i++) {
		if (control->test_listen[i].proto == tuple->proto && control->test_listen[i].port == tuple->dport)
			return true;
	}
	return false;
}

bool env_port_is_used(struct ks_env *env, const struct ks_tuple *tuple)
{
	struct bpf_sock_tuple socket = {};
	__u32 size = sizeof(socket.ipv4);
	struct bpf_sock *found;

	if (ks_test_mode)
		return test_listens(tuple);
	if (tuple->family == KS_IPV4) {
		socket.ipv4.saddr = tuple->src.w[3];
		socket.ipv4.daddr = tuple->dst.w[3];
		socket.ipv4.sport = tuple->sport;
		socket.ipv4.dport = tuple->dport;
	} else {
		size = sizeof(socket.ipv6);
		__builtin_memcpy(socket.ipv6.saddr, tuple->src.b, sizeof(socket.ipv6.saddr));
		__builtin_memcpy(socket.ipv6.daddr, tuple->dst.b, sizeof(socket.ipv6.daddr));
		socket.ipv6.sport = tuple->sport;
		socket.ipv6.dport = tuple->dport;
	}
	if (tuple->proto == KS_PROTO_TCP)
		found = size == sizeof(socket.ipv4)
				? bpf_skc_lookup_tcp(env->ctx, &socket, sizeof(socket.ipv4), BPF_F_CURRENT_NETNS, 0)
				: bpf_skc_lookup_tcp(env->ctx, &socket, sizeof(socket.ipv6), BPF_F_CURRENT_NETNS, 0);
	else
		found = size == sizeof(socket.ipv4)
				? bpf_sk_lookup_udp(env->ctx, &socket, sizeof(socket.ipv4), BPF_F_CURRENT_NETNS, 0)
				: bpf_sk_lookup_udp(env->ctx, &socket, sizeof(socket.ipv6), BPF_F_CURRENT_NETNS, 0);
	if (!found)
		return false;
	bpf_sk_release(found);
	return true;
}

__u32 env_random(struct ks_env *env)
{
	struct ks_control *control = first_of(&ks_control);

	if (ks_test_mode && control)
		return ks_random_step(&control->test_random);
	return bpf_get_prandom_u32();
}

void env_count_reason(struct ks_env *env, __u32 reason, __u32 bytes)
{
	struct ks_count *count = bpf_map_lookup_elem(&ks_reasons, &reason);

	if (count) {
		count->packets++;
		count->bytes += bytes;
	}
}

void env_count_zones(struct ks_env *env, __u32 pair, __u32 fate, __u32 bytes)
{
	struct ks_zone_count *count = bpf_map_lookup_elem(&ks_zone_counts, &pair);

	if (count) {
		count->by[fate & (KS_FATES - 1)].packets++;
		count->by[fate & (KS_FATES - 1)].bytes += bytes;
	}
}

void env_count_established(struct ks_env *env, __u32 pair, __u32 bytes)
{
	struct ks_count *count = bpf_map_lookup_elem(&ks_flow_counts, &pair);

	if (count) {
		count->packets++;
		count->bytes += bytes;
	}
}

void env_count_match(struct ks_env *env, __u32 rule)
{
	struct ks_rule_count *count = bpf_map_lookup_elem(&ks_rule_counts, &rule);

	if (count)
		count->matches++;
}

void env_count_flow(struct ks_env *env, const struct ks_flow *flow)
{
	__u32 rule = flow->rule;
	struct ks_rule_count *count = bpf_map_lookup_elem(&ks_rule_counts, &rule);

	if (count) {
		count->packets += ks_flow_packets(flow, 0) + ks_flow_packets(flow, 1);
		count->bytes += ks_flow_bytes(flow, 0) + ks_flow_bytes(flow, 1);
	}
}

void inspection_prepare(struct ks_env *env, struct ks_inspection *insp, const struct ks_control *control, __u64 now)
{
	env->generation = ks_load_acquire(&control->active) & 1;
	env->scratch->relay.generation = env->generation;
	env->scratch->relay.is_source_half = 0;
	env->scratch->relay.send_back = 0;
	env->scratch->relay.lower = 0;
	env->scratch->relay.was_sealed = 0;
	env->scratch->relay.is_front = 0;
	env->scratch->relay.is_short = 0;
	env->scratch->relay.stacked = 0;
	env->scratch->relay.secret = ks_load_relaxed(&control->seal);
	insp->home.now = now;
	insp->home.dry = 0;
	insp->home.resumed = 0;
	insp->home.segments = 0;
	insp->home.hops = 0;
	insp->pkt.flags = 0;
	if (ks_test_mode) {
		insp->home.resumed = control->test_resumed;
		insp->home.from = control->test_from;
		insp->home.to = control->test_to;
	}
}

__u32 answer_build(struct ks_env *env, struct ks_scratch *scratch)
{
	scratch->answer_len = ks_answer_build(env, &scratch->insp, scratch->head, scratch->answer);
	return scratch->answer_len;
}

char LICENSE[] __attribute__((visibility("default"))) SEC("license") = "Dual BSD/GPL";
