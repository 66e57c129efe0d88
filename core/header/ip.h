/* SPDX-License-Identifier: BSD-2-Clause */
/* The way from the fixed part of an IP header to the upper protocol; see ip.c. */
#ifndef KS_CORE_HEADER_IP_H
#define KS_CORE_HEADER_IP_H

#include "core/header/packet.h"
#include "core/header/wire.h"
#include "core/types.h"

/* Reads both addresses of the IP header at `off` into the tuple, and its family. */
static inline void ks_addresses_read(const __u8 *head, __u32 off, __u8 family, struct ks_tuple *tuple)
{
	const __u8 *ip = ks_head_at(head, off);

	tuple->family = family;
	tuple->zero = 0;
	if (family == KS_IPV4) {
		ks_addr_set_ipv4(&tuple->src, ks_load32(ip + IPV4_SRC_OFF));
		ks_addr_set_ipv4(&tuple->dst, ks_load32(ip + IPV4_DST_OFF));
	} else {
		tuple->src.d[0] = ks_load64(ip + IPV6_SRC_OFF);
		tuple->src.d[1] = ks_load64(ip + IPV6_SRC_OFF + 8);
		tuple->dst.d[0] = ks_load64(ip + IPV6_DST_OFF);
		tuple->dst.d[1] = ks_load64(ip + IPV6_DST_OFF + 8);
	}
}

/* An upper protocol, found behind IPv6 extension headers. */
struct ks_upper {
	__u32 off;
	__be32 frag_id;
	__u16 frag_at; /* behind the fragment header; 0 without one, or with that of a whole datagram */
	__u16 frag_off; /* bytes; beyond 0 nothing behind the fragment header is looked at */
	__u8 frag_more;
	__u8 proto;
};

/*
 * Checks the options of the IPv4 header at `ip`, which is `ihl` bytes long. Source routes are refused unless the policy's
 * `options` allow them, because they let the sender choose a way around us. Returns 0 or a reason.
 */
__u32 ks_ipv4_options_check(const __u8 *ip, struct ks_packet *pkt, __u32 ihl, __u32 options);

/*
 * Walks IPv6 extension headers from `off` with the first header's type in
 * up->proto, within a datagram that ends at `end`. Returns 0 with *up at the
 * upper header, or the reason of the drop.
 */
__u32 ks_ipv6_walk(const __u8 *head, struct ks_packet *pkt, __u32 end, struct ks_upper *up);

#endif
