// SPDX-License-Identifier: BSD-2-Clause
/*
 * Changes a segment: its text, its numbers, and all lengths and checksums that
 * cover them; see resequence.h. Checksums are changed by the difference (RFC 1624).
 */
#include "core/helper/resequence.h"

#include "core/env.h"
#include "core/header/checksum.h"
#include "core/header/wire.h"
#include "core/helper/announcement.h"
#include "core/home.h"

#define CUT_STEPS 32U /* bytes cut off: this times KS_EDIT_MAX at most */
#define SUM_STEPS 128U /* bytes behind a change: this times KS_HELPER_CHUNK at most */
#define RESIZE_STEPS 32U
#define TEXT_STEPS (KS_TRANSCRIPT_MAX / KS_EDIT_MAX + 1)
#define SACK_EDGES (2 * TCP_OPT_SACK_BLOCKS_MAX)

/* A sum over bytes of the packet, as 16-bit words counted from the upper header. */
struct sum_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	__u32 off, end; /* the range that is still to be added */
	__u32 sum;
	bool failed;
};

/* Adds the byte n of the chunk. */
static long sum_byte(__u32 n, void *arg)
{
	struct sum_ctx *ctx = arg;
	struct ks_insp_helping *h = &ctx->insp->helping;

	if (n >= h->got)
		return 1;
	ctx->sum += (ctx->off + n - ctx->insp->pkt.l4_off) & 1 ? h->bytes[n & (KS_HELPER_CHUNK - 1)]
							       : (__u32)h->bytes[n & (KS_HELPER_CHUNK - 1)] << 8;
	return 0;
}

static long sum_chunk(__u32 n, void *arg)
{
	struct sum_ctx *ctx = arg;
	struct ks_insp_helping *h = &ctx->insp->helping;

	if (ctx->off >= ctx->end)
		return 1;
	h->got = KS_MIN(ctx->end - ctx->off, KS_HELPER_CHUNK);
	if (!env_packet_read(ctx->env, ctx->off, h->bytes, ks_edit_length(h->got))) {
		ctx->failed = true;
		return 1;
	}
	ks_loop(KS_HELPER_CHUNK, sum_byte, ctx);
	ctx->off += h->got;
	ctx->sum = ks_checksum_fold(ctx->sum);
	return 0;
}

/* The sum of the bytes from `off` to `end`, in host order. */
static bool bytes_sum(struct ks_env *env, struct ks_inspection *insp, __u32 off, __u32 end, __u32 *sum)
{
	struct sum_ctx ctx = { .env = env, .insp = insp, .off = off, .end = end };

	ks_loop(SUM_STEPS, sum_chunk, &ctx);
	*sum = ks_checksum_fold(ctx.sum);
	return !ctx.failed && ctx.off >= end;
}

static bool checksum_change(struct ks_env *env, const struct ks_inspection *insp, __u16 old, __u16 new, bool pseudo)
{
	bool udp = !ks_is_stream(insp);

	return env_checksum_add(env, insp->pkt.l4_off + (udp ? UDP_CHECKSUM_OFF : TCP_CHECKSUM_OFF),
				ks_checksum_diff16(ks_be16(old), ks_be16(new)), pseudo, udp);
}

/* Changes the length in the IP header, and the checksum of an IPv4 header with it. */
static bool ip_length_write(struct ks_env *env, const struct ks_inspection *insp, __s32 delta)
{
	bool ipv4 = insp->pkt.tuple.family == KS_IPV4;
	__u32 off = insp->pkt.l3_off + (ipv4 ? IPV4_TOTAL_LENGTH_OFF : IPV6_PAYLOAD_LENGTH_OFF);
	__be16 old, new, sum;

	if (!env_packet_read(env, off, &old, sizeof(old)))
		return false;
	new = ks_be16((__u16)(ks_be16(old) + delta));
	if (!env_packet_write(env, off, &new, sizeof(new)))
		return false;
	if (!ipv4)
		return true;
	off = insp->pkt.l3_off + IPV4_CHECKSUM_OFF;
	if (!env_packet_read(env, off, &sum, sizeof(sum)))
		return false;
	sum = ks_checksum_apply(sum, ks_checksum_diff16(old, new));
	return env_packet_write(env, off, &sum, sizeof(sum));
}

/* UDP: the length in its own header, which the checksum covers once more. */
static bool udp_length_write(struct ks_env *env, const struct ks_inspection *insp, __u32 old, __u32 new)
{
	__be16 wire = ks_be16((__u16) new);

	return env_packet_write(env, insp->pkt.l4_off + UDP_LENGTH_OFF, &wire, sizeof(wire)) &&
	       checksum_change(env, insp, (__u16)old, (__u16) new, false);
}

