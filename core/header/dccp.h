/* SPDX-License-Identifier: BSD-2-Clause */
/* The DCCP generic header (RFC 4340 5.1); see dccp.c. */
#ifndef KS_CORE_HEADER_DCCP_H
#define KS_CORE_HEADER_DCCP_H

#include "core/header/packet.h"
#include "core/types.h"

/* ks_packet.dccp_type: the packet's type (RFC 4340 5.1) ... */
enum ks_dccp_type {
	KS_DCCP_REQUEST,
	KS_DCCP_RESPONSE,
	KS_DCCP_DATA,
	KS_DCCP_ACK,
	KS_DCCP_DATAACK,
	KS_DCCP_CLOSEREQ,
	KS_DCCP_CLOSE,
	KS_DCCP_RESET,
	KS_DCCP_SYNC,
	KS_DCCP_SYNCACK,
	KS_DCCP_TYPES
};

#define KS_DCCP_TYPE_MASK 0x0f
#define KS_DCCP_SHORT 0x80 /* ... and this: sequence numbers are of 24 bits */

/* Fills in ports, type and numbers of a DCCP packet of `l4_len` bytes. Returns 0 or a reason. */
__u32 ks_dccp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

#endif
