// SPDX-License-Identifier: BSD-2-Clause
/*
 * Answers to rejected packets: valid packets by a checksum of our own, never
 * larger than what provoked them, going back the way it came, and none where
 * RFC 1122 3.2.2 and RFC 4443 2.4 forbid one.
 */
#include "tests/unit/core/test_home.h"

#include "core/reject.h"
#include "core/verdict.h"

#define CANARY 0xc7

struct answer {
	__u8 data[KS_REJECT_MAX + 16];
	__u32 len;
};

/* Parses the frame, which must be good, and builds the answer between canaries. */
static void answer_to(const struct frame *f, struct ks_packet *pkt, struct answer *a)
{
	__u8 head[KS_HEAD_SIZE];

	memset(head, 0xa5, sizeof(head));
	memcpy(head, f->data, KS_MIN(f->len, KS_HEAD_MAX));
	*pkt = (struct ks_packet){ .wire_len = f->len, .head_len = KS_MIN(f->len, KS_HEAD_MAX), .link = f->link };
	assert_int_equal(ks_packet_parse(head, pkt, 0), KS_REASON_OK_NEW);
	memset(a->data, CANARY, sizeof(a->data));
	a->len = ks_reject_build(head, pkt, NULL, a->data);
	assert_true(a->len <= KS_REJECT_MAX);
	/* Without an answer the buffer may hold anything. */
	for (__u32 i = a->len ? a->len : KS_REJECT_MAX; i < sizeof(a->data); i++)
		assert_int_equal(a->data[i], CANARY);
}

static __u32 pseudo_sum(const struct ks_tuple *t, __u8 proto, __u32 len)
{
	const __u8 tail[4] = { 0, proto, (__u8)(len >> 8), len & 0xff };
	__u32 sum = checksum_add(0, t->src.b, 16);

	sum = checksum_add(sum, t->dst.b, 16);
	return checksum_add(sum, tail, 4);
}

/* The answer as a packet: link header turned, addresses swapped, every checksum right, nothing behind it. */
static void assert_valid(const struct frame *f, const struct ks_packet *pkt, const struct answer *a,
			 struct ks_packet *back)
{
	__u8 head[KS_HEAD_SIZE] = { 0 };
	__u32 l4, l4_len, sum = 0;

	assert_true(a->len > 0 && a->len <= f->len);
	memcpy(head, a->data, KS_MIN(a->len, KS_HEAD_MAX));
	*back = (struct ks_packet){ .wire_len = a->len, .head_len = KS_MIN(a->len, KS_HEAD_MAX), .link = f->link };
	assert_int_equal(ks_packet_parse(head, back, 0), KS_REASON_OK_NEW);
	assert_int_equal(back->l3_off, pkt->l3_off);
	assert_int_equal(back->l3_len, a->len - pkt->l3_off);
	assert_memory_equal(&back->tuple.src, &pkt->tuple.dst, 16);
	assert_memory_equal(&back->tuple.dst, &pkt->tuple.src, 16);
	if (pkt->l3_off) {
		assert_memory_equal(a->data, f->data + 6, 6);
		assert_memory_equal(a->data + 6, f->data, 6);
		assert_memory_equal(a->data + 12, f->data + 12, pkt->l3_off - 12);
	}
	l4 = back->l4_off;
	l4_len = a->len - l4;
	if (back->tuple.proto != KS_PROTO_ICMP)
		sum = pseudo_sum(&back->tuple, back->tuple.proto, l4_len);
	assert_int_equal(checksum_add(sum, a->data + l4, l4_len), 0xffff);
}

static void begin(struct frame *f, unsigned tags, bool bare, bool v6)
{
	*f = (struct frame){ .link = KS_LINK_IP };
	if (!bare)
		frame_ethernet(f, v6 ? 0x86dd : 0x0800, tags);
}

static void ip(struct frame *f, bool v6, __u8 proto, __u32 options, __u32 payload)
{
	if (v6)
		frame_ipv6(f, proto, 1, 2, payload);
	else
		frame_ipv4(f, proto, 1, 2, options, payload);
}

/* All link headers and both families: bare, Ethernet, one tag, two tags. */
#define FOR_LINKS(v6, link)                 \
	for (unsigned v6 = 0; v6 < 2; v6++) \
		for (unsigned link = 0; link < 4; link++)

static void test_reset(void **state)
{
	static const __u8 flags[] = { KS_TCP_SYN, KS_TCP_ACK, KS_TCP_ACK | KS_TCP_FIN, KS_TCP_SYN | KS_TCP_ACK,
				      KS_TCP_SYN | KS_TCP_PSH };

	FOR_LINKS(v6, link)
	{
		for (size_t i = 0; i < KS_ARRAY_SIZE(flags); i++) {
			for (__u32 data = 0; data < 4; data++) {
				__u32 syn = !!(flags[i] & KS_TCP_SYN), fin = !!(flags[i] & KS_TCP_FIN);
				struct ks_packet pkt, back;
				struct answer a;
				struct frame f;

				begin(&f, link ? link - 1 : 0, link == 0, v6);
				ip(&f, v6, KS_PROTO_TCP, 0, 20 + data);
				frame_tcp(&f, 4000, 80, 0xfffffffe, 0x9abcdef0, flags[i], 100);
				frame_zeros(&f, data);
				answer_to(&f, &pkt, &a);
				assert_valid(&f, &pkt, &a, &back);
				assert_int_equal(back.tuple.proto, KS_PROTO_TCP);
				assert_int_equal(ks_be16(back.tuple.sport), 80);
				assert_int_equal(ks_be16(back.tuple.dport), 4000);
				assert_int_equal(back.payload_len, 0);
				/* RFC 9293 3.10.7.1 */
				if (flags[i] & KS_TCP_ACK) {
					assert_int_equal(back.tcp_flags, KS_TCP_RST);
					assert_int_equal(back.seq, 0x9abcdef0);
				} else {
					assert_int_equal(back.tcp_flags, KS_TCP_RST | KS_TCP_ACK);
					assert_int_equal(back.seq, 0);
					assert_int_equal(back.ack, 0xfffffffe + data + syn + fin);
				}
			}
		}
	}
}

