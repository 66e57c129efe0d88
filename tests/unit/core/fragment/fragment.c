// SPDX-License-Identifier: BSD-2-Clause
/*
 * Datagrams in fragments: what has come of one, against a model that remembers
 * every byte, in random orders and with random damage; then the way of
 * fragments through the inspection, for IPv4 and IPv6.
 */
#include "tests/unit/core/test_home.h"

#include "core/fragment/fragment.h"
#include "core/verdict.h"

#define START (1000 * KS_NSEC_PER_SEC)
#define UNITS 8192

/* --- what has come --- */

/* The model: who brought each unit of 8 bytes. */
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
	return (struct ks_packet){ .frag_off = p->off, .frag_len = p->len, .frag_more = p->more };
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

/* Whether some bytes would lie behind the datagram's end, or it had two of them. */
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

/* --- the way through the inspection --- */

static struct ks_env *env;
static __u64 now;
static bool v6;

static int setup(void **state)
{
	env = test_env_create(16);
	env->rules = &test_allow_all;
	env->config.rules = 1;
	env->config.limit_kind[KS_KIND_FRAGMENT] = 8;
	now = START;
	v6 = *state;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

/* A fragment of the datagram `id` between 1 and 2 with the upper header already in `f` from `start`. */
static void header_put(struct frame *f, bool back, __u8 proto, __u32 id, __u32 off, bool more, __u32 len)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, v6 ? 0x86dd : 0x0800, 0);
	if (v6) {
		frame_ipv6(f, KS_PROTO_FRAGMENT, back ? 2 : 1, back ? 1 : 2, len + 8);
		frame_put8(f, proto);
		frame_put8(f, 0);
		frame_put16(f, off | more);
		frame_put32(f, id);
		return;
	}
	frame_ipv4(f, proto, back ? 2 : 1, back ? 1 : 2, 0, len);
	f->data[14 + 4] = id >> 8;
	f->data[14 + 5] = id;
	f->data[14 + 6] = (more ? 0x20 : 0) | off >> 11;
	f->data[14 + 7] = off >> 3;
	frame_ipv4_checksum(f, 14);
}

static struct ks_inspection last;

static __u32 inspect_from(const struct frame *f, __u8 from, __u8 to)
{
	test_inspect(env, f, from, to, now, &last);
	return last.verdict.reason;
}

static __u32 inspect(const struct frame *f, bool back)
{
	return inspect_from(f, back ? ZONE_WAN : ZONE_LAN, back ? ZONE_LAN : ZONE_WAN);
}

/* UDP from 4000 to 53, or back. */
static __u32 udp(bool back, __u32 id, __u32 off, bool more, __u32 len)
{
	struct frame f;

	header_put(&f, back, KS_PROTO_UDP, id, off, more, len);
	if (off == 0)
		frame_udp(&f, back ? 53 : 4000, back ? 4000 : 53, 5000);
	frame_zeros(&f, len - (off == 0 ? 8 : 0));
	return inspect(&f, back);
}

static __u32 tcp(bool back, __u32 id, __u32 off, bool more, __u32 len, __u32 seq, __u32 ack, __u8 flags)
{
	struct frame f;

	header_put(&f, back, KS_PROTO_TCP, id, off, more, len);
	if (off == 0)
		frame_tcp(&f, back ? 80 : 4000, back ? 4000 : 80, seq, ack, flags, 1000);
	if (off || len > 20)
		frame_zeros(&f, len - (off ? 0 : 20));
	else
		f.len -= 20 - len;
	return inspect(&f, back);
}

#define NEW KS_REASON_OK_NEW
#define EST KS_REASON_OK_ESTABLISHED
#define HELD KS_REASON_OK_HELD
#define DEAD KS_REASON_FRAGMENT_DEAD

/* The others share the verdict of the first, and count for its flow. */
static void test_first_then_others(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(last.verdict.state, KS_STATE_UDP_SINGLE);
	assert_int_equal(udp(false, 7, 64, true, 64), NEW);
	assert_int_equal(last.verdict.action, KS_ALLOW);
	assert_int_equal(last.verdict.class, KS_CLASS_NEW);
	assert_int_equal(last.verdict.rule, 1);
	assert_int_equal(udp(false, 7, 128, false, 5), NEW);
	assert_int_equal(ks_flow_packets(&last.flow.after, KS_ORIGINAL), 3);
	assert_int_equal(ks_flow_bytes(&last.flow.after, KS_ORIGINAL), 133 + 3 * (v6 ? 48 : 20));
	assert_int_equal(udp(true, 9, 0, true, 64), EST);
	assert_int_equal(udp(true, 9, 64, false, 64), EST);
	assert_int_equal(last.dir, KS_REPLY);
	assert_int_equal(ks_flow_packets(&last.flow.after, KS_REPLY), 2);
	assert_int_equal(env->counts.flows, 1);
	assert_int_equal(env->matches[1], 1);
}

