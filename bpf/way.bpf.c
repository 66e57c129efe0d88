// SPDX-License-Identifier: BSD-2-Clause
/*
 * The way of a pair of addresses, past the kernel's forwarding. It is remembered for a second at most, and only while the daemon
 * says that nothing has changed (ks_control.routes): what it holds is what bpf_fib_lookup() said. When the second is over, one
 * packet goes the long way, so that the kernel sees its neighbours in use and asks them if they are still there.
 *
 * Express comes before ingress, and often on the same CPU, with the same ways. It asks anew and leaves its packet to ingress,
 * which must not find the way fresh then: it is owed a packet.
 */
#include "bpf/way.bpf.h"
#include "bpf/route.bpf.h"

#include "core/nat/alias.h"
#include "core/track/track.h"

#define WAY_SETS 2048U /* of a CPU; a power of two */
#define WAYS_IN_SET 4U /* a power of two */
#define WAY_LIFE_NS KS_NSEC_PER_SEC
#define WAY_MULTIPLIER 0x9e3779b97f4a7c15ULL /* 2^64 divided by the golden ratio: Knuth, TAOCP 6.4 */
#define WAY_SHIFT 32
#define IPV6_CLASS_WORD_SHIFT 20
#define IPV6_CLASS_MASK 0xffU

/* A pair of addresses has one of the ways of its set. */
struct way_set {
	struct way way[WAYS_IN_SET];
};

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, WAY_SETS);
	 __type(key, __u32); __type(value, struct way_set); } ks_ways MAP;
/* clang-format on */

static ks_inline __u32 class_of(const struct ks_scratch *scratch)
{
	const __u8 *header = scratch->head + ETH_HEADER_LEN;

	if (scratch->insp.pkt.tuple.family == KS_IPV4)
		return header[IPV4_TOS_OFF];
	return ks_be32(ks_load32(header)) >> IPV6_CLASS_WORD_SHIFT & IPV6_CLASS_MASK;
}

/* Neighbours differ in the last byte of an address, which is the highest of its word: the product carries nothing down from there. */
static ks_inline __u32 way_set_of(const struct way_key *key)
{
	__u64 x = (key->src.d[1] ^ key->src.d[0] >> WAY_SHIFT) * WAY_MULTIPLIER;

	x = (x ^ x >> WAY_SHIFT ^ key->dst.d[1] ^ key->dst.d[0] ^ key->src.d[0] ^ key->ifindex) * WAY_MULTIPLIER;
	x = (x ^ x >> WAY_SHIFT) * WAY_MULTIPLIER;
	return x >> WAY_SHIFT & (WAY_SETS - 1);
}

static ks_inline bool way_fits(const struct way *way, const struct way_key *key)
{
	return ks_addr_equal(&way->key.dst, &key->dst) && ks_addr_equal(&way->key.src, &key->src) &&
	       way->key.ifindex == key->ifindex && way->key.generation == key->generation &&
	       way->key.mark == key->mark && way->key.class == key->class && way->key.family == key->family;
}

/* Returns which way of a set is the key's; WAYS_IN_SET: it has none. */
static ks_inline __u32 way_search(const struct way_set *set, const struct way_key *key)
{
	for (__u32 i = 0; i < WAYS_IN_SET; i++) {
		if (way_fits(&set->way[i], key))
			return i;
	}
	return WAYS_IN_SET;
}

/* Returns which way of a set makes room: one whose time is over, or that will be first. */
static ks_inline __u32 way_oldest(const struct way_set *set)
{
	__u64 until = set->way[0].until;
	__u32 oldest = 0;

	for (__u32 i = 1; i < WAYS_IN_SET; i++) {
		if (set->way[i].until >= until)
			continue;
		until = set->way[i].until;
		oldest = i;
	}
	return oldest;
}

/* Returns true if the frame is nothing but the packet and, at most, what makes it as long as frames must be: the kernel cuts off the rest. */
static ks_inline bool fits_frame(const struct ks_packet *pkt)
{
	return pkt->wire_len == ETH_HEADER_LEN + pkt->l3_len || pkt->wire_len <= ETH_FRAME_MIN;
}

/*
 * Returns true if the packet is left to the kernel for what it says about its connection. Of TCP that is who begins one: the kernel may
 * have to learn who his neighbours are. What answers and ends it is a packet like any other: its flow has judged it.
 */
static ks_inline bool is_telling(const struct ks_packet *pkt)
{
	if (ks_likely(pkt->tuple.proto == KS_PROTO_TCP))
		return (pkt->tcp_flags & (KS_TCP_SYN | KS_TCP_ACK)) == KS_TCP_SYN;
	return ks_track_is_telling(pkt);
}

ks_inlined bool way_is_plain(const struct ks_inspection *insp)
{
	const struct ks_packet *pkt = &insp->pkt;
	__u32 header = pkt->tuple.family == KS_IPV4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;

	if (insp->translate & KS_TRANSLATE_PORT || !fits_frame(pkt))
		return false;
	if (pkt->flags & ~(KS_PKT_ICMP_QUERY | KS_PKT_ICMP_ANSWER) || pkt->link != KS_LINK_ETHERNET ||
	    pkt->l3_off != ETH_HEADER_LEN || pkt->l4_off != ETH_HEADER_LEN + header)
		return false;
	return pkt->hop_limit > 1 && !is_telling(pkt);
}

