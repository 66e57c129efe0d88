// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel home: answers core/env.h with maps and helpers. The maps outlive
 * the loader because they are pinned; what may be written when is in maps.h.
 * Counters are per CPU; the table guards itself (core/table/table.h).
 */
#include "bpf/env.bpf.h"

#include "core/table/hash.h"
#include "core/link.h"
#include "core/network.h"
#include "core/header/wire.h"
#include "core/table/table.h"
#include "core/event.h"

#include <linux/in.h>

#define NSEC_PER_SWEEP_STEP (100 * KS_NSEC_PER_MSEC)
#define SWEEP_STEPS 64 /* steps a round: the whole table every 6.4 s */
#define SWEEP_BUCKETS_MAX (1U << 22)
#define EVENTS_PER_SECOND 10000 /* a CPU tells no more than this */
#define CLOCK_MONOTONIC 1
#define KS_ADDR_BITS 128U

const volatile __u8 ks_test_mode __attribute__((visibility("default"))) = 0;

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
struct targets_inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(map_flags, BPF_F_INNER_MAP); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_target); };

struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2);
	 __type(key, __u32); __array(values, struct targets_inner); } ks_targets MAP;
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
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(map_flags, BPF_F_NO_PREALLOC); __uint(max_entries, 65536);
	 __type(key, struct ks_local_key); __type(value, struct ks_local); } ks_locals MAP;
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 4096);
	 __type(key, struct ks_stacked_key); __type(value, __u32); } ks_stacked MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_REASON_MAX);
	 __type(key, __u32); __type(value, struct ks_count); } ks_reasons MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_RULE_ID_MAX);
	 __type(key, __u32); __type(value, struct ks_rule_count); } ks_rule_counts MAP;
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 20); } ks_events MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, __u64); } ks_events_lost MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_scratch); } ks_scratch MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_scratch); } ks_kill_scratch MAP;
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct sweeper); } ks_sweeper MAP;
/* clang-format on */

/* Inlined, so that the verifier sees which map it is and looks arrays up without a call. */
static ks_inline void *first_of(void *map)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(map, &zero);
}

struct ks_scratch *scratch_get(void)
{
	return first_of(&ks_scratch);
}

struct ks_scratch *kill_scratch_get(void)
{
	return first_of(&ks_kill_scratch);
}

const struct ks_control *control_get(void)
{
	return first_of(&ks_control);
}

const struct ks_guard *guard_get(__u32 ifindex)
{
	__u32 slot = ifindex & (KS_NEAR_GUARDS - 1);
	const struct ks_near_guard *near = bpf_map_lookup_elem(&ks_near_guards, &slot);

	if (near && near->ifindex == ifindex && ifindex) /* an empty slot has 0 */
		return &near->guard;
	return bpf_map_lookup_elem(&ks_guards, &ifindex);
}

__u32 stacked_kind(const struct ks_stacked_key *key)
{
	const __u32 *kind = bpf_map_lookup_elem(&ks_stacked, key);

	return kind ? *kind : 0;
}

void stacked_learn(const struct ks_stacked_key *key)
{
	__u32 kind = KS_STACKED_LEARNT;

	bpf_map_update_elem(&ks_stacked, key, &kind, BPF_NOEXIST);
}

/*
 * Not inlined: the prototype is what makes clang describe the value in full, and without its size libbpf cannot create
 * a map that is only known as the inside of another.
 */
#define ks_type_shown __attribute__((noinline))

struct ks_env *env_isolated(struct ks_env *env)
{
	env->scratch->env.generation = env->generation;
	return (struct ks_env *)&env->scratch->env;
}

