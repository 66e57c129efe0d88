// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where a packet goes and whether it may come from where it does, for
 * core/env.h: by the box's own addresses and links (ks_locals, which the daemon
 * keeps), and by route lookups (bpf_fib_lookup). At ingress all of it is a
 * guess that egress holds against the interface that a packet really leaves by.
 */
#include "bpf/lookup.bpf.h"
#include "bpf/route.bpf.h"

#include "core/header/wire.h"
#include "core/network.h"

#define KS_ADDR_BITS 128U

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(map_flags, BPF_F_NO_PREALLOC); __uint(max_entries, 65536);
	 __type(key, struct ks_local_key); __type(value, struct ks_local); } ks_locals MAP;
/* clang-format on */

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

void route_addresses(struct bpf_fib_lookup *fib, __u8 family, const struct ks_addr *src, const struct ks_addr *dst)
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

/* The flags of a lookup that only asks for the interface. */
static ks_inline __u32 fib_flags(const struct ks_control *control)
{
	return control && !(ks_load_relaxed(&control->flags) & KS_CONTROL_NO_MARK) ? KS_FIB_LOOKUP_SKIP_NEIGH : 0;
}

/* A lookup takes the mark from where it will return a link address; Debian 12's headers do not name the field. */
static ks_inline __u32 fib_mark(struct ks_env *env, const struct ks_control *control, struct bpf_fib_lookup *fib)
{
	__u32 mark;

	if (env->hook != HOOK_TC || !control || ks_load_relaxed(&control->flags) & KS_CONTROL_NO_MARK)
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

long route_ask(struct ks_env *env, struct bpf_fib_lookup *fib, __u32 flags)
{
	fib->ifindex = env->scratch->relay.ifindex;
	fib_class(fib, env->scratch, fib->family == AF_INET ? KS_IPV4 : KS_IPV6);
	flags |= fib_mark(env, control_get(), fib);
	return bpf_fib_lookup(env->ctx, fib, sizeof(*fib), flags);
}

__u32 route_back(struct ks_env *env, __u8 family, const struct ks_addr *src, const struct ks_addr *dst,
		 __u32 out_ifindex)
{
	struct bpf_fib_lookup fib = { .ifindex = out_ifindex };

	route_addresses(&fib, family, dst, src);
	return fib_has_way(bpf_fib_lookup(env->ctx, &fib, sizeof(fib), fib_flags(control_get()))) ? fib.ifindex : 0;
}

bool route_has_elsewhere(struct ks_env *env, const struct ks_addr *addr, __u8 family)
{
	const struct ks_local *local = local_get(addr, family);

	return local && local->kind == KS_LOCAL_SELF && local->ifindex != env->scratch->relay.out_ifindex;
}

/* The zone of the interface that a lookup returned. A carrier has ports in several zones, so egress decides. */
static __u32 zone_of_way(const struct bpf_fib_lookup *fib)
{
	const struct ks_guard *guard = guard_get(fib->ifindex);

	if (!guard || guard->flags & KS_GUARD_IGNORED)
		return KS_ZONE_NONE;
	return guard->flags & KS_GUARD_CARRIER ? KS_ZONE_UNDECIDED : guard->zone;
}

/*
 * The zone that a route lookup leads to. For no route, forwarding that is off, and tunnels by route, the lookup does not say
 * where the packet will go, so egress decides. Without a backstop "not forwarded" counts as "for the box": its address may be
 * one that the daemon does not know yet, and nothing may reach a socket by mistake.
 */
static __u32 zone_by_route(struct ks_env *env, const struct ks_tuple *tuple)
{
	const struct ks_control *control = control_get();
	struct bpf_fib_lookup fib = {
		.l4_protocol = tuple->proto,
		.sport = tuple->sport,
		.dport = tuple->dport,
	};
	long result;

	route_addresses(&fib, tuple->family, &tuple->src, &tuple->dst);
	result = route_ask(env, &fib, fib_flags(control));
	env->scratch->relay.out_ifindex = fib.ifindex;
	if (fib_has_way(result))
		return zone_of_way(&fib);
	if (result == BPF_FIB_LKUP_RET_NOT_FWDED && control &&
	    !(ks_load_relaxed(&control->flags) & KS_CONTROL_BACKSTOP))
		return KS_ZONE_SELF;
	return KS_ZONE_UNDECIDED;
}

static ks_inline __u32 zone_find(struct ks_env *env, const struct ks_tuple *tuple)
{
	const struct ks_local *local = local_get(&tuple->dst, tuple->family);

	if (local && local->kind == KS_LOCAL_SELF)
		return KS_ZONE_SELF;
	if (local && local->kind == KS_LOCAL_BROADCAST)
		return local->ifindex == env->scratch->relay.ifindex ? KS_ZONE_SELF : KS_ZONE_ASTRAY;
	return zone_by_route(env, tuple);
}

__u32 env_zone_to(struct ks_env *env, const struct ks_tuple *tuple, __u32 hint)
{
	__u32 what, age, zone;

	if (ks_test_mode)
		return hint == KS_ZONE_UNKNOWN ? KS_ZONE_NONE : hint;
	if (ks_addr_is_group(&tuple->dst, tuple->family))
		return KS_ZONE_SELF;
	what = lookup_what(env, tuple->family, LOOKUP_TO);
	age = lookup_age(env, tuple->family);
	if (lookup_find(env, &tuple->dst, what, age, &zone))
		return zone;
	zone = zone_find(env, tuple);
	lookup_keep(env, &tuple->dst, what, age, zone);
	return zone;
}

/* The MTU of an interface; 0: it is not known. */
static ks_inline __u32 mtu_of(struct ks_env *env, __u32 ifindex)
{
	__u32 mtu = 0;

	return ifindex && bpf_check_mtu(env->ctx, ifindex, &mtu, 0, 0) >= 0 ? mtu : 0;
}

/* The MTU of the way to where the packet goes or, `back`, came from: that of its route, or of the interface if the lookup does not tell. */
static __attribute__((noinline)) __u32 mtu_of_way(struct ks_env *env, const struct ks_inspection *insp, bool back)
{
	struct bpf_fib_lookup fib = { .tot_len = 1 }; /* anything that fits: then the MTU is told */
	const struct ks_addr *src = &insp->pkt.tuple.src;
	const struct ks_addr *dst = insp->translate & KS_TRANSLATE_DST ? &insp->sent.dst : &insp->pkt.tuple.dst;
	const struct ks_relay *relay = &env->scratch->relay;

	route_addresses(&fib, insp->pkt.tuple.family, back ? dst : src, back ? src : dst);
	if (!fib_has_way(route_ask(env, &fib, fib_flags(control_get()))))
		return mtu_of(env, back ? relay->ifindex : relay->is_egress ? relay->out_ifindex : 0);
	return fib.mtu_result >= KS_MTU_MIN ? fib.mtu_result : mtu_of(env, fib.ifindex);
}

__u32 env_mtu(struct ks_env *env, const struct ks_inspection *insp)
{
	const __u8 *zone = insp->flow.after.zone;
	const struct ks_config *config;
	__u32 in, out;

	if (ks_test_mode) {
		config = env_config(env);
		return config ? ks_config_mtu(config, zone[KS_ORIGINAL], zone[KS_REPLY]) : 0;
	}
	in = mtu_of_way(env, insp, true);
	out = mtu_of_way(env, insp, false);
	return in && out ? KS_MIN(in, out) : in | out;
}

ks_inlined __u64 env_other_zones(struct ks_env *env, const struct ks_tuple *tuple, __u32 to)
{
	const struct ks_control *control = control_get();

	if (ks_test_mode || !control || env->scratch->relay.is_egress)
		return 0;
	if (to == KS_ZONE_UNDECIDED)
		return ks_load_relaxed(&control->zones);
	if (!(ks_load_relaxed(&control->flags) & KS_CONTROL_ROUTES_DIFFER))
		return 0;
	return to != KS_ZONE_SELF || ks_addr_is_group(&tuple->dst, tuple->family) ? ks_load_relaxed(&control->zones)
										  : 0;
}

/* Zones with a default route count as one outside: packets of a flow may come by any of them. */
static ks_inline bool zones_agree(const struct ks_control *control, __u32 a, __u32 b)
{
	__u64 both = 1ULL << (a & (KS_ZONE_MAX - 1)) | 1ULL << (b & (KS_ZONE_MAX - 1));

	return a == b || (ks_load_relaxed(&control->outside) & both) == both;
}

/*
 * The source check by the networks of the interfaces alone, in two cases: where forwarding is off, because the kernel then answers
 * no route lookup; and for a packet to a group, because any host on the link may send one, whatever its address, if that is not
 * another zone's (a DHCP client whose network was renumbered, a source of multicast). The key of such a flow holds its link
 * (core/link.h), so it stands in the way of no other zone's.
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
 * The flags of the interface that a leaving packet came in by: they say how far its source can be checked. Behind an ignored
 * interface another program may have translated the source to an address of the box. A bridge forwards without routing, so
 * routes prove nothing there.
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

/* Live, a packet whose zone the home gives really leaves there. Inlined, because every packet that leaves comes here. */
__attribute__((always_inline)) __u32 env_broadcast(struct ks_env *env, const struct ks_tuple *tuple, __u32 from)
{
	return ks_test_mode ? broadcast_in_test(env, tuple, from) : KS_ZONE_UNKNOWN;
}

/*
 * The reverse lookup is made as the kernel's own (rp_filter) makes it: as if the answer came in by the interface that the packet
 * leaves by, so that rules by interface do not apply to it. IPv6 finds no route from a group or a link-local address, so these
 * are left out as its source.
 */
static __attribute__((noinline)) bool home_find(struct ks_env *env, const struct ks_control *control,
						const struct ks_tuple *tuple, __u32 from, bool by_route)
{
	struct bpf_fib_lookup fib = { .ifindex = env->scratch->relay.out_ifindex ?: KS_LOOPBACK_IFINDEX };
	const struct ks_addr any = {};
	const struct ks_local *local;
	__u32 zone, flags;
	bool nameless;
	long result;

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
	route_addresses(&fib, tuple->family, nameless ? &any : &tuple->dst, &tuple->src);
	result = bpf_fib_lookup(env->ctx, &fib, sizeof(fib), fib_flags(control));
	if (result == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return is_at_home_by_link(control, local, from);
	if (result == BPF_FIB_LKUP_RET_BLACKHOLE)
		return false;
	if (!fib_has_way(result)) /* another table may lead there: then it must be outside */
		return result == BPF_FIB_LKUP_RET_UNSUPP_LWT ||
		       ks_load_relaxed(&control->outside) >> (from & (KS_ZONE_MAX - 1)) & 1;
	zone = zone_of_way(&fib);
	return zone == KS_ZONE_UNDECIDED || zones_agree(control, zone, from);
}

ks_inlined bool env_source_is_at_home(struct ks_env *env, const struct ks_tuple *tuple, __u32 from, bool by_route)
{
	__u32 what, age = 0, home;

	if (ks_test_mode)
		return is_at_home_in_test(env, tuple, from, by_route);
	what = lookup_what(env, tuple->family, by_route ? LOOKUP_HOME_BY_ROUTE : LOOKUP_HOME);
	if (!ks_addr_is_group(&tuple->dst, tuple->family))
		age = lookup_age(env, tuple->family);
	if (lookup_find(env, &tuple->src, what, age, &home))
		return home;
	home = home_find(env, control_get(), tuple, from, by_route);
	lookup_keep(env, &tuple->src, what, age, home);
	return home;
}

/* Always true at a bridge's port, where packets were not routed, and for what the box sends itself. */
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
	if (ks_addr_equal(own, addr))
		return true;
	local = local_get(addr, family);
	return local && local->ifindex == ifindex;
}

bool env_zones_are_one(struct ks_env *env, __u32 a, __u32 b)
{
	const struct ks_control *control = control_get();

	return !ks_test_mode && control && zones_agree(control, a, b);
}

/*
 * The interface by which answers go back into a zone: the one that has the address, else the one that the packet is about to
 * leave by if it is in that zone, else any one of the zone.
 */
static __u32 way_back(const struct ks_control *control, __u32 zone, const struct ks_addr *as, __u8 family,
		      __u32 at_hand)
{
	const struct ks_local *local = as ? local_get(as, family) : NULL;
	const struct ks_guard *guard = local && local->kind == KS_LOCAL_SELF ? guard_get(local->ifindex) : NULL;

	if (guard && !(guard->flags & (KS_GUARD_CARRIER | KS_GUARD_IGNORED)) && guard->zone == zone)
		return local->ifindex;
	guard = guard_get(at_hand);
	return guard && guard->zone == zone ? at_hand
					    : ks_load_relaxed(&control->zone_ifindex[zone & (KS_ZONE_MAX - 1)]);
}

/*
 * The neighbour by which a packet leaves an interface that the best route does not lead to. IPv4 looks up routes by the
 * interface; IPv6 may answer with a better one by another: then the destination is a neighbour itself, or the interface's
 * router is one. Of several next hops the kernel's own lookup for IPv6 takes any, also one of another interface, so it is told.
 */
static bool has_neighbour(struct ks_env *env, struct bpf_fib_lookup *fib, const struct ks_addr *dst, __u8 family)
{
	struct ks_relay *relay = &env->scratch->relay;
	const struct ks_guard *guard = guard_get(relay->send_back);
	const struct ks_local *local = local_get(dst, family);
	long result = bpf_fib_lookup(env->ctx, fib, sizeof(*fib), BPF_FIB_LOOKUP_OUTPUT);
	const struct ks_addr *router;

	if (fib_has_way(result) && fib->ifindex == relay->send_back) {
		relay->send_family = family == KS_IPV6 ? KS_IPV6 : 0;
		__builtin_memcpy(relay->send_by.w, fib->ipv6_dst, sizeof(relay->send_by));
		return true;
	}
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
	route_addresses(&fib, family, as ? as : &tuple->src, &tuple->dst);
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

/*
 * Returns true for an answer that the link decides about: to a neighbour on the link that it leaves by, who is reached there
 * whichever address it asked, or of an address that every link has.
 */
static bool stays_on_link(const struct ks_relay *relay, const struct ks_tuple *tuple)
{
	const struct ks_local *local;

	if (ks_addr_is_on_link(&tuple->src, tuple->family) || ks_addr_is_on_link(&tuple->dst, tuple->family) ||
	    ks_addr_is_group(&tuple->dst, tuple->family))
		return true;
	local = local_get(&tuple->dst, tuple->family);
	return local && local->ifindex == relay->out_ifindex;
}

/* Not inlined: programs that let packets pass are near their bounds (V2, V15). */
__attribute__((noinline)) void route_answer(struct ks_env *env)
{
	const struct ks_inspection *insp = &env->scratch->insp;
	const struct ks_relay *relay = &env->scratch->relay;
	const struct ks_control *control = control_get();

	if (!control || !(ks_load_relaxed(&control->flags) & KS_CONTROL_UPLINKS))
		return;
	if (!relay->send_back && !relay->stacked && !stays_on_link(relay, &insp->pkt.tuple))
		env_send_back(env, insp->home.to, &ks_tuple_sent(insp)->src, insp->pkt.tuple.family);
}

int route_send_back(struct __sk_buff *skb, const struct ks_relay *relay)
{
	struct bpf_redir_neigh neigh = { .nh_family = AF_INET };

	if (!relay->send_family)
		return (int)bpf_redirect_neigh(relay->send_back, NULL, 0, 0);
	neigh.ipv4_nh = relay->send_by.w[3];
	if (relay->send_family == KS_IPV6) {
		neigh.nh_family = AF_INET6;
		__builtin_memcpy(neigh.ipv6_nh, relay->send_by.w, sizeof(neigh.ipv6_nh));
	}
	return (int)bpf_redirect_neigh(relay->send_back, &neigh, sizeof(neigh), 0);
}