/* Returns true if the kernel, besides that it has a route, would take the packet from where it comes. */
static ks_inline bool may_come(struct ks_env *env, const struct way *way, __u32 out_ifindex)
{
	const struct ks_guard *guard = guard_get(way->key.ifindex);
	__u32 forward = guard ? guard->forward : 0;

	if (!guard || ks_addr_is_on_link(&way->key.src, way->key.family))
		return false;
	if (way->key.family == KS_IPV6)
		return !(forward & KS_FORWARD_NO_IPV6);
	return !(forward & KS_FORWARD_BY_SOURCE) ||
	       route_back(env, way->key.family, &way->key.src, &way->key.dst, out_ifindex) == way->key.ifindex;
}

/* Looks the way up in the routes, as the kernel will: by the addresses that the packet has when it is routed. */
static __attribute__((noinline)) void way_ask(struct ks_env *env, struct way *way)
{
	struct bpf_fib_lookup fib = { .tot_len = 1 }; /* anything that fits: then the MTU is told */
	const struct ks_guard *guard;

	way->ifindex = 0;
	route_addresses(&fib, way->key.family, &way->key.src, &way->key.dst);
	if (route_ask(env, &fib, 0) != BPF_FIB_LKUP_RET_SUCCESS || fib.ifindex == way->key.ifindex)
		return;
	guard = guard_get(fib.ifindex);
	if (!guard || guard->link != KS_LINK_ETHERNET ||
	    guard->flags & (KS_GUARD_BRIDGED | KS_GUARD_CARRIER | KS_GUARD_IGNORED | KS_GUARD_LONG) ||
	    !may_come(env, way, fib.ifindex))
		return;
	way->zone = guard->zone;
	way->express = guard->express;
	way->mtu = fib.mtu_result;
	way->ifindex = fib.ifindex;
	__builtin_memcpy(way->ethernet, fib.dmac, sizeof(fib.dmac));
	__builtin_memcpy(way->ethernet + sizeof(fib.dmac), fib.smac, sizeof(fib.smac));
}

/* Returns true if the way is one to take: its time is not over, and it owes ingress no packet, which this one pays. */
static ks_inline bool way_is_fresh(struct way *way, const struct ks_env *env)
{
	if (env->scratch->insp.home.now >= way->until)
		return false;
	if (env->hook == HOOK_XDP || ks_likely(!way->owed))
		return true;
	way->owed = 0;
	return false;
}

static ks_inline void way_renew(struct ks_env *env, struct way *way, const struct way_key *key, bool is_known)
{
	way->key = *key;
	way->until = env->scratch->insp.home.now + WAY_LIFE_NS;
	way->owed = env->hook == HOOK_XDP && is_known;
	way_ask(env, way);
}

/*
 * The way of the packet, looked up if it is not known. Of one whose second is over the packet goes the long way; so does
 * the first of a pair of addresses, with whom the kernel may have to learn who the neighbour is.
 */
static ks_inline const struct way *way_get(struct ks_env *env, const struct ks_control *control, __u32 mark)
{
	const struct ks_inspection *insp = &env->scratch->insp;
	const struct ks_addr *dst = insp->translate & KS_TRANSLATE_DST ? &insp->sent.dst : &insp->pkt.tuple.dst;
	struct way_key key = {
		.src = insp->pkt.tuple.src,
		.dst = *dst,
		.ifindex = env->scratch->relay.ifindex,
		.generation = (__u32)ks_load_relaxed(&control->routes),
		.mark = mark,
		.class = class_of(env->scratch),
		.family = insp->pkt.tuple.family,
	};
	__u32 number = way_set_of(&key), place;
	struct way_set *set = bpf_map_lookup_elem(&ks_ways, &number);
	struct way *way;
	bool is_known;

	if (!set)
		return NULL;
	place = (__u32)ks_hide_value(way_search(set, &key), key.src.d[1]); /* else each would be a path (V15) */
	is_known = place < WAYS_IN_SET;
	way = &set->way[(is_known ? place : way_oldest(set)) & (WAYS_IN_SET - 1)];
	if (ks_likely(is_known && way_is_fresh(way, env)))
		return way;
	way_renew(env, way, &key, is_known);
	return is_known ? NULL : way;
}

/* Returns true if egress would send it by another interface, or translate it anew: it knows the addresses that this needs. */
static ks_inline bool is_for_egress(struct ks_env *env, const struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;

	if (ks_likely(!ks_nat_is_translated(flow)))
		return false;
	if (insp->dir == KS_ORIGINAL)
		return flow->flags & KS_FLOW_MASQUERADED &&
		       !env_leaves_as(env, &insp->sent.src, insp->pkt.tuple.family);
	return flow->alias[KS_ORIGINAL] && route_has_elsewhere(env, &insp->sent.src, insp->pkt.tuple.family);
}

ks_inlined const struct way *way_find(struct ks_env *env, const struct ks_control *control, __u32 mark)
{
	const struct ks_inspection *insp = &env->scratch->insp;
	const struct way *way = way_get(env, control, mark);

	if (!way || !way->ifindex || way->zone != zone_expected(insp))
		return NULL;
	env->scratch->relay.out_ifindex = way->ifindex;
	return is_for_egress(env, insp) ? NULL : way;
}