const struct ks_config *env_config(struct ks_env *env)
{
	__u32 generation = env->generation; /* on the stack: 6.1 takes no key from what a function apart was given */

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

ks_type_shown const struct ks_target *env_target(struct ks_env *env, __u32 index)
{
	__u32 generation = env->generation;
	void *inner = bpf_map_lookup_elem(&ks_targets, &generation);

	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

const struct ks_table_shape *env_table_shape(struct ks_env *env)
{
	return first_of(&ks_shape);
}

struct ks_table_counts *env_table_counts(struct ks_env *env)
{
	return first_of(&ks_counts);
}

struct ks_bucket *env_bucket(struct ks_env *env, __u32 index)
{
	return bpf_map_lookup_elem(&ks_table, &index);
}

/* The entry of ks_locals for an address: an address of the box, or a network directly on one of its interfaces. */
static const struct ks_local *local_get(const struct ks_addr *addr, __u8 family)
{
	struct ks_local_key key = { .bits = KS_LOCAL_BITS(KS_IPV6, KS_ADDR_BITS), .family = family, .addr = *addr };

	return bpf_map_lookup_elem(&ks_locals, &key);
}

/* The traffic class of the packet in hand, which routes may depend on: the TOS byte, or an IPv6 header's first word. */
static ks_inline void fib_class(struct bpf_fib_lookup *fib, const struct ks_scratch *scratch, __u8 family)
{
	__u32 off = scratch->insp.pkt.l3_off & (KS_HEAD_MAX - 1);

	if (family == KS_IPV4)
		fib->tos = scratch->head[off + IPV4_TOS_OFF];
	else
		fib->flowinfo = ks_load32(scratch->head + off) & ks_be32(IPV6_FLOWINFO_MASK);
}

static ks_inline void fib_addresses(struct bpf_fib_lookup *fib, __u8 family, const struct ks_addr *src,
				    const struct ks_addr *dst)
{
	if (family == KS_IPV4) {
		fib->family = AF_INET;
		fib->ipv4_src = src->w[3];
		fib->ipv4_dst = dst->w[3];
	} else {
		fib->family = AF_INET6;
		__builtin_memcpy(fib->ipv6_src, src->b, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, dst->b, sizeof(fib->ipv6_dst));
	}
}

/* The mark lies where a lookup returns addresses of the link. Debian 12's headers do not name it. */
static ks_inline __u32 fib_mark(struct ks_env *env, struct bpf_fib_lookup *fib)
{
	const struct ks_control *control = control_get();
	__u32 mark;

	if (env->hook != HOOK_TC || !control || control->flags & KS_CONTROL_NO_MARK)
		return 0;
	mark = ((struct __sk_buff *)env->ctx)->mark;
	__builtin_memcpy(fib->smac, &mark, sizeof(mark));
	return KS_FIB_LOOKUP_MARK;
}

/* Returns true if a lookup found a way out: then it has also filled in the interface. */
static ks_inline bool fib_has_way(long result)
{
	return result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH ||
	       result == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

/* The zone of the interface that a lookup named. Behind a carrier there are several. */
static __u32 zone_of_way(const struct bpf_fib_lookup *fib)
{
	const struct ks_guard *guard = guard_get(fib->ifindex);

	if (!guard || guard->flags & KS_GUARD_IGNORED)
		return KS_ZONE_NONE;
	return guard->flags & KS_GUARD_CARRIER ? KS_ZONE_UNDECIDED : guard->zone;
}

/*
 * The zone that a route lookup leads to. No route, forwarding that is off and tunnels by route are told apart where the
 * packet goes on, so egress decides. Without a backstop "not forwarded" is taken for the box, whose address the daemon may
 * not know yet, so that nothing reaches a socket by mistake.
 */
static __u32 zone_by_route(struct ks_env *env, const struct ks_tuple *tuple)
{
	const struct ks_control *control = control_get();
	struct bpf_fib_lookup fib = {
		.ifindex = env->scratch->relay.ifindex,
		.l4_protocol = tuple->proto,
		.sport = tuple->sport,
		.dport = tuple->dport,
	};
	__u32 flags;
	long result;

	fib_class(&fib, env->scratch, tuple->family);
	fib_addresses(&fib, tuple->family, &tuple->src, &tuple->dst);
	flags = fib_mark(env, &fib);
	result = bpf_fib_lookup(env->ctx, &fib, sizeof(fib), flags);
	env->scratch->relay.out_ifindex = fib.ifindex;
	if (fib_has_way(result))
		return zone_of_way(&fib);
	if (result == BPF_FIB_LKUP_RET_NOT_FWDED && control && !(control->flags & KS_CONTROL_BACKSTOP))
		return KS_ZONE_SELF;
	return KS_ZONE_UNDECIDED;
}

__u32 env_zone_to(struct ks_env *env, const struct ks_tuple *tuple, __u32 hint)
{
	const struct ks_local *local;

	if (ks_test_mode)
		return hint == KS_ZONE_UNKNOWN ? KS_ZONE_NONE : hint;
	if (ks_addr_is_group(&tuple->dst, tuple->family))
		return KS_ZONE_SELF;
	local = local_get(&tuple->dst, tuple->family);
	if (local && local->kind == KS_LOCAL_SELF)
		return KS_ZONE_SELF;
	if (local && local->kind == KS_LOCAL_BROADCAST)
		return local->ifindex == env->scratch->relay.ifindex ? KS_ZONE_SELF : KS_ZONE_ASTRAY;
	return zone_by_route(env, tuple);
}

__u64 env_other_zones(struct ks_env *env, const struct ks_tuple *tuple, __u32 to)
{
	const struct ks_control *control = control_get();

	if (ks_test_mode || !control || env->scratch->relay.is_egress)
		return 0;
	if (to == KS_ZONE_UNDECIDED)
		return control->zones;
	if (!(control->flags & KS_CONTROL_ROUTES_DIFFER))
		return 0;
	return to != KS_ZONE_SELF || ks_addr_is_group(&tuple->dst, tuple->family) ? control->zones : 0;
}

/* Zones with a default route are one outside. */
static ks_inline bool zones_agree(const struct ks_control *control, __u32 a, __u32 b)
{
	__u64 both = 1ULL << (a & (KS_ZONE_MAX - 1)) | 1ULL << (b & (KS_ZONE_MAX - 1));

	return a == b || (control->outside & both) == both;
}

/*
 * By the networks of the interfaces alone. Where the kernel does not forward it answers no route lookup. And a group may be
 * spoken to by whoever is on the link, whatever his address, if that is not another zone's: a DHCP client whose network was
 * renumbered, a source of multicast. Such flows are their link's alone, and block nobody's.
 */
static bool is_at_home_by_link(const struct ks_control *control, const struct ks_local *local, __u32 from)
{
	const struct ks_guard *guard;

	if (!local || local->kind != KS_LOCAL_LINK)
		return true;
	guard = guard_get(local->ifindex);
	return !guard || guard->flags & KS_GUARD_CARRIER || zones_agree(control, guard->zone, from);
}

/*
 * The incoming interface decides how far a packet's source can be checked. Behind an ignored interface another program may
 * have translated the source to an address of the box. A bridge forwards without routing, so routes prove nothing there.
 */
static ks_inline __u32 flags_of_arrival(const struct ks_relay *relay)
{
	const struct ks_guard *guard = relay->is_egress ? guard_get(relay->ifindex) : NULL;

	return guard ? guard->flags : 0;
}

/* In test runs the policy's networks stand for the routes. */
static __attribute__((noinline)) bool is_at_home_in_test(struct ks_env *env, const struct ks_tuple *tuple, __u32 from,
							 bool by_route)
{
	const struct ks_config *config = env_config(env);

	return config && ks_network_is_home(config, tuple, from, by_route);
}

static __attribute__((noinline)) __u32 broadcast_in_test(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	const struct ks_config *config = env_config(env);

	return config ? ks_network_broadcast(config, tuple, from) : KS_ZONE_UNKNOWN;
}

/* Live, what is told where it goes really leaves there. Every packet that leaves asks, so no call is made for that. */
__attribute__((always_inline)) __u32 env_broadcast(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	return ks_test_mode ? broadcast_in_test(env, tuple, from) : KS_ZONE_UNKNOWN;
}

/*
 * The reverse lookup is made as the kernel's own (rp_filter) is: as if the answer came in by where the packet goes, so that
 * rules by interface do not apply to it. IPv6 looks up nothing for a source that is a group or local to a link.
 */
bool env_source_is_at_home(struct ks_env *env, const struct ks_tuple *tuple, __u32 from, bool by_route)
{
	struct bpf_fib_lookup fib = { .ifindex = env->scratch->relay.out_ifindex ?: KS_LOOPBACK_IFINDEX };
	const struct ks_addr any = {};
	const struct ks_control *control = control_get();
	const struct ks_local *local;
	__u32 zone, flags;
	bool nameless;
	long result;

	if (ks_test_mode)
		return is_at_home_in_test(env, tuple, from, by_route);
	flags = flags_of_arrival(&env->scratch->relay);
	if (flags & KS_GUARD_IGNORED)
		return true;
	local = local_get(&tuple->src, tuple->family);
	if (!control || (local && local->kind != KS_LOCAL_LINK))
		return false;
	if (!by_route || flags & KS_GUARD_BRIDGED)
		return true;
	if (ks_addr_is_group(&tuple->dst, tuple->family))
		return is_at_home_by_link(control, local, from);
	nameless = tuple->family == KS_IPV6 && ks_addr_is_on_link(&tuple->dst, KS_IPV6);
	fib_addresses(&fib, tuple->family, nameless ? &any : &tuple->dst, &tuple->src);
	result = bpf_fib_lookup(env->ctx, &fib, sizeof(fib), 0);
	if (result == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return is_at_home_by_link(control, local, from);
	if (result == BPF_FIB_LKUP_RET_BLACKHOLE)
		return false;
	if (!fib_has_way(result)) /* another table may lead there: then it must be outside */
		return result == BPF_FIB_LKUP_RET_UNSUPP_LWT || control->outside >> (from & (KS_ZONE_MAX - 1)) & 1;
	zone = zone_of_way(&fib);
	return zone == KS_ZONE_UNDECIDED || zones_agree(control, zone, from);
}

/* Beside a bridge's port the link is the bridge's, and what it hands on was not routed; what the box sends itself is near. */
bool env_source_is_near(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	const struct ks_relay *relay = &env->scratch->relay;
	const struct ks_local *local;

	if (ks_test_mode || from == KS_ZONE_SELF || flags_of_arrival(relay) & KS_GUARD_BRIDGED)
		return true;
	if (ks_addr_is_local_to_link(&tuple->src, tuple->family))
		return true;
	local = local_get(&tuple->src, tuple->family);
	return local && local->kind == KS_LOCAL_LINK && local->ifindex == relay->ifindex;
}

bool env_leaves_as(struct ks_env *env, const struct ks_addr *addr, __u8 family)
{
	__u32 ifindex = env->scratch->relay.out_ifindex;
	const struct ks_guard *guard = guard_get(ifindex);
	const struct ks_local *local;
	const struct ks_addr *own;

	if (ks_test_mode || !guard)
		return true;
	own = &guard->address[family == KS_IPV6];
	if (own->d[0] == addr->d[0] && own->d[1] == addr->d[1])
		return true;
	local = local_get(addr, family);
	return local && local->ifindex == ifindex;
}

bool env_zones_are_one(struct ks_env *env, __u32 a, __u32 b)
{
	const struct ks_control *control = control_get();

	return !ks_test_mode && control && zones_agree(control, a, b);
}

/* The interface by which answers go back: that of the zone which has the address, else the one at hand, else any of the zone. */
static __u32 way_back(const struct ks_control *control, __u32 zone, const struct ks_addr *as, __u8 family,
		      __u32 at_hand)
{
	const struct ks_local *local = as ? local_get(as, family) : NULL;
	const struct ks_guard *guard = local && local->kind == KS_LOCAL_SELF ? guard_get(local->ifindex) : NULL;

	if (guard && !(guard->flags & (KS_GUARD_CARRIER | KS_GUARD_IGNORED)) && guard->zone == zone)
		return local->ifindex;
	guard = guard_get(at_hand);
	return guard && guard->zone == zone ? at_hand : control->zone_ifindex[zone & (KS_ZONE_MAX - 1)];
}

/*
 * The neighbour by which a packet leaves an interface that the best route does not lead to. IPv4 looks up routes by the
 * interface; IPv6 may answer with a better one by another: then the destination is a neighbour itself, or the interface's
 * router is one.
 */
static bool has_neighbour(struct ks_env *env, struct bpf_fib_lookup *fib, const struct ks_addr *dst, __u8 family)
{
	struct ks_relay *relay = &env->scratch->relay;
	const struct ks_guard *guard = guard_get(relay->send_back);
	const struct ks_local *local = local_get(dst, family);
	long result = bpf_fib_lookup(env->ctx, fib, sizeof(*fib), BPF_FIB_LOOKUP_OUTPUT);
	const struct ks_addr *router;

	if (fib_has_way(result) && fib->ifindex == relay->send_back)
		return true;
	if (!guard)
		return false;
	router = &guard->gateway[family == KS_IPV6];
	if (local && local->kind == KS_LOCAL_LINK && local->ifindex == relay->send_back)
		router = dst;
	relay->send_by = *router;
	relay->send_family = family;
	return router->d[0] || router->d[1];
}

bool env_send_back(struct ks_env *env, __u32 zone, const struct ks_addr *as, __u8 family)
{
	struct ks_relay *relay = &env->scratch->relay;
	const struct ks_tuple *tuple = &env->scratch->insp.pkt.tuple;
	const struct ks_control *control = control_get();
	struct bpf_fib_lookup fib = {};

	if (ks_test_mode || !control || !relay->is_egress)
		return !ks_test_mode;
	fib.ifindex = way_back(control, zone, as, family, relay->out_ifindex);
	if (fib.ifindex == relay->out_ifindex)
		return true;
	if (!fib.ifindex || env->hook != HOOK_TC)
		return false;
	relay->send_back = fib.ifindex;
	relay->send_family = 0;
	fib_addresses(&fib, family, as ? as : &tuple->src, &tuple->dst);
	if (has_neighbour(env, &fib, &tuple->dst, family))
		return true;
	relay->send_back = 0;
	return false;
}

bool env_address_of(struct ks_env *env, enum ks_dir side, __u32 zone, __u8 family, struct ks_addr *addr)
{
	const struct ks_relay *relay = &env->scratch->relay;
	const struct ks_config *config;
	const struct ks_guard *guard;

	if (ks_test_mode) {
		config = env_config(env);
		if (!config)
			return false;
		*addr = config->address[zone & (KS_ZONE_MAX - 1)][family == KS_IPV6];
	} else {
		guard = guard_get(side == KS_REPLY ? relay->out_ifindex : relay->ifindex);
		if (!guard)
			return false;
		*addr = guard->address[family == KS_IPV6];
	}
	return addr->d[0] || addr->d[1];
}

/* Whether a test says that the box listens there. */
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

/* The kernel and the network card have verified what they can; reading every payload again is the replay's job. */
bool env_checksum_ok(struct ks_env *env, const struct ks_packet *pkt)
{
	return true;
}

void env_count_reason(struct ks_env *env, __u32 reason, __u32 bytes)
{
	struct ks_count *count = bpf_map_lookup_elem(&ks_reasons, &reason);

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

/* Whether this CPU may tell one more event this second. */
static bool event_admitted(struct ks_scratch *scratch, __u64 now)
{
	if (now - scratch->events_since >= KS_NSEC_PER_SEC) {
		scratch->events_since = now;
		scratch->events = 0;
	}
	return scratch->events++ < EVENTS_PER_SECOND;
}

void env_event(struct ks_env *env, const struct ks_inspection *insp)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_event *event = NULL;
	__u64 *lost;

	if (!control || !control->listeners || !scratch)
		return;
	if (event_admitted(scratch, insp->home.now))
		event = bpf_ringbuf_reserve(&ks_events, sizeof(*event), 0);
	if (event) {
		ks_event_make(insp, event);
		event->time = bpf_ktime_get_ns() + control->clock_offset;
		bpf_ringbuf_submit(event, 0);
		return;
	}
	lost = first_of(&ks_events_lost);
	if (lost)
		(*lost)++;
}

/* Ticks are exact enough for timeouts, and much cheaper than the clock itself. */
static ks_inline __u64 clock_now(const struct ks_control *control)
{
	if (ks_test_mode && control->test_now)
		return control->test_now;
	return bpf_ktime_get_coarse_ns() + control->clock_offset;
}

void inspection_prepare(struct ks_env *env, struct ks_inspection *insp, const struct ks_control *control)
{
	env->generation = control->active & 1;
	env->scratch->relay.generation = env->generation;
	env->scratch->relay.is_leaving = 0;
	env->scratch->relay.send_back = 0;
	env->scratch->relay.was_sealed = 0;
	env->scratch->relay.stacked = 0;
	env->scratch->relay.secret = control->seal;
	insp->home.now = clock_now(control);
	insp->home.dry = 0;
	insp->home.resumed = 0;
	insp->pkt.flags = 0;
	if (ks_test_mode) {
		insp->home.resumed = control->test_resumed;
		insp->home.from = control->test_from;
		insp->home.to = control->test_to;
	}
}

__u32 answer_build(struct ks_env *env, struct ks_scratch *scratch)
{
	struct ks_addr self;
	bool has_self = ks_reject_source(env, &scratch->insp, &self);

	scratch->answer_len =
		ks_reject_build(scratch->head, &scratch->insp.pkt, has_self ? &self : NULL, scratch->answer);
	return scratch->answer_len;
}

/* What a step of the sweeper carries into its loop. */
struct sweep_step {
	struct ks_env *env;
	__u64 now;
	__u32 first;
	__u32 buckets;
};

static long sweep_bucket(__u32 n, void *arg)
{
	struct sweep_step *step = arg;
	__u32 index = step->first + n;

	if (index >= step->buckets)
		index -= step->buckets;
	ks_table_sweep(step->env, index, step->now);
	return 0;
}

/* Frees what is dead in the next part of the table. Runs from the timer, whether or not anybody lives who loaded us. */
static int sweep(void *map, __u32 *key, struct sweeper *sweeper)
{
	const struct ks_table_shape *shape = first_of(&ks_shape);
	const struct ks_control *control = control_get();
	struct ks_table_counts *counts = first_of(&ks_counts);
	struct ks_env env = {};
	struct sweep_step step = { .env = &env };
	__u32 part;

	if (shape && control && counts && shape->buckets) {
		part = shape->buckets / SWEEP_STEPS + 1;
		step.now = clock_now(control);
		step.first = sweeper->cursor < shape->buckets ? sweeper->cursor : 0;
		step.buckets = shape->buckets;
		bpf_loop(part & (SWEEP_BUCKETS_MAX - 1), sweep_bucket, &step, 0);
		sweeper->cursor = (step.first + part) % shape->buckets;
		ks_fetch_add(&counts->swept, part);
	}
	bpf_timer_start(&sweeper->timer, NSEC_PER_SWEEP_STEP, 0);
	return 0;
}

void sweeper_start(void)
{
	struct sweeper *sweeper = first_of(&ks_sweeper);

	if (!sweeper)
		return;
	bpf_timer_init(&sweeper->timer, &ks_sweeper, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&sweeper->timer, sweep);
	bpf_timer_start(&sweeper->timer, NSEC_PER_SWEEP_STEP, 0);
}

char LICENSE[] __attribute__((visibility("default"))) SEC("license") = "Dual BSD/GPL";
