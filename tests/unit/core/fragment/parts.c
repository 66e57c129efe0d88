// SPDX-License-Identifier: BSD-2-Clause
/*
 * The bytes of a datagram that have come, against a model that remembers every
 * one of them: in random orders and with random damage.
 */
#include "tests/unit/core/test_home.h"

#include "core/fragment/fragment.h"
#include "core/verdict.h"

#define UNITS 8192

/* The model: which fragment brought each unit of 8 bytes. */
struct model {
	__s32 by[UNITS]; /* index of the fragment, -1: nobody yet */
	struct piece {
		__u32 off, len;
		bool more;
	} piece[256];
	unsigned pieces;
	__u32 total; /* 0: not known */
};

static struct ks_packet packet_of(const struct piece *p)
{
	return (struct ks_packet){ .frag_off = (__u16)p->off, .frag_len = (__u16)p->len, .frag_more = p->more };
}

static __u32 piece_end(const struct piece *p)
{
	return (p->off + p->len + 7) / 8;
}

static void model_init(struct model *m)
{
	memset(m->by, 0xff, sizeof(m->by));
	m->pieces = 0;
	m->total = 0;
}

static __u32 model_count(const struct model *m, const struct piece *p)
{
	__u32 old = 0;

	for (__u32 u = p->off / 8; u < piece_end(p); u++)
		old += m->by[u] >= 0;
	return old;
}

static bool model_knows(const struct model *m, const struct piece *p)
{
	for (unsigned i = 0; i < m->pieces; i++) {
		if (m->piece[i].off == p->off && m->piece[i].len == p->len && m->piece[i].more == p->more)
			return true;
	}
	return false;
}

/* Returns true if some bytes would lie behind the datagram's end, or it had two of them. */
static bool model_contradicts(const struct model *m, const struct piece *p)
{
	__u32 end = p->off + p->len;

	if (p->more)
		return m->total && end >= m->total;
	if (m->total)
		return m->total != end;
	for (__u32 u = piece_end(p); u < UNITS; u++) {
		if (m->by[u] >= 0)
			return true;
	}
	return false;
}

static void model_add(struct model *m, const struct piece *p)
{
	for (__u32 u = p->off / 8; u < piece_end(p); u++)
		m->by[u] = m->pieces;
	m->piece[m->pieces++] = *p;
	if (!p->more)
		m->total = p->off + p->len;
}

static bool model_is_complete(const struct model *m)
{
	if (!m->total)
		return false;
	for (__u32 u = 0; u < (m->total + 7) / 8; u++) {
		if (m->by[u] < 0)
			return false;
	}
	return true;
}

static unsigned model_parts(const struct model *m)
{
	unsigned parts = 0;

	for (__u32 u = 0; u < UNITS; u++)
		parts += m->by[u] >= 0 && (u == 0 || m->by[u - 1] < 0);
	return parts;
}

/* Cuts a datagram evenly or at random, and puts the pieces in a random order, or in reverse. */
static unsigned cut(__u64 *seed, struct piece *pieces, bool even)
{
	__u32 total = 16 + test_below(seed, 20000), unit = 8 * (1 + test_below(seed, 200)), off = 0;
	unsigned n = 0;

	while (off < total) {
		__u32 len = even || n == 200 ? KS_MAX(unit, (total + 150) / 200 / 8 * 8 + 8)
					     : 8 * (1 + test_below(seed, 200));

		if (n >= 200)
			len = 65536;
		len = KS_MIN(len, total - off);
		pieces[n++] = (struct piece){ off, len, off + len < total };
		off += len;
	}
	if (test_below(seed, 4) == 0)
		return n;
	for (unsigned i = n; i > 1; i--) {
		unsigned k = test_below(seed, 3) ? i - 1 : test_below(seed, i);
		struct piece swap = pieces[i - 1];

		pieces[i - 1] = pieces[k];
		pieces[k] = swap;
	}
	return n;
}

/* A length that a fragment may have, by 0 to 2 units below this one. */
static __u32 shorter(__u64 *seed, __u32 len)
{
	__u32 units = len / 8, less = test_below(seed, 3);

	return 8 * (units > less ? units - less : 1);
}

static void test_orders(void **state)
{
	struct model *m = malloc(sizeof(*m));
	unsigned complete = 0, again = 0, overlaps = 0, limited = 0, contradictions = 0;
	__u64 seed = 815;

	assert_non_null(m);
	for (unsigned round = 0; round < 20000; round++) {
		bool even = round & 1, damaged = round & 2;
		struct piece pieces[256];
		unsigned n = cut(&seed, pieces, even);
		struct ks_record d = { 0 };

		model_init(m);
		for (unsigned i = 0; i < n; i++) {
			struct ks_record before;
			struct piece p = pieces[i];
			struct ks_packet pkt;
			__u32 old, reason;

			if (damaged && test_below(&seed, 5) == 0) {
				p.off += 8 * test_below(&seed, 3);
				p.len = shorter(&seed, p.len);
				p.more = test_below(&seed, 4);
			} else if (i && test_below(&seed, 5) == 0) {
				p = pieces[test_below(&seed, i)]; /* perhaps again */
				i--;
			}
			pkt = packet_of(&p);
			old = model_count(m, &p);
			before = d;
			reason = ks_datagram_add(&d, &pkt);
			if (reason)
				assert_memory_equal(&before, &d, sizeof(d));
			if (reason == KS_REASON_FRAGMENT_AGAIN) {
				assert_int_equal(old, piece_end(&p) - p.off / 8); /* it brought nothing */
				again++;
				continue;
			}
			if (old && even && !damaged)
				assert_false(model_knows(m, &p)); /* that would be no overlap */
			if (old) {
				assert_int_equal(reason, KS_REASON_FRAGMENT_OVERLAP);
				overlaps++;
				break;
			}
			if (model_contradicts(m, &p)) {
				assert_int_equal(reason, KS_REASON_FRAGMENT);
				contradictions++;
				break;
			}
			model_add(m, &p);
			if (model_parts(m) > KS_DATAGRAM_PARTS) {
				assert_int_equal(reason, KS_REASON_FRAGMENT_LIMIT);
				limited++;
				break;
			}
			assert_int_equal(reason, 0);
			assert_int_equal(d.parts, model_parts(m));
			assert_int_equal(!!(d.flags & KS_DATAGRAM_COMPLETE), model_is_complete(m));
			complete += model_is_complete(m);
			if (model_is_complete(m))
				break;
		}
	}
	/* All of it happened often enough to mean something. */
	assert_true(complete > 5000 && again > 5000 && overlaps > 3000 && limited > 200 && contradictions > 500);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
