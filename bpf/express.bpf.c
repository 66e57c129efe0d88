// SPDX-License-Identifier: BSD-2-Clause
/*
 * Express: the short way in XDP. A plain packet of a flow that is known leaves before the kernel makes an skb of its frame: it is
 * judged (core/express.h), finds its way (way.bpf.c), is counted and translated, and goes to the driver of the interface that it
 * leaves by. What stands in its way is found out before anything is changed; such a packet goes on to ingress as if nobody had
 * looked at it.
 *
 * There is no skb that would show if others want the packet. So the daemon has looked for them beforehand and marks the interfaces
 * where there are none (KS_EXPRESS_IN, KS_EXPRESS_OUT). No queue, no filter at egress and no capture sees what it sends.
 *
 * A checksum may be unfinished where no wire was on the way: a stack leaves it to the device, and nobody will finish it behind
 * XDP (KS_EXPRESS_UNFINISHED). Of TCP it holds the sum of the pseudo header then, and nothing else; a whole one is the same once
 * in 65,536 packets, which then go by ingress. UDP may carry a tunnel, in which an inner one is unfinished: it is summed, and
 * goes by ingress if that is not right, or has no sum. ICMP has no unfinished ones. Other protocols go by ingress there.
 */
#include "bpf/express.bpf.h"
#include "bpf/checksum.bpf.h"
#include "bpf/way.bpf.h"

#include "core/checksum.h"
#include "core/express.h"
#include "core/header/checksum.h"
#include "core/header/upper_checksum.h"

bool express_is_open(const struct ks_guard *guard, const struct ks_control *control, __u64 now)
{
	if (ks_test_mode)
		return true;
	return guard && guard->express & KS_EXPRESS_IN && !(guard->flags & KS_GUARD_LONG) && way_is_safe(control, now);
}

/* Returns true if the sum of the pseudo header is all that stands in the checksum of a segment. */
static ks_inline bool is_tcp_unfinished(const __u8 *head, const struct ks_packet *pkt)
{
	__u32 sum = ks_load16(ks_head_at(head, pkt->l4_off + TCP_CHECKSUM_OFF));
	__u32 pseudo = ks_checksum_pseudo(pkt, 0);

	return ks_checksum_fold(pseudo + (KS_CHECKSUM_MASK & ~sum)) == KS_CHECKSUM_MASK;
}

/* Returns true if a datagram has a checksum, and the right one. */
static ks_inline bool is_udp_right(struct ks_env *env, const __u8 *head, const struct ks_packet *pkt)
{
	struct ks_relay *relay = &env->scratch->relay;
	__u32 covered = pkt->payload_off - pkt->l4_off + pkt->payload_len;
	bool is_right;

	if (!ks_load16(ks_head_at(head, pkt->l4_off + UDP_CHECKSUM_OFF)))
		return false;
	if (ks_likely(sum_is_short(pkt, covered)))
		return ks_checksum_is_ones(sum_pseudo_udp(&pkt->tuple, covered) + sum_short(head, pkt, covered));
	relay->is_front = 1; /* only a right one is right */
	is_right = env_checksum_ok(env, head, pkt);
	relay->is_front = 0;
	return is_right;
}

static ks_inline bool is_finished(struct ks_env *env, const __u8 *head)
{
	const struct ks_packet *pkt = &env->scratch->insp.pkt;

	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
		return !is_tcp_unfinished(head, pkt);
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		return true;
	case KS_PROTO_UDP:
		return is_udp_right(env, head, pkt);
	default:
		return false;
	}
}

/* Returns true if the interface takes the frame, which lies in several buffers if it is large. */
static ks_inline bool fits_way(const struct xdp_md *xdp, const struct ks_packet *pkt, const struct way *way)
{
	__u32 linear = xdp->data_end - xdp->data;

	if (!(way->express & KS_EXPRESS_OUT) || pkt->l3_len > way->mtu)
		return false;
	return linear >= WAY_STORED && (pkt->wire_len <= linear || way->express & KS_EXPRESS_OUT_LARGE);
}

/* Finds out if the packet can be sent. Nothing is changed but the relay. */
static ks_inline bool way_is_open(struct xdp_md *xdp, struct ks_env *env, const struct ks_control *control,
				  __u32 express)
{
	struct ks_scratch *scratch = env->scratch;
	const struct way *way;

	if (ks_test_mode)
		return true;
	way = way_find(env, control, 0);
	if (!way || !fits_way(xdp, &scratch->insp.pkt, way))
		return false;
	__builtin_memcpy(scratch->relay.ethernet, way->ethernet, sizeof(scratch->relay.ethernet));
	return !(express & KS_EXPRESS_UNFINISHED) || is_finished(env, scratch->head);
}

static ks_inline int frame_send(struct xdp_md *xdp, const struct ks_scratch *scratch)
{
	__u8 *frame = (__u8 *)(long)xdp->data;

	if (frame + WAY_STORED > (__u8 *)(long)xdp->data_end)
		return XDP_DROP;
	way_take(frame, scratch->relay.ethernet, scratch->insp.pkt.tuple.family == KS_IPV4);
	return (int)bpf_redirect(scratch->relay.out_ifindex, 0);
}

static ks_inline bool judge(struct ks_env *env, struct ks_inspection *insp)
{
	return ks_express_judge(env, insp) && way_is_plain(insp);
}

/* Not inlined: only a packet that could not be translated comes here. */
static __attribute__((noinline)) bool end_known(struct ks_env *env, struct ks_inspection *insp)
{
	return ks_inspect_end_known(env, insp) == KS_ALLOW;
}

/* Inlined, because what writes the packet has deep frames (V2). */
__attribute__((always_inline)) int express_send(struct xdp_md *xdp, struct ks_env *env,
						const struct ks_control *control, __u32 express)
{
	struct ks_scratch *scratch = env->scratch;
	struct ks_inspection *insp = &scratch->insp;

	if (!judge(env, insp) || !way_is_open(xdp, env, control, express) || !ks_express_commit(env, insp))
		return EXPRESS_LEFT;
	if (insp->stage == KS_STAGE_WRITE)
		ks_stage_write(env, insp, scratch->head);
	if (ks_unlikely(!ks_inspect_end_plain(env, insp)) && !end_known(env, insp))
		return XDP_DROP;
	scratch->expressed++;
	return ks_test_mode ? XDP_TX : frame_send(xdp, scratch);
}
