/* SPDX-License-Identifier: BSD-2-Clause */
/* Words as values; see value.h. Addresses are read by inet_pton(), so IPv4 has four decimal parts (RFC 6943, 3.1.1). */
#include "policy/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text/names.h"

#define MAPPED_LENGTH 96U /* of ::ffff:0:0/96 */
#define MAPPED_WORD 0xffffU

int ks_value_addr(const char *text, struct ks_addr *addr, __u8 *family)
{
	struct ks_addr value = { 0 };

	if (inet_pton(AF_INET, text, &value.w[3]) == 1)
		*family = KS_IPV4;
	else if (inet_pton(AF_INET6, text, value.b) == 1)
		*family = KS_IPV6;
	else
		return -EINVAL;
	*addr = value;
	return 0;
}

/* Copies text[0..length) into a buffer of `size`; false if it does not fit. */
static bool copy_part(char *buf, size_t size, const char *text, size_t length)
{
	if (length >= size)
		return false;
	memcpy(buf, text, length);
	buf[length] = '\0';
	return true;
}

int ks_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int ks_value_number(const char *text, __u64 min, __u64 max, __u64 *number)
{
	int base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10;
	__u64 value = 0;
	bool large = false;

	text += base == 16 ? 2 : 0;
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		int digit = ks_hex_digit(*text);

		if (digit < 0 || digit >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, (__u64)base, &value) ||
		    __builtin_add_overflow(value, (__u64)digit, &value))
			large = true;
	}
	if (large || value < min || value > max)
		return -ERANGE;
	*number = value;
	return 0;
}

static int parse_port(const char *text, __u16 *port)
{
	__u64 number;

	if (ks_value_number(text, 1, KS_PORT_MAX, &number))
		return -EINVAL;
	*port = (__u16)number;
	return 0;
}

int ks_value_endpoint(const char *text, struct ks_addr *addr, __u8 *family, __u16 *port)
{
	const char *colon = strrchr(text, ':');
	const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
	char part[INET6_ADDRSTRLEN];
	struct ks_addr value;
	__u16 number = 0;
	__u8 is;

	if (bracket) {
		if (!copy_part(part, sizeof(part), text + 1, (size_t)(bracket - text - 1)) ||
		    (bracket[1] && (bracket[1] != ':' || parse_port(bracket + 2, &number))))
			return -EINVAL;
	} else if (colon && colon == strchr(text, ':')) {
		if (!copy_part(part, sizeof(part), text, (size_t)(colon - text)) || parse_port(colon + 1, &number))
			return -EINVAL;
	} else if (!copy_part(part, sizeof(part), text, strlen(text))) {
		return -EINVAL;
	}
	if (ks_value_addr(part, &value, &is) || (bracket && is != KS_IPV6))
		return -EINVAL;
	*addr = value;
	*family = is;
	*port = number;
	return 0;
}

int ks_value_prefix(const char *text, struct ks_prefix *prefix)
{
	const char *slash = strchr(text, '/');
	struct ks_prefix value = { 0 };
	char part[INET6_ADDRSTRLEN];
	__u64 length;

	if (!copy_part(part, sizeof(part), text, slash ? (size_t)(slash - text) : strlen(text)) ||
	    ks_value_addr(part, &value.addr, &value.family))
		return -EINVAL;
	length = value.family == KS_IPV4 ? 32 : 128;
	if (slash && (ks_value_number(slash + 1, 0, length, &length) || slash[1] < '0' || slash[1] > '9' ||
		      (slash[2] | 0x20) == 'x'))
		return -EINVAL;
	value.length = (__u8)length;
	*prefix = value;
	return 0;
}

void ks_addr_to_value(const struct ks_addr *addr, unsigned family, __u64 value[2])
{
	value[0] = family == KS_IPV4 ? 0 : ks_be64(addr->d[0]);
	value[1] = family == KS_IPV4 ? ks_be32(addr->w[3]) : ks_be64(addr->d[1]);
}

void ks_addr_from_value(const __u64 value[2], unsigned family, struct ks_addr *addr)
{
	*addr = (struct ks_addr){ 0 };
	if (family == KS_IPV4) {
		addr->w[3] = ks_be32((__u32)value[1]);
	} else {
		addr->d[0] = ks_be64(value[0]);
		addr->d[1] = ks_be64(value[1]);
	}
}