/* The payload has grown by `delta`: changes every length, and the checksum with it. */
static bool length_adjust(struct ks_env *env, struct ks_inspection *insp, __s32 delta)
{
	__u32 old = insp->pkt.payload_off - insp->pkt.l4_off + insp->pkt.payload_len;

	if (!delta)
		return true;
	insp->pkt.payload_len += (__u32)delta;
	insp->pkt.l3_len += (__u32)delta;
	insp->grown += delta;
	if (!ks_is_stream(insp) && !udp_length_write(env, insp, old, old + (__u32)delta))
		return false;
	return ip_length_write(env, insp, delta) &&
	       checksum_change(env, insp, (__u16)old, (__u16)(old + (__u32)delta), true);
}

/* Bytes to be removed from the end of the packet. */
struct cut_ctx {
	struct ks_env *env;
	__u32 to, end;
};

static long cut_step(__u32 n, void *arg)
{
	struct cut_ctx *ctx = arg;
	__u32 len = KS_MIN(ctx->end - ctx->to, KS_EDIT_MAX);

	if (!len || !env_packet_resize(ctx->env, ctx->end - len, -(__s32)len))
		return 1;
	ctx->end -= len;
	return 0;
}

/* Ends the packet at insp->helping.cut. A FIN belongs to what is cut off, which TCP will send again. */
static bool packet_cut(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 end = insp->pkt.payload_off + insp->pkt.payload_len, sum;
	struct cut_ctx ctx = { .env = env, .to = insp->helping.cut, .end = end };
	__u32 flags_off = insp->pkt.l4_off + TCP_FLAGS_OFF;
	__u8 flags = insp->pkt.tcp_flags & (__u8) ~(KS_TCP_FIN | KS_TCP_PSH);

	if (!bytes_sum(env, insp, ctx.to, end, &sum))
		return false;
	ks_loop(CUT_STEPS, cut_step, &ctx);
	if (ctx.end != ctx.to)
		return false;
	if (!checksum_change(env, insp, (__u16)sum, 0, false) || !length_adjust(env, insp, -(__s32)(end - ctx.to)))
		return false;
	/* The flags are the second byte of a word. */
	return env_packet_write(env, flags_off, &flags, sizeof(flags)) &&
	       checksum_change(env, insp, insp->pkt.tcp_flags, flags, false);
}

/* A text in the place of another: in steps, of at most KS_EDIT_MAX bytes. */
struct replace_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const __u8 *text;
	__u32 off, done, len; /* where the text goes; what of it was written; all of it */
	__s32 delta; /* bytes by which the packet is still to grow */
	__u32 failed;
};

/* Grows and shrinks behind the first byte, which stays: the edges of the packet are not moved. */
static long resize_step(__u32 n, void *arg)
{
	struct replace_ctx *ctx = arg;
	__s32 step = ctx->delta;

	if (!step)
		return 1;
	step = step > (__s32)KS_EDIT_MAX ? (__s32)KS_EDIT_MAX : step;
	step = step < -(__s32)KS_EDIT_MAX ? -(__s32)KS_EDIT_MAX : step;
	ctx->failed = !env_packet_resize(ctx->env, ctx->off, step);
	ctx->delta -= step;
	return ctx->failed != 0;
}

static long text_step(__u32 n, void *arg)
{
	struct replace_ctx *ctx = arg;
	__u32 len = KS_MIN(ctx->len - ctx->done, KS_EDIT_MAX);

	if (!len)
		return 1;
	ctx->failed = !env_packet_write(ctx->env, ctx->off + ctx->done,
					ctx->text + (ctx->done & (KS_TRANSCRIPT_MAX - 1)), ks_edit_length(len));
	ctx->done += len;
	return ctx->failed != 0;
}

/* The messages that are written again: insp->helping.writing. */
static bool transcript_write(struct ks_env *env, struct ks_inspection *insp, __s32 delta)
{
	struct ks_insp_helping *h = &insp->helping;
	struct replace_ctx ctx = { .env = env,
				   .insp = insp,
				   .text = env_transcript(env),
				   .off = h->edit + (delta > 0 ? h->edit_len : h->writing.out),
				   .len = h->writing.out,
				   .delta = delta };

	if (!ctx.text || ctx.len > KS_TRANSCRIPT_MAX)
		return false;
	ks_loop(RESIZE_STEPS, resize_step, &ctx);
	if (ctx.failed || ctx.delta)
		return false;
	ctx.off = h->edit;
	ks_loop(TEXT_STEPS, text_step, &ctx);
	return !ctx.failed && ctx.done == ctx.len;
}

static bool announcement_write(struct ks_env *env, struct ks_inspection *insp, __u32 len, __s32 delta)
{
	struct ks_insp_helping *h = &insp->helping;

	if (h->form == KS_FORM_SDP)
		return transcript_write(env, insp, delta);
	if (delta && !env_packet_resize(env, h->edit + (delta > 0 ? h->edit_len : len), delta))
		return false;
	return env_packet_write(env, h->edit, h->text, ks_edit_length(len));
}

