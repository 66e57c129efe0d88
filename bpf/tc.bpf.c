// SPDX-License-Identifier: BSD-2-Clause
/*
 * The live data plane: tc programs at the ingress and egress of every guarded
 * interface.
 *
 * Ingress knows where a packet comes from and guesses where it goes. What it
 * passes it seals (seal.h) with the zone that it expects the packet to leave by;
 * where it cannot tell, it says so, and egress decides. Where the flow is
 * translated, ingress gives the packet its new destination, before it is routed,
 * and egress its new source, because the kernel takes no packet from an address
 * of its own.
 *
 * Egress knows where a packet leaves. One that is sealed for that zone goes; all
 * else is inspected: what the box sends, what ingress left undecided, what comes
 * from interfaces that nobody guards, what was routed otherwise than expected,
 * and what lost its seal.
 *
 * A bridge of which a zone names ports is guarded at its ports: there ingress
 * only stamps where a frame comes from; what goes on to the box is judged at the
 * ingress of the bridge, what goes on to another port at the egress of that.
 */
#include "bpf/front.bpf.h"
#include "bpf/head.bpf.h"
#include "bpf/route.bpf.h"
#include "bpf/short.bpf.h"

#include "core/fragment/fragment.h"
#include "core/group.h"
#include "core/helper/helper.h"
#include "core/header/wire.h"
#include "bpf/kernel.h"

#include <linux/pkt_cls.h>

#define PACKET_OTHERHOST 3 /* of linux/if_packet.h */
#define VLAN_ID_MASK 0x0fff
#define DHCP_CLIENT_PORT 68
#define DHCPV6_CLIENT_PORT 546
#define ETH_DST_OFF 0

/* The next filter, if there is one, sees what we pass. */
#define TC_PASS TC_ACT_UNSPEC
#define TC_DROP TC_ACT_SHOT

/*
 * Back to the sender: by the interface that the packet came in by, through our own egress and so sealed for that zone; to a
 * sender on this box by the loopback. Where a routed packet was refused as it left, its link header is another link's, and
 * the neighbour is looked up.
 */
static int answer_send(struct __sk_buff *skb, struct ks_scratch *scratch, const struct ks_guard *out)
{
	__u32 len = scratch->answer_len, in_ifindex = skb->ingress_ifindex;
	__u32 l2 = scratch->insp.pkt.link == KS_LINK_ETHERNET ? ETH_HEADER_LEN : 0;
	bool to_self = scratch->insp.home.from == KS_ZONE_SELF;

	if (len == 0 || (to_self && !l2))
		return TC_DROP;
	if (to_self)
		__builtin_memset(scratch->answer, 0, ETH_HEADER_LEN - 2);
	if (bpf_skb_change_tail(skb, len, 0) || bpf_skb_store_bytes(skb, 0, scratch->answer, length_bound(len), 0))
		return TC_DROP;
	if (to_self)
		return bpf_redirect(KS_LOOPBACK_IFINDEX, BPF_F_INGRESS);
	skb->tc_index = seal_make(scratch->relay.secret, KS_SEAL_DECIDED, scratch->insp.home.from);
	if (!scratch->relay.is_egress)
		return bpf_redirect(skb->ifindex, 0);
	return out && out->flags & KS_GUARD_BRIDGED ? bpf_redirect(in_ifindex, 0)
						    : bpf_redirect_neigh(in_ifindex, NULL, 0, 0);
}

static int reject(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	if (!answer_build(env, scratch) || ks_test_mode)
		return TC_DROP;
	return answer_send(skb, scratch, guard_get(skb->ifindex));
}

/* Seals a packet that ingress passes. One for a stacked device in another namespace gets none: it leaves our sight. */
static void seal(struct __sk_buff *skb, const struct ks_scratch *scratch)
{
	const struct ks_inspection *insp = &scratch->insp;
	__u32 secret = scratch->relay.secret;

	if (scratch->relay.stacked)
		seal_put(skb, 0);
	else if (insp->verdict.reason == KS_REASON_OK_UNDECIDED)
		seal_put(skb, seal_make(secret, KS_SEAL_UNDECIDED, insp->home.from));
	else if (insp->translate & ~insp->home.halves & KS_TRANSLATE_SRC)
		seal_put(skb, seal_make(secret, KS_SEAL_HALF, zone_expected(insp)));
	else
		seal_put(skb, seal_make(secret, KS_SEAL_DECIDED, zone_expected(insp)));
}

