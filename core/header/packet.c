// SPDX-License-Identifier: BSD-2-Clause
/*
 * From bytes to a packet: link header, IP header, the way to the upper protocol (ip.c), the upper header. Everything
 * that can be judged without state is judged here, each refusal with its own reason. Reads only the head buffer, within
 * the bounds that ks_head_need() has checked.
 *
 * RFC 791, 1071 (checksum), 8200, 7112 (the whole header chain must be in the first fragment), 6980 (neighbour discovery
 * is never fragmented).
 */
#include "core/header/checksum.h"
#include "core/header/dccp.h"
#include "core/header/gre.h"
#include "core/header/icmp.h"
#include "core/header/ip.h"
#include "core/header/ipsec.h"
#include "core/header/multicast.h"
#include "core/header/packet.h"
#include "core/rules.h"
#include "core/header/sctp.h"
#include "core/header/tcp.h"
#include "core/header/udp.h"
#include "core/verdict.h"
#include "core/header/wire.h"

static inline __u32 parse_ethernet(const __u8 *head, struct ks_packet *pkt, __u32 *ethertype)
{
	__u32 off = ETH_HEADER_LEN;
	__u32 type;

	if (pkt->head_len < ETH_HEADER_LEN)
		return KS_REASON_LINK_HEADER;
	type = ks_be16(ks_load16(head + ETH_TYPE_OFF));
	for (__u32 tags = 0; tags <= VLAN_TAGS_MAX; tags++) {
		if (type != ETH_TYPE_VLAN && type != ETH_TYPE_QINQ && type != ETH_TYPE_QINQ_OLD)
			break;
		if (tags == VLAN_TAGS_MAX || off + VLAN_TAG_LEN > pkt->head_len)
			return KS_REASON_LINK_HEADER;
		type = ks_be16(ks_load16(head + off + 2));
		off += VLAN_TAG_LEN;
	}
	pkt->l3_off = (__u16)off;
	*ethertype = type;
	return 0;
}

static inline __u32 parse_link(const __u8 *head, struct ks_packet *pkt, __u32 *version)
{
	__u32 type = 0, reason;

	if (pkt->link == KS_LINK_IP) {
		pkt->l3_off = 0;
		if (pkt->head_len == 0)
			return KS_REASON_TRUNCATED;
		*version = head[0] >> IP_VERSION_SHIFT;
		return *version == KS_IPV4 || *version == KS_IPV6 ? 0 : KS_REASON_IP_VERSION;
	}
	reason = parse_ethernet(head, pkt, &type);
	if (reason)
		return reason;
	if (type == ETH_TYPE_IPV4)
		*version = KS_IPV4;
	else if (type == ETH_TYPE_IPV6)
		*version = KS_IPV6;
	else
		pkt->ethertype = (__u16)type;
	return *version ? 0 : KS_REASON_OK_NOT_IP;
}

/* The one's complement sum over the header is all ones when it is right (RFC 1071). It is not 0, as the version is not. */
static inline bool ipv4_checksum_ok(const __u8 *ip, __u32 ihl)
{
	__u64 sum = (__u64)ks_load32(ip) + ks_load32(ip + 4) + ks_load32(ip + 8) + ks_load32(ip + IPV4_SRC_OFF) +
		    ks_load32(ip + IPV4_DST_OFF);

	for (__u32 i = IPV4_HEADER_LEN; i < IPV4_HEADER_LEN + IPV4_OPTIONS_MAX; i += 4) {
		if (ks_likely(i >= ihl))
			break;
		sum += ks_load32(ip + i);
	}
	return ks_checksum_is_ones(sum);
}

/*
 * Bytes of the datagram from the length field. A GSO packet above 64 KiB
 * ("BIG TCP") says 0 there, and its length is that of the frame.
 */
static inline __u32 datagram_length(const struct ks_packet *pkt, __u32 said, __u32 is_zero)
{
	__u32 rest = pkt->wire_len - pkt->l3_off;

	return is_zero && rest > IP_LENGTH_MAX ? rest : said;
}

