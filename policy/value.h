/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words of the language as values: addresses, endpoints, prefixes, ranges,
 * numbers, durations. Pure functions of the text. Each returns 0, or -EINVAL
 * and leaves its outputs alone; the caller says what was expected.
 */
#ifndef KS_POLICY_VALUE_H
#define KS_POLICY_VALUE_H

#include "core/address.h"
#include "policy/policy.h"

/* "192.0.2.1" or "2001:db8::1". */
int ks_value_addr(const char *text, struct ks_addr *addr, __u8 *family);

/* "192.0.2.1:53", "[2001:db8::1]:53"; without a port ("192.0.2.1", "2001:db8::1", "[2001:db8::1]") *port is 0. Host order. */
int ks_value_endpoint(const char *text, struct ks_addr *addr, __u8 *family, __u16 *port);

/* "10.0.0.0/24" or an address alone (32 or 128 bits). Host bits are left as written: see ks_prefix_mask(). */
int ks_value_prefix(const char *text, struct ks_prefix *prefix);

/*
 * Makes a prefix of IPv4 of one that is written as IPv6 (RFC 4291, 2.5.5.2): packets have it only so. The whole block
 * ::ffff:0:0/96 stays one of IPv6, as lists of what has no place on a wire mean it.
 */
void ks_prefix_unmap(struct ks_prefix *prefix);

/* "10.0.0.0/24", without the length when it is whole; returns buf (64 bytes are enough). */
const char *ks_prefix_text(const struct ks_prefix *prefix, char *buf, size_t size);

/* Clears the host bits; returns whether any was set. */
bool ks_prefix_mask(struct ks_prefix *prefix);

/* The addresses of a prefix, host bits cleared. */
void ks_prefix_range(const struct ks_prefix *prefix, struct ks_range *range);

/* The length of the prefix that is exactly this range, or -1. */
int ks_range_prefix_length(const struct ks_range *range, __u8 family);

/* An address, prefix, or range "192.0.2.5-192.0.2.9" as an inclusive range; -ERANGE when it is backwards or mixes families. */
int ks_value_range(const char *text, struct ks_range *range, __u8 *family);

/* "8000-8099" or "80" up to max; -ERANGE when the numbers are above max or the range is backwards. */
int ks_value_number_range(const char *text, __u32 max, __u32 *low, __u32 *high);

/* A number, decimal or 0x hexadecimal; -ERANGE outside of min..max. */
int ks_value_number(const char *text, __u64 min, __u64 max, __u64 *number);

/* "10m", "1h30m", "2d", "500ms", "30s": milliseconds. */
int ks_value_duration(const char *text, __u64 *ms);

/* The value of a hexadecimal digit, -1 if it is none. */
int ks_hex_digit(char c);

/* "00:11:22:aa:bb:cc". */
int ks_value_mac(const char *text, __u8 mac[6]);

#define KS_MAC_HINT 24

/* The words for what would be right in the place of what is no MAC address: in `hint`, or always the same. */
const char *ks_value_mac_hint(const char *text, char hint[KS_MAC_HINT]);

/* "10.0.0.0/24" of a range that is a prefix, else "10.0.0.1-10.0.0.9". */
#define KS_RANGE_TEXT 96
void ks_range_text(const struct ks_range *range, unsigned family, char *buf, size_t size);

/* Returns a number below, equal to or above 0 as the end of a range `a` is below, equal to or above `b`. */
static inline int ks_value_compare(const __u64 a[2], const __u64 b[2])
{
	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return a[1] < b[1] ? -1 : a[1] > b[1];
}

/* The addresses of a range end, between host order and wire. */
void ks_addr_to_value(const struct ks_addr *addr, unsigned family, __u64 value[2]);
void ks_addr_from_value(const __u64 value[2], unsigned family, struct ks_addr *addr);

/* A duration in its shortest form: "1h30m". Returns buf. */
#define KS_DURATION_TEXT 48
const char *ks_duration_text(__u64 ms, char buf[KS_DURATION_TEXT]);

#endif