void ks_prefix_unmap(struct ks_prefix *prefix)
{
	if (prefix->family != KS_IPV6 || prefix->length <= MAPPED_LENGTH || prefix->addr.d[0] ||
	    prefix->addr.w[2] != ks_be32(MAPPED_WORD))
		return;
	prefix->addr.w[2] = 0;
	prefix->family = KS_IPV4;
	prefix->length = (__u8)(prefix->length - MAPPED_LENGTH);
}

/* Makes a mask of the host bits of a prefix. */
static void host_mask(const struct ks_prefix *prefix, __u64 mask[2])
{
	unsigned bits = (prefix->family == KS_IPV4 ? 32U : 128U) - prefix->length;

	mask[0] = bits >= 128 ? ~0ULL : bits > 64 ? (1ULL << (bits - 64)) - 1 : 0;
	mask[1] = bits >= 64 ? ~0ULL : (1ULL << bits) - 1;
}

bool ks_prefix_mask(struct ks_prefix *prefix)
{
	__u64 value[2], mask[2];
	bool changed;

	ks_addr_to_value(&prefix->addr, prefix->family, value);
	host_mask(prefix, mask);
	changed = (value[0] & mask[0]) || (value[1] & mask[1]);
	value[0] &= ~mask[0];
	value[1] &= ~mask[1];
	ks_addr_from_value(value, prefix->family, &prefix->addr);
	return changed;
}

void ks_prefix_range(const struct ks_prefix *prefix, struct ks_range *range)
{
	__u64 mask[2];

	host_mask(prefix, mask);
	ks_addr_to_value(&prefix->addr, prefix->family, range->lo);
	for (int i = 0; i < 2; i++) {
		range->hi[i] = range->lo[i] | mask[i];
		range->lo[i] &= ~mask[i];
	}
}

int ks_range_prefix_length(const struct ks_range *range, __u8 family)
{
	struct ks_prefix prefix = { .family = family };
	struct ks_range made;

	ks_addr_from_value(range->lo, family, &prefix.addr);
	for (int length = family == KS_IPV4 ? 32 : 128; length >= 0; length--) {
		prefix.length = (__u8)length;
		ks_prefix_range(&prefix, &made);
		if (!memcmp(&made, range, sizeof(made)))
			return length;
	}
	return -1;
}

static int parse_addr_range(const char *text, const char *dash, struct ks_range *range, __u8 *family)
{
	char part[INET6_ADDRSTRLEN];
	struct ks_addr low, high;
	__u8 family_low, family_high;
	struct ks_range value;

	if (!copy_part(part, sizeof(part), text, (size_t)(dash - text)) || ks_value_addr(part, &low, &family_low) ||
	    ks_value_addr(dash + 1, &high, &family_high))
		return -EINVAL;
	if (family_low != family_high)
		return -ERANGE;
	ks_addr_to_value(&low, family_low, value.lo);
	ks_addr_to_value(&high, family_low, value.hi);
	if (ks_value_compare(value.lo, value.hi) > 0)
		return -ERANGE;
	*range = value;
	*family = family_low;
	return 0;
}

int ks_value_range(const char *text, struct ks_range *range, __u8 *family)
{
	const char *dash = strchr(text, '-');
	struct ks_prefix prefix;

	if (dash)
		return parse_addr_range(text, dash, range, family);
	if (ks_value_prefix(text, &prefix))
		return -EINVAL;
	ks_prefix_range(&prefix, range);
	*family = prefix.family;
	return 0;
}

int ks_value_number_range(const char *text, __u32 max, __u32 *low, __u32 *high)
{
	const char *dash = strchr(text, '-');
	char part[24];
	__u64 from, to;
	int err;

	if (!copy_part(part, sizeof(part), text, dash ? (size_t)(dash - text) : strlen(text)))
		return -EINVAL;
	err = ks_value_number(part, 0, max, &from);
	if (err == -EINVAL)
		return err;
	to = from;
	if (dash && ks_value_number(dash + 1, 0, max, &to) == -EINVAL)
		return -EINVAL;
	if (err || (dash && ks_value_number(dash + 1, 0, max, &to)) || from > to)
		return -ERANGE;
	*low = (__u32)from;
	*high = (__u32)to;
	return 0;
}

static const struct {
	const char *unit;
	__u64 ms;
} units[] = {
	{ "d", 24 * 3600 * 1000ULL }, { "h", 3600 * 1000ULL }, { "m", 60 * 1000ULL }, { "s", 1000ULL }, { "ms", 1ULL },
};

