// SPDX-License-Identifier: BSD-2-Clause
/*
 * The front (core/front.h): an XDP program before the kernel makes an skb of a frame. It drops what tc ingress would drop for
 * certain, with the same reason, counters and events, and passes everything else to that, unchanged.
 *
 * It judges only frames that tc ingress would judge as coming by this very interface: addressed to its own link address, and
 * not tagged, because a tagged frame is a VLAN device's. Where the card takes tags off before XDP sees a frame
 * (KS_GUARD_UNTAGS), the daemon attaches the front only if there is no VLAN device; and once ingress has met a tagged frame all
 * the same (for a device in another namespace), the front passes everything.
 *
 * It sleeps while little is dropped on its CPU, and so costs established flows nothing but its call: tc counts what it drops at
 * ingress (front_note_drop()), and wakes it.
 *
 * Where express may send on the packets of known flows (express.bpf.c), it is asked first, by a program of its own: the two
 * together would be many steps for the verifier (V1). What express knows, and leaves, the front need not be asked about, so a packet
 * pays for no further program where its flow is unknown.
 */
#include "bpf/front.bpf.h"
#include "bpf/express.bpf.h"
#include "bpf/lookup.bpf.h"
#include "bpf/way.bpf.h"

#include "core/front.h"
#include "core/header/wire.h"
#include "core/nat/alias.h"

#define WINDOW_NS (KS_NSEC_PER_SEC / 10)
#define WAKING_DROPS 100U /* in a window */
#define AWAKE_NS KS_NSEC_PER_SEC /* for so long behind such a window */

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, KS_FRONT_STAGES);
	 __uint(key_size, sizeof(__u32)); __uint(value_size, sizeof(__u32)); } ks_front_stages MAP; /* filled by the loader */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_front); } ks_fronts MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, KS_FRONT_CELLS);
	 __type(key, __u32); __type(value, __u64); } ks_front_drops MAP;
/* clang-format on */

static ks_inline void note_drop(struct ks_front *front, __u64 now)
{
	if (now - front->since >= WINDOW_NS) {
		front->since = now;
		front->drops = 0;
	}
	if (++front->drops >= WAKING_DROPS)
		front->until = now + AWAKE_NS;
}

void front_note_drop(__u64 now)
{
	struct ks_front *front = first_of(&ks_fronts);

	if (front)
		note_drop(front, now);
}

static ks_inline void note_own_drop(struct ks_front *front, __u64 now, __u32 ifindex)
{
	__u32 cell = ifindex & (KS_FRONT_CELLS - 1);
	__u64 *dropped = bpf_map_lookup_elem(&ks_front_drops, &cell);

	front->dropped++;
	if (dropped)
		++*dropped;
	note_drop(front, now);
}

static ks_inline bool is_awake(const struct ks_front *front, __u64 now)
{
	return front->until && now < front->until;
}

ks_inlined bool front_is_awake(__u64 now)
{
	const struct ks_front *front = first_of(&ks_fronts);

	return front && is_awake(front, now);
}

/*
 * Copies the shortest frame of Ethernet, which is all of most packets in a flood. A helper would take 20 ns for it. The words begin
 * where the IP header does: a CPU that reads a word which it has just written in two parts waits for both.
 */
static ks_inline bool head_copy(const struct xdp_md *xdp, __u8 *head)
{
	const __u8 *data = (const __u8 *)(long)xdp->data, *end = (const __u8 *)(long)xdp->data_end;

	if (data + ETH_FRAME_MIN > end)
		return false;
	*(__u64 *)head = ks_load64(data);
	*(__u64 *)(head + ETH_HEADER_LEN - 8) = ks_load64(data + ETH_HEADER_LEN - 8);
	for (__u32 i = ETH_HEADER_LEN; i < ETH_FRAME_MIN - 8; i += 8)
		*(__u64 *)(head + i) = ks_load64(data + i);
	*(__u64 *)(head + ETH_FRAME_MIN - 8) = ks_load64(data + ETH_FRAME_MIN - 8);
	return true;
}

