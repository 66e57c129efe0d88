/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checksum of SCTP, CRC32c (RFC 9260 appendix A), changed by a difference.
 *
 * The sum is linear: if bits of the covered bytes change, the sum changes by the sum
 * of these bits alone, as if all other bytes were 0 and the register had begun with 0. So
 * new ports need no look at the rest of a packet, and a wrong sum stays wrong for its receiver to see.
 */
#ifndef KS_CORE_HEADER_CRC32C_H
#define KS_CORE_HEADER_CRC32C_H

#include "core/types.h"

#define KS_CRC32C_POLYNOMIAL 0x82f63b78U /* Castagnoli, reflected: the lowest bit is the highest power */

/*
 * The bits of the sum that change if the first four of `length` covered bytes change in the bits of `flip`; both as they
 * lie in the packet. `length` is below 65536.
 */
__be32 ks_crc32c_flip(__be32 flip, __u32 length);

#define KS_CRC32C_BEGIN 0xffffffffU /* the register before the first byte; the sum is its complement behind the last */
#define KS_CRC32C_STEP 8U /* bytes added at once; a power of two */

/* The register after `length` more bytes, at most KS_CRC32C_STEP; of so many there must be memory. */
__u32 ks_crc32c_add(__u32 crc, const __u8 *bytes, __u32 length);

#endif
