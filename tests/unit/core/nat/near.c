// SPDX-License-Identifier: BSD-2-Clause
/* Translations written where the headers lie, and what that does to every sum over them; core/nat/near.h. */
#include "tests/unit/core/test_home.h"

#include "core/header/upper_checksum.h"
#include "core/nat/near.h"

#define DATA 7 /* octets, so that the last word is half one */
#define TRIES 2000

struct kind {
	__u32 family, proto;
};

static const struct kind kinds[] = {
	{ KS_IPV4, KS_PROTO_TCP },
	{ KS_IPV4, KS_PROTO_UDP },
	{ KS_IPV6, KS_PROTO_TCP },
	{ KS_IPV6, KS_PROTO_UDP },
};

static __u64 seed = 1;

static __u32 number(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)(seed >> 32);
}

static void address_choose(struct ks_addr *addr, __u32 family)
{
	for (__u32 i = 0; i < 4; i++)
		addr->w[i] = family == KS_IPV6 || i == 3 ? number() : 0;
}

static struct ks_tuple tuple_choose(const struct kind *kind)
{
	struct ks_tuple tuple = { .proto = (__u8)kind->proto, .family = (__u8)kind->family };

	address_choose(&tuple.src, kind->family);
	address_choose(&tuple.dst, kind->family);
	tuple.sport = (__be16)number();
	tuple.dport = (__be16)number();
	return tuple;
}

static __u32 upper_length(__u32 proto)
{
	return (proto == KS_PROTO_TCP ? TCP_HEADER_LEN : UDP_HEADER_LEN) + DATA;
}

static struct ks_near near_of(struct frame *f, __u32 family, __u32 proto)
{
	__u8 *ip = f->data, *upper = ip + (family == KS_IPV4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN);

	return (struct ks_near){ .ip = ip, .ports = upper, .sum = upper + ks_near_sum_off(proto) };
}

static __u32 pseudo(const struct ks_tuple *tuple)
{
	struct ks_packet pkt = { .tuple = *tuple };

	return ks_checksum_fold(ks_checksum_pseudo(&pkt, upper_length(tuple->proto)));
}

/* The packet of a tuple, without an upper checksum. */
static void packet_make(struct frame *f, const struct ks_tuple *tuple)
{
	__u32 length = upper_length(tuple->proto);

	*f = (struct frame){ 0 };
	if (tuple->family == KS_IPV4) {
		frame_ipv4(f, tuple->proto, 1, 2, 0, length);
		memcpy(f->data + IPV4_SRC_OFF, &tuple->src.w[3], sizeof(__be32));
		memcpy(f->data + IPV4_DST_OFF, &tuple->dst.w[3], sizeof(__be32));
		frame_ipv4_checksum(f, 0);
	} else {
		frame_ipv6(f, tuple->proto, 1, 2, length);
		memcpy(f->data + IPV6_SRC_OFF, tuple->src.b, sizeof(tuple->src));
		memcpy(f->data + IPV6_DST_OFF, tuple->dst.b, sizeof(tuple->dst));
	}
	if (tuple->proto == KS_PROTO_TCP)
		frame_tcp(f, ks_be16(tuple->sport), ks_be16(tuple->dport), 5, 6, KS_TCP_ACK, 7);
	else
		frame_udp(f, ks_be16(tuple->sport), ks_be16(tuple->dport), DATA);
	frame_put(f, "payload", DATA);
}

static __u32 upper_sum(struct frame *f, const struct ks_tuple *tuple)
{
	return checksum_add(0, near_of(f, tuple->family, tuple->proto).ports, upper_length(tuple->proto));
}

/* Gives it the checksum that a sender puts there: the whole one, or an unfinished one. */
static void sum_put(struct frame *f, const struct ks_tuple *tuple, bool unfinished)
{
	__u8 *sum = near_of(f, tuple->family, tuple->proto).sum;
	__u32 whole;

	ks_store16(sum, 0);
	whole = ks_checksum_fold(pseudo(tuple) + ks_be16((__u16)upper_sum(f, tuple)));
	whole = KS_CHECKSUM_MASK & ~whole;
	ks_store16(sum, (__u16)(unfinished ? pseudo(tuple) : whole ?: KS_CHECKSUM_MASK));
}

/* Sums are equal modulo 0xffff. */
static void assert_same_sum(__u32 a, __u32 b)
{
	assert_int_equal(a % KS_CHECKSUM_MASK, b % KS_CHECKSUM_MASK);
}

