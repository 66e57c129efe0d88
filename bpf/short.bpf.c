// SPDX-License-Identifier: BSD-2-Clause
/*
 * The short way: a packet of a known flow leaves from ingress, by the interface that the routes lead to, and meets the
 * kernel's forwarding no more. Ingress makes both halves of its translation, takes one from its TTL, and hands it to the
 * queue of the interface, where shaping, egress hooks and captures see it as ever. The way is remembered (way.bpf.c).
 *
 * The long way is taken by everything that is not plain (way_is_plain()), and by everything while the daemon does not say that
 * the short way is safe (ks_control.short_until): others' netfilter rules and IPsec policies must see the packets, and a daemon
 * that is gone sees no rules come.
 */
#include "bpf/short.bpf.h"
#include "bpf/kernel.h"

#include "core/alter.h"
#include "core/nat/mapping.h"
#include "core/nat/near.h"
#include "core/stage.h"

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#define IPV6_HOP_SPENT 0xfffe /* -1, in one's complement */
#define TUNNEL_HEADERS_MAX \
	160 /* of GRE or VXLAN (16), Ethernet with tags (22), IPv6 (40), TCP (60); and some to spare */
#define TOS_DELAY 0x10 /* RFC 1349 */
#define TOS_THROUGHPUT 0x08

/* Returns true if nothing is to be asked about the packet any more, and a flow that was there before it lets it pass. */
static ks_inline bool passes_by_flow(const struct ks_inspection *insp)
{
	if (insp->verdict.reason == KS_REASON_OK_ESTABLISHED)
		return true;
	return insp->verdict.reason == KS_REASON_OK_NEW && insp->verdict.action == KS_ALLOW && insp->flow.found &&
	       !insp->opening.replaces && (insp->stage == KS_STAGE_DONE || insp->stage == KS_STAGE_WRITE);
}

/* Returns true if all packets of the wire that it is fit. What is no TCP itself may be a tunnel, in which each has headers of its own. */
static ks_inline bool fits_mtu(const struct __sk_buff *skb, const struct ks_packet *pkt, __u32 mtu)
{
	__u32 headers = pkt->payload_off - ETH_HEADER_LEN;

	if (!skb->gso_size)
		return pkt->l3_len <= mtu;
	if (pkt->tuple.proto != KS_PROTO_TCP)
		headers += TUNNEL_HEADERS_MAX;
	return headers + skb->gso_size <= mtu;
}

/* Puts a mark on the packet before its way is looked up, which may depend on it. */
static ks_inline void mark_early(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);

	if (config && ks_is_altered(insp, config))
		ks_alter_mark(env, insp);
}

/*
 * Writes both halves of a translation as the packet leaves, where its headers lie, if nothing else is to be written. Before Linux 6.2
 * nobody tells if a checksum is unfinished: there the stage does it, by helpers that know.
 */
static ks_inline void translation_plan(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	struct ks_inspection *insp = &scratch->insp;
	const struct ks_config *config = env_config(env);

	insp->home.halves = KS_TRANSLATE_BOTH;
	scratch->relay.near = 0;
	if (!insp->translate)
		return;
	insp->stage = KS_STAGE_WRITE;
	if (!ks_has_kernel_skb || !config || !ks_near_serves(insp) || ks_is_changed_besides(insp, config) ||
	    ks_mapping_is_refreshed(insp))
		return;
	scratch->relay.near = (__u8)(1 + kernel_skb_sum(skb));
	insp->stage = KS_STAGE_DONE;
}

ks_inlined bool short_find(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env,
			   const struct ks_control *control)
{
	struct ks_inspection *insp = &scratch->insp;
	const struct way *way;

	if (!way_is_safe(control, insp->home.now) || !passes_by_flow(insp) || !way_is_plain(insp) || skb->vlan_present)
		return false;
	if (insp->stage == KS_STAGE_WRITE)
		mark_early(env, insp);
	way = way_find(env, control, skb->mark);
	if (!way || !fits_mtu(skb, &insp->pkt, way->mtu))
		return false;
	__builtin_memcpy(scratch->relay.ethernet, way->ethernet, sizeof(scratch->relay.ethernet));
	scratch->relay.is_short = 1;
	translation_plan(skb, scratch, env);
	return true;
}

