// SPDX-License-Identifier: BSD-2-Clause
/*
 * The short way: a packet of a known flow leaves from ingress, by the interface that the routes lead to, and meets the
 * kernel's forwarding no more. Ingress makes both halves of its translation, takes one from its TTL, and hands it to the
 * queue of the interface, where shaping, egress hooks and captures see it as ever.
 *
 * The way of a pair of addresses is remembered for a second at most, and only while the daemon says that nothing has changed
 * (ks_control.routes): what it holds is what bpf_fib_lookup() said. When the second is over, one packet goes the long way, so
 * that the kernel sees its neighbours in use and asks them if they are still there.
 *
 * The long way is taken by everything that is not plain (is_plain()), and by everything while the daemon does not say that the
 * short way is safe (ks_control.short_until): others' netfilter rules and IPsec policies must see the packets, and a daemon
 * that is gone sees no rules come.
 */
#include "bpf/short.bpf.h"
#include "bpf/route.bpf.h"

#include "core/header/wire.h"
#include "core/nat/alias.h"
#include "core/track/track.h"

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#define KS_WAYS 8192U /* of a CPU; a power of two */
#define WAY_LIFE_NS KS_NSEC_PER_SEC
#define WAY_MULTIPLIER 0x9e3779b1U /* 2^32 divided by the golden ratio: Knuth, TAOCP 6.4 */
#define WAY_SHIFT 15
#define ETH_ADDRESSES_LEN 12U
#define IPV4_STORED (ETH_HEADER_LEN + IPV4_SRC_OFF) /* bytes of a frame that change on its way */
#define IPV6_STORED (ETH_HEADER_LEN + IPV6_SRC_OFF)
#define IPV4_TTL_UNIT 0x0100 /* in the word of TTL and protocol */
#define IPV6_HOP_SPENT 0xfffe /* -1, in one's complement */
#define IPV6_CLASS_WORD_SHIFT 20
#define IPV6_CLASS_MASK 0xffU
#define TOS_DELAY 0x10 /* RFC 1349 */
#define TOS_THROUGHPUT 0x08

/* Everything that a route lookup depends on, if no rules ask for ports and no route has several next hops: then there is no short way. */
struct way_key {
	struct ks_addr src, dst;
	__u32 ifindex; /* that it came by */
	__u32 generation; /* ks_control.routes */
	__u32 mark;
	__u32 class; /* type of service, or traffic class */
};

struct way {
	struct way_key key;
	__u64 until; /* ns */
	__u32 ifindex; /* that it leaves by; 0: the long way */
	__u16 mtu;
	__u8 zone;
	__u8 family;
	__u8 ethernet[ETH_ADDRESSES_LEN]; /* of the neighbour, and of the interface */
	__u32 zero;
};

_Static_assert(sizeof(struct way_key) == 48, "a key has no padding");
_Static_assert(sizeof(struct way) == 80, "nor has a way");

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_WAYS);
	 __type(key, __u32); __type(value, struct way); } ks_ways MAP;
/* clang-format on */

static ks_inline __u32 class_of(const struct ks_scratch *scratch)
{
	const __u8 *header = scratch->head + ETH_HEADER_LEN;

	if (scratch->insp.pkt.tuple.family == KS_IPV4)
		return header[IPV4_TOS_OFF];
	return ks_be32(ks_load32(header)) >> IPV6_CLASS_WORD_SHIFT & IPV6_CLASS_MASK;
}

static ks_inline __u32 way_slot(const struct way_key *key)
{
	__u32 x = key->src.w[3] * WAY_MULTIPLIER;

	x = (x ^ key->dst.w[3] ^ key->src.w[2] ^ key->ifindex) * WAY_MULTIPLIER;
	x = (x ^ x >> WAY_SHIFT ^ key->dst.w[2] ^ key->dst.w[1] ^ key->src.w[1]) * WAY_MULTIPLIER;
	return (x ^ x >> WAY_SHIFT) & (KS_WAYS - 1);
}