static bool head_load(struct xdp_md *xdp, struct ks_scratch *scratch)
{
	__u32 len = bpf_xdp_get_buff_len(xdp);

	scratch->insp.pkt.wire_len = len;
	scratch->relay.length = len;
	len = KS_MIN(len, KS_HEAD_MAX);
	scratch->insp.pkt.head_len = len;
	if (len < ETH_FRAME_MIN || !head_copy(xdp, scratch->head))
		return len >= ETH_HEADER_LEN && bpf_xdp_load_bytes(xdp, 0, scratch->head, length_bound(len)) == 0;
	return len == ETH_FRAME_MIN || bpf_xdp_load_bytes(xdp, ETH_FRAME_MIN, scratch->head + ETH_FRAME_MIN,
							  length_bound(len - ETH_FRAME_MIN)) == 0;
}

static ks_inline bool is_tagged(const __u8 *head)
{
	__u32 type = ks_be16(ks_load16(head + ETH_TYPE_OFF));

	return type == ETH_TYPE_VLAN || type == ETH_TYPE_QINQ || type == ETH_TYPE_QINQ_OLD;
}

/* Returns true if the interface is judged at its ingress, and the frame is addressed to it. */
static ks_inline bool is_judged_here(const struct ks_guard *guard, const __u8 *head)
{
	if (guard->link != KS_LINK_ETHERNET || guard->flags & (KS_GUARD_BRIDGED | KS_GUARD_CARRIER | KS_GUARD_IGNORED))
		return false;
	if (guard->flags & KS_GUARD_UNTAGS && guard->tagged)
		return false;
	return ks_load32(guard->mac) == ks_load32(head) && ks_load16(guard->mac + 4) == ks_load16(head + 4);
}

/* Says where the frame comes from. Returns false if it is not one for us. */
static ks_inline bool enter(struct xdp_md *xdp, struct ks_scratch *scratch, const struct ks_guard *guard)
{
	if (!head_load(xdp, scratch) || is_tagged(scratch->head))
		return false;
	if (ks_test_mode)
		return true;
	if (!guard || !is_judged_here(guard, scratch->head))
		return false;
	scratch->insp.home.from = guard->zone;
	scratch->insp.home.to = KS_ZONE_UNKNOWN;
	return true;
}

/* An answer is not longer than what provoked it, nor, if it can be helped, shorter than the shortest frame of Ethernet. */
static ks_inline __u32 answer_pad(struct ks_scratch *scratch, __u32 len)
{
	const __u32 plain = ETH_HEADER_LEN + IPV4_HEADER_LEN + TCP_HEADER_LEN;

	if (len != plain || scratch->insp.pkt.wire_len < ETH_FRAME_MIN)
		return len;
	ks_store32(scratch->answer + plain, 0);
	ks_store16(scratch->answer + plain + 4, 0);
	return ETH_FRAME_MIN;
}

/* Turns the frame around. What cannot be sent is asked for again. */
static int answer(struct xdp_md *xdp, struct ks_scratch *scratch, struct ks_env *env)
{
	__u32 len = answer_build(env, scratch);

	if (ks_test_mode || !len)
		return XDP_DROP;
	len = answer_pad(scratch, len);
	if (bpf_xdp_adjust_tail(xdp, (int)len - (int)scratch->insp.pkt.wire_len) ||
	    bpf_xdp_store_bytes(xdp, 0, scratch->answer, length_bound(len)))
		return XDP_DROP;
	return XDP_TX;
}

static ks_inline void prepare(struct xdp_md *xdp, struct ks_env *env, const struct ks_control *control, __u64 now)
{
	struct ks_scratch *scratch = env->scratch;

	scratch->answer_len = 0;
	scratch->relay.ifindex = xdp->ingress_ifindex;
	scratch->relay.out_ifindex = 0;
	scratch->relay.is_egress = 0;
	scratch->insp.home.halves = KS_TRANSLATE_BOTH;
	scratch->insp.pkt.link = KS_LINK_ETHERNET;
	inspection_prepare(env, &scratch->insp, control, now);
}

