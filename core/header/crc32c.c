// SPDX-License-Identifier: BSD-2-Clause
/* Changes a CRC32c by a difference; see crc32c.h. */
#include "core/header/crc32c.h"

#include "core/home.h"

#define WORD_BITS 32U
#define TOP_SHIFT (WORD_BITS - 1)
#define LENGTH_BITS 16U /* a power of two, for the mask */

/*
 * The n-th moves a register on by 2^n bytes of 0: x to the power of 8 * 2^n, modulo the polynomial. Each is the square of the
 * one before.
 */
static const __u32 zeroes[LENGTH_BITS] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
	0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

/* The product of two polynomials modulo that of CRC32c. Without branches, which the verifier would follow one by one (V1). */
static ks_inline __u32 multiply(__u32 a, __u32 b)
{
	__u32 product = 0, mask;

	for (__u32 i = 0; i < WORD_BITS; i++) {
		mask = 0 - (a >> TOP_SHIFT);
		ks_hide_bound(mask);
		product ^= b & mask;
		a <<= 1;
		mask = 0 - (b & 1);
		ks_hide_bound(mask);
		b = b >> 1 ^ (KS_CRC32C_POLYNOMIAL & mask);
	}
	return product;
}

struct move_ctx {
	__u32 value;
	__u32 length;
};

static long move_step(__u32 n, void *arg)
{
	struct move_ctx *ctx = arg;

	n &= LENGTH_BITS - 1;
	if (ctx->length >> n & 1)
		ctx->value = multiply(zeroes[n], ctx->value);
	return 0;
}

/* CRC32c takes bytes in, and is sent, with the lowest first. */
static inline __u32 little_endian(__u32 x)
{
	return __builtin_bswap32(ks_be32(x));
}

__be32 ks_crc32c_flip(__be32 flip, __u32 length)
{
	struct move_ctx ctx = { .value = little_endian(flip), .length = length };

	ks_loop(LENGTH_BITS, move_step, &ctx);
	return little_endian(ctx.value);
}
