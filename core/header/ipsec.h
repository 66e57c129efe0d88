/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ESP (RFC 4303) and, over IPv4, AH (RFC 4302). A flow is known by its
 * addresses: each direction has an index of its own (SPI), chosen by the
 * receiver out of our sight. Over IPv6 an AH header is walked like any other
 * extension header.
 */
#ifndef KS_CORE_HEADER_IPSEC_H
#define KS_CORE_HEADER_IPSEC_H

#include "core/header/packet.h"
#include "core/types.h"

/* Checks the header of a packet of `l4_len` bytes. Returns 0 or a reason. */
__u32 ks_ipsec_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

#endif
