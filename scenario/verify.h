/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compares the bytes of a packet that leaves with those that arrived, to find
 * anything that a translation must not break. A checksum that was right must be right,
 * one that was wrong must be as wrong as it was (a translator does not launder
 * bytes that the wire has spoilt), a missing one must be missing; lengths must fit;
 * and all bytes that are neither address, port, identifier nor checksum stay. RFC 1624,
 * RFC 768, RFC 3828, RFC 9260 6.8, RFC 7857.
 */
#ifndef KS_SCENARIO_VERIFY_H
#define KS_SCENARIO_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/header/packet.h"

/* Parts that may change besides addresses and ports. */
#define KS_VERIFY_SCRUBBED 0x01 /* TTL, identification, DF, MSS */
#define KS_VERIFY_REWRITTEN 0x02 /* the payload and the numbers of TCP, by a helper */

struct ks_bytes_view {
	const __u8 *data;
	size_t length;
};

/* Returns NULL, or a sentence that says what is wrong with the packet that leaves. */
const char *ks_translation_fault(const struct ks_bytes_view *in, const struct ks_bytes_view *out, enum ks_link link,
				 unsigned may);

#endif