/* Checks the header of `ihl` bytes at `off`, and reads the length of its datagram. Returns 0 or a reason. */
static ks_inline __u32 ipv4_check(const __u8 *ip, const struct ks_packet *pkt, __u32 off, __u32 ihl, __u32 options,
				  __u32 *total)
{
	__u32 said = ks_be16(ks_load16(ip + IPV4_TOTAL_LENGTH_OFF));

	*total = datagram_length(pkt, said, said == 0);
	if (*total < ihl || off + *total > pkt->wire_len)
		return KS_REASON_IP_TOTAL_LENGTH;
	return options & KS_OPT_NO_IP_CHECKSUM || ipv4_checksum_ok(ip, ihl) ? 0 : KS_REASON_IP_CHECKSUM;
}

static ks_inline void ipv4_take(const __u8 *head, const __u8 *ip, struct ks_packet *pkt, __u32 off, __u32 total)
{
	ks_addresses_read(head, off, KS_IPV4, &pkt->tuple);
	pkt->hop_limit = ip[IPV4_TTL_OFF];
	pkt->traffic_class = ip[IPV4_TOS_OFF];
	pkt->l3_len = total;
}

static __u32 parse_ipv4(const __u8 *head, struct ks_packet *pkt, struct ks_upper *up, __u32 options)
{
	const __u8 *ip = ks_head_at(head, pkt->l3_off);
	__u32 ihl, total, field, reason;

	if (pkt->l3_off + IPV4_HEADER_LEN > pkt->wire_len)
		return KS_REASON_TRUNCATED;
	reason = ks_head_need(pkt, pkt->l3_off, IPV4_HEADER_LEN);
	if (reason)
		return reason;
	if (ip[0] >> IP_VERSION_SHIFT != KS_IPV4)
		return KS_REASON_IP_VERSION;
	ihl = (ip[0] & IPV4_IHL_MASK) * IPV4_IHL_UNIT;
	if (ihl < IPV4_HEADER_LEN || pkt->l3_off + ihl > pkt->wire_len)
		return KS_REASON_IP_HEADER_LENGTH;
	reason = ks_head_need(pkt, pkt->l3_off, ihl);
	if (reason)
		return reason;
	reason = ipv4_check(ip, pkt, pkt->l3_off, ihl, options, &total);
	if (reason)
		return reason;
	if (ks_unlikely(ihl > IPV4_HEADER_LEN)) {
		ihl = (__u32)ks_hide_value(ihl, pkt->wire_len); /* the sum was a path for each length (V15) */
		reason = ks_ipv4_options_check(ip, pkt, ihl, options);
		if (reason)
			return reason;
	}
	ipv4_take(head, ip, pkt, pkt->l3_off, total);
	up->proto = ip[IPV4_PROTO_OFF];
	up->off = pkt->l3_off + ihl;
	field = ks_be16(ks_load16(ip + IPV4_FRAGMENT_OFF));
	if (ks_unlikely(field & IPV4_FRAGMENT_MASK)) {
		up->frag_at = (__u16)up->off;
		up->frag_off = (field & IPV4_FRAGMENT_OFFSET) * FRAGMENT_UNIT;
		up->frag_more = !!(field & IPV4_FRAGMENT_MORE);
		up->frag_id = ks_load16(ip + IPV4_ID_OFF);
	}
	return 0;
}

static __u32 parse_ipv6(const __u8 *head, struct ks_packet *pkt, struct ks_upper *up)
{
	const __u8 *ip = ks_head_at(head, pkt->l3_off);
	__u32 payload, total, reason;

	if (pkt->l3_off + IPV6_HEADER_LEN > pkt->wire_len)
		return KS_REASON_TRUNCATED;
	reason = ks_head_need(pkt, pkt->l3_off, IPV6_HEADER_LEN);
	if (reason)
		return reason;
	if (ip[0] >> IP_VERSION_SHIFT != KS_IPV6)
		return KS_REASON_IP_VERSION;
	payload = ks_be16(ks_load16(ip + IPV6_PAYLOAD_LENGTH_OFF));
	total = datagram_length(pkt, IPV6_HEADER_LEN + payload, payload == 0);
	if (pkt->l3_off + total > pkt->wire_len)
		return KS_REASON_IP_TOTAL_LENGTH;
	ks_addresses_read(head, pkt->l3_off, KS_IPV6, &pkt->tuple);
	pkt->hop_limit = ip[IPV6_HOP_LIMIT_OFF];
	pkt->traffic_class = (__u8)(ks_be16(ks_load16(ip)) >> IPV6_CLASS_SHIFT);
	pkt->l3_len = total;
	up->proto = ip[IPV6_NEXT_OFF];
	up->off = pkt->l3_off + IPV6_HEADER_LEN;
	return ks_ipv6_walk(head, pkt, pkt->l3_off + total, up);
}

