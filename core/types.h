/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few integer types, byte-order helpers and assertions that the core stands on. The core has no libc and no kernel
 * headers; what differs between homes (unaligned loads, atomics, loops) is in core/home.h.
 */
#ifndef KS_CORE_TYPES_H
#define KS_CORE_TYPES_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed int __s32;
typedef signed long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;

#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef __cplusplus
#include <stdbool.h>
#endif

#define KS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define KS_MIN(a, b) ((a) < (b) ? (a) : (b))
#define KS_MAX(a, b) ((a) > (b) ? (a) : (b))
/* Inlined whatever the compiler thinks: the kernel allows no more than eight frames (V2). */
#define ks_inline inline __attribute__((always_inline))
#define ks_likely(x) __builtin_expect(!!(x), 1)
#define ks_unlikely(x) __builtin_expect(!!(x), 0)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ks_be16(x) ((__u16)__builtin_bswap16((__u16)(x)))
#define ks_be32(x) ((__u32)__builtin_bswap32((__u32)(x)))
#define ks_be64(x) ((__u64)__builtin_bswap64((__u64)(x)))
#else
#define ks_be16(x) ((__u16)(x))
#define ks_be32(x) ((__u32)(x))
#define ks_be64(x) ((__u64)(x))
#endif

#define KS_NSEC_PER_MSEC 1000000ULL
#define KS_NSEC_PER_SEC 1000000000ULL
#define KS_MSEC_PER_SEC 1000U

/* Clears memory that is made of words, by as large pieces as the machine has: what is read of them soon is not larger. */
#define ks_words_clear(words, size) __builtin_memset((words), 0, (size))

/* Serial-number arithmetic on 32 bits (RFC 1982, as TCP uses it). */
static inline bool ks_seq_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

static inline bool ks_seq_after(__u32 a, __u32 b)
{
	return (__s32)(b - a) < 0;
}

#endif