/* Never larger than the provoking packet, at the byte where it begins to fit; IPv4 options and all. */
static void test_unreachable_size(void **state)
{
	FOR_LINKS(v6, link)
	{
		for (__u32 options = 0; options <= (v6 ? 0 : 40); options += 20) {
			for (__u32 data = 0; data < 120; data++) {
				__u32 header = v6 ? 40 : 20, quote = header + options + 8;
				struct ks_packet pkt, back;
				struct answer a;
				struct frame f;

				begin(&f, link ? link - 1 : 0, link == 0, v6);
				ip(&f, v6, KS_PROTO_UDP, options, 8 + data);
				frame_udp(&f, 4000, 53, data);
				frame_zeros(&f, data);
				answer_to(&f, &pkt, &a);
				if (header + 8 + quote > header + options + 8 + data) {
					assert_int_equal(a.len, 0);
					continue;
				}
				assert_valid(&f, &pkt, &a, &back);
				assert_int_equal(back.icmp_type, v6 ? 1 : 3);
				assert_int_equal(back.icmp_code, v6 ? 1 : 13);
				assert_int_equal(a.len - back.payload_off, quote);
				assert_memory_equal(a.data + back.payload_off, f.data + pkt.l3_off, quote);
			}
		}
	}
}

/* IPv6 extension headers are quoted whole, or there is no answer. */
static void test_extension_headers(void **state)
{
	for (unsigned link = 0; link < 4; link++) {
		for (__u32 ext = 8; ext <= 64; ext += 8) {
			struct ks_packet pkt, back;
			struct answer a;
			struct frame f;

			begin(&f, link ? link - 1 : 0, link == 0, true);
			frame_ipv6(&f, KS_PROTO_DSTOPTS, 1, 2, ext + 8 + 200);
			frame_put8(&f, KS_PROTO_UDP);
			frame_put8(&f, (__u8)(ext / 8 - 1));
			frame_zeros(&f, ext - 2);
			frame_udp(&f, 4000, 53, 200);
			frame_zeros(&f, 200);
			answer_to(&f, &pkt, &a);
			if (!a.len) {
				assert_true(ext > 24);
				continue;
			}
			assert_valid(&f, &pkt, &a, &back);
			assert_int_equal(a.len - back.payload_off, 40 + ext + 8);
			assert_memory_equal(a.data + back.payload_off, f.data + pkt.l3_off, 40 + ext + 8);
		}
	}
}

static __u32 answer_len(const struct frame *f)
{
	struct ks_packet pkt;
	struct answer a;

	answer_to(f, &pkt, &a);
	return a.len;
}

static void udp_frame(struct frame *f, bool v6)
{
	begin(f, 0, false, v6);
	ip(f, v6, KS_PROTO_UDP, 0, 8 + 100);
	frame_udp(f, 4000, 53, 100);
	frame_zeros(f, 100);
}

static void test_never_answered(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct frame f;

		udp_frame(&f, v6);
		assert_int_not_equal(answer_len(&f), 0);
		f.data[0] |= 1; /* a group on the link */
		assert_int_equal(answer_len(&f), 0);
		begin(&f, 0, false, v6);
		ip(&f, v6, KS_PROTO_TCP, 0, 20);
		frame_tcp(&f, 4000, 80, 1, 2, KS_TCP_RST | KS_TCP_ACK, 0);
		assert_int_equal(answer_len(&f), 0);
		/* An ICMP error: time exceeded. */
		begin(&f, 0, false, v6);
		ip(&f, v6, v6 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP, 0, 8 + 100);
		frame_put8(&f, v6 ? 3 : 11);
		frame_zeros(&f, 7 + 100);
		assert_int_equal(answer_len(&f), 0);
	}
}

static void test_groups_and_nobody(void **state)
{
	struct frame f;

	for (unsigned first = 224; first < 256; first++) {
		bool group = first < 240;

		udp_frame(&f, false);
		f.data[30] = (__u8)first;
		frame_ipv4_checksum(&f, 14);
		assert_int_equal(answer_len(&f) == 0, group);
	}
	udp_frame(&f, false);
	memset(f.data + 30, 0xff, 4);
	frame_ipv4_checksum(&f, 14);
	assert_int_equal(answer_len(&f), 0);
	/* From nobody. */
	udp_frame(&f, false);
	memset(f.data + 26, 0, 4);
	frame_ipv4_checksum(&f, 14);
	assert_int_equal(answer_len(&f), 0);
	udp_frame(&f, true);
	memset(f.data + 22, 0, 16);
	assert_int_equal(answer_len(&f), 0);
	udp_frame(&f, true);
	f.data[38] = 0xff;
	assert_int_equal(answer_len(&f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_unreachable_size),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_never_answered),
		cmocka_unit_test(test_groups_and_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