/* The beginning of nearly every frame: Ethernet without tags, and IPv4 without options. */
#define PLAIN_LEN (ETH_HEADER_LEN + IPV4_HEADER_LEN)
#define PLAIN_VERSION_IHL (KS_IPV4 << IP_VERSION_SHIFT | IPV4_HEADER_LEN / IPV4_IHL_UNIT)

static ks_inline bool is_plain(const __u8 *head, const struct ks_packet *pkt)
{
	const __u8 *ip = head + ETH_HEADER_LEN;

	return pkt->link == KS_LINK_ETHERNET && pkt->head_len >= PLAIN_LEN &&
	       ks_load16(head + ETH_TYPE_OFF) == ks_be16(ETH_TYPE_IPV4) && ip[0] == PLAIN_VERSION_IHL &&
	       !(ks_load16(ip + IPV4_FRAGMENT_OFF) & ks_be16(IPV4_FRAGMENT_MASK));
}

/* The same as parse_link() and parse_ipv4(), for a frame of which they would find nothing odd but its lengths and its checksum. */
static ks_inline __u32 parse_plain(const __u8 *head, struct ks_packet *pkt, struct ks_upper *up, __u32 options)
{
	const __u8 *ip = head + ETH_HEADER_LEN;
	__u32 total, reason;

	pkt->l3_off = ETH_HEADER_LEN;
	reason = ipv4_check(ip, pkt, ETH_HEADER_LEN, IPV4_HEADER_LEN, options, &total);
	if (reason)
		return reason;
	ipv4_take(head, ip, pkt, ETH_HEADER_LEN, total);
	up->proto = ip[IPV4_PROTO_OFF];
	up->off = PLAIN_LEN;
	return 0;
}

/* Reads the link header and the IP header, whatever they are. */
static __u32 parse_network(const __u8 *head, struct ks_packet *pkt, struct ks_upper *up, __u32 options)
{
	__u32 version = 0, reason = parse_link(head, pkt, &version);

	if (reason == KS_REASON_OK_NOT_IP)
		pkt->flags |= KS_PKT_NOT_IP;
	if (reason)
		return reason;
	return version == KS_IPV4 ? parse_ipv4(head, pkt, up, options) : parse_ipv6(head, pkt, up);
}

/* The same in memory of its own, so that what a plain frame has found stays in registers. */
static ks_inline __u32 parse_odd(const __u8 *head, struct ks_packet *pkt, struct ks_upper *up, __u32 options)
{
	struct ks_upper found = {};
	__u32 reason = parse_network(head, pkt, &found, options);

	*up = found;
	return reason;
}

static __u32 parse_upper(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	__u32 proto = pkt->tuple.proto;

	if (ks_likely(proto == KS_PROTO_TCP))
		return ks_tcp_parse(head, pkt, l4_len);
	if (ks_likely(proto == KS_PROTO_UDP))
		return ks_udp_parse(head, pkt, l4_len);
	switch (proto) {
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		return ks_icmp_parse(head, pkt, l4_len);
	case KS_PROTO_SCTP:
		return ks_sctp_parse(head, pkt, l4_len);
	case KS_PROTO_DCCP:
		return ks_dccp_parse(head, pkt, l4_len);
	case KS_PROTO_UDPLITE:
		return ks_udplite_parse(head, pkt, l4_len);
	case KS_PROTO_GRE:
		return ks_gre_parse(head, pkt, l4_len);
	case KS_PROTO_ESP:
	case KS_PROTO_AH:
		return ks_ipsec_parse(head, pkt, l4_len);
	case KS_PROTO_IGMP:
		return ks_igmp_parse(head, pkt, l4_len);
	default:
		pkt->payload_off = pkt->l4_off;
		pkt->payload_len = l4_len;
		return 0;
	}
}

/* A packet from a host to itself never travels, except between the ports of a loopback. */
static bool is_land(const struct ks_tuple *tuple)
{
	return tuple->sport == tuple->dport && ks_addr_equal(&tuple->src, &tuple->dst) &&
	       ks_proto_has_ports(tuple->proto);
}

/* By its network address or its link address: only the latter tells a directed broadcast from an address of a host. */
static inline bool is_to_group(const __u8 *head, const struct ks_packet *pkt)
{
	return (pkt->special && ks_addr_is_group(&pkt->tuple.dst, pkt->tuple.family)) ||
	       (pkt->l3_off >= ETH_HEADER_LEN && head[0] & ETH_GROUP_BIT);
}