static void test_held(void **state)
{
	assert_int_equal(udp(false, 7, 128, false, 5), HELD);
	assert_int_equal(last.verdict.action, KS_HOLD);
	assert_int_equal(udp(false, 7, 64, true, 64), HELD);
	assert_int_equal(udp(false, 8, 64, true, 64), HELD);
	assert_int_equal(env->held_count, 3);
	assert_int_equal(env->counts.flows, 0);
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(env->released, 2);
	assert_int_equal(env->held_count, 1); /* that of another datagram */
	/* The same once more is no longer kept. */
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_FRAGMENT_AGAIN);
}

/* What was held comes again with its mark, and is then no repetition. */
static void test_resumed(void **state)
{
	struct frame f;
	__u8 head[KS_HEAD_SIZE];

	assert_int_equal(udp(false, 7, 64, false, 40), HELD);
	header_put(&f, false, KS_PROTO_UDP, 7, 64, false, 40);
	frame_zeros(&f, 40);
	memcpy(head, f.data, sizeof(head));
	for (unsigned i = 0; i < 2; i++) {
		last.home.from = ZONE_LAN;
		last.home.to = ZONE_WAN;
		last.home.dry = 0;
		last.home.resumed = 1;
		last.home.now = now;
		last.pkt.wire_len = f.len;
		last.pkt.head_len = f.len;
		last.pkt.link = f.link;
		last.pkt.flags = 0;
		ks_inspect(env, &last, head);
		if (i == 0) { /* nobody has judged its datagram: a forged mark is worth nothing */
			assert_int_equal(last.verdict.reason, KS_REASON_FRAGMENT_EARLY);
			assert_int_equal(udp(false, 7, 0, true, 64), NEW);
		}
	}
	assert_int_equal(last.verdict.reason, NEW);
	assert_int_equal(ks_flow_packets(&last.flow.after, KS_ORIGINAL), 2);
}

static void test_no_room_to_hold(void **state)
{
	for (__u32 id = 0; id < TEST_HELD; id++)
		assert_int_equal(udp(false, id, 64, true, 8), HELD);
	assert_int_equal(udp(false, 0, 72, true, 8), KS_REASON_FRAGMENT_EARLY);
	assert_int_equal(last.verdict.action, KS_DENY);
	/* It is not noted either: sent again, behind the first one, it passes. */
	assert_int_equal(udp(false, 0, 0, true, 64), NEW);
	assert_int_equal(udp(false, 0, 72, true, 8), NEW);
}

static void test_denied(void **state)
{
	env->config.rules = 0;
	assert_int_equal(udp(false, 7, 128, false, 8), HELD);
	assert_int_equal(udp(false, 7, 0, true, 64), KS_REASON_NO_STATE);
	assert_int_equal(env->forgotten, 1);
	assert_int_equal(env->released, 0);
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_NO_STATE);
	assert_int_equal(last.verdict.action, KS_DENY);
}

static void test_overlap(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 56, true, 64), KS_REASON_FRAGMENT_OVERLAP);
	assert_int_equal(udp(false, 7, 64, true, 64), DEAD);
	assert_int_equal(udp(false, 7, 0, true, 64), DEAD);
	/* Before the first one came: what waits is forgotten, and nothing passes. */
	assert_int_equal(udp(false, 8, 64, true, 64), HELD);
	assert_int_equal(udp(false, 8, 64, true, 72), KS_REASON_FRAGMENT_OVERLAP);
	assert_int_equal(env->forgotten, 1);
	assert_int_equal(udp(false, 8, 0, true, 64), DEAD);
	/* A first one over others. */
	assert_int_equal(udp(false, 9, 64, true, 64), HELD);
	assert_int_equal(udp(false, 9, 0, true, 72), KS_REASON_FRAGMENT_OVERLAP);
	assert_int_equal(udp(false, 9, 0, true, 64), DEAD);
	assert_int_equal(env->counts.flows, 1); /* the first datagram's */
}

