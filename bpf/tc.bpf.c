// SPDX-License-Identifier: BSD-2-Clause
/*
 * The live data plane: tc programs at the ingress and egress of every guarded
 * interface.
 *
 * Ingress decides: it knows where a packet comes from, and the route lookup
 * tells where it will go. What it passes it seals in skb->tc_index with the
 * zone it expects the packet to leave by; the IP stack keeps that field.
 * Egress lets sealed packets out if they leave by that zone, and inspects
 * everything else: what the box sends itself, what comes from interfaces that
 * nobody guards (zone "none"), and what was routed otherwise than expected.
 *
 * Also here: the programs that the loader runs once, to start the sweeper and
 * to kill flows.
 */
#include "env.bpf.h"

#include <linux/pkt_cls.h>

#define SEAL 0x4b00 /* high octet of tc_index; the low one is the zone */
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

static int inspect(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env)
{
	__u32 action = ks_inspect(env, &scratch->in, scratch->head);

	if (action == KS_ALLOW || action == KS_BYPASS)
		return TC_PASS;
	if (action != KS_REJECT || (env->is_egress && skb->ingress_ifindex))
		return TC_DROP;
	return reject(skb, scratch);
}

/*
 * A tagged frame is the business of the VLAN device of its tag, one for another
 * host that of a macvlan device or of nobody. Each of those has programs of
 * its own where a zone names it; what no device claims the stack drops. Only
 * a bridge hands on all that its ports hear.
 */
static bool is_for_vlan(struct __sk_buff *skb, const struct ks_port *port)
{
	return !port->bridged && skb->vlan_present && skb->vlan_tci & VLAN_ID_MASK;
}

static bool is_for_others(struct __sk_buff *skb, const struct ks_port *port)
{
	return !port->bridged && skb->pkt_type == PACKET_OTHERHOST;
}

PROGRAM("tc")
int ks_tc_ingress(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .ifindex = skb->ifindex };
	const struct ks_port *port;
	int verdict;

	if (!control || !scratch)
		return TC_DROP;
	scratch->answer_len = 0;
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
	if (!head_load(skb, scratch))
		return TC_DROP;
	verdict = inspect(skb, scratch, &env);
	if (verdict == TC_PASS)
		skb->tc_index = SEAL | (zone_expected(&scratch->in) & 0xff);
	return verdict;
}

/* Whether ingress has seen this packet and expected it to leave by this zone. */
static bool is_sealed(struct __sk_buff *skb, const struct ks_port *in_port, __u32 zone)
{
	return in_port && skb->tc_index == (SEAL | zone);
}

PROGRAM("tc")
int ks_tc_egress(struct __sk_buff *skb)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = skb, .ifindex = skb->ifindex, .is_egress = 1 };
	const struct ks_port *port = port_get(skb->ifindex), *in_port = NULL;
	__u32 in_ifindex = skb->ingress_ifindex;

	if (!control || !scratch)
		return TC_DROP;
	if (!port || is_for_vlan(skb, port))
		return TC_PASS;
	if (in_ifindex)
		in_port = port_get(in_ifindex);
	if (is_sealed(skb, in_port, port->zone))
		return TC_PASS;
	scratch->answer_len = 0;
	if (in_ifindex)
		scratch->in.from = in_port ? in_port->zone : KS_ZONE_NONE;
	else
		scratch->in.from = KS_ZONE_SELF;
	scratch->in.to = port->zone;
	scratch->in.pkt.link = port->link;
	inspection_prepare(&env, &scratch->in, control);
	if (!head_load(skb, scratch))
		return TC_DROP;
	return inspect(skb, scratch, &env);
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
	struct ks_env env = { .ctx = skb };
	struct killing killing = { .env = &env, .scratch = scratch, .skb = skb };

	if (!control || !scratch)
		return 0;
	inspection_prepare(&env, &scratch->in, control);
	ks_loop(KILL_KEYS_MAX, kill_key, &killing);
	return killing.killed;
}
