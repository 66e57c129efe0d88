// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading and changing a packet's bytes, behind core/env.h, for both hooks.
 *
 * In tc the checksum of a packet may be unfinished (CHECKSUM_PARTIAL), or the
 * card's sum of the whole packet may be stored beside it (CHECKSUM_COMPLETE);
 * the kernel's helpers keep both right. What is written from the upper header
 * on does not change that sum, because the upper checksum is changed by the
 * same amount; what is written before it does, and so does all in a packet of
 * SCTP, whose checksum is a sum of another kind.
 */
#include "bpf/env.bpf.h"

#include "core/header/checksum.h"

#define MOVE_STEPS_MAX 64 /* of KS_MOVE_CHUNK bytes: more than any packet that a helper reads */

static bool packet_load(struct ks_env *env, __u32 off, void *to, __u32 len)
{
	if (env->hook == HOOK_TC)
		return bpf_skb_load_bytes(env->ctx, off, to, len) == 0;
	return bpf_xdp_load_bytes(env->ctx, off, to, len) == 0;
}

static bool packet_store(struct ks_env *env, __u32 off, const void *from, __u32 len)
{
	const struct ks_packet *pkt = &env->scratch->insp.pkt;
	bool changes_sum = off < pkt->l4_off || pkt->tuple.proto == KS_PROTO_SCTP;

	if (env->hook == HOOK_TC)
		return bpf_skb_store_bytes(env->ctx, off, from, len, changes_sum ? BPF_F_RECOMPUTE_CSUM : 0) == 0;
	return bpf_xdp_store_bytes(env->ctx, off, (void *)from, len) == 0;
}

bool env_packet_read(struct ks_env *env, __u32 off, void *to, __u32 len)
{
	return packet_load(env, off, to, len);
}

bool env_packet_write(struct ks_env *env, __u32 off, const void *from, __u32 len)
{
	return packet_store(env, off, from, len);
}

bool env_checksum_add(struct ks_env *env, __u32 off, __u32 diff, bool pseudo, bool udp)
{
	__u64 flags = (pseudo ? BPF_F_PSEUDO_HDR : 0) | (udp ? BPF_F_MARK_MANGLED_0 : 0);
	__u16 sum;

	if (env->hook == HOOK_TC)
		return bpf_l4_csum_replace(env->ctx, off, 0, diff, flags) == 0;
	if (!packet_load(env, off, &sum, sizeof(sum)))
		return false;
	if (udp && !sum)
		return true;
	sum = ks_checksum_apply(sum, diff);
	if (udp && !sum)
		sum = KS_CHECKSUM_MASK;
	return packet_store(env, off, &sum, sizeof(sum));
}

/* Bytes behind an edit, on their way to their new place. */
struct move_ctx {
	struct ks_env *env;
	__u32 begin, end; /* the bytes that move */
	__s32 delta;
	__u32 done; /* bytes moved */
	__u32 failed;
};

/* The next chunk: from the end when the packet has grown, from the beginning when it shrinks. */
static long move_step(__u32 n, void *arg)
{
	struct move_ctx *m = arg;
	__u32 left = m->end - m->begin - m->done, len = left > KS_MOVE_CHUNK ? KS_MOVE_CHUNK : left;
	__u32 off = m->delta > 0 ? m->end - m->done - len : m->begin + m->done;
	__u8 *bytes = m->env->scratch->move;

	if (len == 0)
		return 1;
	m->done += len;
	len = length_bound(len);
	m->failed = !packet_load(m->env, off, bytes, len) || !packet_store(m->env, off + m->delta, bytes, len);
	return m->failed != 0;
}

static bool set_length(struct ks_env *env, __u32 len, __s32 delta)
{
	if (env->hook == HOOK_TC)
		return bpf_skb_change_tail(env->ctx, len + delta, 0) == 0;
	return bpf_xdp_adjust_tail(env->ctx, delta) == 0;
}

bool env_packet_resize(struct ks_env *env, __u32 off, __s32 delta)
{
	__u32 len = env->scratch->relay.length;
	struct move_ctx m = {
		.env = env,
		.begin = delta < 0 ? off - delta : off,
		.end = len,
		.delta = delta,
		.done = (__u32)ks_hide_value(0, len), /* (V7) */
		.failed = (__u32)ks_hide_value(0, len),
	};

	if (m.begin > len || len - m.begin > MOVE_STEPS_MAX * KS_MOVE_CHUNK)
		return false;
	if (delta > 0 && !set_length(env, len, delta))
		return false;
	ks_loop(MOVE_STEPS_MAX, move_step, &m);
	if (m.failed || m.done != m.end - m.begin)
		return false;
	if (delta < 0 && !set_length(env, len, delta))
		return false;
	env->scratch->relay.length = len + delta;
	return true;
}
