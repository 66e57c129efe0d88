/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A translation written where the headers lie, of a plain packet of TCP or UDP, both halves at once. Every packet of a translated
 * flow may come here, and a call for each field costs more than all of it. Everything else is written by rewrite.h.
 */
#ifndef KS_CORE_NAT_NEAR_H
#define KS_CORE_NAT_NEAR_H

#include "core/header/checksum.h"
#include "core/header/wire.h"
#include "core/home.h"
#include "core/inspection.h"

/* Where they lie. The bytes that change there are in reach. */
struct ks_near {
	__u8 *ip;
	__u8 *ports;
	__u8 *sum; /* the checksum of the upper header */
	bool unfinished; /* it is the sum of the pseudo header alone: a stack or a card will finish it */
};

/* Returns true for a packet that ks_near_write() serves, if it has no fragment, no options and no other address to be written. */
static ks_inline bool ks_near_serves(const struct ks_inspection *insp)
{
	__u32 proto = insp->pkt.tuple.proto;

	return (proto == KS_PROTO_TCP || proto == KS_PROTO_UDP) && !(insp->translate & KS_TRANSLATE_PORT) &&
	       insp->home.halves == KS_TRANSLATE_BOTH;
}

static ks_inline __u32 ks_near_sum_off(__u32 proto)
{
	return proto == KS_PROTO_TCP ? TCP_CHECKSUM_OFF : UDP_CHECKSUM_OFF;
}

static ks_inline __u32 ks_near_ipv4(__u8 *ip, const struct ks_tuple *old, const struct ks_tuple *new)
{
	__u32 diff =
		ks_checksum_diff32(old->src.w[3], new->src.w[3]) + ks_checksum_diff32(old->dst.w[3], new->dst.w[3]);

	ks_store16(ip + IPV4_CHECKSUM_OFF, ks_checksum_apply(ks_load16(ip + IPV4_CHECKSUM_OFF), diff));
	ks_store32(ip + IPV4_SRC_OFF, new->src.w[3]);
	ks_store32(ip + IPV4_DST_OFF, new->dst.w[3]);
	return diff;
}

static ks_inline __u32 ks_near_ipv6(__u8 *ip, const struct ks_tuple *old, const struct ks_tuple *new)
{
	__u32 diff = 0;

	for (__u32 i = 0; i < 4; i++) {
		diff += ks_checksum_diff32(old->src.w[i], new->src.w[i]) +
			ks_checksum_diff32(old->dst.w[i], new->dst.w[i]);
		ks_store32(ip + IPV6_SRC_OFF + i * sizeof(__be32), new->src.w[i]);
		ks_store32(ip + IPV6_DST_OFF + i * sizeof(__be32), new->dst.w[i]);
	}
	return diff;
}

/* Changes the upper checksum. A datagram without one stays so, and none gets the value that says so (RFC 768). */
static ks_inline bool ks_near_sum(const struct ks_near *near, __u32 proto, __u32 addresses, __u32 ports)
{
	__u16 sum = ks_load16(near->sum);

	if (proto == KS_PROTO_UDP && !sum)
		return false;
	if (ks_unlikely(near->unfinished))
		sum = (__u16)ks_checksum_fold(sum + ks_checksum_fold(addresses));
	else
		sum = ks_checksum_apply(sum, addresses + ports);
	if (proto == KS_PROTO_UDP && !sum)
		sum = KS_CHECKSUM_MASK;
	ks_store16(near->sum, sum);
	return true;
}

/*
 * Makes the packet, which is `old`, `new`, and its checksums right if they were (RFC 1624). `family` is a constant of the caller's,
 * because the verifier has to see how far the header reaches. Returns by how much the sum over the whole packet has grown.
 */
static ks_inline __u32 ks_near_write(const struct ks_near *near, __u32 family, const struct ks_tuple *old,
				     const struct ks_tuple *new)
{
	__u32 ports = ks_checksum_diff16(old->sport, new->sport) + ks_checksum_diff16(old->dport, new->dport);
	__u32 addresses, grown = ports, taken = 0;

	if (family == KS_IPV4) { /* the checksum of the header takes up what its addresses add */
		addresses = ks_near_ipv4(near->ip, old, new);
	} else {
		addresses = ks_near_ipv6(near->ip, old, new);
		grown += addresses;
	}
	ks_store16(near->ports, new->sport);
	ks_store16(near->ports + sizeof(__be16), new->dport);
	if (ks_near_sum(near, old->proto, addresses, ports))
		taken = ks_checksum_fold(addresses + ports);
	return ks_checksum_fold(grown + (KS_CHECKSUM_MASK & ~taken));
}

#endif
