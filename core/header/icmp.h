/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP and ICMPv6: queries are flows of their own, errors are about other flows, neighbour discovery is not a flow.
 *
 * The tuple of a query has its identifier as the port of the host that asks, and its request type (type << 8) as the
 * port of the other. So an answer has the tuple of its question turned round, and one identifier used by hosts on both
 * sides makes two flows. (If an identifier equals the other port's number, the two are one flow, and the later host
 * waits until it ends.)
 */
#ifndef KS_CORE_HEADER_ICMP_H
#define KS_CORE_HEADER_ICMP_H

#include "core/header/packet.h"
#include "core/types.h"

#define KS_ICMP_TYPE_SHIFT 8

#define KS_ICMP_REDIRECT 5

/* Returns true for an ICMP redirect. (ICMPv6's is a neighbour message: core/header/neighbour.h.) */
static inline bool ks_icmp_is_redirect(const struct ks_packet *pkt)
{
	return pkt->tuple.proto == KS_PROTO_ICMP && pkt->icmp_type == KS_ICMP_REDIRECT;
}

/* Fills in type, code, ports and KS_PKT_* of an ICMP packet of `l4_len` bytes. Returns 0 or a reason. */
__u32 ks_icmp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

/*
 * Fills in the ports of the tuple of a quoted ICMP query or answer, whose first 8 bytes are at `icmp`; tuple->proto is set.
 * Returns KS_PKT_ICMP_QUERY or KS_PKT_ICMP_ANSWER, or 0 for any other message, and then changes nothing.
 */
__u32 ks_icmp_quoted(const __u8 *icmp, struct ks_tuple *tuple);

#endif
