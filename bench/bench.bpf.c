// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs of the benchmarks.
 *
 * bench_tc, bench_xdp and bench_front turn a test run that repeats one frame into packets
 * of many flows: they write the next flow's addresses and ports into the
 * frame, then continue (by a tail call) in the program that is measured, which
 * is the one that runs live, unchanged. Run with the empty program in its
 * place, they show what they cost themselves.
 *
 * peer_tc and peer_xdp are what Keepstate is compared with: the least that a
 * stateful filter can do. They read the headers from the packet, look the same
 * key up in a hash map of the kernel, and count under its spin lock.
 *
 * bare_forward is a router in XDP that keeps no state, as xdp-tools' xdp-forward is one: a lookup of the route for every packet, and on
 * to the driver of the interface that it leads to.
 *
 * bare_drop refuses without asking anything: it reads the headers, hashes them under a secret as Keepstate does, looks at one line of a table
 * as large as that of the tags of 262,144 states, and counts for its CPU. Whoever knows flows, and drops what is of none, does that much.
 *
 * bench_generate makes live frames for the gateway, bench_count counts and
 * drops what came through.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "bpf/maps.h"
#include "core/table/flow.h"
#include "core/table/sip.h"
#include "core/header/checksum.h"
#include "core/header/packet.h"
#include "bench/flows.h"

#define PROGRAM(name) __attribute__((visibility("default"))) SEC(name)
#define SHARED __attribute__((visibility("default")))
#define TARGET 0
#define TRANSPORT_LEN 4 /* the ports */
#define IPV4_TTL_AT 8
#define IPV4_SUM_AT 10
#define IPV4_DST_AT 16

#define BARE_LINES 65536U /* a power of two */

struct bare_tags {
	__u64 word[2];
};

struct peer_state {
	struct bpf_spin_lock lock;
	__u32 zero;
	__u64 seen;
	__u64 packets[2];
	__u64 bytes[2];
};

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); }
	bench_tc_target SHARED SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); }
	bench_xdp_target SHARED SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); }
	bench_front_target SHARED SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, struct ks_flow_key);
	 __type(value, struct peer_state); } bench_peer SHARED SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_DEVMAP_HASH); __uint(max_entries, 16); __type(key, __u32); __type(value, __u32); }
	bare_devices SHARED SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, BARE_LINES); __type(key, __u32);
	 __type(value, struct bare_tags); } bare_table SHARED SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); }
	bare_dropped SHARED SEC(".maps");
/* clang-format on */

#define LANES_MAX 64U
#define LANE_WORDS 8U /* a cache line */

/* Set by user space between runs. */
__u32 bench_flows SHARED = 1; /* pick among so many at random; 0: one after the other */
__u32 bench_next SHARED = 0; /* the next flow, when they are taken in turn */
__u32 bench_lanes SHARED = 0; /* processors that run at a time, each with flows of its own; 0: one, with all */
__u64 bench_lane[LANES_MAX][LANE_WORDS] SHARED = {}; /* random sequences, each alone on its cache line */
__u8 bench_reply SHARED = 0; /* packets go to the opener */
__be32 bench_outer SHARED = 0; /* ... who is known by this address to those who answer; 0: by his own */
__u64 bench_state SHARED = 1; /* of the random sequence */
__u64 bare_secret[2] SHARED = { 0x0123456789abcdefULL, 0xfedcba9876543210ULL };
__u32 bench_device SHARED = 0; /* where generated frames go */
__u8 bench_template[BENCH_FRAME] SHARED = {}; /* of generated frames */
__u8 bench_fixed SHARED = 0; /* generated SYNs go where the template says, from any address of its network of 16 bits */
__u64 bench_counted SHARED = 0; /* frames that arrived with an address of ours */

/* A flow that no other processor picks, if there are several. */
static ks_inline __u32 flow_pick(void)
{
	__u32 cpu = bpf_get_smp_processor_id() & (LANES_MAX - 1), lanes = bench_lanes;

	if (!bench_flows)
		return bench_next++;
	if (lanes < 2)
		return bench_random(&bench_state, bench_flows);
	return bench_random(bench_lane[cpu], bench_flows / lanes) * lanes + cpu % lanes;
}

static ks_inline bool flow_write(void *data, void *end)
{
	struct bench_flow flow;

	if (data + BENCH_L4_OFF + TRANSPORT_LEN > end)
		return false;
	bench_flow_make(flow_pick(), bench_reply, &flow);
	*(__be32 *)(data + BENCH_IP_OFF + 12) = flow.src;
	*(__be32 *)(data + BENCH_IP_OFF + 16) = flow.dst;
	*(__be16 *)(data + BENCH_L4_OFF) = flow.sport;
	*(__be16 *)(data + BENCH_L4_OFF + 2) = flow.dport;
	return true;
}