/* Translates a packet with a sum of a sort, and holds it against the packet that the receiver would have been sent. */
static void check(const struct kind *kind, bool unfinished)
{
	struct ks_tuple old = tuple_choose(kind), new = tuple_choose(kind);
	struct frame f, wanted;
	struct ks_near near = near_of(&f, kind->family, kind->proto);
	__u32 before, grown;

	near.unfinished = unfinished;
	packet_make(&f, &old);
	sum_put(&f, &old, unfinished);
	packet_make(&wanted, &new);
	sum_put(&wanted, &new, unfinished);
	before = ks_be16((__u16)checksum_add(0, f.data, f.len));
	grown = ks_near_write(&near, kind->family, &old, &new);
	assert_same_sum(ks_load16(near.sum), ks_load16(near_of(&wanted, kind->family, kind->proto).sum));
	if (!unfinished)
		assert_same_sum(before + grown, ks_be16((__u16)checksum_add(0, f.data, f.len)));
	ks_store16(near.sum, 0);
	ks_store16(near_of(&wanted, kind->family, kind->proto).sum, 0);
	assert_memory_equal(f.data, wanted.data, wanted.len);
}

static void test_as_if_sent_so(void **state)
{
	for (__u32 i = 0; i < TRIES * KS_ARRAY_SIZE(kinds); i++) {
		check(&kinds[i % KS_ARRAY_SIZE(kinds)], false);
		check(&kinds[i % KS_ARRAY_SIZE(kinds)], true);
	}
}

/* 0 says that there is no checksum, and 0xffff stands for a sum that is 0 (RFC 768). */
static void test_udp_without_checksum(void **state)
{
	for (__u32 i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
		struct ks_tuple old = tuple_choose(&kinds[i]), new = tuple_choose(&kinds[i]);
		struct frame f;
		struct ks_near near = near_of(&f, kinds[i].family, kinds[i].proto);
		__u32 before, grown;

		packet_make(&f, &old);
		before = ks_be16((__u16)checksum_add(0, f.data, f.len));
		grown = ks_near_write(&near, kinds[i].family, &old, &new);
		assert_int_equal(!ks_load16(near.sum), kinds[i].proto == KS_PROTO_UDP);
		assert_same_sum(before + grown, ks_be16((__u16)checksum_add(0, f.data, f.len)));
	}
}

/* The checksum of a datagram never becomes 0 by a translation. */
static void test_udp_checksum_of_zero(void **state)
{
	const struct kind *kind = &kinds[1];
	__u32 met = 0;

	for (__u32 port = 0; port <= 0xffff; port++) {
		struct ks_tuple old = { .proto = KS_PROTO_UDP, .family = KS_IPV4, .src.w[3] = 1, .dst.w[3] = 2 },
				new = old;
		struct frame f;
		struct ks_near near = near_of(&f, kind->family, kind->proto);

		new.sport = (__be16)port;
		packet_make(&f, &old);
		sum_put(&f, &old, false);
		ks_near_write(&near, KS_IPV4, &old, &new);
		assert_true(ks_load16(near.sum));
		met += ks_load16(near.sum) == KS_CHECKSUM_MASK;
	}
	assert_true(met);
}

/* A wrong checksum stays wrong, by as much. */
static void test_wrong_stays_wrong(void **state)
{
	for (__u32 i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
		struct ks_tuple old = tuple_choose(&kinds[i]), new = tuple_choose(&kinds[i]);
		struct frame f;
		struct ks_near near = near_of(&f, kinds[i].family, kinds[i].proto);

		packet_make(&f, &old);
		sum_put(&f, &old, false);
		f.data[f.len - 2] ^= 1;
		ks_near_write(&near, kinds[i].family, &old, &new);
		assert_int_not_equal((pseudo(&new) + ks_be16((__u16)upper_sum(&f, &new))) % KS_CHECKSUM_MASK, 0);
	}
}

/* Only what it can write as a whole. */
static void test_serves(void **state)
{
	struct ks_inspection insp = { .home.halves = KS_TRANSLATE_BOTH,
				      .translate = KS_TRANSLATE_SRC,
				      .pkt.tuple.proto = KS_PROTO_TCP };

	assert_true(ks_near_serves(&insp));
	insp.translate |= KS_TRANSLATE_PORT;
	assert_false(ks_near_serves(&insp));
	insp.translate = KS_TRANSLATE_DST;
	insp.home.halves = KS_TRANSLATE_DST;
	assert_false(ks_near_serves(&insp));
	insp.home.halves = KS_TRANSLATE_BOTH;
	insp.pkt.tuple.proto = KS_PROTO_ICMP;
	assert_false(ks_near_serves(&insp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_if_sent_so),
		cmocka_unit_test(test_udp_without_checksum),
		cmocka_unit_test(test_udp_checksum_of_zero),
		cmocka_unit_test(test_wrong_stays_wrong),
		cmocka_unit_test(test_serves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