/*
 * Marks a frame of a macvlan of ours for one in another namespace: it meets no wire but the ingress of the interface below, which
 * lets it pass by this mark. The kernel clears marks where a packet leaves its namespace, so nobody else can set it. `lower` is 0
 * of any other interface.
 */
static __attribute__((noinline)) void hand_over(struct __sk_buff *skb, __u32 lower, __u32 secret)
{
	struct ks_stacked_key key = { .ifindex = lower };
	const __u8 *mac = (const __u8 *)(long)skb->data + ETH_DST_OFF, *end = (const __u8 *)(long)skb->data_end;

	if (!lower || mac + sizeof(key.mac) > end)
		return;
	__builtin_memcpy(key.mac, mac, sizeof(key.mac));
	if (stacked_kind(&key) == KS_STACKED_LEARNT)
		skb->mark = seal_make(secret, KS_SEAL_HANDED_OVER, 0);
}

/* Returns true, once, for a frame that was judged as it left a macvlan of ours. */
static bool was_handed_over(struct __sk_buff *skb, __u32 secret)
{
	if (!secret || skb->mark != seal_make(secret, KS_SEAL_HANDED_OVER, 0))
		return false;
	skb->mark = 0;
	return true;
}

/* Lets out a packet that egress has judged: by the interface that it was routed to, or by the one that its flow came in by. */
static int let_out(struct __sk_buff *skb, const struct ks_scratch *scratch)
{
	__u32 ifindex = scratch->relay.send_back;
	const struct ks_guard *guard;

	skb->tc_index = 0;
	if (!ifindex) {
		hand_over(skb, scratch->relay.lower, scratch->relay.secret);
		return TC_PASS;
	}
	guard = guard_get(ifindex);
	if (!guard)
		return TC_DROP;
	skb->tc_index = seal_make(scratch->relay.secret, KS_SEAL_DECIDED, guard->zone);
	return route_send_back(skb, &scratch->relay);
}

static ks_inline int let_pass(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	if (scratch->relay.is_egress) {
		if (route_is_own_answer(&scratch->insp))
			route_answer(env);
		return let_out(skb, scratch);
	}
	if (scratch->relay.is_short)
		return short_send(skb, scratch);
	seal(skb, scratch);
	return TC_PASS;
}

static ks_inline bool is_for_dhcp_client(const struct ks_tuple *tuple)
{
	return tuple->proto == KS_PROTO_UDP &&
	       (tuple->dport == ks_be16(DHCP_CLIENT_PORT) || tuple->dport == ks_be16(DHCPV6_CLIENT_PORT));
}

/* Returns true if ingress passed the packet by its flow, and no flow knows it now: another program has changed its addresses. */
static bool is_changed_by_others(const struct ks_scratch *scratch)
{
	const struct ks_inspection *insp = &scratch->insp;

	if (is_for_dhcp_client(&insp->pkt.tuple)) /* its address is not there yet, so the kernel may route it on */
		return false;
	return scratch->relay.was_sealed && !insp->flow.found && !(insp->pkt.flags & KS_PKT_GROUP) &&
	       (insp->verdict.reason == KS_REASON_NO_STATE || insp->verdict.reason == KS_REASON_NO_RULE ||
		insp->verdict.reason == KS_REASON_ICMP_REPLY || insp->verdict.reason == KS_REASON_TCP_STATE);
}

/*
 * Returns true if ingress passed the packet to the box, and yet it leaves by a guarded interface: another program has changed
 * its destination. Opening a flow would not help, because the answers would come back as if from the box.
 */
static ks_inline bool was_for_self(const struct ks_scratch *scratch)
{
	return scratch->relay.was_sealed && scratch->relay.sealed_zone == KS_ZONE_SELF &&
	       !(scratch->insp.pkt.flags & (KS_PKT_GROUP | KS_PKT_NEIGHBOUR)) &&
	       !is_for_dhcp_client(&scratch->insp.pkt.tuple);
}

