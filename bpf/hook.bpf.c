// SPDX-License-Identifier: BSD-2-Clause
/*
 * Programs that sit on a hook only while ours is moved to another position of
 * it (kernel/hooks.c). The inspection must see every packet exactly once:
 * twice would translate it twice, not at all would let it pass.
 *
 *   1. the program in the old position is replaced by the "later" one
 *   2. the "first" one is put into the new position, before it
 *   3. the old position is given up
 *   4. the program itself replaces the "first" one
 *
 * "First" marks the packet and inspects it; "later" inspects what has no mark.
 * The mark is a word of skb->cb that tc programs share; it names interface and
 * direction, because a packet may come to another hook with it.
 */
#include "bpf/env.bpf.h"

#include <linux/pkt_cls.h>

#define MARK 0x4b53686fU

enum { TO_INGRESS, TO_EGRESS, HOOKS };

PROGRAM("tc") int ks_tc_ingress(struct __sk_buff *skb);
PROGRAM("tc") int ks_tc_egress(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, HOOKS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} ks_tc_hooks __attribute__((visibility("default"))) SEC(".maps") = {
	.values = {
		[TO_INGRESS] = (void *)&ks_tc_ingress,
		[TO_EGRESS] = (void *)&ks_tc_egress,
	},
};

static ks_inline __u32 mark_of(const struct __sk_buff *skb, __u32 hook)
{
	return MARK ^ (skb->ifindex * HOOKS + hook);
}

static ks_inline int inspect(struct __sk_buff *skb, __u32 hook)
{
	bpf_tail_call(skb, &ks_tc_hooks, hook);
	return TC_ACT_SHOT;
}

static ks_inline int first(struct __sk_buff *skb, __u32 hook)
{
	skb->cb[0] = mark_of(skb, hook);
	return inspect(skb, hook);
}

static ks_inline int later(struct __sk_buff *skb, __u32 hook)
{
	if (skb->cb[0] != mark_of(skb, hook))
		return inspect(skb, hook);
	skb->cb[0] = 0;
	return TC_ACT_UNSPEC;
}

PROGRAM("tc")
int ks_first_ingress(struct __sk_buff *skb)
{
	return first(skb, TO_INGRESS);
}

PROGRAM("tc")
int ks_first_egress(struct __sk_buff *skb)
{
	return first(skb, TO_EGRESS);
}

PROGRAM("tc")
int ks_later_ingress(struct __sk_buff *skb)
{
	return later(skb, TO_INGRESS);
}

PROGRAM("tc")
int ks_later_egress(struct __sk_buff *skb)
{
	return later(skb, TO_EGRESS);
}
