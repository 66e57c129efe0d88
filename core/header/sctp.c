// SPDX-License-Identifier: BSD-2-Clause
/*
 * The SCTP common header and the walk over its chunks (RFC 9260 3): lengths, which chunks may stand together, and the
 * chunks that tracking is about. Chunks whose headers lie beyond the inspected head are left to the receiver. Control
 * chunks come before data (6.10), so those are data.
 */
#include "core/header/sctp.h"

#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define SCTP_HEADER_LEN 12U
#define SCTP_TAG_OFF 4U
#define CHUNK_HEADER_LEN 4U
#define CHUNK_FLAGS_OFF 1U
#define CHUNK_LENGTH_OFF 2U
#define CHUNK_ALIGN 4U
#define CHUNK_T_BIT 0x01
#define CHUNKS_MAX (KS_HEAD_MAX / CHUNK_HEADER_LEN)
#define INIT_TAG_OFF 4U

enum chunk_type {
	CHUNK_DATA = 0,
	CHUNK_ABORT = 6,
	CHUNK_SHUTDOWN_COMPLETE = 14,
	CHUNK_AUTH = 15,
	CHUNK_I_DATA = 64, /* RFC 8260 */
	CHUNK_PAD = 132, /* RFC 4820 */
};

/* Bytes of the shortest chunk of a type; those of data carry at least one byte (RFC 9260 3.3.1, 6.2). */
#define CHUNK_TYPES 16
static const __u8 chunk_min[CHUNK_TYPES] = {
	[0] = 17, [1] = 20, [2] = 20, [3] = 16, [4] = 8,  [5] = 8,  [6] = 4,  [7] = 8,
	[8] = 4,  [9] = 4,  [10] = 5, [11] = 4, [12] = 8, [13] = 8, [14] = 4, [15] = 8,
};
#define I_DATA_MIN 21U

/* Chunks that stand alone, and those that only an AUTH chunk may precede (RFC 9260 6.10, 5.1; RFC 4895 6.1). */
#define ALONE (KS_SCTP_INIT | KS_SCTP_INIT_ACK | KS_SCTP_SHUTDOWN_COMPLETE)
#define FIRST (KS_SCTP_COOKIE_ECHO | KS_SCTP_COOKIE_ACK)

/* A walk over the chunks; the offset is in pkt->cursor. */
struct chunk_ctx {
	const __u8 *head;
	struct ks_packet *pkt;
	__u32 end;
	__u32 reason;
};

static inline __u32 chunk_bit(__u32 type)
{
	if (type == CHUNK_I_DATA)
		return KS_SCTP_DATA;
	return type < CHUNK_AUTH ? 1U << type : KS_SCTP_OTHER;
}

static inline __u32 chunk_shortest(__u32 type)
{
	if (type == CHUNK_I_DATA)
		return I_DATA_MIN;
	return type < CHUNK_TYPES ? chunk_min[type & (CHUNK_TYPES - 1)] : CHUNK_HEADER_LEN;
}

/* Returns true if a chunk may stand behind those that were seen. */
static inline bool may_follow(__u32 type, __u32 bit, __u32 seen, bool last)
{
	if (bit & ALONE)
		return seen == 0 && last;
	if (bit & FIRST)
		return !(seen & ~KS_SCTP_OTHER);
	if (seen & KS_SCTP_DATA)
		return bit == KS_SCTP_DATA || type == CHUNK_PAD;
	return !(seen & KS_SCTP_ABORT);
}

/* Notes what tracking needs of the chunk at `at`. The first 8 bytes of an INIT or INIT ACK are there. */
static inline void chunk_learn(const __u8 *at, __u32 type, __u32 bit, struct ks_packet *pkt)
{
	pkt->sctp.chunks |= bit;
	if (bit & (KS_SCTP_INIT | KS_SCTP_INIT_ACK))
		pkt->sctp.init_tag = ks_be32(ks_load32(at + INIT_TAG_OFF));
	if ((type == CHUNK_ABORT || type == CHUNK_SHUTDOWN_COMPLETE) && at[CHUNK_FLAGS_OFF] & CHUNK_T_BIT)
		pkt->sctp.chunks |= KS_SCTP_REFLECTED;
}

