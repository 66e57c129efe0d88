// SPDX-License-Identifier: BSD-2-Clause
/*
 * Upper checksums, behind core/env.h (core/checksum.h says when they are asked for).
 *
 * In tc the kernel's own packet tells whether somebody has verified the checksum (the card; a program of XDP that says so), or
 * will finish it (CHECKSUM_PARTIAL: a stack whose device has no card behind it, as veth's peer, has sent it, and it cannot be
 * wrong). All else is summed: also where the card has left its sum of the whole packet beside it (CHECKSUM_COMPLETE), which
 * counts from where the card says. Before Linux 6.2 a program cannot look there, and nothing is verified; `status` says so.
 *
 * In XDP nobody can tell, and on a veth most checksums are unfinished: what passes there comes to tc. The front sums all that it
 * asks for, and leaves to tc what is not right. Test runs verify in both.
 */
#include "bpf/checksum.bpf.h"
#include "bpf/env.bpf.h"

#include "core/header/checksum.h"
#include "core/header/crc32c.h"
#include "core/header/upper_checksum.h"
#include "core/header/wire.h"

#include "bpf/kernel.h"

#define CHUNK KS_MOVE_CHUNK /* bytes summed at once: a multiple of 4 */
#define CHUNKS_MAX                     \
	((IP_LENGTH_MAX + CHUNK - 1) / \
	 CHUNK) /* larger packets have been put together by the kernel, which verifies them */
#define CRC_STEPS (CHUNK / KS_CRC32C_STEP)

/* Returns false if somebody has verified the checksum or will finish it, or nobody can tell. */
static bool is_due(struct ks_env *env)
{
	__u32 summed;

	if (ks_test_mode || env->scratch->relay.is_front)
		return true;
	if (env->hook != HOOK_TC || !ks_has_kernel_skb)
		return false;
	summed = kernel_skb_sum(env->ctx);
	return summed != KS_SKB_SUM_VERIFIED && summed != KS_SKB_SUM_UNFINISHED;
}

/* A walk over the bytes that a checksum covers. */
struct sum_ctx {
	struct ks_env *env;
	__u32 off, left;
	__u32 sum; /* of 16-bit words, or the register of a CRC32c */
	__u32 len; /* of the chunk */
	__u32 failed; /* 0 or 1 (V8) */
};

/* The next chunk, with zeros behind the last one. Returns its bytes, 0 at the end or with ctx->failed. */
static ks_inline __u32 chunk_load(struct sum_ctx *ctx, __u8 *bytes)
{
	__u32 len = ctx->left > CHUNK ? CHUNK : ctx->left;

	if (!len)
		return 0;
	len = ks_edit_length(len);
	if (!env_packet_read(ctx->env, ctx->off, bytes, len)) {
		ctx->failed = 1;
		return 0;
	}
	ks_hide_bound(len);
	ks_store32(bytes + (len & (2 * CHUNK - 1)), 0);
	ctx->off += len;
	ctx->left -= len;
	return len;
}

static long sum_step(__u32 n, void *arg)
{
	struct sum_ctx *ctx = arg;
	__u8 *bytes = ctx->env->scratch->move;
	__u32 len = chunk_load(ctx, bytes);
	__s64 sum;

	if (!len)
		return 1;
	len = (len + 3) & ~3U;
	ks_hide_bound(len);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)(void *)bytes, len & (2 * CHUNK - 4), ctx->sum);
	ctx->sum = (__u32)sum;
	return 0;
}

/* A part of a chunk, a step of the table-driven sum each: the verifier follows one (V5). */
static long crc_part(__u32 n, void *arg)
{
	struct sum_ctx *ctx = arg;
	__u32 at = n % CRC_STEPS * KS_CRC32C_STEP;

	if (at >= ctx->len)
		return 1;
	ctx->sum = ks_crc32c_add(ctx->sum, ctx->env->scratch->move + at, ctx->len - at);
	return 0;
}

static long crc_step(__u32 n, void *arg)
{
	struct sum_ctx *ctx = arg;
	__u8 *bytes = ctx->env->scratch->move;
	__u32 off = ctx->off;

	ctx->len = chunk_load(ctx, bytes);
	if (!ctx->len)
		return 1;
	if (off == ctx->env->scratch->insp.pkt.l4_off) /* the sum itself counts as zero */
		ks_store32(bytes + SCTP_CHECKSUM_OFF, 0);
	ks_loop(CRC_STEPS, crc_part, ctx);
	return 0;
}

/* Returns true also if not all could be read: then the packet is left to its receiver. */
static ks_inline bool sum_is_right(const struct sum_ctx *ctx, const __u8 *head, const struct ks_packet *pkt)
{
	__u32 sum = ctx->sum;

	if (ctx->failed || ctx->left)
		return true;
	if (pkt->tuple.proto == KS_PROTO_SCTP)
		return ~sum == __builtin_bswap32(ks_be32(ks_load32(ks_head_at(head, pkt->l4_off + SCTP_CHECKSUM_OFF))));
	return ks_checksum_fold(sum) == KS_CHECKSUM_MASK;
}

static ks_inline bool short_is_right(const __u8 *head, const struct ks_packet *pkt, const struct sum_ctx *ctx)
{
	__u64 sum = ctx->sum + sum_short(head, pkt, ctx->left);

	return sum && ks_checksum_is_ones(sum);
}

/* Not inlined: its frame ends before those of a flow that is opened (V2). */
__attribute__((noinline)) bool env_checksum_ok(struct ks_env *env, const __u8 *head, const struct ks_packet *pkt)
{
	struct sum_ctx ctx = { .env = env, .off = pkt->l4_off };

	if (!is_due(env))
		return true;
	ctx.left = ks_checksum_covered(head, pkt);
	if (!ctx.left)
		return true;
	if (pkt->tuple.proto == KS_PROTO_SCTP) {
		ctx.sum = KS_CRC32C_BEGIN;
		ks_loop(CHUNKS_MAX, crc_step, &ctx);
	} else {
		ctx.sum = ks_checksum_pseudo(pkt, ctx.left);
		if (sum_is_short(pkt, ctx.left)) /* most of what opens a flow has no data */
			return short_is_right(head, pkt, &ctx);
		ks_loop(CHUNKS_MAX, sum_step, &ctx);
	}
	return sum_is_right(&ctx, head, pkt);
}