/* Carries out the verdict. */
static int verdict(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	__u32 action;

	if (is_changed_by_others(scratch) || (was_for_self(scratch) && scratch->insp.verdict.action == KS_DENY &&
					      ks_reason_is_pass(scratch->insp.verdict.reason)))
		scratch->insp.verdict.reason = KS_REASON_FOREIGN_NAT;
	action = ks_inspect_end(env, &scratch->insp);
	if (action == KS_ALLOW || action == KS_BYPASS)
		return let_pass(skb, scratch, env);
	if (!scratch->relay.is_egress)
		front_note_drop(scratch->insp.home.now);
	return action == KS_REJECT ? reject(skb, scratch, env) : TC_DROP;
}

/* The programs of the stages, further down. */
#define X(id, name) PROGRAM("tc") int ks_tc_##name(struct __sk_buff *skb);
KS_STAGES(X)
#undef X
PROGRAM("tc") int ks_tc_source(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_end(struct __sk_buff *skb);

/* Filled by the loader, because not every policy needs every stage (kernel/stages.c). */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, KS_SLOT_MAX);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} ks_tc_stages __attribute__((visibility("default"))) SEC(".maps");

/* Counts a packet that found no next program (V1). Not inlined: the frames of ks_tc_open are deep (V2). */
static __attribute__((noinline)) int drop_lost(const struct ks_scratch *scratch)
{
	env_count_reason(NULL, KS_REASON_INTERNAL, scratch->insp.pkt.wire_len);
	return TC_DROP;
}

/*
 * To the program of the next stage. It does not come back, unless the kernel's bound on such calls (33) is reached. Packets of no
 * flow go to two of them, which are named by constants: then the kernel puts a plain jump there.
 */
static ks_inline int go_on(struct __sk_buff *skb, const struct ks_scratch *scratch)
{
	__u32 stage = scratch->insp.stage;

	if (stage == KS_STAGE_OPEN)
		bpf_tail_call_static(skb, &ks_tc_stages, KS_STAGE_OPEN);
	else if (stage == KS_STAGE_DONE)
		bpf_tail_call_static(skb, &ks_tc_stages, KS_SLOT_END);
	bpf_tail_call(skb, &ks_tc_stages, stage == KS_STAGE_DONE ? KS_SLOT_END : stage);
	return drop_lost(scratch);
}

/*
 * Returns true for a tagged frame, which the VLAN device of its tag will judge by programs of its own; without such a device
 * the stack drops it. A bridge's port is different: the bridge forwards tagged frames too.
 */
static bool is_for_vlan(struct __sk_buff *skb, const struct ks_guard *guard)
{
	return !(guard->flags & KS_GUARD_BRIDGED) && skb->vlan_present && skb->vlan_tci & VLAN_ID_MASK;
}

static ks_inline bool mac_equal(const __u8 *a, const __u8 *b)
{
	return ks_load32(a) == ks_load32(b) && ks_load16(a + 4) == ks_load16(b + 4);
}

/*
 * Reads the MAC address at an offset of the frame. Returns false if it is the interface's own, or there is none. Every
 * packet that leaves is asked, so its bytes are looked at where they lie.
 */
static ks_inline bool mac_is_other(struct __sk_buff *skb, const struct ks_guard *guard, __u32 off,
				   struct ks_stacked_key *key)
{
	const __u8 *mac = (const __u8 *)(long)skb->data + off, *end = (const __u8 *)(long)skb->data_end;

	if (guard->link != KS_LINK_ETHERNET || mac + sizeof(key->mac) > end || mac_equal(mac, guard->mac))
		return false;
	__builtin_memcpy(key->mac, mac, sizeof(key->mac));
	key->ifindex = skb->ifindex;
	return true;
}

/*
 * Returns true if a frame for another link address is for a device of another namespace that is stacked on the interface (a
 * macvlan), as egress has learnt: it is judged as the box itself. A stacked device in this namespace has programs of its own,
 * and a frame for nobody is dropped by the stack.
 */
static bool is_for_stacked(struct __sk_buff *skb, const struct ks_guard *guard)
{
	struct ks_stacked_key key = {};

	return mac_is_other(skb, guard, ETH_DST_OFF, &key) && stacked_kind(&key) == KS_STACKED_LEARNT;
}