/* Parts go from large to small, each unit at most once: *from is the largest unit still allowed. */
static int parse_duration_part(const char **text, size_t *from, __u64 *ms)
{
	size_t digits = strspn(*text, "0123456789");
	size_t letters = strspn(*text + digits, "dhms");
	char number[24];
	__u64 count;

	if (!digits || !copy_part(number, sizeof(number), *text, digits) ||
	    ks_value_number(number, 0, 1ULL << 40, &count))
		return -EINVAL;
	for (size_t i = *from; i < KS_ARRAY_SIZE(units); i++) {
		if (strlen(units[i].unit) != letters || strncmp(*text + digits, units[i].unit, letters) != 0)
			continue;
		*from = i + 1;
		*text += digits + letters;
		return __builtin_mul_overflow(count, units[i].ms, &count) || __builtin_add_overflow(*ms, count, ms)
			       ? -EINVAL
			       : 0;
	}
	return -EINVAL;
}

int ks_value_duration(const char *text, __u64 *ms)
{
	__u64 total = 0;
	size_t from = 0;

	do {
		if (parse_duration_part(&text, &from, &total))
			return -EINVAL;
	} while (*text);
	*ms = total;
	return 0;
}

int ks_value_mac(const char *text, __u8 mac[6])
{
	__u8 value[6];

	for (int i = 0; i < 6; i++) {
		int high = ks_hex_digit(text[0]);
		int low = high >= 0 ? ks_hex_digit(text[1]) : -1;

		if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		value[i] = (__u8)(high << 4 | low);
		text += 3;
	}
	memcpy(mac, value, sizeof(value));
	return 0;
}

const char *ks_value_mac_hint(const char *text, char hint[KS_MAC_HINT])
{
	char words[KS_MAC_HINT];
	__u8 mac[6];

	snprintf(words, sizeof(words), "%.*s", KS_MAC_HINT - 1, text);
	for (char *at = words; *at; at++)
		*at = *at == '-' ? ':' : *at;
	if (strlen(text) >= KS_MAC_HINT || ks_value_mac(words, mac))
		return "one such as 02:00:5e:10:00:01";
	snprintf(hint, KS_MAC_HINT, "'%.17s'", words);
	return hint;
}

const char *ks_duration_text(__u64 ms, char buf[KS_DURATION_TEXT])
{
	size_t used = 0;

	if (!ms)
		return "0s";
	for (size_t i = 0; i < KS_ARRAY_SIZE(units); i++) {
		if (ms >= units[i].ms)
			used += (size_t)snprintf(buf + used, KS_DURATION_TEXT - used, "%llu%s", ms / units[i].ms,
						 units[i].unit);
		ms %= units[i].ms;
	}
	return buf;
}

const char *ks_prefix_text(const struct ks_prefix *prefix, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	bool ipv4 = prefix->family == KS_IPV4;

	inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? (const void *)&prefix->addr.w[3] : prefix->addr.b, text,
		  sizeof(text));
	if (prefix->length == (ipv4 ? 32 : 128))
		snprintf(buf, size, "%s", text);
	else
		snprintf(buf, size, "%s/%u", text, prefix->length);
	return buf;
}

/* The prefix length of a range that is a prefix, else -1. */
static int prefix_length(const struct ks_range *range, unsigned family)
{
	__u64 host[2] = { range->lo[0] ^ range->hi[0], range->lo[1] ^ range->hi[1] };
	int bits = 0;

	if (host[0] ? (host[1] != ~0ULL || (host[0] & (host[0] + 1))) : (host[1] & (host[1] + 1)))
		return -1;
	if ((range->lo[0] & host[0]) || (range->lo[1] & host[1]))
		return -1;
	bits = __builtin_popcountll(host[0]) + __builtin_popcountll(host[1]);
	return (family == KS_IPV4 ? 32 : 128) - bits;
}

void ks_range_text(const struct ks_range *range, unsigned family, char *buf, size_t size)
{
	char low[KS_ADDR_TEXT], high[KS_ADDR_TEXT];
	struct ks_prefix prefix = { .family = (__u8)family };
	struct ks_addr last;
	int length = prefix_length(range, family);

	ks_addr_from_value(range->lo, family, &prefix.addr);
	if (length >= 0) {
		prefix.length = (__u8)length;
		ks_prefix_text(&prefix, buf, size);
		return;
	}
	ks_addr_from_value(range->hi, family, &last);
	snprintf(buf, size, "%s-%s", ks_addr_text(&prefix.addr, family, low), ks_addr_text(&last, family, high));
}