/* Judges the chunk at the cursor, whose header is there, and steps over it. Returns a reason or 0. */
static inline __u32 chunk_judge(struct chunk_ctx *w)
{
	__u32 off = w->pkt->cursor, next, len, bit;
	const __u8 *at = ks_head_at(w->head, off);
	__u8 type = at[0];

	len = ks_be16(ks_load16(at + CHUNK_LENGTH_OFF));
	/* Hidden, as its bit is, because both tell which of 16 types it is (V15). */
	if (len < (__u32)ks_hide_value(chunk_shortest(type), ks_load64(at)))
		return KS_REASON_SCTP_CHUNK;
	if (off + len > w->end && !(w->pkt->flags & KS_PKT_FRAGMENT))
		return KS_REASON_SCTP_CHUNK;
	next = off + ((len + CHUNK_ALIGN - 1) & ~(CHUNK_ALIGN - 1));
	bit = (__u32)ks_hide_value(chunk_bit(type), ks_load64(at));
	if (!may_follow(type, bit, w->pkt->sctp.chunks, next >= w->end))
		return KS_REASON_SCTP_BUNDLE;
	if (bit & (KS_SCTP_INIT | KS_SCTP_INIT_ACK) && ks_head_need(w->pkt, off, INIT_TAG_OFF + sizeof(__be32)))
		return ks_head_need(w->pkt, off, INIT_TAG_OFF + sizeof(__be32));
	chunk_learn(at, type, bit, w->pkt);
	if (next >= w->end)
		w->end = 0; /* it was the last one */
	w->pkt->cursor = (__u16)KS_MIN(next, IP_LENGTH_MAX);
	return 0;
}

/* One chunk; returns nonzero at the end of all. */
static long chunk_step(__u32 n, void *arg)
{
	struct chunk_ctx *w = arg;
	__u32 off = w->pkt->cursor;

	if (off >= w->end)
		return 1;
	if (off + CHUNK_HEADER_LEN > w->end) {
		w->reason = ks_packet_short(w->pkt, KS_REASON_SCTP_CHUNK);
		return 1;
	}
	if (ks_head_need(w->pkt, off, CHUNK_HEADER_LEN)) {
		w->reason = n == 0 ? ks_head_need(w->pkt, off, CHUNK_HEADER_LEN) : 0;
		return 1;
	}
	w->reason = chunk_judge(w);
	return w->reason != 0;
}

__u32 ks_sctp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	struct chunk_ctx ctx = { .head = head, .pkt = pkt, .end = pkt->l4_off + l4_len };
	const __u8 *sctp = ks_head_at(head, pkt->l4_off);
	__u32 reason;

	if (l4_len < SCTP_HEADER_LEN + CHUNK_HEADER_LEN)
		return ks_packet_short(pkt, KS_REASON_SCTP_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, SCTP_HEADER_LEN);
	if (reason)
		return reason;
	ks_ports_read(sctp, &pkt->tuple);
	pkt->sctp.tag = ks_be32(ks_load32(sctp + SCTP_TAG_OFF));
	pkt->payload_off = pkt->l4_off + SCTP_HEADER_LEN;
	pkt->payload_len = l4_len - SCTP_HEADER_LEN;
	if (pkt->tuple.sport == 0 || pkt->tuple.dport == 0)
		return KS_REASON_SCTP_HEADER;
	pkt->cursor = pkt->payload_off;
	ks_loop(CHUNKS_MAX, chunk_step, &ctx);
	if (ctx.reason)
		return ctx.reason;
	/* INIT has no tag yet, and everything else has one (RFC 9260 8.5.1); what it offers is one, too (3.3.2). */
	if (!pkt->sctp.tag != !!(pkt->sctp.chunks & KS_SCTP_INIT))
		return KS_REASON_SCTP_ZERO_TAG;
	if (pkt->sctp.chunks & (KS_SCTP_INIT | KS_SCTP_INIT_ACK) && !pkt->sctp.init_tag)
		return KS_REASON_SCTP_ZERO_TAG;
	return 0;
}