/* The first stages of every packet: read it, and look for its flow. */
static ks_inline void begin(struct ks_env *env, struct ks_scratch *scratch)
{
	ks_inspect_begin(env, &scratch->insp, scratch->head);
	if (scratch->insp.stage == KS_STAGE_FIND)
		ks_stage_find(env, &scratch->insp, scratch->head);
	if (scratch->insp.stage == KS_STAGE_OPEN && was_for_self(scratch))
		scratch->insp.stage = KS_STAGE_DONE; /* denied, as it was at the beginning: verdict() says why */
}

/* Most packets need no more than that: they are counted, and go. */
static ks_inline int finish(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	if (scratch->insp.stage != KS_STAGE_DONE || !ks_inspect_end_plain(env, &scratch->insp))
		return go_on(skb, scratch);
	return let_pass(skb, scratch, env);
}

/* The decision about a frame before any of it is read. */
enum entry { ENTRY_PASS, ENTRY_JUDGE };

/* Fills in where a packet comes from, by its interface and its seal. */
static ks_inline enum entry enter(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_guard *guard,
				  __u32 secret)
{
	__u32 mark = skb->tc_index;
	bool sealed = seal_is_ours(mark, secret);

	if (guard->flags & KS_GUARD_BRIDGED) {
		seal_put(skb, seal_make(secret, KS_SEAL_UNDECIDED, guard->zone));
		return ENTRY_PASS;
	}
	scratch->insp.home.from = guard->zone;
	scratch->insp.home.to = KS_ZONE_UNKNOWN;
	scratch->insp.home.resumed = sealed && (mark & KS_SEAL_KIND_MASK) == KS_SEAL_RESUMED;
	if (guard->flags & KS_GUARD_CARRIER && !scratch->insp.home.resumed) {
		if (sealed && (mark & KS_SEAL_KIND_MASK) != KS_SEAL_UNDECIDED)
			return ENTRY_PASS;
		scratch->insp.home.from = sealed ? mark & KS_SEAL_ZONE_MASK : KS_ZONE_NONE;
	}
	if (is_for_vlan(skb, guard)) {
		if (!guard->tagged)
			guard->tagged = 1;
		skb->tc_index = 0;
		return ENTRY_PASS;
	}
	if (skb->pkt_type == PACKET_OTHERHOST) {
		skb->tc_index = 0;
		if (!is_for_stacked(skb, guard) || was_handed_over(skb, secret))
			return ENTRY_PASS;
		scratch->relay.stacked = 1;
		scratch->insp.home.to = KS_ZONE_SELF;
	}
	return ENTRY_JUDGE;
}

PROGRAM("tc")
int ks_tc_ingress(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };
	struct ks_guard *guard = NULL;
	__u32 flags = KS_GUARD_LONG;

	if (!control || !scratch)
		return TC_DROP;
	scratch->answer_len = 0;
	scratch->relay.ifindex = skb->ifindex;
	scratch->relay.out_ifindex = 0;
	scratch->relay.is_egress = 0;
	scratch->insp.home.halves = ks_test_mode ? KS_TRANSLATE_BOTH : KS_TRANSLATE_DST;
	scratch->insp.pkt.link = KS_LINK_ETHERNET;
	inspection_prepare(&env, &scratch->insp, control, packet_clock(scratch, control));
	if (!ks_test_mode) {
		guard = guard_get(skb->ifindex);
		if (!guard || guard->flags & KS_GUARD_IGNORED)
			return TC_PASS; /* not guarded any more: the loader is about to detach us */
		scratch->insp.pkt.link = guard->link;
		flags = guard->flags; /* the guard may lie in either of two maps, and is not looked at behind here (V15) */
		if (enter(skb, scratch, guard, ks_load_relaxed(&control->seal)) == ENTRY_PASS)
			return TC_PASS;
	}
	if (!head_load(skb, scratch))
		return TC_DROP;
	begin(&env, scratch);
	if (!scratch->relay.stacked && !(flags & (KS_GUARD_CARRIER | KS_GUARD_LONG)))
		short_find(skb, scratch, &env, control);
	return finish(skb, scratch, &env);
}

/*
 * Returns true if a packet was routed in another network namespace than that of its interface: a device there that is stacked
 * on ours may bear our link address, and its packets any seal and any interface number. A packet without a route (sent on by us
 * or by a bridge) was not.
 */