/*
 * Clears every field that the parser may not set, so that nothing of the last packet stays: by words, as a compiler joins
 * stores of fields in some places only.
 */
#define PACKET_FOUND __builtin_offsetof(struct ks_packet, l3_len) /* from here on all is found by the parser */

_Static_assert(PACKET_FOUND % sizeof(__u64) == 0 && sizeof(struct ks_packet) % sizeof(__u64) == 0,
	       "these are whole words");

static inline void packet_init(struct ks_packet *pkt)
{
	__u64 *word = (__u64 *)(void *)pkt;

	ks_words_clear(word, sizeof(pkt->tuple));
	ks_words_clear(word + PACKET_FOUND / sizeof(*word), sizeof(*pkt) - PACKET_FOUND);
	pkt->l3_off = 0;
	pkt->l4_off = 0;
	pkt->payload_off = 0;
	pkt->flags &= KS_PKT_SNAPPED;
}

/*
 * Reads where a fragment belongs in its datagram. All but the last are of a multiple of 8 bytes, and none goes past the
 * largest length that the length field can hold (RFC 791 3.2, RFC 8200 4.5). In IPv4 that counts the header, too.
 */
static __u32 parse_fragment(struct ks_packet *pkt, const struct ks_upper *up)
{
	__u32 len = pkt->l3_off + pkt->l3_len - up->frag_at;
	__u32 before = up->frag_at - pkt->l3_off;

	if (pkt->tuple.family == KS_IPV6)
		before -= IPV6_HEADER_LEN + IPV6_FRAGMENT_LEN;
	pkt->flags |= KS_PKT_FRAGMENT;
	pkt->tuple.proto = up->proto;
	pkt->frag_id = up->frag_id;
	pkt->frag_at = up->frag_at;
	pkt->frag_off = up->frag_off;
	pkt->frag_len = (__u16)len;
	pkt->frag_more = up->frag_more;
	if (len == 0 || (up->frag_more && len % FRAGMENT_UNIT))
		return KS_REASON_FRAGMENT;
	return before + up->frag_off + len > IP_LENGTH_MAX ? KS_REASON_FRAGMENT_TOO_LONG : 0;
}

/* Errors are never so large that they must be fragmented (RFC 1812 4.3.2.3, RFC 4443 2.4). */
static inline __u32 fragment_refused(const struct ks_packet *pkt)
{
	if (pkt->flags & KS_PKT_NEIGHBOUR)
		return KS_REASON_NEIGHBOUR;
	return pkt->flags & KS_PKT_ICMP_ERROR ? KS_REASON_ICMP_QUOTE : 0;
}

ks_frequent __u32 ks_packet_parse(const __u8 *head, struct ks_packet *pkt, __u32 options)
{
	struct ks_upper up = {};
	__u32 fragment, reason;

	packet_init(pkt);
	if (ks_likely(is_plain(head, pkt)))
		reason = parse_plain(head, pkt, &up, options);
	else
		reason = parse_odd(head, pkt, &up, options);
	if (ks_unlikely(up.frag_at)) {
		fragment = parse_fragment(pkt, &up);
		if (!reason)
			reason = fragment;
	}
	if (reason)
		return reason;
	pkt->special = (__u8)ks_hide_value(ks_tuple_may_be_on_link(&pkt->tuple), pkt->wire_len); /* V15 */
	if (ks_unlikely(pkt->special) && ks_addr_is_group(&pkt->tuple.src, pkt->tuple.family))
		return KS_REASON_IP_SOURCE;
	if (ks_unlikely(is_to_group(head, pkt)))
		pkt->flags |= KS_PKT_GROUP;
	pkt->l4_off = (__u16)up.off;
	pkt->tuple.proto = up.proto;
	if (up.frag_off) {
		pkt->payload_off = (__u16)up.off;
		pkt->payload_len = pkt->frag_len;
		return KS_REASON_OK_NEW;
	}
	reason = parse_upper(head, pkt, pkt->l3_off + pkt->l3_len - up.off);
	if (!reason && ks_unlikely(up.frag_at))
		reason = fragment_refused(pkt);
	if (reason)
		return reason;
	return is_land(&pkt->tuple) ? KS_REASON_LAND : KS_REASON_OK_NEW;
}