static void test_again(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 0, true, 64), KS_REASON_FRAGMENT_AGAIN);
	assert_int_equal(udp(false, 7, 64, true, 64), NEW);
	assert_int_equal(udp(false, 7, 128, true, 64), NEW);
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_FRAGMENT_AGAIN);
	assert_int_equal(udp(false, 7, 256, false, 3), NEW);
	assert_int_equal(udp(false, 7, 256, false, 3), KS_REASON_FRAGMENT_AGAIN);
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_FRAGMENT_AGAIN);
	/* A complete one is forgotten at once. */
	assert_int_equal(env->counts.records[KS_KIND_FRAGMENT], 1);
	assert_int_equal(udp(false, 7, 192, true, 64), NEW);
	assert_int_equal(env->counts.records[KS_KIND_FRAGMENT], 0);
	/* Unless some of it were held, and may still be on their way. */
	assert_int_equal(udp(false, 8, 64, true, 64), HELD);
	assert_int_equal(udp(false, 8, 0, true, 64), NEW);
	assert_int_equal(udp(false, 8, 128, false, 64), NEW);
	assert_int_equal(env->counts.records[KS_KIND_FRAGMENT], 1);
	assert_int_equal(udp(false, 8, 128, false, 64), KS_REASON_FRAGMENT_AGAIN);
}

/* A datagram's end is told once, and holds. */
static void test_end(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 128, false, 8), NEW);
	assert_int_equal(udp(false, 7, 136, true, 8), KS_REASON_FRAGMENT);
	assert_int_equal(udp(false, 7, 64, true, 64), DEAD);
	assert_int_equal(udp(false, 8, 0, true, 64), NEW);
	assert_int_equal(udp(false, 8, 128, true, 8), NEW);
	assert_int_equal(udp(false, 8, 64, false, 8), KS_REASON_FRAGMENT);
	assert_int_equal(udp(false, 9, 0, true, 64), NEW);
	assert_int_equal(udp(false, 9, 128, false, 8), NEW);
	assert_int_equal(udp(false, 9, 200, false, 8), KS_REASON_FRAGMENT);
}

static void test_tiny(void **state)
{
	assert_int_equal(tcp(false, 7, 16, true, 16, 0, 0, 0), HELD);
	assert_int_equal(tcp(false, 7, 0, true, 16, 1, 0, KS_TCP_SYN), KS_REASON_FRAGMENT_TINY);
	assert_int_equal(env->forgotten, 1);
	assert_int_equal(tcp(false, 7, 32, false, 16, 0, 0, 0), DEAD);
	assert_int_equal(tcp(false, 7, 0, true, 24, 1, 0, KS_TCP_SYN), DEAD);
	assert_int_equal(env->counts.flows, 0);
}

static void test_too_long(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 65520, false, 64), KS_REASON_FRAGMENT_TOO_LONG);
	assert_int_equal(udp(false, 7, 64, true, 64), DEAD);
}

/* RFC 791: an identification may be used again when its datagram is over. */
static void test_reuse(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 64, false, 8), NEW);
	assert_int_equal(udp(false, 7, 0, true, 128), NEW);
	assert_int_equal(udp(false, 7, 128, false, 8), NEW);
	/* Not while it is not: the pieces of both would be mixed. */
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 0, true, 128), KS_REASON_FRAGMENT_OVERLAP);
	assert_int_equal(udp(false, 7, 64, false, 8), DEAD);
	/* Or when its time is over. */
	now += 31 * KS_NSEC_PER_SEC;
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
}

static void test_timeouts(void **state)
{
	assert_int_equal(udp(false, 7, 64, true, 64), HELD);
	now += (KS_FRAGMENT_HOLD_MS + 100) * KS_NSEC_PER_MSEC;
	/* It waited in vain, and is not of this datagram any more. */
	assert_int_equal(udp(false, 7, 0, true, 128), NEW);
	assert_int_equal(env->released, 0);
	now += 29 * KS_NSEC_PER_SEC;
	assert_int_equal(udp(false, 7, 128, true, 64), NEW);
	now += 2 * KS_NSEC_PER_SEC;
	assert_int_equal(udp(false, 7, 192, false, 64), HELD);
}