static ks_inline bool is_routed_elsewhere(struct __sk_buff *ctx)
{
	struct net_device *dev = NULL;
	struct dst_entry *dst;
	struct sk_buff *skb;
	struct net *net;

	if (!ks_has_kernel_skb)
		return false;
	skb = bpf_cast_to_kern_ctx(ctx);
	dst = (struct dst_entry *)(skb->_skb_refdst & KS_SKB_DST_MASK);
	if (!dst || bpf_probe_read_kernel(&dev, sizeof(dev), &dst->dev) || dev == skb->dev)
		return false;
	return bpf_probe_read_kernel(&net, sizeof(net), &dev->nd_net.net) || net != skb->dev->nd_net.net;
}

/*
 * Returns KS_STACKED_* if a frame that leaves was sent by a device that is stacked on the interface (its link source is not the
 * interface's), else 0. A device in this namespace has judged it at its own egress; one in another namespace is learnt, so
 * that ingress knows the answers to it.
 */
static ks_inline __u32 sender_stacked(struct __sk_buff *skb, const struct ks_guard *guard, bool sealed)
{
	struct ks_stacked_key key = {};
	__u32 kind;

	if (guard->flags & KS_GUARD_BRIDGED || !ks_load32(guard->mac))
		return 0;
	if (!mac_is_other(skb, guard, ETH_SRC_OFF, &key))
		return (sealed || skb->ingress_ifindex) && is_routed_elsewhere(skb) ? KS_STACKED_LEARNT : 0;
	kind = stacked_kind(&key);
	if (kind)
		return kind;
	stacked_learn(&key);
	return KS_STACKED_LEARNT;
}

static ks_inline bool has_seal(const struct __sk_buff *skb, __u32 secret)
{
	return seal_is_ours(skb->tc_index, secret) && seal_counts(skb);
}

static ks_inline bool is_sealed_as(const struct __sk_buff *skb, bool sealed, __u32 kind, __u32 zone)
{
	return sealed && (skb->tc_index & (KS_SEAL_KIND_MASK | KS_SEAL_ZONE_MASK)) == (kind | zone);
}

/* Returns true for a seal with the zone that a packet came from, which is not decided yet: egress does, or a held fragment is resumed. */
static ks_inline bool seal_knows_origin(__u32 seal)
{
	__u32 kind = seal & KS_SEAL_KIND_MASK;

	return kind == KS_SEAL_UNDECIDED || kind == KS_SEAL_RESUMED;
}

/* Returns the zone that a leaving packet came from: for what a carrier passed on only the seal knows it. */
static ks_inline __u32 zone_from(const struct __sk_buff *skb, __u32 in_ifindex, bool sealed)
{
	const struct ks_guard *in_guard;

	if (sealed && seal_knows_origin(skb->tc_index))
		return skb->tc_index & KS_SEAL_ZONE_MASK;
	if (!in_ifindex)
		return KS_ZONE_SELF;
	in_guard = guard_get(in_ifindex);
	return in_guard ? in_guard->zone : KS_ZONE_NONE;
}

/* Prepares the inspection of a packet that leaves. */
static ks_inline void egress_prepare(struct __sk_buff *skb, struct ks_env *env, const struct ks_control *control,
				     const struct ks_guard *guard, bool stacked, bool sealed)
{
	struct ks_scratch *scratch = env->scratch;
	__u32 in_ifindex = stacked ? 0 : skb->ingress_ifindex;

	scratch->answer_len = 0;
	scratch->relay.ifindex = in_ifindex;
	scratch->relay.out_ifindex = skb->ifindex;
	scratch->relay.is_egress = 1;
	scratch->insp.home.halves = KS_TRANSLATE_SRC;
	inspection_prepare(env, &scratch->insp, control, packet_clock(scratch, control));
	scratch->relay.sealed_zone = skb->tc_index & KS_SEAL_ZONE_MASK;
	scratch->relay.was_sealed = sealed && !seal_knows_origin(skb->tc_index);
	scratch->relay.stacked = stacked;
	scratch->relay.lower = guard->lower;
	scratch->insp.home.resumed = sealed && (skb->tc_index & KS_SEAL_KIND_MASK) == KS_SEAL_RESUMED;
	scratch->insp.home.from = stacked ? KS_ZONE_SELF : zone_from(skb, in_ifindex, sealed);
	scratch->insp.home.to = guard->zone;
	scratch->insp.home.hops = in_ifindex && !(guard->flags & KS_GUARD_BRIDGED);
	scratch->insp.pkt.link = guard->link;
}

