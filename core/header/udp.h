/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP (RFC 768) and UDP-Lite (RFC 3828) headers. */
#ifndef KS_CORE_HEADER_UDP_H
#define KS_CORE_HEADER_UDP_H

#include "core/header/packet.h"
#include "core/types.h"

/* Fills in ports and payload of a datagram of `l4_len` bytes. Each returns 0 or a reason. */
__u32 ks_udp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);
__u32 ks_udplite_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

#endif
