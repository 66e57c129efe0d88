// SPDX-License-Identifier: BSD-2-Clause
/*
 * The bytes of a datagram that have come; see fragment.h. Parts that touch
 * become one, so fragments in order or in reverse make a single part; a bounded
 * number of others may lie apart. RFC 815 keeps the holes instead.
 */
#include "core/fragment/fragment.h"

#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define UNIT_MIXED 0xffff
#define PART_NONE KS_DATAGRAM_PARTS

/* A fragment compared with the parts that have come; start and end in units of 8 bytes. */
struct parts_ctx {
	const struct ks_record *d;
	__u32 start, end;
	__u32 before, after; /* the parts that it continues, or PART_NONE */
	bool same; /* a part has the very same bytes */
	bool overlap; /* a part has some of the bytes */
	bool beyond; /* a part has bytes behind it */
};

static long part_compare(__u32 n, void *arg)
{
	struct parts_ctx *ctx = arg;
	const struct ks_datagram_part *part;

	if (n >= KS_DATAGRAM_PARTS || n >= ctx->d->parts)
		return 1;
	part = &ctx->d->datagram.part[n];
	if (part->start == ctx->start && part->end == ctx->end)
		ctx->same = true;
	if (part->start < ctx->end && ctx->start < part->end)
		ctx->overlap = true;
	if (part->end == ctx->start)
		ctx->before = n;
	if (part->start == ctx->end)
		ctx->after = n;
	if (part->end > ctx->end)
		ctx->beyond = true;
	return 0;
}

/*
 * Returns true if the fragment's bytes, which have come, came in this very fragment. The parts do not tell, but a sender cuts
 * a datagram evenly: then all fragments but the last are of one size and begin at a multiple of it.
 */
static bool is_repetition(const struct parts_ctx *ctx, const struct ks_packet *pkt)
{
	const struct ks_record *d = ctx->d;

	if (!pkt->frag_more)
		return d->datagram.total == (__u32)pkt->frag_off + pkt->frag_len && ctx->start == d->datagram.last;
	if (d->datagram.total && ctx->start >= d->datagram.last)
		return false;
	if (d->datagram.unit == UNIT_MIXED)
		return ctx->same;
	if (!d->datagram.unit || ctx->end - ctx->start != d->datagram.unit || ctx->start % d->datagram.unit)
		return false;
	return !d->datagram.total || d->datagram.last % d->datagram.unit == 0;
}

/* Returns true if the fragment and what has come agree on where the datagram ends. */
static bool end_fits(const struct parts_ctx *ctx, const struct ks_packet *pkt)
{
	__u32 end = (__u32)pkt->frag_off + pkt->frag_len;

	if (pkt->frag_more)
		return !ctx->d->datagram.total || end < ctx->d->datagram.total;
	return !ctx->d->datagram.total && !ctx->beyond;
}

static inline void part_remove(struct ks_record *d, __u32 n)
{
	__u32 last = (__u32)d->parts - 1;

	if (n < KS_DATAGRAM_PARTS && last < KS_DATAGRAM_PARTS) {
		d->datagram.part[n] = d->datagram.part[last];
		d->parts = (__u8)last;
	}
}

/* Adds the fragment's bytes to the parts. Returns false if there are too many holes. */
static bool part_add(struct ks_record *d, const struct parts_ctx *ctx)
{
	__u32 before = ctx->before, after = ctx->after, n = d->parts;

	if (before < KS_DATAGRAM_PARTS) {
		d->datagram.part[before].end = (__u16)ctx->end;
		if (after < KS_DATAGRAM_PARTS) {
			d->datagram.part[before].end = d->datagram.part[after].end;
			part_remove(d, after);
		}
	} else if (after < KS_DATAGRAM_PARTS) {
		d->datagram.part[after].start = (__u16)ctx->start;
	} else if (n < KS_DATAGRAM_PARTS) {
		d->datagram.part[n].start = (__u16)ctx->start;
		d->datagram.part[n].end = (__u16)ctx->end;
		d->parts = (__u8)(n + 1);
	} else {
		return false;
	}
	return true;
}

static void size_learn(struct ks_record *d, const struct parts_ctx *ctx, const struct ks_packet *pkt)
{
	__u16 unit = (__u16)(ctx->end - ctx->start); /* never 0: the parser refuses that */

	if (!pkt->frag_more) {
		d->datagram.total = pkt->frag_off + pkt->frag_len;
		d->datagram.last = (__u16)ctx->start;
	} else if ((d->datagram.unit && d->datagram.unit != unit) || ctx->start % unit) {
		d->datagram.unit = UNIT_MIXED;
	} else {
		d->datagram.unit = unit;
	}
}

static inline bool is_complete(const struct ks_record *d)
{
	return d->datagram.total && d->parts == 1 && d->datagram.part[0].start == 0 &&
	       d->datagram.part[0].end == (d->datagram.total + FRAGMENT_UNIT - 1) / FRAGMENT_UNIT;
}

/* Returns true if the datagram ends before the end of what its upper header says is there. */
static bool is_cut_short(struct ks_record *d, const struct ks_packet *pkt)
{
	if (pkt->frag_least)
		d->datagram.seq = pkt->frag_least;
	return d->datagram.total && !(d->flags & KS_DATAGRAM_TCP) && d->datagram.total < d->datagram.seq;
}

/* The reason by which a whole packet of the protocol would be refused. */
static inline __u32 cut_short_reason(__u32 proto)
{
	switch (proto) {
	case KS_PROTO_UDPLITE:
		return KS_REASON_UDPLITE_COVERAGE;
	case KS_PROTO_DCCP:
		return KS_REASON_DCCP_HEADER;
	default:
		return KS_REASON_UDP_HEADER;
	}
}

__u32 ks_datagram_add(struct ks_record *d, const struct ks_packet *pkt)
{
	struct parts_ctx ctx = {
		.d = d,
		.start = pkt->frag_off / FRAGMENT_UNIT,
		.end = ((__u32)pkt->frag_off + pkt->frag_len + FRAGMENT_UNIT - 1) / FRAGMENT_UNIT,
		.before = PART_NONE,
		.after = PART_NONE,
	};

	ks_loop(KS_DATAGRAM_PARTS, part_compare, &ctx);
	if (ctx.overlap)
		return is_repetition(&ctx, pkt) ? KS_REASON_FRAGMENT_AGAIN : KS_REASON_FRAGMENT_OVERLAP;
	if (!end_fits(&ctx, pkt))
		return KS_REASON_FRAGMENT;
	if (!part_add(d, &ctx))
		return KS_REASON_FRAGMENT_LIMIT;
	size_learn(d, &ctx, pkt);
	if (is_cut_short(d, pkt))
		return cut_short_reason(pkt->tuple.proto);
	if (is_complete(d))
		d->flags |= KS_DATAGRAM_COMPLETE;
	return 0;
}