/* Replaces the announcement by insp->helping.text, or messages by those that were written again. */
static bool announcement_replace(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_insp_helping *h = &insp->helping;
	__u32 end = insp->pkt.payload_off + insp->pkt.payload_len, len, old, new;
	__s32 delta;

	len = h->form == KS_FORM_SDP ? h->writing.out : h->text_len & (KS_HELPER_TEXT - 1);
	delta = (__s32)len - (__s32)h->edit_len;
	if (!len || !bytes_sum(env, insp, h->edit, end, &old) || !announcement_write(env, insp, len, delta) ||
	    !bytes_sum(env, insp, h->edit, end + (__u32)delta, &new))
		return false;
	return checksum_change(env, insp, (__u16)old, (__u16) new, false) && length_adjust(env, insp, delta);
}

/* Writes a number of 32 bits into the TCP header or its options, at an even or odd offset. */
static bool number_write(struct ks_env *env, const struct ks_inspection *insp, __u32 off, __u32 old, __u32 new)
{
	__be32 wire = ks_be32(new);
	__u32 diff;

	if (old == new)
		return true;
	diff = ks_checksum_fold(ks_checksum_diff32(ks_be32(old), wire));
	if ((off - insp->pkt.l4_off) & 1)
		diff = (diff >> 8 | diff << 8) & KS_CHECKSUM_MASK;
	return env_packet_write(env, off, &wire, sizeof(wire)) &&
	       env_checksum_add(env, insp->pkt.l4_off + TCP_CHECKSUM_OFF, diff, false, false);
}

/* The options of a segment, one after the other, for the blocks of SACK. */
struct sack_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const __u8 *head;
	const struct ks_shift *shift; /* of the side that is acknowledged */
	__u32 len; /* of what was written again there */
	__u32 off, edge; /* the next option; the next edge of a block in it */
	__u32 edges; /* how many */
	__u32 failed;
};

static long sack_edge_step(__u32 n, void *arg)
{
	struct sack_ctx *ctx = arg;
	__u32 old;

	if (n >= ctx->edges)
		return 1;
	old = ks_be32(ks_load32(ks_head_at(ctx->head, ctx->edge)));
	if (!number_write(ctx->env, ctx->insp, ctx->edge, old, ks_shift_back(ctx->shift, ctx->len, old))) {
		ctx->failed = true;
		return 1;
	}
	ctx->edge += sizeof(old);
	return 0;
}

/* One option; returns nonzero at the end of all. */
static long sack_option_step(__u32 n, void *arg)
{
	struct sack_ctx *ctx = arg;
	const __u8 *opt = ks_head_at(ctx->head, ctx->off);
	__u32 end = ctx->insp->pkt.payload_off, len = 1;

	if (ctx->off >= end || opt[0] == TCP_OPT_END)
		return 1;
	if (opt[0] != TCP_OPT_NOP) {
		len = ctx->off + 2 <= end ? opt[1] : 0;
		if (len < 2 || ctx->off + len > end)
			return 1;
	}
	if (opt[0] == TCP_OPT_SACK) {
		ctx->edge = ctx->off + 2;
		ctx->edges = (len - 2) / TCP_OPT_SACK_BLOCK * 2;
		ks_loop(SACK_EDGES, sack_edge_step, ctx);
	}
	ctx->off += len;
	return ctx->failed != 0;
}

static bool sack_write(struct ks_env *env, struct ks_inspection *insp, const __u8 *head,
		       const struct ks_record *acknowledged)
{
	struct sack_ctx ctx = {
		.env = env,
		.insp = insp,
		.head = head,
		.shift = &acknowledged->memory.shift,
		.len = ks_memory_length(acknowledged),
		.off = insp->pkt.l4_off + TCP_HEADER_LEN,
	};

	if (insp->pkt.payload_off > ctx.off)
		ks_loop(TCP_OPTIONS_MAX, sack_option_step, &ctx);
	return !ctx.failed;
}

bool ks_adjust(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	struct ks_insp_helping *h = &insp->helping;
	__u32 dir = insp->dir & 1;
	const struct ks_record *speaker = ks_record_after(&h->memory[dir]);
	const struct ks_record *listener = ks_record_after(&h->memory[!dir]);

	/* From the end to the front, so that nothing that is still to be changed has moved. */
	if (h->cut && !packet_cut(env, insp))
		return false;
	if (h->edit && !announcement_replace(env, insp))
		return false;
	if (h->ready[dir] && speaker->memory.form &&
	    !number_write(env, insp, insp->pkt.l4_off + TCP_SEQ_OFF, insp->pkt.seq,
			  ks_shift_forth(&speaker->memory.shift, insp->pkt.seq)))
		return false;
	if (!h->ready[!dir] || !listener->memory.form)
		return true;
	return number_write(env, insp, insp->pkt.l4_off + TCP_ACK_OFF, h->ack, insp->pkt.ack) &&
	       sack_write(env, insp, head, listener);
}