PROGRAM("tc")
int bench_tc(struct __sk_buff *skb)
{
	if (flow_write((void *)(long)skb->data, (void *)(long)skb->data_end))
		bpf_tail_call(skb, &bench_tc_target, TARGET);
	return TC_ACT_SHOT;
}

PROGRAM("xdp")
int bench_xdp(struct xdp_md *xdp)
{
	if (flow_write((void *)(long)xdp->data, (void *)(long)xdp->data_end))
		bpf_tail_call(xdp, &bench_xdp_target, TARGET);
	return XDP_ABORTED;
}

/* For programs that take frames in pieces: the kernel joins none of these to others. */
PROGRAM("xdp.frags")
int bench_front(struct xdp_md *xdp)
{
	if (flow_write((void *)(long)xdp->data, (void *)(long)xdp->data_end))
		bpf_tail_call(xdp, &bench_front_target, TARGET);
	return XDP_ABORTED;
}

PROGRAM("xdp.frags")
int empty_front(struct xdp_md *xdp)
{
	return XDP_PASS;
}

PROGRAM("tc")
int empty_tc(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

PROGRAM("xdp")
int empty_xdp(struct xdp_md *xdp)
{
	return XDP_PASS;
}

/* The loop of ks_ask_rules (bpf/loader.bpf.c), which reads questions out of a frame and writes answers into it, without asking. */
__u8 bench_question[KS_ASK_RULES_SIZE] SHARED = {};

static long question_pass(__u32 n, void *arg)
{
	struct __sk_buff *skb = *(struct __sk_buff **)arg;
	__u32 off = KS_ASK_RULES_OFF + n * KS_ASK_RULES_SIZE;
	__u32 index = 0;

	if (bpf_skb_load_bytes(skb, off, bench_question, KS_ASK_RULES_SIZE))
		return 1;
	return bpf_skb_store_bytes(skb, off, &index, sizeof(index), 0) != 0;
}

PROGRAM("tc")
int empty_rules(struct __sk_buff *skb)
{
	bpf_loop(KS_ASK_RULES_MAX, question_pass, &skb, 0);
	return TC_ACT_UNSPEC;
}

/* The key as core/table/flow.h orders it; returns the side that sent, or -1 for what the peer does not know. */
static ks_inline int peer_key(void *data, void *end, struct ks_flow_key *key)
{
	__u8 *ip = data + BENCH_IP_OFF;
	__be32 src, dst;
	__be16 sport, dport;
	int side;

	if (data + BENCH_L4_OFF + TRANSPORT_LEN > end || *(__be16 *)(data + 12) != ks_be16(0x0800) || ip[0] != 0x45)
		return -1;
	if (ip[9] != KS_PROTO_UDP && ip[9] != KS_PROTO_TCP)
		return -1;
	src = *(__be32 *)(ip + 12);
	dst = *(__be32 *)(ip + 16);
	sport = *(__be16 *)(data + BENCH_L4_OFF);
	dport = *(__be16 *)(data + BENCH_L4_OFF + 2);
	side = ks_be32(src) > ks_be32(dst);
	key->addr[0].w[3] = side ? dst : src;
	key->addr[1].w[3] = side ? src : dst;
	key->port[0] = side ? dport : sport;
	key->port[1] = side ? sport : dport;
	key->proto = ip[9];
	key->family = KS_IPV4;
	return side;
}

static ks_inline bool peer_pass(void *data, void *end)
{
	struct ks_flow_key key = {};
	struct peer_state *state, fresh = {};
	int side = peer_key(data, end, &key);

	if (side < 0)
		return false;
	state = bpf_map_lookup_elem(&bench_peer, &key);
	if (!state)
		return bpf_map_update_elem(&bench_peer, &key, &fresh, BPF_NOEXIST) == 0;
	bpf_spin_lock(&state->lock);
	state->seen = bench_next;
	state->packets[side & 1]++;
	state->bytes[side & 1] += end - data;
	bpf_spin_unlock(&state->lock);
	return true;
}

PROGRAM("tc")
int peer_tc(struct __sk_buff *skb)
{
	return peer_pass((void *)(long)skb->data, (void *)(long)skb->data_end) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

PROGRAM("xdp")
int peer_xdp(struct xdp_md *xdp)
{
	return peer_pass((void *)(long)xdp->data, (void *)(long)xdp->data_end) ? XDP_PASS : XDP_DROP;
}

/* The checksum of a template whose source ends in zeros, for another end. */
static ks_inline void sum_move(__u16 *sum, __u16 end)
{
	__u32 moved = (__u16) ~*sum + end;

	*sum = (__u16) ~((moved & 0xffff) + (moved >> 16));
}

static ks_inline void source_write(void *data)
{
	__u16 end = (__u16)bench_random(&bench_state, 65536);

	*(__u16 *)(data + BENCH_IP_OFF + 14) = end;
	sum_move(data + BENCH_IP_OFF + 10, end);
	sum_move(data + BENCH_L4_OFF + 16, end);
}

/* The same address for all openers, as they are known behind a masquerade that leaves them their ports. */
static ks_inline void outer_write(__u8 *ip)
{
	__be32 *dst = (__be32 *)(ip + IPV4_DST_AT);
	__u16 *sum = (__u16 *)(ip + IPV4_SUM_AT);

	*sum = ks_checksum_apply(*sum, ks_checksum_diff32(*dst, bench_outer));
	*dst = bench_outer;
}

/* The frames are recycled, so everything that the way changes is written again: the addresses of the link, the TTL; all of it, by an answer. */
PROGRAM("xdp")
int bench_generate(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;

	if (data + BENCH_FRAME > end)
		return XDP_ABORTED;
	__builtin_memcpy(data, bench_template, BENCH_FRAME);
	if (bench_fixed)
		source_write(data);
	else if (!flow_write(data, end))
		return XDP_ABORTED;
	if (bench_outer)
		outer_write(data + BENCH_IP_OFF);
	return bpf_redirect(bench_device, 0);
}

#define TTL_UNIT 0x0100

static ks_inline void ttl_spend(__u8 *ip)
{
	__u32 sum = ks_be16(*(__be16 *)(ip + IPV4_SUM_AT)) + TTL_UNIT;

	ip[IPV4_TTL_AT]--;
	*(__be16 *)(ip + IPV4_SUM_AT) = ks_be16((__u16)(sum + (sum >= 0xffff)));
}

PROGRAM("xdp")
int bare_forward(struct xdp_md *xdp)
{
	__u8 *data = (__u8 *)(long)xdp->data, *end = (__u8 *)(long)xdp->data_end, *ip = data + BENCH_IP_OFF;
	struct bpf_fib_lookup fib = { .family = 2 /* AF_INET */, .ifindex = xdp->ingress_ifindex };

	if (data + BENCH_L4_OFF > end || *(__be16 *)(data + 12) != ks_be16(0x0800) || ip[IPV4_TTL_AT] <= 1)
		return XDP_PASS;
	fib.tos = ip[1];
	fib.l4_protocol = ip[9];
	fib.tot_len = ks_be16(*(__be16 *)(ip + 2));
	fib.ipv4_src = *(__be32 *)(ip + 12);
	fib.ipv4_dst = *(__be32 *)(ip + 16);
	if (bpf_fib_lookup(xdp, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	ttl_spend(ip);
	__builtin_memcpy(data, fib.dmac, sizeof(fib.dmac));
	__builtin_memcpy(data + sizeof(fib.dmac), fib.smac, sizeof(fib.smac));
	return (int)bpf_redirect_map(&bare_devices, fib.ifindex, 0);
}

PROGRAM("xdp")
int bare_drop(struct xdp_md *xdp)
{
	struct ks_flow_key key = {};
	const struct bare_tags *tags;
	__u32 line, first = 0;
	__u64 hash, *dropped;

	if (peer_key((void *)(long)xdp->data, (void *)(long)xdp->data_end, &key) < 0)
		return XDP_PASS;
	hash = ks_sip_hash(&key, bare_secret[0], bare_secret[1]);
	line = (__u32)hash & (BARE_LINES - 1);
	tags = bpf_map_lookup_elem(&bare_table, &line);
	dropped = bpf_map_lookup_elem(&bare_dropped, &first);
	if (!tags || !dropped || ks_load_relaxed(&tags->word[0]) == hash || ks_load_relaxed(&tags->word[1]) == hash)
		return XDP_PASS;
	++*dropped;
	return XDP_DROP;
}

PROGRAM("xdp")
int bench_count(struct xdp_md *xdp)
{
	void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
	__u32 source, destination;

	if (data + BENCH_L4_OFF > end || *(__be16 *)(data + 12) != ks_be16(0x0800))
		return XDP_PASS;
	source = ks_be32(*(__be32 *)(data + BENCH_IP_OFF + 12)) & 0xffff0000U;
	destination = ks_be32(*(__be32 *)(data + BENCH_IP_OFF + 16)) & 0xffff0000U;
	/* One of the two may have been translated. */
	if (source != BENCH_SOURCE_NET && source != BENCH_DESTINATION_NET && destination != BENCH_DESTINATION_NET)
		return XDP_PASS;
	__sync_fetch_and_add(&bench_counted, 1);
	return XDP_DROP;
}

char LICENSE[] SHARED SEC("license") = "Dual BSD/GPL";
