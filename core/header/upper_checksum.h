/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes that the checksum of an upper protocol covers: TCP, UDP (RFC 768), ICMP, IGMP, UDP-Lite and DCCP as far as they cover the
 * packet (RFC 3828 3.1, RFC 4340 9.2), SCTP's CRC32c (RFC 9260 6.8), GRE where it has one (RFC 2784 2.1). Summing
 * the bytes is the home's part (env_checksum_ok()).
 */
#ifndef KS_CORE_HEADER_UPPER_CHECKSUM_H
#define KS_CORE_HEADER_UPPER_CHECKSUM_H

#include "core/header/packet.h"
#include "core/header/wire.h"
#include "core/home.h"
#include "core/types.h"

/*
 * Returns true for UDP over IPv6 that bears no checksum (0, RFC 768). Hosts ignore it (RFC 8200 8.1), but for the ports of tunnels
 * that ask for it (RFC 6935, RFC 6936); only they know which.
 */
static inline bool ks_checksum_is_omitted(const __u8 *head, const struct ks_packet *pkt)
{
	return pkt->tuple.proto == KS_PROTO_UDP && pkt->tuple.family == KS_IPV6 &&
	       !ks_load16(ks_head_at(head, pkt->l4_off + UDP_CHECKSUM_OFF));
}

/* How many bytes from the upper header on the checksum covers; 0 without a checksum. `head`: as for ks_inspect(). */
__u32 ks_checksum_covered(const __u8 *head, const struct ks_packet *pkt);

/* One's complement sum of the words of the pseudo header, 0 where there is none. `covered`: as above. */
__u32 ks_checksum_pseudo(const struct ks_packet *pkt, __u32 covered);

#endif
