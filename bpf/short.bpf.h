/* SPDX-License-Identifier: BSD-2-Clause */
/* The short way, as tc.bpf.c takes it; see short.bpf.c. */
#ifndef KS_BPF_SHORT_BPF_H
#define KS_BPF_SHORT_BPF_H

#include "bpf/way.bpf.h"

/*
 * Finds the way of a packet that ingress passes by its flow, before it is written and counted. Returns true if it goes the
 * short way: then both halves of its translation are due at once, and short_send() ends it.
 */
bool short_find(struct __sk_buff *skb, struct ks_scratch *scratch, struct ks_env *env,
		const struct ks_control *control);

/* Sends it. Returns the verdict for tc. */
int short_send(struct __sk_buff *skb, struct ks_scratch *scratch);

/*
 * A tcx program behind ours that passes the packet makes its tc_classid the tc_index: both must say the same. Filters of a
 * clsact qdisc bring a class of their own, and there the seal is lost.
 */
static ks_inline void seal_put(struct __sk_buff *skb, __u32 seal)
{
	skb->tc_index = seal;
	skb->tc_classid = seal;
}

#endif