/* Nobody spoils a datagram from another zone. */
static void test_zones(void **state)
{
	struct frame f;

	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	header_put(&f, false, KS_PROTO_UDP, 7, 8, true, 64);
	frame_zeros(&f, 64);
	assert_int_equal(inspect_from(&f, ZONE_WAN, ZONE_WAN), HELD);
	assert_int_equal(udp(false, 7, 64, false, 64), NEW);
	/* Nor does it leave elsewhere than its first fragment did. */
	assert_int_equal(udp(false, 8, 0, true, 64), NEW);
	header_put(&f, false, KS_PROTO_UDP, 8, 64, true, 64);
	frame_zeros(&f, 64);
	assert_int_equal(inspect_from(&f, ZONE_LAN, ZONE_LAN), KS_REASON_ZONE);
}

static void test_limits(void **state)
{
	for (__u32 id = 0; id < 8; id++)
		assert_int_equal(udp(false, id, 0, true, 64), NEW);
	assert_int_equal(udp(false, 8, 0, true, 64), KS_REASON_FRAGMENT_LIMIT);
	assert_int_equal(udp(false, 8, 64, true, 64), KS_REASON_FRAGMENT_LIMIT);
	assert_int_equal(udp(false, 7, 64, true, 64), NEW);
	for (__u32 i = 1; i < KS_DATAGRAM_PARTS; i++)
		assert_int_equal(udp(false, 6, 128 * i, true, 64), NEW);
	assert_int_equal(udp(false, 6, 128 * KS_DATAGRAM_PARTS, true, 64), KS_REASON_FRAGMENT_LIMIT);
	assert_int_equal(udp(false, 6, 64, true, 64), DEAD);
}

static void handshake(void)
{
	assert_int_equal(tcp(false, 0, 0, false, 20, 999, 0, KS_TCP_SYN), NEW);
	assert_int_equal(tcp(true, 0, 0, false, 20, 4999, 1000, KS_TCP_SYN | KS_TCP_ACK), EST);
	assert_int_equal(tcp(false, 0, 0, false, 20, 1000, 5000, KS_TCP_ACK), EST);
}

/* The flow learns where the whole segment ends, or its acknowledgement would be of unsent data. */
static void test_tcp_segment(void **state)
{
	handshake();
	assert_int_equal(tcp(false, 7, 0, true, 120, 1000, 5000, KS_TCP_ACK), EST);
	assert_int_equal(last.flow.after.end[KS_ORIGINAL], 1100);
	assert_int_equal(tcp(false, 7, 120, true, 80, 0, 0, 0), EST);
	assert_int_equal(tcp(false, 7, 200, false, 50, 0, 0, 0), EST);
	assert_int_equal(last.flow.after.end[KS_ORIGINAL], 1230);
	assert_int_equal(tcp(true, 0, 0, false, 20, 5000, 1231, KS_TCP_ACK), KS_REASON_TCP_ACK_AHEAD);
	assert_int_equal(tcp(true, 0, 0, false, 20, 5000, 1230, KS_TCP_ACK), EST);
	/* The last one first: it waits. A FIN counts. */
	assert_int_equal(tcp(false, 8, 120, false, 30, 0, 0, 0), HELD);
	assert_int_equal(tcp(false, 8, 0, true, 120, 1230, 5000, KS_TCP_FIN | KS_TCP_ACK), EST);
	assert_int_equal(last.verdict.state, KS_STATE_TCP_FIN_WAIT);
}

static void test_tcp_window(void **state)
{
	handshake();
	assert_int_equal(tcp(false, 7, 0, true, 120, 1000, 5000, KS_TCP_ACK), EST);
	assert_int_equal(tcp(false, 7, 1024, false, 17, 0, 0, 0), KS_REASON_TCP_WINDOW_SEQ);
	assert_int_equal(tcp(false, 7, 120, true, 80, 0, 0, 0), DEAD);
	/* One byte less is in the window. */
	assert_int_equal(tcp(false, 8, 0, true, 120, 1000, 5000, KS_TCP_ACK), EST);
	assert_int_equal(tcp(false, 8, 1016, false, 4, 0, 0, 0), EST);
	assert_int_equal(last.flow.after.end[KS_ORIGINAL], 2000);
}

