/* SPDX-License-Identifier: BSD-2-Clause */
/* The TCP header; see tcp.c. */
#ifndef KS_CORE_HEADER_TCP_H
#define KS_CORE_HEADER_TCP_H

#include "core/header/packet.h"
#include "core/types.h"

/* Bytes of sequence space: data, SYN and FIN. */
static inline __u32 ks_tcp_segment_end(const struct ks_packet *pkt)
{
	return pkt->seq + pkt->payload_len + !!(pkt->tcp_flags & KS_TCP_SYN) + !!(pkt->tcp_flags & KS_TCP_FIN);
}

/* Fills in ports, flags, numbers and options of a TCP segment of `l4_len` bytes. Returns 0 or a reason. */
__u32 ks_tcp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

#endif
