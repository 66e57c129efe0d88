// SPDX-License-Identifier: BSD-2-Clause
/*
 * The live data plane: tc programs at the ingress and egress of every guarded
 * interface.
 *
 * Ingress decides: it knows where a packet comes from, and the route lookup
 * tells where it will go. What it passes it seals in skb->tc_index with the
 * zone it expects the packet to leave by; the IP stack keeps that field.
 * Where the flow is translated, ingress gives the packet its new destination,
 * before it is routed, and egress its new source, because the kernel takes no
 * packet from an address of its own.
 *
 * Egress lets sealed packets out if they leave by that zone, and inspects
 * everything else: what the box sends itself, what comes from interfaces that
 * nobody guards (zone "none"), and what was routed otherwise than expected.
 *
 * Also here: the programs that the loader runs once, to start the sweeper and
 * to kill flows.
 */
#include "env.bpf.h"

#include "fragment.h"
#include "helper.h"

#include <linux/pkt_cls.h>

#define SEAL 0x4b00 /* high octet of tc_index; the low one is the zone */
#define SEAL_HALF 0x4c00 /* the same, and the source is still to be translated */
#define SEAL_ZONE_MASK 0xff
#define STAGE_LEAVING (STAGE_END + 1)
#define LOOPBACK_IFINDEX 1
#define PACKET_OTHERHOST 3 /* of linux/if_packet.h */
#define VLAN_ID_MASK 0x0fff
#define PROGRAM(name) __attribute__((visibility("default"))) SEC(name)
#define ETH_HEADER_LEN 14
#define KILL_KEYS_OFF 16
#define KILL_KEYS_MAX 32

/* The next filter, if any, sees what we pass. */
#define TC_PASS TC_ACT_UNSPEC
#define TC_DROP TC_ACT_SHOT

static bool head_load(struct __sk_buff *skb, struct ks_scratch *scratch)
{
	__u32 len = skb->len;

	scratch->in.pkt.wire_len = len;
	scratch->relay.length = len;
	if (len > KS_HEAD_MAX)
		len = KS_HEAD_MAX;
	scratch->in.pkt.head_len = len;
	if (len == 0)
		return false;
	return bpf_skb_load_bytes(skb, 0, scratch->head, length_bound(len)) == 0;
}

/*
 * Back to the sender by the interface it used; to a sender on this box by the
 * loopback. At egress the way back to anybody else is not known: no answer.
 */
static int answer_send(struct __sk_buff *skb, struct ks_scratch *scratch, bool to_self)
{
	__u32 len = scratch->answer_len;
	__u32 l2 = scratch->in.pkt.link == KS_LINK_ETHERNET ? ETH_HEADER_LEN : 0;

	if (to_self && !l2)
		return TC_DROP;
	if (to_self)
		__builtin_memset(scratch->answer, 0, ETH_HEADER_LEN - 2);
	if (len == 0)
		return TC_DROP;
	if (bpf_skb_change_tail(skb, len, 0) || bpf_skb_store_bytes(skb, 0, scratch->answer, length_bound(len), 0))
		return TC_DROP;
	if (to_self)
		return bpf_redirect(LOOPBACK_IFINDEX, BPF_F_INGRESS);
	/* It goes out where the packet came in, through our own egress: sealed for that zone. */
	skb->tc_index = SEAL | (scratch->in.from & 0xff);
	return bpf_redirect(skb->ifindex, 0);
}

static int reject(struct __sk_buff *skb, struct ks_scratch *scratch)
{
	scratch->answer_len = ks_reject_build(scratch->head, &scratch->in.pkt, scratch->answer);
	if (!scratch->answer_len || ks_test_mode)
		return TC_DROP;
	return answer_send(skb, scratch, scratch->in.from == KS_ZONE_SELF);
}

