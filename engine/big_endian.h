/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers in the byte order of the wire, most significant byte first, at any alignment. */
#ifndef KS_ENGINE_BIG_ENDIAN_H
#define KS_ENGINE_BIG_ENDIAN_H

#include "core/types.h"

static inline __u16 ks_get16(const __u8 *at)
{
	return (__u16)(at[0] << 8 | at[1]);
}

static inline __u32 ks_get32(const __u8 *at)
{
	return (__u32)ks_get16(at) << 16 | ks_get16(at + 2);
}

static inline void ks_put16(__u8 *at, __u16 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

static inline void ks_put32(__u8 *at, __u32 value)
{
	ks_put16(at, (__u16)(value >> 16));
	ks_put16(at + 2, (__u16)value);
}

#endif
