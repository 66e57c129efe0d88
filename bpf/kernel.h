/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own structures, as far as programs read them. The loader finds the true offsets (CO-RE). */
#ifndef KS_BPF_KERNEL_H
#define KS_BPF_KERNEL_H

#include "core/types.h"

#include <bpf/bpf_core_read.h>

struct net;

#define KS_KERNEL_TYPE __attribute__((preserve_access_index))

struct possible_net { /* possible_net_t */
	struct net *net;
} KS_KERNEL_TYPE;

struct net_device {
	int ifindex;
	struct possible_net nd_net;
} KS_KERNEL_TYPE;

struct dst_entry {
	struct net_device *dev;
} KS_KERNEL_TYPE;

struct sk_buff {
	struct net_device *dev;
	unsigned int len;
	__u16 tc_index;
	unsigned long _skb_refdst;
	__u8 ip_summed : 2; /* KS_SKB_SUM_* */
} KS_KERNEL_TYPE;

/* sk_buff.ip_summed, as far as programs ask: CHECKSUM_UNNECESSARY, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL */
#define KS_SKB_SUM_VERIFIED 1
#define KS_SKB_SUM_OF_ALL 2 /* the card's sum of the whole packet lies beside it */
#define KS_SKB_SUM_UNFINISHED 3

/* Linux 6.2: with ks_has_kernel_skb it is there. */
extern void *bpf_cast_to_kern_ctx(void *skb) __ksym __attribute__((weak));

/* KS_SKB_SUM_* of the packet of a tc program. With ks_has_kernel_skb only. */
static ks_inline __u32 kernel_skb_sum(void *ctx)
{
	struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);

	return (__u32)BPF_CORE_READ_BITFIELD(skb, ip_summed);
}

#define KS_SKB_DST_MASK (~1UL) /* SKB_DST_PTRMASK: the lowest bit says whether the reference is counted */

struct cgroup;

struct sock_cgroup_data {
	struct cgroup *cgroup; /* Linux 5.15, and only where sockets have groups */
} KS_KERNEL_TYPE;

struct nf_hook_state {
	struct net_device *in, *out;
} KS_KERNEL_TYPE;

#endif
