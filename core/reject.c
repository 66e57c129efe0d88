// SPDX-License-Identifier: BSD-2-Clause
/* Answers to rejected packets; see reject.h. */
#include "core/reject.h"

#include "core/env.h"
#include "core/header/checksum.h"
#include "core/inspection.h"
#include "core/header/wire.h"

#define ANSWER_TTL 64
#define IPV4_VERSION_IHL 0x45
#define IPV6_VERSION_WORD 0x60000000U
#define TCP_DATA_OFFSET_PLAIN 0x50
#define ICMPV4_UNREACHABLE 3
#define ICMPV4_ADMIN_PROHIBITED 13
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_ADMIN_PROHIBITED 1
#define MAC_LEN 6U
#define CHALLENGE_WINDOW 65535U /* a firewall on the way believes the RST for it within this window */
#define ANSWER_L4_MAX 80U /* ICMP header, a quoted IPv4 header with options, and 8 bytes; or the same for IPv6 */

/* Offsets in an answer are below this; a header fits behind any of them. */
#define ANSWER_MASK 255U
_Static_assert(ETH_HEADER_LEN + VLAN_TAGS_MAX * VLAN_TAG_LEN + IPV6_HEADER_LEN + ANSWER_L4_MAX <= ANSWER_MASK &&
		       ANSWER_MASK + 64 < KS_REJECT_MAX,
	       "answers fit their buffer");

/* An answer while it is built. */
struct answer {
	__u8 *out;
	struct ks_addr src; /* that it comes from */
	__u32 ip; /* offset of its network header */
	__u32 l4; /* offset and bytes of what follows */
	__u32 l4_len;
};

static inline __u8 *out_at(__u8 *out, __u32 off)
{
	ks_hide_bound(off);
	return out + (off & ANSWER_MASK);
}

/* One's complement sum of `len` bytes, an even number of at most ANSWER_L4_MAX. */
static __u32 sum_words(__u8 *out, __u32 off, __u32 len)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < ANSWER_L4_MAX; i += 2) {
		if (i >= len)
			break;
		sum += ks_load16(out_at(out, off + i));
	}
	return sum;
}

/* The sum of words of 32 bits, as words of 16 bits (RFC 1071: it is the same). */
static inline __u32 sum_halves(__u64 sum)
{
	return (__u32)((sum & KS_CHECKSUM_MASK) + (sum >> KS_CHECKSUM_BITS & KS_CHECKSUM_MASK) +
		       (sum >> 2 * KS_CHECKSUM_BITS));
}

/* The same of a header of 20 bytes: IPv4's, or TCP's. */
static inline __u32 sum_header(const __u8 *header)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < IPV4_HEADER_LEN; i += 4)
		sum += ks_load32(header + i);
	return sum_halves(sum);
}

static inline __u16 checksum_of(__u32 sum)
{
	return (__u16)~ks_checksum_fold(sum);
}

/* Addresses, protocol and length, as upper checksums cover them (RFC 9293 3.1, RFC 8200 8.1). */
static __u32 sum_pseudo(const struct ks_addr *src, const struct ks_addr *dst, __u32 proto, __u32 len)
{
	__u64 sum = ks_be16(proto) + ks_be16(len);

	for (__u32 i = 0; i < 4; i++)
		sum += (__u64)src->w[i] + dst->w[i];
	return sum_halves(sum);
}

/* The link header of the answer: addresses swapped, tags as they are. */
static void link_header_answer(const __u8 *head, const struct ks_packet *pkt, __u8 *out)
{
	if (pkt->l3_off < ETH_HEADER_LEN)
		return;
	for (__u32 i = 0; i < MAC_LEN; i += 2) {
		ks_store16(out + i, ks_load16(head + MAC_LEN + i));
		ks_store16(out + MAC_LEN + i, ks_load16(head + i));
	}
	for (__u32 i = ETH_TYPE_OFF; i < ETH_HEADER_LEN + VLAN_TAGS_MAX * VLAN_TAG_LEN; i += 2) {
		if (i >= pkt->l3_off)
			break;
		ks_store16(out + i, ks_load16(head + i));
	}
}

