// SPDX-License-Identifier: BSD-2-Clause
/* Announcements as text, for another address and port; see announcement.h. */
#include "core/helper/announcement.h"

#include "core/helper/scanner.h"
#include "core/home.h"

#define IPV4_BYTES 4U
#define DECIMALS_MAX 10U /* of a number of 32 bits */

static void put_byte(struct ks_inspection *insp, __u8 byte)
{
	insp->helping.text[insp->helping.text_len & (KS_HELPER_TEXT - 1)] = byte;
	insp->helping.text_len++;
}

/* A number that is written in digits of a base. */
struct digits_ctx {
	struct ks_inspection *insp;
	__u32 value, divisor, base;
	bool begun;
};

static long digit_put(__u32 n, void *arg)
{
	struct digits_ctx *ctx = arg;
	__u32 divisor = ctx->divisor ? ctx->divisor : 1, digit = ctx->value / divisor;

	if (digit || ctx->begun || divisor == 1) {
		put_byte(ctx->insp, (__u8)(digit < 10 ? '0' + digit : 'a' + digit - 10));
		ctx->begun = true;
	}
	ctx->value -= digit * divisor;
	ctx->divisor = divisor / ctx->base;
	return divisor == 1;
}

static void put_decimal(struct ks_inspection *insp, __u32 value)
{
	struct digits_ctx ctx = { .insp = insp, .value = value, .divisor = 1000000000, .base = 10 };

	ks_loop(DECIMALS_MAX, digit_put, &ctx);
}

static void put_hex(struct ks_inspection *insp, __u32 value)
{
	struct digits_ctx ctx = { .insp = insp, .value = value, .divisor = 0x1000, .base = 16 };

	ks_loop(4, digit_put, &ctx);
}

/* An address that is written in parts, with a byte between them. */
struct address_ctx {
	struct ks_inspection *insp;
	const struct ks_addr *addr;
	__u8 between;
};

static long ipv4_byte_put(__u32 n, void *arg)
{
	struct address_ctx *ctx = arg;

	if (n)
		put_byte(ctx->insp, ctx->between);
	put_decimal(ctx->insp, ctx->addr->b[IPV4_FIRST_BYTE + (n & (IPV4_BYTES - 1))]);
	return 0;
}

static long ipv6_group_put(__u32 n, void *arg)
{
	struct address_ctx *ctx = arg;
	__u32 at = 2 * (n & (KS_IPV6_PARTS - 1));

	if (n)
		put_byte(ctx->insp, ctx->between);
	put_hex(ctx->insp, (__u32)ctx->addr->b[at] << 8 | ctx->addr->b[at + 1]);
	return 0;
}

static void put_numbers(struct ks_inspection *insp, __u32 port)
{
	struct address_ctx ctx = { .insp = insp, .addr = &insp->sent.src, .between = ',' };

	ks_loop(IPV4_BYTES, ipv4_byte_put, &ctx);
	put_byte(insp, ',');
	put_decimal(insp, port >> 8);
	put_byte(insp, ',');
	put_decimal(insp, port & 0xff);
}

static void put_address(struct ks_inspection *insp, const struct ks_addr *addr)
{
	bool ipv4 = insp->sent.family == KS_IPV4;
	struct address_ctx ctx = { .insp = insp, .addr = addr, .between = ipv4 ? '.' : ':' };

	if (ipv4)
		ks_loop(IPV4_BYTES, ipv4_byte_put, &ctx);
	else
		ks_loop(KS_IPV6_PARTS, ipv6_group_put, &ctx);
}

static void put_extended(struct ks_inspection *insp, __u32 port)
{
	put_byte(insp, '|');
	put_byte(insp, insp->sent.family == KS_IPV4 ? '1' : '2');
	put_byte(insp, '|');
	put_address(insp, &insp->sent.src);
	put_byte(insp, '|');
	put_decimal(insp, port);
	put_byte(insp, '|');
}

void ks_announcement_write(struct ks_inspection *insp)
{
	__u32 port = insp->helping.text_port;

	insp->helping.text_len = 0;
	switch (insp->helping.form) {
	case KS_FORM_NUMBERS:
		put_numbers(insp, port);
		break;
	case KS_FORM_EXTENDED:
		put_extended(insp, port);
		break;
	case KS_FORM_PORT:
		put_decimal(insp, port);
		break;
	case KS_FORM_DCC:
		put_decimal(insp, ks_be32(insp->sent.src.w[3]));
		put_byte(insp, ' ');
		put_decimal(insp, port);
		break;
	case KS_FORM_PORTS:
		put_decimal(insp, port);
		put_byte(insp, '-');
		put_decimal(insp, port + 1);
		break;
	case KS_FORM_CALL:
		put_byte(insp, (__u8)(port >> 8));
		put_byte(insp, (__u8)port);
		break;
	default:
		break;
	}
}

void ks_announcement_address(struct ks_inspection *insp, const struct ks_addr *addr)
{
	insp->helping.text_len = 0;
	put_address(insp, addr);
}
