// SPDX-License-Identifier: BSD-2-Clause
/* Numbers and addresses as text, for the scanners; see scanner.h. */
#include "core/helper/scanner.h"

#include "core/home.h"

#define IPV4_PARTS 4U
#define IPV4_PART_MAX 255U
#define IPV6_GROUP_DIGITS 4U
#define NO_GAP 255

void ks_scanner_reset(struct ks_scanner *p)
{
	*p = (struct ks_scanner){ .gap = NO_GAP };
}

void ks_scanner_number_clear(struct ks_scanner *p)
{
	p->addr = (struct ks_spoken){};
	p->value = 0;
	p->port = 0;
	p->digits = 0;
	p->field = 0;
	p->gap = NO_GAP;
	p->colon = 0;
}

bool ks_scanner_digit(struct ks_scanner *p, __u8 byte, __u32 max)
{
	__u64 value = (__u64)p->value * 10 + (byte - '0');

	/* A number with many leading zeros is refused: no program writes one. */
	if (!ks_is_digit(byte) || value > max || p->digits >= 10)
		return false;
	p->value = (__u32)value;
	p->digits++;
	return true;
}

static bool ipv4_part_end(struct ks_scanner *p)
{
	if (!p->digits || p->digits > 3 || p->field >= IPV4_PARTS)
		return false;
	p->addr.b[IPV4_FIRST_BYTE + (p->field & (IPV4_PARTS - 1))] = (__u8)p->value;
	p->field++;
	p->value = 0;
	p->digits = 0;
	return true;
}

bool ks_scanner_ipv4(struct ks_scanner *p, __u8 byte)
{
	if (byte == '.')
		return p->field < IPV4_PARTS - 1 && ipv4_part_end(p);
	return ks_scanner_digit(p, byte, IPV4_PART_MAX);
}

bool ks_scanner_ipv4_end(struct ks_scanner *p)
{
	return p->field == IPV4_PARTS - 1 && ipv4_part_end(p);
}

static inline bool hex_digit_value(__u8 byte, __u32 *digit)
{
	__u8 up = ks_upper(byte);

	if (ks_is_digit(byte)) {
		*digit = byte - '0';
		return true;
	}
	*digit = up - 'A' + 10;
	return up >= 'A' && up <= 'F';
}

static inline void ipv6_group_store(struct ks_scanner *p, __u32 n, __u32 value)
{
	__u32 at = (n & (KS_IPV6_PARTS - 1)) * 2;

	p->addr.b[at & 15] = (__u8)(value >> 8);
	p->addr.b[(at + 1) & 15] = (__u8)value;
}

static inline __u32 ipv6_group_load(const struct ks_scanner *p, __u32 n)
{
	__u32 at = (n & (KS_IPV6_PARTS - 1)) * 2;

	return (__u32)p->addr.b[at & 15] << 8 | p->addr.b[(at + 1) & 15];
}

static bool ipv6_group_end(struct ks_scanner *p)
{
	if (p->field >= KS_IPV6_PARTS)
		return false;
	ipv6_group_store(p, p->field, p->value);
	p->field++;
	p->value = 0;
	p->digits = 0;
	return true;
}

static bool ipv6_colon(struct ks_scanner *p)
{
	if (p->digits) {
		p->colon = 1;
		return ipv6_group_end(p);
	}
	if (!p->colon && !p->field) { /* the first of two that begin the address */
		p->colon = 1;
		return true;
	}
	if (p->colon != 1 || p->gap != NO_GAP)
		return false;
	p->gap = p->field;
	p->colon = 2;
	return true;
}

bool ks_scanner_ipv6(struct ks_scanner *p, __u8 byte)
{
	__u32 digit;

	if (byte == ':')
		return ipv6_colon(p);
	if (!hex_digit_value(byte, &digit) || p->digits >= IPV6_GROUP_DIGITS)
		return false;
	if (p->colon == 1 && !p->field) /* one colon begins no address */
		return false;
	p->colon = 0;
	p->value = p->value << 4 | digit;
	p->digits++;
	return true;
}

/* The groups behind the gap go to the end. */
struct ipv6_gap_ctx {
	struct ks_scanner *p;
	__u32 gap, moved; /* where the gap is, and how many groups it stands for */
};

static long ipv6_group_expand(__u32 n, void *arg)
{
	struct ipv6_gap_ctx *ctx = arg;
	__u32 to = KS_IPV6_PARTS - 1 - (n & (KS_IPV6_PARTS - 1));

	if (to >= ctx->gap + ctx->moved)
		ipv6_group_store(ctx->p, to, ipv6_group_load(ctx->p, to - ctx->moved));
	else if (to >= ctx->gap)
		ipv6_group_store(ctx->p, to, 0);
	return 0;
}

bool ks_scanner_ipv6_end(struct ks_scanner *p)
{
	struct ipv6_gap_ctx ctx = { .p = p, .gap = p->gap };

	if (p->colon == 1 || (p->digits && !ipv6_group_end(p)))
		return false;
	if (p->gap == NO_GAP)
		return p->field == KS_IPV6_PARTS;
	if (p->field >= KS_IPV6_PARTS)
		return false;
	ctx.moved = KS_IPV6_PARTS - p->field;
	ks_loop(KS_IPV6_PARTS, ipv6_group_expand, &ctx);
	p->field = KS_IPV6_PARTS;
	return true;
}
