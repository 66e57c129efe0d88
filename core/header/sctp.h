/* SPDX-License-Identifier: BSD-2-Clause */
/* The SCTP common header and the walk over its chunks; see sctp.c. */
#ifndef KS_CORE_HEADER_SCTP_H
#define KS_CORE_HEADER_SCTP_H

#include "core/header/packet.h"
#include "core/types.h"

/* ks_packet.sctp.chunks: a bit for each type up to 14, one for all others, and one for a reflected tag. */
#define KS_SCTP_DATA (1U << 0)
#define KS_SCTP_INIT (1U << 1)
#define KS_SCTP_INIT_ACK (1U << 2)
#define KS_SCTP_HEARTBEAT (1U << 4)
#define KS_SCTP_HEARTBEAT_ACK (1U << 5)
#define KS_SCTP_ABORT (1U << 6)
#define KS_SCTP_SHUTDOWN (1U << 7)
#define KS_SCTP_SHUTDOWN_ACK (1U << 8)
#define KS_SCTP_COOKIE_ECHO (1U << 10)
#define KS_SCTP_COOKIE_ACK (1U << 11)
#define KS_SCTP_SHUTDOWN_COMPLETE (1U << 14)
#define KS_SCTP_OTHER (1U << 15)
#define KS_SCTP_REFLECTED (1U << 16) /* the T bit of ABORT and SHUTDOWN COMPLETE: the tag is the receiver's own */

/* Fills in ports, tags and chunks of an SCTP packet of `l4_len` bytes. Returns 0 or a reason. */
__u32 ks_sctp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

#endif
