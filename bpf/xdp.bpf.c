// SPDX-License-Identifier: BSD-2-Clause
/*
 * The same inspection before the kernel makes an skb of the frame. Both halves
 * of a translation are made at once; what passes goes to the stack, and a
 * reject is answered by turning the frame around.
 */
#include "bpf/env.bpf.h"

#include "core/fragment/fragment.h"
#include "core/group.h"
#include "core/helper/helper.h"

static bool head_load(struct xdp_md *xdp, struct ks_scratch *scratch)
{
	__u32 len = bpf_xdp_get_buff_len(xdp);

	scratch->insp.pkt.wire_len = len;
	scratch->relay.length = len;
	if (len > KS_HEAD_MAX)
		len = KS_HEAD_MAX;
	scratch->insp.pkt.head_len = len;
	if (len == 0)
		return false;
	return bpf_xdp_load_bytes(xdp, 0, scratch->head, length_bound(len)) == 0;
}

static int answer(struct xdp_md *xdp, struct ks_scratch *scratch, struct ks_env *env)
{
	__u32 len = answer_build(env, scratch);

	if (ks_test_mode || len == 0)
		return XDP_DROP;
	if (bpf_xdp_adjust_tail(xdp, (int)len - (int)scratch->insp.pkt.wire_len) ||
	    bpf_xdp_store_bytes(xdp, 0, scratch->answer, length_bound(len)))
		return XDP_DROP;
	return XDP_TX;
}

static int verdict(struct xdp_md *xdp, struct ks_scratch *scratch, struct ks_env *env)
{
	__u32 action = ks_inspect_end(env, &scratch->insp);

	if (action == KS_ALLOW || action == KS_BYPASS)
		return XDP_PASS;
	return action == KS_REJECT ? answer(xdp, scratch, env) : XDP_DROP;
}

/* The programs of the stages, further down. */
#define X(id, name) PROGRAM("xdp") int ks_xdp_##name(struct xdp_md *xdp);
KS_STAGES(X)
#undef X
PROGRAM("xdp") int ks_xdp_end(struct xdp_md *xdp);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, KS_SLOT_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct xdp_md *));
} ks_xdp_stages __attribute__((visibility("default"))) SEC(".maps") = {
	.values = {
#define X(id, name) [KS_STAGE_##id] = (void *)&ks_xdp_##name,
		KS_STAGES(X)
#undef X
		[KS_SLOT_END] = (void *)&ks_xdp_end,
	},
};

/* As in tc.bpf.c. */
static __attribute__((noinline)) int drop_lost(const struct ks_scratch *scratch)
{
	env_count_reason(NULL, KS_REASON_INTERNAL, scratch->insp.pkt.wire_len);
	return XDP_DROP;
}

/* To the program of the next stage. It does not come back, unless the kernel's bound on such calls (33) is reached. */
static ks_inline int go_on(struct xdp_md *xdp, const struct ks_scratch *scratch)
{
	__u32 stage = scratch->insp.stage;

	bpf_tail_call(xdp, &ks_xdp_stages, stage == KS_STAGE_DONE ? KS_SLOT_END : stage);
	return drop_lost(scratch);
}

PROGRAM("xdp")
int ks_xdp(struct xdp_md *xdp)
{
	const struct ks_control *control = control_get();
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = xdp, .hook = HOOK_XDP, .scratch = scratch };
	const struct ks_guard *guard;

	if (!control || !scratch)
		return XDP_DROP;
	scratch->answer_len = 0;
	scratch->relay.ifindex = xdp->ingress_ifindex;
	scratch->relay.out_ifindex = 0;
	scratch->relay.is_egress = 0;
	scratch->insp.home.halves = KS_TRANSLATE_BOTH;
	scratch->insp.pkt.link = KS_LINK_ETHERNET;
	if (!ks_test_mode) {
		guard = guard_get(xdp->ingress_ifindex);
		if (!guard)
			return XDP_PASS;
		scratch->insp.home.from = guard->zone;
		scratch->insp.home.to = KS_ZONE_UNKNOWN;
	}
	inspection_prepare(&env, &scratch->insp, control, env_clock(control));
	if (!head_load(xdp, scratch))
		return XDP_DROP;
	ks_inspect_begin(&env, &scratch->insp, scratch->head);
	if (scratch->insp.stage == KS_STAGE_FIND)
		ks_stage_find(&env, &scratch->insp, scratch->head);
	if (scratch->insp.stage != KS_STAGE_DONE || !ks_inspect_end_plain(&env, &scratch->insp))
		return go_on(xdp, scratch);
	return XDP_PASS;
}

/* A program for each stage, as in tc.bpf.c. */
#define X(id, name)                                                                       \
	PROGRAM("xdp")                                                                    \
	int ks_xdp_##name(struct xdp_md *xdp)                                             \
	{                                                                                 \
		struct ks_scratch *scratch = scratch_get();                               \
		struct ks_env env = { .ctx = xdp, .hook = HOOK_XDP, .scratch = scratch }; \
                                                                                          \
		if (!scratch)                                                             \
			return XDP_DROP;                                                  \
		env.generation = scratch->relay.generation;                               \
		ks_stage_##name(&env, &scratch->insp, scratch->head);                     \
		ks_fragment_resume_first(&scratch->insp);                                 \
		return go_on(xdp, scratch);                                               \
	}
KS_STAGES(X)
#undef X

PROGRAM("xdp")
int ks_xdp_end(struct xdp_md *xdp)
{
	struct ks_scratch *scratch = scratch_get();
	struct ks_env env = { .ctx = xdp, .hook = HOOK_XDP, .scratch = scratch };

	if (!scratch)
		return XDP_DROP;
	env.generation = scratch->relay.generation;
	return verdict(xdp, scratch, &env);
}
