/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksum of SCTP: CRC32c (RFC 9260 appendix A), computed bit by bit, because no caller is in a hurry. */
#ifndef KS_ENGINE_CRC32C_H
#define KS_ENGINE_CRC32C_H

#include <stddef.h>

#include "core/header/crc32c.h"

/* The checksum of `length` bytes, with the four at `skip`, where it stands or will stand, taken as 0. */
static inline __u32 ks_crc32c_around(const __u8 *data, size_t length, size_t skip)
{
	__u32 crc = ~0U;

	for (size_t i = 0; i < length; i++) {
		crc ^= i >= skip && i < skip + 4 ? 0 : data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? KS_CRC32C_POLYNOMIAL : 0);
	}
	return ~crc;
}

#endif
