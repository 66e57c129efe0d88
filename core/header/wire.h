/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things are in the headers, each offset, shift and mask named once,
 * and the bounded read of the head buffer that all parsers use.
 */
#ifndef KS_CORE_HEADER_WIRE_H
#define KS_CORE_HEADER_WIRE_H

#include "core/home.h"
#include "core/header/packet.h"
#include "core/types.h"
#include "core/verdict.h"

/* Ethernet and VLAN tags (IEEE 802.3, 802.1Q) */
#define ETH_HEADER_LEN 14U
#define ETH_SRC_OFF 6U
#define ETH_TYPE_OFF 12U
#define ETH_GROUP_BIT 0x01 /* of an address's first byte */
#define ETH_LENGTH_MAX 0x05dc /* up to here the type is a length: LLC, spanning tree (IEEE 802.3 3.2.6) */
#define VLAN_TAG_LEN 4U
#define VLAN_TAGS_MAX 2U
#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_IPV6 0x86dd
#define ETH_TYPE_VLAN 0x8100
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_RARP 0x8035
#define ETH_TYPE_SLOW 0x8809 /* LACP and others (IEEE 802.3 57A) */
#define ETH_TYPE_EAPOL 0x888e
#define ETH_TYPE_LLDP 0x88cc
#define ETH_TYPE_QINQ 0x88a8
#define ETH_TYPE_QINQ_OLD 0x9100

/* IPv4 (RFC 791) */
#define IPV4_HEADER_LEN 20U
#define IPV4_IHL_MASK 0x0f
#define IPV4_IHL_UNIT 4U
#define IP_VERSION_SHIFT 4
#define IPV4_TOS_OFF 1U
#define IPV4_TOTAL_LENGTH_OFF 2U
#define IPV4_ID_OFF 4U
#define IPV4_FRAGMENT_OFF 6U
#define IPV4_TTL_OFF 8U
#define IPV4_PROTO_OFF 9U
#define IPV4_CHECKSUM_OFF 10U
#define IPV4_SRC_OFF 12U
#define IPV4_DST_OFF 16U
#define IP_LENGTH_MAX 65535U
#define IPV4_FRAGMENT_MASK 0x3fff /* more fragments, and the offset */
#define IPV4_FRAGMENT_MORE 0x2000
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define FRAGMENT_UNIT 8U /* bytes that offsets count in */
#define IPV4_OPTIONS_MAX 40U
#define IPV4_OPT_END 0
#define IPV4_OPT_NOP 1
#define IPV4_OPT_RR 7 /* record route */
#define IPV4_OPT_TS 68
#define IPV4_OPT_SEC 130 /* RFC 1108, with the next */
#define IPV4_OPT_LSRR 131
#define IPV4_OPT_ESEC 133
#define IPV4_OPT_CIPSO 134
#define IPV4_OPT_SID 136
#define IPV4_OPT_SSRR 137
#define IPV4_OPT_RA 148 /* RFC 2113 */

/* IPv6 (RFC 8200) */
#define IPV6_HEADER_LEN 40U
#define IPV6_PAYLOAD_LENGTH_OFF 4U
#define IPV6_FLOWINFO_MASK 0x0fffffffU /* traffic class and flow label, of the first word */
#define IPV6_CLASS_SHIFT 4 /* of the traffic class in the first 16 bits */
#define IPV6_NEXT_OFF 6U
#define IPV6_HOP_LIMIT_OFF 7U
#define IPV6_SRC_OFF 8U
#define IPV6_DST_OFF 24U
#define IPV6_EXT_MAX 8U /* headers we walk */
#define IPV6_EXT_UNIT 8U
#define IPV6_AH_UNIT 4U
#define IPV6_FRAGMENT_LEN 8U
#define IPV6_FRAGMENT_ID_OFF 4U
#define IPV6_FRAGMENT_MASK 0xfff9 /* offset, and more fragments */
#define IPV6_FRAGMENT_MORE 0x0001
#define IPV6_FRAGMENT_OFFSET 0xfff8 /* in bytes */

