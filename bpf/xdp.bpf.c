// SPDX-License-Identifier: BSD-2-Clause
/*
 * The same inspection before the kernel has made an skb of the frame. It
 * passes to the stack what tc would pass, and drops the rest; a reject is
 * answered by turning the frame around.
 */
#include "env.bpf.h"

#define PROGRAM(name) __attribute__((visibility("default"))) SEC(name)

static bool head_load(struct xdp_md *xdp, struct ks_scratch *scratch)
{
	__u32 len = bpf_xdp_get_buff_len(xdp);

	scratch->in.pkt.wire_len = len;
	if (len > KS_HEAD_MAX)
		len = KS_HEAD_MAX;
	scratch->in.pkt.head_len = len;
	if (len == 0)
		return false;
	return bpf_xdp_load_bytes(xdp, 0, scratch->head, length_bound(len)) == 0;
}

static int answer(struct xdp_md *xdp, struct ks_scratch *scratch)
{
	__u32 len = ks_reject_build(scratch->head, &scratch->in.pkt, scratch->answer);

	scratch->answer_len = len;
	if (ks_test_mode || len == 0)
		return XDP_DROP;
	if (bpf_xdp_adjust_tail(xdp, (int)len - (int)scratch->in.pkt.wire_len) ||
	    bpf_xdp_store_bytes(xdp, 0, scratch->answer, length_bound(len)))
		return XDP_DROP;
	return XDP_TX;
}

PROGRAM("xdp")
int ks_xdp(struct xdp_md *xdp)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = xdp, .ifindex = xdp->ingress_ifindex };
	const struct ks_port *port;
	__u32 action;

	if (!control || !scratch)
		return XDP_DROP;
	scratch->answer_len = 0;
	scratch->in.pkt.link = KS_LINK_ETHERNET;
	if (!ks_test_mode) {
		port = port_get(xdp->ingress_ifindex);
		if (!port)
			return XDP_PASS;
		scratch->in.from = port->zone;
		scratch->in.to = KS_ZONE_UNKNOWN;
	}
	inspection_prepare(&env, &scratch->in, control);
	if (!head_load(xdp, scratch))
		return XDP_DROP;
	action = ks_inspect(&env, &scratch->in, scratch->head);
	if (action == KS_ALLOW || action == KS_BYPASS)
		return XDP_PASS;
	return action == KS_REJECT ? answer(xdp, scratch) : XDP_DROP;
}
