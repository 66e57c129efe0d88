// SPDX-License-Identifier: BSD-2-Clause
/* Announcements as text, for another address and port; see resequence.h. */
#include "core/helper/resequence.h"

#include "core/home.h"

#define IPV4_OFF 12U
#define IPV4_BYTES 4U
#define IPV6_GROUPS 8U
#define DECIMALS_MAX 10U /* of a number of 32 bits */

static void put(struct ks_inspection *insp, __u8 byte)
{
	insp->helping.text[insp->helping.text_len & (KS_HELPER_TEXT - 1)] = byte;
	insp->helping.text_len++;
}

/* A number on its way to digits of a base. */
struct number {
	struct ks_inspection *insp;
	__u32 value, divisor, base;
	bool begun;
};

static long number_step(__u32 n, void *arg)
{
	struct number *number = arg;
	__u32 divisor = number->divisor ? number->divisor : 1, digit = number->value / divisor;

	if (digit || number->begun || divisor == 1) {
		put(number->insp, (__u8)(digit < 10 ? '0' + digit : 'a' + digit - 10));
		number->begun = true;
	}
	number->value -= digit * divisor;
	number->divisor = divisor / number->base;
	return divisor == 1;
}

static void put_decimal(struct ks_inspection *insp, __u32 value)
{
	struct number number = { .insp = insp, .value = value, .divisor = 1000000000, .base = 10 };

	ks_loop(DECIMALS_MAX, number_step, &number);
}

static void put_hex(struct ks_inspection *insp, __u32 value)
{
	struct number number = { .insp = insp, .value = value, .divisor = 0x1000, .base = 16 };

	ks_loop(4, number_step, &number);
}

/* The parts of an address, with something between them. */
struct parts {
	struct ks_inspection *insp;
	__u8 between;
};

static long ipv4_part(__u32 n, void *arg)
{
	struct parts *parts = arg;

	if (n)
		put(parts->insp, parts->between);
	put_decimal(parts->insp, parts->insp->sent.src.b[IPV4_OFF + (n & (IPV4_BYTES - 1))]);
	return 0;
}

static long ipv6_group(__u32 n, void *arg)
{
	struct parts *parts = arg;
	__u32 at = 2 * (n & (IPV6_GROUPS - 1));

	if (n)
		put(parts->insp, parts->between);
	put_hex(parts->insp, (__u32)parts->insp->sent.src.b[at] << 8 | parts->insp->sent.src.b[at + 1]);
	return 0;
}

static void put_numbers(struct ks_inspection *insp, __u32 port)
{
	struct parts parts = { .insp = insp, .between = ',' };

	ks_loop(IPV4_BYTES, ipv4_part, &parts);
	put(insp, ',');
	put_decimal(insp, port >> 8);
	put(insp, ',');
	put_decimal(insp, port & 0xff);
}

static void put_extended(struct ks_inspection *insp, __u32 port)
{
	struct parts parts = { .insp = insp, .between = '.' };

	put(insp, '|');
	put(insp, insp->sent.family == KS_IPV4 ? '1' : '2');
	put(insp, '|');
	if (insp->sent.family == KS_IPV4) {
		ks_loop(IPV4_BYTES, ipv4_part, &parts);
	} else {
		parts.between = ':';
		ks_loop(IPV6_GROUPS, ipv6_group, &parts);
	}
	put(insp, '|');
	put_decimal(insp, port);
	put(insp, '|');
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
		put(insp, ' ');
		put_decimal(insp, port);
		break;
	default:
		break;
	}
}
