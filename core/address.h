/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of both families, tests for special ones, and the tuple that a packet carries. Pure functions; everything in
 * core/ stands on them.
 */
#ifndef KS_CORE_ADDRESS_H
#define KS_CORE_ADDRESS_H

#include "core/types.h"

/* An address of either family; IPv4 uses w[3] and leaves the rest zero. */
struct ks_addr {
	union {
		__u8 b[16];
		__be32 w[4];
		__u64 d[2];
	};
};

enum { KS_IPV4 = 4, KS_IPV6 = 6 };

#define KS_FAMILY_MASK 0x0fU /* the bits of a family in a key */

/* Stored in the two words that it is compared in. */
static inline void ks_addr_set_ipv4(struct ks_addr *addr, __be32 ipv4)
{
	addr->d[0] = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	addr->d[1] = (__u64)ipv4 << 32;
#else
	addr->d[1] = ipv4;
#endif
}

/* Clears what is behind a prefix of `length` bits of its family. */
static inline void ks_addr_mask(struct ks_addr *addr, __u32 family, __u32 length)
{
	__u32 bits = family == KS_IPV4 ? 96 + length : length; /* of all 128 */

	if (bits < 64)
		addr->d[0] &= ks_be64(bits ? ~0ULL << (64 - bits) : 0);
	if (bits <= 64)
		addr->d[1] = 0;
	else if (bits < 128)
		addr->d[1] &= ks_be64(~0ULL << (128 - bits));
}

enum ks_dir { KS_ORIGINAL = 0, KS_REPLY = 1 };

/* A packet's addresses, ports and protocol, in its own direction. */
struct ks_tuple {
	struct ks_addr src, dst;
	__be16 sport, dport; /* ICMP queries: see core/track/icmp_error.h */
	__u8 proto;
	__u8 family; /* KS_IPV4 or KS_IPV6 */
	__u16 zero;
};

_Static_assert(sizeof(struct ks_tuple) == 40, "a tuple has no padding");

#define KS_PORT_DNS 53U
#define KS_PORT_UNPRIVILEGED 1024U /* the first port that any user may have; a translation does not cross it */
#define KS_PORT_MAX 65535U

#define IPV4_FIRST_BYTE 12U /* of struct ks_addr */
#define IPV4_GROUPS 0xe0U /* 224.0.0.0/4 */
#define IPV4_GROUPS_MASK 0xf0U
#define IPV4_BROADCAST 0xffffffffU
#define IPV4_LINK_LOCAL 169U /* 169.254.0.0/16 */
#define IPV6_LINK_LOCAL 0xfeU /* fe80::/10; above it are groups */

/* Word by word, as most addresses were stored just before: a CPU that loads them in one would wait for both stores. */
static inline void ks_addr_copy(struct ks_addr *to, const struct ks_addr *from)
{
	to->d[0] = from->d[0];
	to->d[1] = from->d[1];
}

static inline bool ks_addr_equal(const struct ks_addr *a, const struct ks_addr *b)
{
	return a->d[0] == b->d[0] && a->d[1] == b->d[1];
}

/* 224.0.0.0/4 and 255.255.255.255 (RFC 1112 4, RFC 919 7); ff00::/8 (RFC 4291 2.7). */
static inline bool ks_addr_is_group(const struct ks_addr *addr, __u8 family)
{
	if (family == KS_IPV4)
		return (addr->b[IPV4_FIRST_BYTE] & IPV4_GROUPS_MASK) == IPV4_GROUPS || addr->w[3] == IPV4_BROADCAST;
	return addr->b[0] == 0xff;
}

/* The broadcast address of a network of 30 bits or less ends in ones (RFC 919 7; RFC 3021 for those of 31). */
#define IPV4_LAST_BYTE 15U
#define IPV4_HOST_BITS_LEAST 0x03

static inline bool ks_ipv4_may_be_broadcast(const struct ks_tuple *tuple)
{
	return tuple->family == KS_IPV4 &&
	       (tuple->dst.b[IPV4_LAST_BYTE] & IPV4_HOST_BITS_LEAST) == IPV4_HOST_BITS_LEAST;
}

/* 0.0.0.0/8 and 169.254.0.0/16 (RFC 1122 3.2.1.3, RFC 3927); :: and fe80::/10. */
static inline bool ks_addr_is_local_to_link(const struct ks_addr *addr, __u8 family)
{
	const __u8 *b = addr->b;

	if (family == KS_IPV4)
		return b[IPV4_FIRST_BYTE] == 0 ||
		       (b[IPV4_FIRST_BYTE] == IPV4_LINK_LOCAL && b[IPV4_FIRST_BYTE + 1] == 254);
	return (b[0] == IPV6_LINK_LOCAL && (b[1] & 0xc0) == 0x80) || !(addr->d[0] | addr->d[1]);
}

static inline bool ks_addr_is_on_link(const struct ks_addr *addr, __u8 family)
{
	return ks_addr_is_group(addr, family) || ks_addr_is_local_to_link(addr, family);
}

/* Returns false if the first byte already shows that the address is none of these, as it does for most. */
static inline bool ks_byte_may_be_on_link(__u8 first, __u8 family)
{
	if (family == KS_IPV4)
		return first >= IPV4_GROUPS || first == 0 || first == IPV4_LINK_LOCAL;
	return first >= IPV6_LINK_LOCAL || first == 0;
}

/* The same for both addresses of a tuple. */
static inline bool ks_tuple_may_be_on_link(const struct ks_tuple *tuple)
{
	__u32 at = tuple->family == KS_IPV4 ? IPV4_FIRST_BYTE : 0;

	return ks_byte_may_be_on_link(tuple->src.b[at], tuple->family) ||
	       ks_byte_may_be_on_link(tuple->dst.b[at], tuple->family);
}

static inline bool ks_ipv6_is_multicast(const __u8 *addr)
{
	return addr[0] == 0xff;
}

static inline bool ks_ipv6_is_link_local(const __u8 *addr)
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

static inline bool ks_ipv6_is_unspecified(const struct ks_addr *addr)
{
	return addr->d[0] == 0 && addr->d[1] == 0;
}

#endif
