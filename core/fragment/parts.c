// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which bytes of a datagram have come; see fragment.h. Parts that touch are
 * one, so in order or in reverse there is a single part; a bounded number of
 * others may lie apart. RFC 815 counts the holes instead.
 */
#include "core/fragment/fragment.h"
#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define UNIT_MIXED 0xffff
#define PART_NONE KS_DATAGRAM_PARTS

/* A fragment beside what has come before it; start and end in units of 8 bytes. */
struct look {
	const struct ks_record *d;
	__u32 start, end;
	__u32 before, after; /* the parts that it continues, or PART_NONE */
	bool same, overlap, beyond;
};

static long look_part(__u32 n, void *arg)
{
	struct look *l = arg;
	const struct ks_datagram_part *part;

	if (n >= KS_DATAGRAM_PARTS || n >= l->d->parts)
		return 1;
	part = &l->d->datagram.part[n];
	if (part->start == l->start && part->end == l->end)
		l->same = true;
	if (part->start < l->end && l->start < part->end)
		l->overlap = true;
	if (part->end == l->start)
		l->before = n;
	if (part->start == l->end)
		l->after = n;
	if (part->end > l->end)
		l->beyond = true;
	return 0;
}

/*
 * Whether the bytes, which have come, came in this very fragment. The parts
 * have forgotten, but a sender cuts a datagram evenly: then all fragments but the
 * last are of one size, and begin at a multiple of it.
 */
static bool is_repetition(const struct look *l, const struct ks_packet *pkt)
{
	const struct ks_record *d = l->d;

	if (!pkt->frag_more)
		return d->datagram.total == (__u32)pkt->frag_off + pkt->frag_len && l->start == d->datagram.last;
	if (d->datagram.total && l->start >= d->datagram.last)
		return false;
	if (d->datagram.unit == UNIT_MIXED)
		return l->same;
	if (!d->datagram.unit || l->end - l->start != d->datagram.unit || l->start % d->datagram.unit)
		return false;
	return !d->datagram.total || d->datagram.last % d->datagram.unit == 0;
}

/* Whether what has come and the fragment agree on where the datagram ends. */
static bool end_fits(const struct look *l, const struct ks_packet *pkt)
{
	__u32 end = (__u32)pkt->frag_off + pkt->frag_len;

	if (pkt->frag_more)
		return !l->d->datagram.total || end < l->d->datagram.total;
	return !l->d->datagram.total && !l->beyond;
}

static inline void part_remove(struct ks_record *d, __u32 n)
{
	__u32 last = (__u32)d->parts - 1;

	if (n < KS_DATAGRAM_PARTS && last < KS_DATAGRAM_PARTS) {
		d->datagram.part[n] = d->datagram.part[last];
		d->parts = last;
	}
}

/* Puts the fragment's bytes down. Returns false if there are too many holes. */
static bool part_add(struct ks_record *d, const struct look *l)
{
	__u32 before = l->before, after = l->after, n = d->parts;

	if (before < KS_DATAGRAM_PARTS) {
		d->datagram.part[before].end = l->end;
		if (after < KS_DATAGRAM_PARTS) {
			d->datagram.part[before].end = d->datagram.part[after].end;
			part_remove(d, after);
		}
	} else if (after < KS_DATAGRAM_PARTS) {
		d->datagram.part[after].start = l->start;
	} else if (n < KS_DATAGRAM_PARTS) {
		d->datagram.part[n].start = l->start;
		d->datagram.part[n].end = l->end;
		d->parts = n + 1;
	} else {
		return false;
	}
	return true;
}

static void size_learn(struct ks_record *d, const struct look *l, const struct ks_packet *pkt)
{
	__u32 unit = l->end - l->start; /* never 0: the parser has seen to it */

	if (!pkt->frag_more) {
		d->datagram.total = pkt->frag_off + pkt->frag_len;
		d->datagram.last = l->start;
	} else if ((d->datagram.unit && d->datagram.unit != unit) || l->start % unit) {
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

__u32 ks_datagram_add(struct ks_record *d, const struct ks_packet *pkt)
{
	struct look look = {
		.d = d,
		.start = pkt->frag_off / FRAGMENT_UNIT,
		.end = ((__u32)pkt->frag_off + pkt->frag_len + FRAGMENT_UNIT - 1) / FRAGMENT_UNIT,
		.before = PART_NONE,
		.after = PART_NONE,
	};

	ks_loop(KS_DATAGRAM_PARTS, look_part, &look);
	if (look.overlap)
		return is_repetition(&look, pkt) ? KS_REASON_FRAGMENT_AGAIN : KS_REASON_FRAGMENT_OVERLAP;
	if (!end_fits(&look, pkt))
		return KS_REASON_FRAGMENT;
	if (!part_add(d, &look))
		return KS_REASON_FRAGMENT_LIMIT;
	size_learn(d, &look, pkt);
	if (is_complete(d))
		d->flags |= KS_DATAGRAM_COMPLETE;
	return 0;
}
