// SPDX-License-Identifier: BSD-2-Clause
/* The bytes that the checksum of an upper protocol covers; see upper_checksum.h. */
#include "core/header/upper_checksum.h"

#include "core/header/checksum.h"
#include "core/header/wire.h"
#include "core/home.h"

#define GRE_CHECKSUM_PRESENT 0x80
#define GRE_VERSION_OFF 1U
#define GRE_VERSION_MASK 0x07

/* The header, and words behind it as its coverage says; 0 stands for all. */
static inline __u32 dccp_covered(const __u8 *l4, const struct ks_packet *pkt, __u32 len)
{
	__u32 words = l4[DCCP_COVERAGE_OFF] & DCCP_COVERAGE_MASK;

	if (!words)
		return len;
	return KS_MIN(len, pkt->payload_off - pkt->l4_off + (words - 1) * DCCP_COVERAGE_UNIT);
}

__u32 ks_checksum_covered(const __u8 *head, const struct ks_packet *pkt)
{
	const __u8 *l4 = ks_head_at(head, pkt->l4_off);
	__u32 len = pkt->l3_off + pkt->l3_len - pkt->l4_off, coverage;

	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
	case KS_PROTO_IGMP:
	case KS_PROTO_SCTP:
		return len;
	case KS_PROTO_UDP: /* 0: not computed, allowed in IPv4 (RFC 768) */
		if (pkt->tuple.family == KS_IPV4 && !ks_load16(l4 + UDP_CHECKSUM_OFF))
			return 0;
		return pkt->payload_off - pkt->l4_off + pkt->payload_len;
	case KS_PROTO_UDPLITE:
		coverage = ks_be16(ks_load16(l4 + UDPLITE_COVERAGE_OFF));
		return coverage ? coverage : len;
	case KS_PROTO_DCCP:
		return dccp_covered(l4, pkt, len);
	case KS_PROTO_GRE:
		return l4[0] & GRE_CHECKSUM_PRESENT && !(l4[GRE_VERSION_OFF] & GRE_VERSION_MASK) ? len : 0;
	default:
		return 0;
	}
}

static inline __u32 sum_address(const struct ks_addr *addr)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < KS_ARRAY_SIZE(addr->w); i++)
		sum += (addr->w[i] & KS_CHECKSUM_MASK) + (addr->w[i] >> KS_CHECKSUM_BITS);
	return sum;
}

/* ICMP of IPv4, IGMP and GRE are summed alone, the others with the addresses. */
static inline bool has_pseudo_header(__u32 proto)
{
	return proto != KS_PROTO_ICMP && proto != KS_PROTO_IGMP && proto != KS_PROTO_GRE && proto != KS_PROTO_SCTP;
}

/* Its length is UDP's own, or that of the whole upper packet (RFC 3828 3.2). */
__u32 ks_checksum_pseudo(const struct ks_packet *pkt, __u32 covered)
{
	__u32 len = pkt->tuple.proto == KS_PROTO_UDP ? covered : pkt->l3_off + pkt->l3_len - pkt->l4_off;

	if (!has_pseudo_header(pkt->tuple.proto))
		return 0;
	return sum_address(&pkt->tuple.src) + sum_address(&pkt->tuple.dst) + ks_be16(pkt->tuple.proto) +
	       ks_be16(len & KS_CHECKSUM_MASK) + ks_be16(len >> KS_CHECKSUM_BITS);
}
