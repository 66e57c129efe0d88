/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksums of upper protocols (core/header/upper_checksum.h), verified over the whole packet. */
#ifndef KS_ENGINE_UPPER_CHECKSUM_H
#define KS_ENGINE_UPPER_CHECKSUM_H

#include "core/header/packet.h"
#include "engine/engine.h"

/* Returns true if the checksum of a parsed packet is right, or it has none, or a capture has cut off bytes that it covers. */
bool ks_checksum_is_right(const struct ks_frame *frame, const struct ks_packet *pkt);

#endif
