/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checksums of upper protocols, verified over the whole packet, for
 * `option checksum on`: TCP, UDP (RFC 768), ICMP, IGMP, UDP-Lite and DCCP as far as
 * they cover the packet (RFC 3828 3.1, RFC 4340 9.2), SCTP's CRC32c (RFC 9260 6.8), GRE where
 * it has one (RFC 2784 2.1).
 */
#ifndef KS_ENGINE_UPPER_CHECKSUM_H
#define KS_ENGINE_UPPER_CHECKSUM_H

#include "core/header/packet.h"
#include "engine/engine.h"

/* Returns true if the checksum of a parsed packet is right, or it has none, or a capture has cut off bytes that it covers. */
bool ks_checksum_is_right(const struct ks_frame *frame, const struct ks_packet *pkt);

#endif