/* The zone that a passed packet will leave by, as far as the inspection knows it. */
static __u32 zone_expected(const struct ks_inspection *in)
{
	if (in->flow.found && !in->replaces)
		return in->flow.before.zone[!(in->dir & 1)];
	return in->to;
}

static void seal(struct __sk_buff *skb, const struct ks_scratch *scratch)
{
	bool half = scratch->in.translate & ~scratch->in.phase & KS_TRANSLATE_SRC;

	if (!scratch->relay.is_egress)
		skb->tc_index = (half ? SEAL_HALF : SEAL) | (zone_expected(&scratch->in) & SEAL_ZONE_MASK);
}

/* The verdict stands: carry it out. */
static int verdict(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	__u32 action = ks_inspect_end(env, &scratch->in);

	if (action == KS_ALLOW || action == KS_BYPASS) {
		seal(skb, scratch);
		return TC_PASS;
	}
	if (action != KS_REJECT || (scratch->relay.is_egress && skb->ingress_ifindex))
		return TC_DROP;
	return reject(skb, scratch);
}

/* The programs of the stages, further down. */
PROGRAM("tc") int ks_tc_find(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_open(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_error(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_fragment(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_helper(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_scan(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_announce(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_adjust(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_write(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_leaving(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_end(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, STAGE_SLOTS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} ks_tc_stages __attribute__((visibility("default"))) SEC(".maps") = {
	.values = {
		[KS_STAGE_FIND] = (void *)&ks_tc_find,
		[KS_STAGE_OPEN] = (void *)&ks_tc_open,
		[KS_STAGE_ERROR] = (void *)&ks_tc_error,
		[KS_STAGE_FRAGMENT] = (void *)&ks_tc_fragment,
		[KS_STAGE_HELPER] = (void *)&ks_tc_helper,
		[KS_STAGE_SCAN] = (void *)&ks_tc_scan,
		[KS_STAGE_ANNOUNCE] = (void *)&ks_tc_announce,
		[KS_STAGE_ADJUST] = (void *)&ks_tc_adjust,
		[KS_STAGE_WRITE] = (void *)&ks_tc_write,
		[STAGE_END] = (void *)&ks_tc_end,
		[STAGE_LEAVING] = (void *)&ks_tc_leaving,
	},
};

/* A packet that found no next program is counted like any drop. A frame of its own: those of ks_tc_open are deep. */
static __attribute__((noinline)) int drop_lost(const struct ks_scratch *scratch)
{
	env_count_reason(NULL, KS_REASON_INTERNAL, scratch->in.pkt.wire_len);
	return TC_DROP;
}

/* To the program of the next stage. It does not come back, unless the kernel's bound on such calls (33) is reached. */
static ks_inline int go_on(struct __sk_buff *skb, const struct ks_scratch *scratch)
{
	__u32 stage = scratch->in.stage;

	bpf_tail_call(skb, &ks_tc_stages, stage == KS_STAGE_DONE ? STAGE_END : stage);
	return drop_lost(scratch);
}

/*
 * A tagged frame is the business of the VLAN device of its tag, one for another
 * host that of a macvlan device or of nobody. Each of those has programs of
 * its own where a zone names it; what no device claims the stack drops. Only
 * a bridge hands on all that its ports hear.
 */
static bool is_for_vlan(struct __sk_buff *skb, const struct ks_port *port)
{
	return !(port->flags & KS_PORT_BRIDGED) && skb->vlan_present && skb->vlan_tci & VLAN_ID_MASK;
}

static bool is_for_others(struct __sk_buff *skb, const struct ks_port *port)
{
	return !(port->flags & KS_PORT_BRIDGED) && skb->pkt_type == PACKET_OTHERHOST;
}

/* The first stages of every packet: read it, and look for its flow. */
static ks_inline void begin(struct ks_env *env, struct ks_scratch *scratch)
{
	ks_inspect_begin(env, &scratch->in, scratch->head);
	if (scratch->in.stage == KS_STAGE_FIND)
		ks_stage_find(env, &scratch->in);
}

/* Most packets need no more than that. */
static ks_inline int finish(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	if (scratch->in.stage != KS_STAGE_DONE || scratch->in.action != KS_ALLOW)
		return go_on(skb, scratch);
	ks_inspect_end(env, &scratch->in);
	seal(skb, scratch);
	return TC_PASS;
}

PROGRAM("tc")
int ks_tc_ingress(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };
	const struct ks_port *port;

	if (!control || !scratch)
		return TC_DROP;
	scratch->answer_len = 0;
	scratch->relay.ifindex = skb->ifindex;
	scratch->relay.out_ifindex = 0;
	scratch->relay.is_egress = 0;
	scratch->in.phase = ks_test_mode ? KS_TRANSLATE_BOTH : KS_TRANSLATE_DST;
	scratch->in.pkt.link = KS_LINK_ETHERNET;
	if (!ks_test_mode) {
		port = port_get(skb->ifindex);
		if (!port)
			return TC_PASS; /* not guarded any more: the loader is about to detach us */
		if (is_for_vlan(skb, port) || is_for_others(skb, port))
			return TC_PASS;
		scratch->in.from = port->zone;
		scratch->in.to = KS_ZONE_UNKNOWN;
		scratch->in.pkt.link = port->link;
	}
	inspection_prepare(&env, &scratch->in, control);
	if (!ks_test_mode)
		scratch->in.resumed = skb->tc_index == SEAL_RESUMED;
	if (!head_load(skb, scratch))
		return TC_DROP;
	begin(&env, scratch);
	return finish(skb, scratch, &env);
}

/* Whether ingress has seen this packet and expected it to leave by this zone. */
static bool is_sealed(struct __sk_buff *skb, const struct ks_port *in_port, __u32 seal, __u32 zone)
{
	return in_port && skb->tc_index == (seal | zone);
}

PROGRAM("tc")
int ks_tc_egress(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };
	const struct ks_port *port = port_get(skb->ifindex), *in_port = NULL;
	__u32 in_ifindex = skb->ingress_ifindex;

	if (!control || !scratch)
		return TC_DROP;
	if (!port || is_for_vlan(skb, port))
		return TC_PASS;
	if (in_ifindex)
		in_port = port_get(in_ifindex);
	if (is_sealed(skb, in_port, SEAL, port->zone))
		return TC_PASS;
	scratch->answer_len = 0;
	scratch->relay.ifindex = in_ifindex;
	scratch->relay.out_ifindex = skb->ifindex;
	scratch->relay.is_egress = 1;
	scratch->in.phase = KS_TRANSLATE_SRC;
	if (in_ifindex)
		scratch->in.from = in_port ? in_port->zone : KS_ZONE_NONE;
	else
		scratch->in.from = KS_ZONE_SELF;
	scratch->in.to = port->zone;
	scratch->in.pkt.link = port->link;
	inspection_prepare(&env, &scratch->in, control);
	if (!head_load(skb, scratch))
		return TC_DROP;
	if (is_sealed(skb, in_port, SEAL_HALF, port->zone)) {
		bpf_tail_call(skb, &ks_tc_stages, STAGE_LEAVING);
		return drop_lost(scratch);
	}
	begin(&env, scratch);
	return finish(skb, scratch, &env);
}

/*
 * A program for each further stage. Its environment is that of the first
 * program, as the relay tells it.
 */
#define TC_STAGE(name, what)                                            \
	PROGRAM("tc")                                                   \
	int name(struct __sk_buff *skb)                                 \
	{                                                               \
		struct ks_scratch *scratch = scratch_get();             \
		struct ks_env env = { .ctx = skb, .scratch = scratch }; \
                                                                        \
		if (!scratch)                                           \
			return TC_DROP;                                 \
		env.generation = scratch->relay.generation;             \
		what;                                                   \
		ks_fragment_turn(&scratch->in);                         \
		return go_on(skb, scratch);                             \
	}

TC_STAGE(ks_tc_find, ks_stage_find(&env, &scratch->in))
TC_STAGE(ks_tc_open, ks_stage_open(&env, &scratch->in))
TC_STAGE(ks_tc_error, ks_stage_error(&env, &scratch->in, scratch->head))
TC_STAGE(ks_tc_fragment, ks_stage_fragment(&env, &scratch->in))
TC_STAGE(ks_tc_helper, ks_stage_helper(&env, &scratch->in))
TC_STAGE(ks_tc_scan, ks_stage_scan(&env, &scratch->in))
TC_STAGE(ks_tc_announce, ks_stage_announce(&env, &scratch->in))
TC_STAGE(ks_tc_adjust, ks_stage_adjust(&env, &scratch->in, scratch->head))

/* What leaves was counted when it came in; only a drop is news. */
static ks_inline bool has_left(const struct ks_scratch *scratch)
{
	return scratch->relay.is_leaving && scratch->in.stage == KS_STAGE_DONE && scratch->in.action == KS_ALLOW;
}

/* Every packet of a translated flow comes here, so it ends here too where it can. */
PROGRAM("tc")
int ks_tc_write(struct __sk_buff *skb)
{
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };

	if (!scratch)
		return TC_DROP;
	env.generation = scratch->relay.generation;
	ks_stage_write(&env, &scratch->in, scratch->head);
	ks_fragment_turn(&scratch->in);
	if (has_left(scratch))
		return TC_PASS;
	return scratch->relay.is_leaving ? go_on(skb, scratch) : finish(skb, scratch, &env);
}

PROGRAM("tc")
int ks_tc_leaving(struct __sk_buff *skb)
{
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };

	if (!scratch)
		return TC_DROP;
	env.generation = scratch->relay.generation;
	scratch->relay.is_leaving = 1;
	ks_inspect_leaving(&env, &scratch->in, scratch->head);
	if (scratch->in.stage == KS_STAGE_WRITE)
		ks_stage_write(&env, &scratch->in, scratch->head);
	ks_fragment_turn(&scratch->in);
	return has_left(scratch) ? TC_PASS : go_on(skb, scratch);
}

PROGRAM("tc")
int ks_tc_end(struct __sk_buff *skb)
{
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };

	if (!scratch)
		return TC_DROP;
	env.generation = scratch->relay.generation;
	if (has_left(scratch))
		return TC_PASS;
	return verdict(skb, scratch, &env);
}

/* Run once by the loader. */
PROGRAM("tc")
int ks_start(struct __sk_buff *skb)
{
	sweeper_start();
	return 0;
}

/* What a run of ks_kill carries from key to key. */
struct killing {
	struct ks_env *env;
	struct ks_scratch *scratch;
	struct __sk_buff *skb;
	__u32 killed;
};

static long kill_key(__u32 n, void *arg)
{
	struct killing *k = arg;

	if (bpf_skb_load_bytes(k->skb, KILL_KEYS_OFF + n * sizeof(struct ks_flow_key), &k->scratch->in.flow.key,
			       sizeof(struct ks_flow_key)))
		return 1;
	k->killed += ks_table_kill(k->env, &k->scratch->in.flow);
	return 0;
}

/* Run by the loader with 16 octets of nothing and up to 32 keys; returns how many flows were killed. */
PROGRAM("tc")
int ks_kill(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = kill_scratch_get();
	struct ks_env env = { .ctx = skb, .scratch = scratch };
	struct killing killing = { .env = &env, .scratch = scratch, .skb = skb };

	if (!control || !scratch)
		return 0;
	inspection_prepare(&env, &scratch->in, control);
	scratch->in.flow.clock = ks_flow_clock(scratch->in.now);
	ks_loop(KILL_KEYS_MAX, kill_key, &killing);
	return killing.killed;
}
