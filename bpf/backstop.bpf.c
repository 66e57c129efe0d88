// SPDX-License-Identifier: BSD-2-Clause
/*
 * The backstop: netfilter programs where packets are delivered to the box
 * (LOCAL_IN) and where they are forwarded (FORWARD), for IPv4 and IPv6. They
 * drop what no ingress program has sealed, so that nothing slips by while an
 * interface is new, is renamed, or has lost its programs.
 *
 *   LOCAL_IN  a sealed packet passes, unless it is undecided: then no rule
 *             allows it to the box ("no rule").
 *   FORWARD   a sealed packet passes to a guarded interface, whose egress
 *             judges it. To an ignored interface pass those that ingress judged
 *             as going there: zone "none", or "self" for what another firewall
 *             translates (containers). To an unknown interface passes nothing.
 *
 * Where filters of others run behind ours at ingress (KS_GUARD_SHARED), they clear the seal by passing a packet (the kernel
 * writes their class into tc_index). There a packet without one passes to the box, and to a guarded interface, whose egress
 * judges it once more.
 *
 * Packets from the loopback or from an ignored interface pass. Only drops
 * are counted: a counter on the way costs more than the rest of the program.
 *
 * The program type needs Linux 6.4; the loader leaves these programs out where
 * the kernel does not know it (kernel/backstop.c).
 */
#include "bpf/env.bpf.h"

#include "bpf/kernel.h"
#include "bpf/seal.h"

#define NF_DROP 0 /* of linux/netfilter.h; programs return nothing but these two (V13) */
#define NF_ACCEPT 1

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

static ks_inline int drop(const struct sk_buff *skb, __u32 reason)
{
	env_count_reason(NULL, reason, skb->len);
	return NF_DROP;
}

static ks_inline bool is_sealed(__u32 seal)
{
	const struct ks_control *control = control_get();

	return control && ks_load_relaxed(&control->seal) &&
	       seal >> KS_SEAL_SECRET_SHIFT == ks_load_relaxed(&control->seal);
}

static ks_inline bool is_free(__u32 ifindex, const struct ks_guard *guard)
{
	return ifindex == KS_LOOPBACK_IFINDEX || (guard && guard->flags & KS_GUARD_IGNORED);
}

/* Behind others' filters a seal may be gone, though ours has judged: the daemon watches that it runs there. */
static ks_inline bool may_have_lost_seal(const struct ks_guard *guard, __u32 seal)
{
	return guard->flags & KS_GUARD_SHARED && !is_sealed(seal);
}

PROGRAM("netfilter")
int ks_backstop_input(struct bpf_nf_ctx *ctx)
{
	__u32 in = ctx->state->in->ifindex, seal = ctx->skb->tc_index;
	const struct ks_guard *guard = guard_get(in);

	if (is_free(in, guard) || (guard && is_sealed(seal) && !(seal & KS_SEAL_UNDECIDED)))
		return NF_ACCEPT;
	if (guard && may_have_lost_seal(guard, seal))
		return NF_ACCEPT;
	/* The box's own copy of a group that it routes, too: egress judges the others, and no rule lets this one in. */
	return drop(ctx->skb, guard && is_sealed(seal) ? KS_REASON_NO_RULE : KS_REASON_UNGUARDED);
}

/* Returns true if a sealed packet may leave by this interface. */
static ks_inline bool may_leave(__u32 seal, const struct ks_guard *out)
{
	__u32 zone = seal & KS_SEAL_ZONE_MASK;

	if (!out)
		return false;
	if (!(out->flags & KS_GUARD_IGNORED))
		return true;
	return !(seal & KS_SEAL_UNDECIDED) && (zone == KS_ZONE_NONE || zone == KS_ZONE_SELF);
}

/*
 * Bridges with br_netfilter call this hook too, for frames that stay inside the bridge: then the packet's device is the
 * port that it leaves by, which has a program of its own if the bridge filters.
 */
static ks_inline bool is_bridged(const struct bpf_nf_ctx *ctx, __u32 in)
{
	return ctx->skb->dev->ifindex != in;
}

PROGRAM("netfilter")
int ks_backstop_forward(struct bpf_nf_ctx *ctx)
{
	__u32 in = ctx->state->in->ifindex, seal = ctx->skb->tc_index;
	const struct ks_guard *guard = guard_get(in);

	if (is_free(in, guard))
		return NF_ACCEPT;
	if (guard && is_sealed(seal) && may_leave(seal, guard_get(ctx->state->out->ifindex)))
		return NF_ACCEPT;
	if (guard && may_have_lost_seal(guard, seal) &&
	    may_leave(KS_SEAL_UNDECIDED, guard_get(ctx->state->out->ifindex)))
		return NF_ACCEPT;
	return is_bridged(ctx, in) ? NF_ACCEPT : drop(ctx->skb, KS_REASON_UNGUARDED);
}
