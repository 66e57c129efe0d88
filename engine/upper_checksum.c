// SPDX-License-Identifier: BSD-2-Clause
/* See upper_checksum.h. */
#include "engine/upper_checksum.h"

#include <string.h>

#include "core/header/checksum.h"
#include "core/header/wire.h"
#include "engine/big_endian.h"
#include "engine/crc32c.h"

#define GRE_CHECKSUM_PRESENT 0x80
#define GRE_VERSION_OFF 1U
#define GRE_VERSION_MASK 0x07

/* Adds bytes as 16-bit words in wire order. */
static __u64 sum_bytes(const __u8 *data, size_t len)
{
	__u64 sum = 0;
	__u16 word;

	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum += word;
	}
	if (len)
		sum += ks_be16((__u16)(*data << 8));
	return sum;
}

/* How many of the `len` bytes behind the network header the checksum covers; 0 without a checksum. */
static __u32 covered_bytes(const __u8 *l4, const struct ks_packet *pkt, __u32 len)
{
	__u32 words;

	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
	case KS_PROTO_IGMP:
		return len;
	case KS_PROTO_UDP: /* 0: not computed, allowed in IPv4 (RFC 768) */
		return pkt->tuple.family == KS_IPV6 || ks_get16(l4 + UDP_CHECKSUM_OFF)
			       ? pkt->payload_off - pkt->l4_off + pkt->payload_len
			       : 0;
	case KS_PROTO_UDPLITE:
		return ks_get16(l4 + UDPLITE_COVERAGE_OFF) ? ks_get16(l4 + UDPLITE_COVERAGE_OFF) : len;
	case KS_PROTO_DCCP:
		words = l4[DCCP_COVERAGE_OFF] & DCCP_COVERAGE_MASK;
		if (!words)
			return len;
		return KS_MIN(len, pkt->payload_off - pkt->l4_off + (words - 1) * DCCP_COVERAGE_UNIT);
	case KS_PROTO_GRE:
		return l4[0] & GRE_CHECKSUM_PRESENT && !(l4[GRE_VERSION_OFF] & GRE_VERSION_MASK) ? len : 0;
	default:
		return 0;
	}
}

/* ICMP of IPv4, IGMP and GRE are summed alone, the others with the addresses. */
static bool has_pseudo_header(unsigned proto)
{
	return proto != KS_PROTO_ICMP && proto != KS_PROTO_IGMP && proto != KS_PROTO_GRE;
}

/* `len`: UDP's own length, or that of the whole upper packet (RFC 3828 3.2). */
static __u64 sum_pseudo_header(const struct ks_packet *pkt, __u32 len)
{
	return sum_bytes(pkt->tuple.src.b, sizeof(pkt->tuple.src)) +
	       sum_bytes(pkt->tuple.dst.b, sizeof(pkt->tuple.dst)) + ks_be16(pkt->tuple.proto) +
	       ks_be16(len & KS_CHECKSUM_MASK) + ks_be16(len >> KS_CHECKSUM_BITS);
}

static bool sctp_crc_is_right(const __u8 *l4, __u32 len)
{
	__u32 crc = ks_crc32c_around(l4, len, SCTP_CHECKSUM_OFF);

	for (unsigned i = 0; i < sizeof(crc); i++) {
		if (l4[SCTP_CHECKSUM_OFF + i] != (__u8)(crc >> 8 * i))
			return false;
	}
	return true;
}

bool ks_checksum_is_right(const struct ks_frame *frame, const struct ks_packet *pkt)
{
	__u32 len = pkt->l3_off + pkt->l3_len - pkt->l4_off, bytes;
	const __u8 *l4 = frame->data + pkt->l4_off;
	bool is_sctp = pkt->tuple.proto == KS_PROTO_SCTP;
	__u64 sum;

	bytes = is_sctp ? len : covered_bytes(l4, pkt, len);
	if (!bytes || pkt->l4_off + bytes > frame->captured)
		return true;
	if (is_sctp)
		return sctp_crc_is_right(l4, len);
	sum = sum_bytes(l4, bytes);
	if (has_pseudo_header(pkt->tuple.proto))
		sum += sum_pseudo_header(pkt, pkt->tuple.proto == KS_PROTO_UDP ? bytes : len);
	while (sum > KS_CHECKSUM_MASK)
		sum = (sum & KS_CHECKSUM_MASK) + (sum >> KS_CHECKSUM_BITS);
	return sum == KS_CHECKSUM_MASK;
}
