/* SPDX-License-Identifier: BSD-2-Clause */
/* Routes, as the short way asks for them; see route.bpf.c. */
#ifndef KS_BPF_ROUTE_BPF_H
#define KS_BPF_ROUTE_BPF_H

#include "bpf/env.bpf.h"

/* Fills in the addresses of a lookup. */
void route_addresses(struct bpf_fib_lookup *fib, __u8 family, const struct ks_addr *src, const struct ks_addr *dst);

/*
 * Looks up where the packet in hand goes with the addresses of `fib`. `flags` (BPF_FIB_LOOKUP_*) and `fib` may say more about
 * it. Returns BPF_FIB_LKUP_RET_*.
 */
long route_ask(struct ks_env *env, struct bpf_fib_lookup *fib, __u32 flags);

/* The interface by which the routes lead back to the source of a packet, from where it leaves; 0: by none. */
__u32 route_back(struct ks_env *env, __u8 family, const struct ks_addr *src, const struct ks_addr *dst,
		 __u32 out_ifindex);

/* Returns true if an address is the box's own, on another interface than the one that the packet leaves by. */
bool route_has_elsewhere(struct ks_env *env, const struct ks_addr *addr, __u8 family);

/* Returns true for what the box itself answers, also for a later fragment, whose flow is not looked up. */
static ks_inline bool route_is_own_answer(const struct ks_inspection *insp)
{
	return insp->home.from == KS_ZONE_SELF && insp->dir == KS_REPLY;
}

/*
 * The box answers a packet. Of several uplinks of one zone it does so by the one that has the address which was asked, as answers
 * that are translated do (env_send_back()).
 */
void route_answer(struct ks_env *env);

/* Sends by the interface `send_back`, to the router in the relay, or to the neighbour that the kernel finds there. */
int route_send_back(struct __sk_buff *skb, const struct ks_relay *relay);

#endif