static void ipv4_write(const struct ks_packet *pkt, struct answer *a, __u32 proto)
{
	__u8 *ip = out_at(a->out, a->ip);

	ks_store32(ip, ks_be32((__u32)IPV4_VERSION_IHL << 24 | (IPV4_HEADER_LEN + a->l4_len)));
	ks_store32(ip + 4, ks_be32(IPV4_DONT_FRAGMENT));
	ks_store32(ip + 8, ks_be32((__u32)ANSWER_TTL << 24 | proto << 16));
	ks_store32(ip + IPV4_SRC_OFF, a->src.w[3]);
	ks_store32(ip + IPV4_DST_OFF, pkt->tuple.src.w[3]);
	ks_store16(ip + IPV4_CHECKSUM_OFF, checksum_of(sum_header(ip)));
}

static void ipv6_write(const struct ks_packet *pkt, struct answer *a, __u32 proto)
{
	__u8 *ip = out_at(a->out, a->ip);

	ks_store32(ip, ks_be32(IPV6_VERSION_WORD));
	ks_store32(ip + 4, ks_be32(a->l4_len << 16 | proto << 8 | ANSWER_TTL));
	for (__u32 i = 0; i < 4; i++) {
		ks_store32(ip + IPV6_SRC_OFF + 4 * i, a->src.w[i]);
		ks_store32(ip + IPV6_DST_OFF + 4 * i, pkt->tuple.src.w[i]);
	}
}

static __u32 answer_finish(const struct ks_packet *pkt, struct answer *a, __u32 proto)
{
	if (pkt->tuple.family == KS_IPV4)
		ipv4_write(pkt, a, proto);
	else
		ipv6_write(pkt, a, proto);
	return a->l4 + a->l4_len;
}

/* A TCP header without options or payload. */
struct segment {
	__u32 seq, ack;
	__u16 window;
	__u8 flags;
};

static __u32 build_segment(const struct ks_packet *pkt, struct answer *a, const struct segment *segment)
{
	__u8 *tcp = out_at(a->out, a->l4);

	a->l4_len = TCP_HEADER_LEN;
	ks_store16(tcp, pkt->tuple.dport);
	ks_store16(tcp + 2, pkt->tuple.sport);
	ks_store32(tcp + TCP_SEQ_OFF, ks_be32(segment->seq));
	ks_store32(tcp + TCP_ACK_OFF, ks_be32(segment->ack));
	tcp[TCP_DATA_OFFSET_OFF] = TCP_DATA_OFFSET_PLAIN;
	tcp[TCP_FLAGS_OFF] = segment->flags;
	ks_store16(tcp + TCP_WINDOW_OFF, ks_be16(segment->window));
	ks_store32(tcp + TCP_CHECKSUM_OFF, 0);
	ks_store16(tcp + TCP_CHECKSUM_OFF,
		   checksum_of(sum_header(tcp) + sum_pseudo(&a->src, &pkt->tuple.src, KS_PROTO_TCP, TCP_HEADER_LEN)));
	return answer_finish(pkt, a, KS_PROTO_TCP);
}

/* RFC 9293 3.10.7.1: the number that the sender expects, or one that acknowledges what it sent. */
static __u32 build_reset(const struct ks_packet *pkt, struct answer *a)
{
	__u32 sent = pkt->payload_len + !!(pkt->tcp_flags & KS_TCP_SYN) + !!(pkt->tcp_flags & KS_TCP_FIN);
	bool has_ack = pkt->tcp_flags & KS_TCP_ACK;
	struct segment segment = { .seq = has_ack ? pkt->ack : 0,
				   .ack = has_ack ? 0 : pkt->seq + sent,
				   .flags = has_ack ? KS_TCP_RST : KS_TCP_RST | KS_TCP_ACK };

	return build_segment(pkt, a, &segment);
}