/* TCP (RFC 9293) */
#define TCP_HEADER_LEN 20U
#define TCP_SEQ_OFF 4U
#define TCP_ACK_OFF 8U
#define TCP_DATA_OFFSET_OFF 12U
#define TCP_DATA_OFFSET_SHIFT 4
#define TCP_DATA_OFFSET_UNIT 4U
#define TCP_FLAGS_OFF 13U
#define TCP_WINDOW_OFF 14U
#define TCP_CHECKSUM_OFF 16U
#define TCP_OPTIONS_MAX 40U
#define TCP_WINDOW_MAX (1U << 30) /* RFC 7323 2.3 */
#define TCP_OPT_END 0
#define TCP_OPT_NOP 1
#define TCP_OPT_MSS 2
#define TCP_OPT_MSS_LEN 4U
#define TCP_OPT_WSCALE 3
#define TCP_OPT_WSCALE_LEN 3U
#define TCP_OPT_SACK_PERM 4
#define TCP_OPT_SACK_PERM_LEN 2U
#define TCP_OPT_SACK 5
#define TCP_OPT_SACK_BLOCK 8U
#define TCP_OPT_SACK_BLOCKS_MAX 4U
#define TCP_OPT_TIMESTAMP_ONLY_LEN 12U
#define TCP_OPT_TIMESTAMP_ONLY 0x0101080aU /* NOP, NOP, kind 8, length 10: what most segments carry */

/* UDP (RFC 768), UDP-Lite (RFC 3828) */
#define UDP_HEADER_LEN 8U
#define UDP_LENGTH_OFF 4U
#define UDP_CHECKSUM_OFF 6U /* of UDP-Lite too */
#define UDPLITE_COVERAGE_OFF 4U

/* SCTP (RFC 9260) */
#define SCTP_CHECKSUM_OFF 8U /* of its four bytes */

/* DCCP (RFC 4340) */
#define DCCP_COVERAGE_OFF 5U
#define DCCP_COVERAGE_MASK 0x0f
#define DCCP_COVERAGE_UNIT 4U
#define DCCP_CHECKSUM_OFF 6U

/* ICMP (RFC 792, RFC 4443) */
#define ICMP_HEADER_LEN 8U
#define ICMP_CHECKSUM_OFF 2U
#define ICMP_ID_OFF 4U

/* Bytes of an upper header that an ICMP error must quote (RFC 792). */
#define ICMP_QUOTE_MIN 8U

/* The byte at `off`; the mask repeats for the verifier what the caller has checked against head_len (V3, V4). */
static inline const __u8 *ks_head_at(const __u8 *head, __u32 off)
{
	ks_hide_bound(off);
	return head + (off & (KS_HEAD_MAX - 1));
}

_Static_assert(__builtin_offsetof(struct ks_tuple, dport) ==
		       __builtin_offsetof(struct ks_tuple, sport) + sizeof(__be16),
	       "both ports are one word, as on the wire");

/* Reads the ports that an upper header begins with. */
static inline void ks_ports_read(const __u8 *upper, struct ks_tuple *tuple)
{
	ks_store32(&tuple->sport, ks_load32(upper));
}

/*
 * 0 if `size` bytes at `off` lie in the inspected head, else the reason why
 * not. Sizes are at most KS_HEAD_SLACK.
 */
static inline __u32 ks_head_need(const struct ks_packet *pkt, __u32 off, __u32 size)
{
	if (ks_likely(off + size <= pkt->head_len))
		return 0;
	return pkt->head_len >= KS_HEAD_MAX ? KS_REASON_HEADERS_TOO_LONG : KS_REASON_TRUNCATED;
}

/* The upper header of a first fragment says that it and what it covers are `len` bytes: the datagram may not end before. */
static inline void ks_fragment_expect(struct ks_packet *pkt, __u32 len)
{
	if (pkt->flags & KS_PKT_FRAGMENT)
		pkt->frag_least = (__u16)KS_MIN(pkt->l4_off - pkt->frag_at + len, IP_LENGTH_MAX);
}

/* The reason when an upper header of the packet is not all there. */
static inline __u32 ks_packet_short(const struct ks_packet *pkt, __u32 otherwise)
{
	return pkt->flags & KS_PKT_FRAGMENT ? KS_REASON_FRAGMENT_TINY : otherwise;
}

#endif