static ks_inline bool way_fits(const struct way *way, const struct way_key *key)
{
	return ks_addr_equal(&way->key.dst, &key->dst) && ks_addr_equal(&way->key.src, &key->src) &&
	       way->key.ifindex == key->ifindex && way->key.generation == key->generation &&
	       way->key.mark == key->mark && way->key.class == key->class;
}

/* Returns true if nothing is to be asked about the packet any more, and a flow that was there before it lets it pass. */
static ks_inline bool passes_by_flow(const struct ks_inspection *insp)
{
	if (insp->verdict.reason == KS_REASON_OK_ESTABLISHED)
		return true;
	return insp->verdict.reason == KS_REASON_OK_NEW && insp->verdict.action == KS_ALLOW && insp->flow.found &&
	       !insp->opening.replaces && (insp->stage == KS_STAGE_DONE || insp->stage == KS_STAGE_WRITE);
}

/* Returns true if nothing but a TTL and link addresses would change on its way, besides its translation. */
static ks_inline bool is_plain(const struct __sk_buff *skb, const struct ks_inspection *insp)
{
	const struct ks_packet *pkt = &insp->pkt;
	__u32 header = pkt->tuple.family == KS_IPV4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;

	if (!passes_by_flow(insp) || insp->translate & KS_TRANSLATE_PORT)
		return false;
	if (pkt->flags & ~(KS_PKT_ICMP_QUERY | KS_PKT_ICMP_ANSWER) || pkt->link != KS_LINK_ETHERNET ||
	    pkt->l3_off != ETH_HEADER_LEN || pkt->l4_off != ETH_HEADER_LEN + header)
		return false;
	return pkt->hop_limit > 1 && !ks_track_is_telling(pkt) && !skb->vlan_present;
}

/* Returns true if all packets of the wire that it is fit. */
static ks_inline bool fits_mtu(const struct __sk_buff *skb, const struct ks_packet *pkt, __u32 mtu)
{
	if (skb->gso_size)
		return pkt->payload_off - ETH_HEADER_LEN + skb->gso_size <= mtu;
	return pkt->l3_len <= mtu;
}

/* Looks the way up in the routes, as the kernel will: by the addresses that the packet has when it is routed. */
static __attribute__((noinline)) void way_ask(struct __sk_buff *skb, struct ks_env *env, struct way *way)
{
	struct bpf_fib_lookup fib = { .tot_len = 1 }; /* anything that fits: then the MTU is told */
	const struct ks_guard *guard;

	way->ifindex = 0;
	route_addresses(&fib, way->family, &way->key.src, &way->key.dst);
	if (route_ask(env, &fib, 0) != BPF_FIB_LKUP_RET_SUCCESS || fib.ifindex == skb->ifindex)
		return;
	guard = guard_get(fib.ifindex);
	if (!guard || guard->link != KS_LINK_ETHERNET ||
	    guard->flags & (KS_GUARD_BRIDGED | KS_GUARD_CARRIER | KS_GUARD_IGNORED | KS_GUARD_LONG))
		return;
	way->zone = guard->zone;
	way->mtu = fib.mtu_result;
	way->ifindex = fib.ifindex;
	__builtin_memcpy(way->ethernet, fib.dmac, sizeof(fib.dmac));
	__builtin_memcpy(way->ethernet + sizeof(fib.dmac), fib.smac, sizeof(fib.smac));
}

/*
 * The way of the packet, looked up if it is not known. Of one whose second is over the packet goes the long way; so does
 * the first of a pair of addresses, with whom the kernel may have to learn who the neighbour is.
 */