PROGRAM("tc")
int ks_tc_egress(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };
	const struct ks_guard *guard = guard_get(skb->ifindex);
	__u32 stacked;
	bool sealed;

	if (!control)
		return TC_DROP;
	if (!guard || guard->flags & (KS_GUARD_IGNORED | KS_GUARD_CARRIER) || is_for_vlan(skb, guard))
		return TC_PASS;
	sealed = has_seal(skb, ks_load_relaxed(&control->seal));
	stacked = sender_stacked(skb, guard, sealed);
	if (stacked == KS_STACKED_OURS)
		return TC_PASS;
	sealed &= !stacked;
	if (is_sealed_as(skb, sealed, KS_SEAL_DECIDED, guard->zone)) {
		skb->tc_index = 0;
		if (ks_unlikely(guard->lower))
			hand_over(skb, guard->lower, ks_load_relaxed(&control->seal));
		return TC_PASS;
	}
	if (!scratch)
		return TC_DROP;
	egress_prepare(skb, &env, control, guard, stacked, sealed);
	if (!head_load(skb, scratch))
		return TC_DROP;
	if (is_sealed_as(skb, sealed, KS_SEAL_HALF, guard->zone)) {
		bpf_tail_call(skb, &ks_tc_stages, KS_SLOT_SOURCE);
		return drop_lost(scratch);
	}
	begin(&env, scratch);
	return finish(skb, scratch, &env);
}

/* Returns true if a packet may leave uncounted: it was counted when it came in, and only a drop is to be counted again. */
static ks_inline bool source_half_passes(const struct ks_scratch *scratch)
{
	return scratch->relay.is_source_half && scratch->insp.stage == KS_STAGE_DONE &&
	       scratch->insp.verdict.action == KS_ALLOW;
}

/* Goes on to the next stage. Every packet of a translated flow is written, so it ends here without another program. */
static ks_inline int after_stage(__u32 stage, struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	ks_fragment_resume_first(&scratch->insp);
	if (stage == KS_STAGE_WRITE) {
		if (source_half_passes(scratch))
			return let_out(skb, scratch);
		if (!scratch->relay.is_source_half)
			return finish(skb, scratch, env);
	}
	return go_on(skb, scratch);
}

/* A program for each stage. Its environment is that of the first program, as the relay tells it. */
#define X(id, name)                                                     \
	PROGRAM("tc")                                                   \
	int ks_tc_##name(struct __sk_buff *skb)                         \
	{                                                               \
		struct ks_scratch *scratch = scratch_get();             \
		struct ks_env env = { .ctx = skb, .scratch = scratch }; \
                                                                        \
		if (!scratch)                                           \
			return TC_DROP;                                 \
		env.generation = scratch->relay.generation;             \
		ks_stage_##name(&env, &scratch->insp, scratch->head);   \
		return after_stage(KS_STAGE_##id, skb, scratch, &env);  \
	}
KS_STAGES(X)
#undef X

PROGRAM("tc")
int ks_tc_source(struct __sk_buff *skb)
{
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };

	if (!scratch)
		return TC_DROP;
	env.generation = scratch->relay.generation;
	scratch->relay.is_source_half = 1;
	ks_inspect_egress(&env, &scratch->insp, scratch->head);
	if (scratch->insp.stage == KS_STAGE_WRITE)
		ks_stage_write(&env, &scratch->insp, scratch->head);
	ks_fragment_resume_first(&scratch->insp);
	return source_half_passes(scratch) ? let_out(skb, scratch) : go_on(skb, scratch);
}

PROGRAM("tc")
int ks_tc_end(struct __sk_buff *skb)
{
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };

	if (!scratch)
		return TC_DROP;
	env.generation = scratch->relay.generation;
	if (source_half_passes(scratch))
		return let_out(skb, scratch);
	return verdict(skb, scratch, &env);
}