/* Quotes the network header and 8 bytes, from which the receiver knows its connection (RFC 792). */
static __u32 build_unreachable(const __u8 *head, const struct ks_packet *pkt, struct answer *a)
{
	bool v4 = pkt->tuple.family == KS_IPV4;
	__u32 quote = pkt->l4_off - pkt->l3_off + ICMP_QUOTE_MIN;
	__u8 *icmp = out_at(a->out, a->l4);
	__u32 sum = 0, length;

	quote &= ~1U;
	if (quote > ANSWER_L4_MAX - ICMP_HEADER_LEN || pkt->l3_len < quote)
		return 0;
	a->l4_len = ICMP_HEADER_LEN + quote;
	icmp[0] = v4 ? ICMPV4_UNREACHABLE : ICMPV6_UNREACHABLE;
	icmp[1] = v4 ? ICMPV4_ADMIN_PROHIBITED : ICMPV6_ADMIN_PROHIBITED;
	ks_store16(icmp + ICMP_CHECKSUM_OFF, 0);
	ks_store32(icmp + 4, 0);
	length = (__u32)ks_hide_value(quote, pkt->tuple.dst.d[0]); /* else it is known behind the loop (V15) */
	for (__u32 i = 0; i < ANSWER_L4_MAX - ICMP_HEADER_LEN; i += 2) {
		if (i >= length)
			break;
		ks_store16(out_at(a->out, a->l4 + ICMP_HEADER_LEN + i), ks_load16(ks_head_at(head, pkt->l3_off + i)));
	}
	if (!v4)
		sum = sum_pseudo(&a->src, &pkt->tuple.src, KS_PROTO_ICMPV6, a->l4_len);
	length = (__u32)ks_hide_value(a->l4_len, pkt->tuple.dst.d[0]);
	ks_store16(icmp + ICMP_CHECKSUM_OFF, checksum_of(sum + sum_words(a->out, a->l4, length)));
	return answer_finish(pkt, a, v4 ? KS_PROTO_ICMP : KS_PROTO_ICMPV6);
}

/* Returns true if the packet may be answered at all (RFC 1122 3.2.2, RFC 4443 2.4). */
static bool may_answer(const __u8 *head, const struct ks_packet *pkt)
{
	const struct ks_tuple *tuple = &pkt->tuple;
	__u32 v4 = ks_be32(tuple->dst.w[3]);

	/* Only the first fragment of a datagram is answered (RFC 1122 3.2.2): no other has ports. */
	if (pkt->flags & KS_PKT_ICMP_ERROR || pkt->tcp_flags & KS_TCP_RST || pkt->frag_off)
		return false;
	/* The group bit of its link address: it was sent to a group. */
	if (pkt->l3_off >= ETH_HEADER_LEN && head[0] & 1)
		return false;
	if (tuple->family == KS_IPV4)
		return v4 != 0xffffffffU && v4 >> 28 != 0xe && tuple->src.w[3] != 0;
	return tuple->dst.b[0] != 0xff && (tuple->src.d[0] | tuple->src.d[1]) != 0;
}

__u32 ks_reject_build(const __u8 *head, const struct ks_packet *pkt, const struct ks_addr *self, __u8 *out)
{
	struct answer a = { .out = out, .ip = pkt->l3_off, .src = pkt->tuple.dst };
	__u32 len;

	if (!may_answer(head, pkt))
		return 0;
	a.l4 = a.ip + (pkt->tuple.family == KS_IPV4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN);
	link_header_answer(head, pkt, out);
	/* A RST comes from the peer, an ICMP error from the router that speaks (RFC 1812 4.3.2.4, RFC 4443 2.2). */
	if (self && pkt->tuple.proto != KS_PROTO_TCP)
		a.src = *self;
	len = pkt->tuple.proto == KS_PROTO_TCP ? build_reset(pkt, &a) : build_unreachable(head, pkt, &a);
	/* No answer is larger than what provoked it. */
	return len <= pkt->l3_off + pkt->l3_len ? len : 0;
}

__u32 ks_challenge_build(const __u8 *head, const struct ks_inspection *insp, __u8 *out)
{
	const struct ks_packet *pkt = &insp->pkt;
	struct answer a = { .out = out, .ip = pkt->l3_off, .src = pkt->tuple.dst };
	struct segment segment = { .seq = insp->challenge.own,
				   .ack = insp->challenge.ack,
				   .window = CHALLENGE_WINDOW,
				   .flags = KS_TCP_SYN | KS_TCP_ACK };

	if (!may_answer(head, pkt))
		return 0;
	a.l4 = a.ip + (pkt->tuple.family == KS_IPV4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN);
	link_header_answer(head, pkt, out);
	return build_segment(pkt, &a, &segment);
}

__u32 ks_answer_build(struct ks_env *env, const struct ks_inspection *insp, const __u8 *head, __u8 *out)
{
	struct ks_addr self;

	if (insp->verdict.reason == KS_REASON_CHALLENGED)
		return ks_challenge_build(head, insp, out);
	return ks_reject_build(head, &insp->pkt, ks_reject_source(env, insp, &self) ? &self : NULL, out);
}

bool ks_reject_source(struct ks_env *env, const struct ks_inspection *insp, struct ks_addr *self)
{
	bool own = insp->home.from == KS_ZONE_SELF;

	return env_address_of(env, own ? KS_REPLY : KS_ORIGINAL, own ? insp->to : insp->home.from,
			      insp->pkt.tuple.family, self);
}