/* As the kernel makes it of the type of service when it forwards: queues of several bands go by it. */
static ks_inline __u32 priority_of(__u8 tos)
{
	if (tos & TOS_DELAY)
		return tos & TOS_THROUGHPUT ? TC_PRIO_INTERACTIVE_BULK : TC_PRIO_INTERACTIVE;
	return tos & TOS_THROUGHPUT ? TC_PRIO_BULK : TC_PRIO_BESTEFFORT;
}

/* Where the upper header begins: the packet is plain (way_is_plain()). */
static ks_inline __u32 upper_off(bool is_ipv4)
{
	return ETH_HEADER_LEN + (is_ipv4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN);
}

/* Brings the bytes that change together if they lie elsewhere, as the kernel would. Returns false if it cannot. */
static ks_inline bool frame_gather(struct __sk_buff *skb, const struct ks_scratch *scratch, bool is_ipv4)
{
	__u32 proto = scratch->insp.pkt.tuple.proto, linear = skb->data_end - skb->data, need = WAY_STORED;

	if (scratch->relay.near)
		need = upper_off(is_ipv4) + ks_near_sum_off(proto) + sizeof(__u16);
	return ks_likely(linear >= need) || !bpf_skb_pull_data(skb, need);
}

/* Writes the translation. Returns false if the headers are not there. Not inlined: what it asks would be paths of every packet (V15). */
static __attribute__((noinline)) bool frame_translate(struct __sk_buff *skb, const struct ks_scratch *scratch,
						      bool is_ipv4)
{
	const struct ks_inspection *insp = &scratch->insp;
	__u8 *frame = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;
	struct ks_near near = {
		.ip = frame + ETH_HEADER_LEN,
		.ports = frame + upper_off(is_ipv4),
		.unfinished = scratch->relay.near == 1 + KS_SKB_SUM_UNFINISHED,
	};
	__u32 grown;

	near.sum = near.ports + ks_near_sum_off(insp->pkt.tuple.proto);
	ks_hide_bound(near.ports);
	ks_hide_bound(near.sum);
	if (near.ports + 2 * sizeof(__be16) > end || near.sum + sizeof(__u16) > end)
		return false;
	if (is_ipv4) {
		if (near.ip + IPV4_HEADER_LEN > end)
			return false;
		grown = ks_near_write(&near, KS_IPV4, &insp->pkt.tuple, &insp->sent);
	} else {
		if (near.ip + IPV6_HEADER_LEN > end)
			return false;
		grown = ks_near_write(&near, KS_IPV6, &insp->pkt.tuple, &insp->sent);
	}
	if (scratch->relay.near == 1 + KS_SKB_SUM_OF_ALL)
		bpf_csum_update(skb, grown);
	return true;
}

/* Writes what changes where it lies. */
static ks_inline bool frame_write(struct __sk_buff *skb, const struct ks_scratch *scratch)
{
	bool is_ipv4 = scratch->insp.pkt.tuple.family == KS_IPV4;
	__u8 *frame;

	if (!frame_gather(skb, scratch, is_ipv4))
		return false;
	if (scratch->relay.near && !frame_translate(skb, scratch, is_ipv4))
		return false;
	frame = (__u8 *)(long)skb->data;
	if (frame + WAY_STORED > (__u8 *)(long)skb->data_end)
		return false;
	way_take(frame, scratch->relay.ethernet, is_ipv4);
	if (is_ipv4)
		skb->priority = priority_of(frame[ETH_HEADER_LEN + IPV4_TOS_OFF]);
	else
		bpf_csum_update(skb, ks_be16(IPV6_HOP_SPENT));
	return true;
}

ks_inlined int short_send(struct __sk_buff *skb, struct ks_scratch *scratch)
{
	if (!frame_write(skb, scratch))
		return TC_ACT_SHOT;
	scratch->shortened++;
	seal_put(skb, seal_make(scratch->relay.secret, KS_SEAL_DECIDED, zone_expected(&scratch->insp)));
	return bpf_redirect(scratch->relay.out_ifindex, 0);
}