static ks_inline const struct way *way_get(struct __sk_buff *skb, struct ks_env *env, const struct ks_control *control)
{
	const struct ks_inspection *insp = &env->scratch->insp;
	const struct ks_addr *dst = insp->translate & KS_TRANSLATE_DST ? &insp->sent.dst : &insp->pkt.tuple.dst;
	struct way_key key = {
		.src = insp->pkt.tuple.src,
		.dst = *dst,
		.ifindex = skb->ifindex,
		.generation = (__u32)ks_load_relaxed(&control->routes),
		.mark = skb->mark,
		.class = class_of(env->scratch),
	};
	__u32 slot = way_slot(&key);
	struct way *way = bpf_map_lookup_elem(&ks_ways, &slot);
	bool is_known;

	if (!way)
		return NULL;
	is_known = way_fits(way, &key) && way->family == insp->pkt.tuple.family;
	if (ks_likely(is_known && insp->home.now < way->until))
		return way;
	way->key = key;
	way->family = insp->pkt.tuple.family;
	way->until = insp->home.now + WAY_LIFE_NS;
	way_ask(skb, env, way);
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

bool short_find(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env, const struct ks_control *control)
{
	struct ks_inspection *insp = &scratch->insp;
	const struct way *way;

	if (insp->home.now >= ks_load_relaxed(&control->short_until) || !is_plain(skb, insp))
		return false;
	way = way_get(skb, env, control);
	if (!way || !way->ifindex || way->zone != zone_expected(insp) || !fits_mtu(skb, &insp->pkt, way->mtu))
		return false;
	scratch->relay.out_ifindex = way->ifindex;
	if (is_for_egress(env, insp))
		return false;
	__builtin_memcpy(scratch->relay.ethernet, way->ethernet, sizeof(scratch->relay.ethernet));
	scratch->relay.is_short = 1;
	insp->home.halves = KS_TRANSLATE_BOTH;
	if (insp->translate)
		insp->stage = KS_STAGE_WRITE;
	scratch->relay.is_written = insp->stage == KS_STAGE_WRITE;
	return true;
}

/* As the kernel makes it of the type of service when it forwards: queues of several bands go by it. */
static ks_inline __u32 priority_of(__u8 tos)
{
	if (tos & TOS_DELAY)
		return tos & TOS_THROUGHPUT ? TC_PRIO_INTERACTIVE_BULK : TC_PRIO_INTERACTIVE;
	return tos & TOS_THROUGHPUT ? TC_PRIO_BULK : TC_PRIO_BESTEFFORT;
}

/* TTL and checksum change by the same amount, so that a card's sum of the whole packet stays right (RFC 1141). */
static ks_inline void ttl_spend(__u8 *header)
{
	__u32 sum = ks_be16(ks_load16(header + IPV4_CHECKSUM_OFF)) + IPV4_TTL_UNIT;

	header[IPV4_TTL_OFF]--;
	ks_store16(header + IPV4_CHECKSUM_OFF, ks_be16((__u16)(sum + (sum >= 0xffff))));
}

/* The front of the frame is written in one go. It is read again if translation has changed it. */
static ks_inline bool frame_write(struct __sk_buff *skb, struct ks_scratch *scratch)
{
	bool is_ipv4 = scratch->insp.pkt.tuple.family == KS_IPV4;
	__u8 *frame = scratch->head, *header = frame + ETH_HEADER_LEN;

	if (scratch->relay.is_written && bpf_skb_load_bytes(skb, 0, frame, IPV4_STORED))
		return false;
	__builtin_memcpy(frame, scratch->relay.ethernet, sizeof(scratch->relay.ethernet));
	if (is_ipv4) {
		ttl_spend(header);
		skb->priority = priority_of(header[IPV4_TOS_OFF]);
		return bpf_skb_store_bytes(skb, 0, frame, IPV4_STORED, 0) == 0;
	}
	header[IPV6_HOP_LIMIT_OFF]--;
	bpf_csum_update(skb, ks_be16(IPV6_HOP_SPENT));
	return bpf_skb_store_bytes(skb, 0, frame, IPV6_STORED, 0) == 0;
}

int short_send(struct __sk_buff *skb, struct ks_scratch *scratch)
{
	if (!frame_write(skb, scratch))
		return TC_ACT_SHOT;
	scratch->shortened++;
	seal_put(skb, seal_make(scratch->relay.secret, KS_SEAL_DECIDED, zone_expected(&scratch->insp)));
	return bpf_redirect(scratch->relay.out_ifindex, 0);
}