static ks_inline const struct ks_guard *guard_of(const struct xdp_md *xdp)
{
	return ks_test_mode ? NULL : guard_get(xdp->ingress_ifindex);
}

static ks_inline bool can_answer(const struct xdp_md *xdp)
{
	const struct ks_guard *guard = guard_of(xdp);

	return ks_test_mode || (guard && guard->flags & KS_GUARD_ANSWERS);
}

/* Ends a packet that is refused. */
static ks_inline int drop(struct xdp_md *xdp, struct ks_env *env)
{
	struct ks_front *front = first_of(&ks_fronts);
	struct ks_scratch *scratch = env->scratch;

	if (front)
		note_own_drop(front, scratch->insp.home.now, xdp->ingress_ifindex);
	return ks_inspect_end(env, &scratch->insp) == KS_REJECT ? answer(xdp, scratch, env) : XDP_DROP;
}

/*
 * Asks the front about a packet that is read, and that no flow knows as far as anybody has looked. What it needs it looks up anew: that
 * costs less than a frame has room for (V2).
 */
static ks_inline int refuse(struct xdp_md *xdp, struct ks_env *env)
{
	struct ks_scratch *scratch = env->scratch;

	scratch->insp.home.halves = ks_test_mode ? KS_TRANSLATE_BOTH : KS_TRANSLATE_DST;
	scratch->relay.out_ifindex = 0;
	scratch->relay.is_front = 1;
	if (ks_front_refuses(env, &scratch->insp, scratch->head, can_answer(xdp)))
		return drop(xdp, env);
	if (ks_front_may_protect(&scratch->insp))
		bpf_tail_call(xdp, &ks_front_stages, KS_FRONT_PROTECT);
	return XDP_PASS;
}

PROGRAM("xdp.frags")
int ks_front(struct xdp_md *xdp)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = xdp, .hook = HOOK_XDP, .scratch = scratch };
	struct ks_front *front = first_of(&ks_fronts);
	const struct ks_guard *guard;
	bool awake, express;
	__u64 now;

	if (!control || !scratch || !front)
		return XDP_PASS;
	now = packet_clock(scratch, control);
	guard = guard_of(xdp);
	awake = ks_test_mode || is_awake(front, now);
	express = express_is_open(guard, control, now);
	if (!awake && !express)
		return XDP_PASS;
	prepare(xdp, &env, control, now);
	if (!enter(xdp, scratch, guard))
		return XDP_PASS;
	ks_inspect_begin(&env, &scratch->insp, scratch->head);
	if (scratch->insp.stage == KS_STAGE_FIND) {
		if (awake && !ks_test_mode)
			lookup_fetch(&env, &scratch->insp.pkt.tuple);
		ks_nat_find(&env, &scratch->insp);
	}
	if (express && scratch->insp.flow.found)
		bpf_tail_call(xdp, &ks_front_stages, KS_FRONT_EXPRESS);
	if (!awake || scratch->insp.flow.found || scratch->insp.flow.busy)
		return XDP_PASS;
	return refuse(xdp, &env);
}

/* Express, for a packet whose flow ks_front has found. */
PROGRAM("xdp.frags")
int ks_front_express(struct xdp_md *xdp)
{
	const struct ks_control *control = control_get();
	const struct ks_guard *guard = guard_of(xdp);
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = xdp, .hook = HOOK_XDP, .scratch = scratch };
	int sent;

	if (!control || !scratch)
		return XDP_PASS;
	env.generation = scratch->relay.generation;
	sent = express_send(xdp, &env, control, guard ? guard->express : 0);
	return sent == EXPRESS_LEFT ? XDP_PASS : sent;
}

/* Protection, for a packet that ks_front has not refused: in quiet times nobody comes here. */
PROGRAM("xdp.frags")
int ks_front_protect(struct xdp_md *xdp)
{
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = xdp, .hook = HOOK_XDP, .scratch = scratch };

	if (!scratch)
		return XDP_PASS;
	env.generation = scratch->relay.generation;
	if (!ks_front_protects(&env, &scratch->insp, scratch->head, can_answer(xdp)))
		return XDP_PASS;
	return drop(xdp, &env);
}