static void test_flow_gone(void **state)
{
	struct ks_entry e = { 0 };

	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	e.key = last.flow.key;
	e.clock = last.flow.clock;
	assert_true(ks_table_kill(env, &e));
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_NO_STATE);
	/* Another flow in its place is not its. */
	{
		struct frame f;

		header_put(&f, false, KS_PROTO_UDP, 9, 0, true, 64);
		frame_udp(&f, 4001, 53, 200);
		frame_zeros(&f, 56);
		assert_int_equal(inspect(&f, false), NEW);
	}
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_FRAGMENT_AGAIN);
	assert_int_equal(udp(false, 7, 128, true, 64), KS_REASON_NO_STATE);
}

/* An entry that always changes between the look and the commit is given up, and nothing passes unnoted. */
static unsigned interfere;

static void on_bucket(struct ks_env *e, __u32 index)
{
	if (!interfere)
		return;
	interfere--;
	for (__u32 i = 0; i < KS_BUCKET_SLOTS; i++) {
		if (e->buckets[index].slot[i].key.kind == KS_KIND_FRAGMENT)
			e->buckets[index].slot[i].flow.version += 2;
	}
}

static void test_contended(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	env->on_bucket = on_bucket;
	interfere = 4;
	assert_int_equal(udp(false, 7, 64, true, 64), NEW);
	interfere = 1000000;
	assert_int_equal(udp(false, 7, 128, true, 64), KS_REASON_CONTENDED);
	assert_int_equal(last.verdict.action, KS_DENY);
	interfere = 0;
	assert_int_equal(udp(false, 7, 128, true, 64), NEW);
}

static void test_dry(void **state)
{
	size_t size = env->shape.buckets * sizeof(*env->buckets);
	struct ks_bucket *before = malloc(size);
	struct frame f;
	__u8 head[KS_HEAD_SIZE];

	assert_non_null(before);
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	memcpy(before, env->buckets, size);
	for (__u32 off = 0; off < 128; off += 64) {
		for (__u32 id = 7; id < 9; id++) {
			header_put(&f, false, KS_PROTO_UDP, id, off, true, 64);
			if (off == 0)
				frame_udp(&f, 4000, 53, 500);
			frame_zeros(&f, off ? 64 : 56);
			memcpy(head, f.data, sizeof(head));
			last = (struct ks_inspection){
				.home = { .now = now, .from = ZONE_LAN, .to = ZONE_WAN, .dry = 1 }
			};
			last.pkt.wire_len = f.len;
			last.pkt.head_len = f.len;
			ks_inspect(env, &last, head);
			assert_int_equal(last.verdict.reason, id == 7 ? (off ? NEW : KS_REASON_FRAGMENT_AGAIN)
							      : off   ? HELD
								      : NEW);
		}
	}
	assert_memory_equal(before, env->buckets, size);
	assert_int_equal(env->held_count, 0);
	free(before);
}

/* RFC 8200 4.5: the next header may differ from fragment to fragment, and identifications have 32 bits. */
static void test_ipv6_only(void **state)
{
	struct frame f;

	assert_int_equal(udp(false, 0x12340007, 0, true, 64), NEW);
	header_put(&f, false, 99, 0x12340007, 64, true, 64);
	frame_zeros(&f, 64);
	assert_int_equal(inspect(&f, false), NEW);
	header_put(&f, false, KS_PROTO_UDP, 0x00000007, 64, true, 64);
	frame_zeros(&f, 64);
	assert_int_equal(inspect(&f, false), HELD);
}

/* In IPv4 the protocol tells datagrams apart. */
static void test_ipv4_only(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(tcp(false, 7, 64, true, 64, 0, 0, 0), HELD);
}

#define BOTH(f) { #f " ipv4", f, setup, teardown, (void *)0 }, { #f " ipv6", f, setup, teardown, (void *)1 }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
		BOTH(test_first_then_others),
		BOTH(test_held),
		BOTH(test_resumed),
		BOTH(test_no_room_to_hold),
		BOTH(test_denied),
		BOTH(test_overlap),
		BOTH(test_again),
		BOTH(test_end),
		BOTH(test_tiny),
		BOTH(test_too_long),
		BOTH(test_reuse),
		BOTH(test_timeouts),
		BOTH(test_zones),
		BOTH(test_limits),
		BOTH(test_tcp_segment),
		BOTH(test_tcp_window),
		BOTH(test_flow_gone),
		BOTH(test_contended),
		BOTH(test_dry),
		{ "test_ipv6_only", test_ipv6_only, setup, teardown, (void *)1 },
		{ "test_ipv4_only", test_ipv4_only, setup, teardown, (void *)0 },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
