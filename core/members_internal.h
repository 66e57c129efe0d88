/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the two halves of run-time sets: members.c (finding, counting) and members_change.c (adding, removing, sweeping). */
#ifndef KS_CORE_MEMBERS_INTERNAL_H
#define KS_CORE_MEMBERS_INTERNAL_H

#include "core/home.h"
#include "core/members.h"

#define PAGE_SLOT_MASK (KS_MEMBER_SLOTS - 1)
#define LENGTH_BIT_MASK 63U
#define SET_MASK (KS_DYNAMIC_MAX - 1)

_Static_assert((KS_MEMBER_SLOTS & PAGE_SLOT_MASK) == 0 && (KS_DYNAMIC_MAX & SET_MASK) == 0, "they are masked");

/* A bijection that spreads every bit over the word: the finalizer of MurmurHash3. */
static ks_inline __u64 bits_mix(__u64 x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

/*
 * Under a secret, so that nobody outside chooses prefixes that meet. It is inlined, because lookups are on the deepest path
 * of all (V2), and shorter than that of flows: a prefix is two words.
 */
static ks_inline __u64 prefix_hash(const struct ks_addr *addr, __u32 family, __u32 length, const __u64 secret[2])
{
	__u64 x = bits_mix(addr->d[0] ^ secret[0]);

	x = bits_mix(x + (addr->d[1] ^ secret[1]));
	return bits_mix(x ^ (family << 8 | length) ^ secret[0] << 32);
}

static ks_inline void place_find(const struct ks_addr *addr, __u32 family, __u32 length, const __u64 secret[2],
				 __u32 buckets, struct ks_member_place *place)
{
	__u64 hash = prefix_hash(addr, family, length, secret);

	place->page[0] = 1 + (__u32)((hash & 0xffffffffU) * buckets >> 32);
	place->page[1] = 1 + (__u32)((hash >> 32) * buckets >> 32);
	place->tag = (__u16)(hash ^ hash >> 24);
	place->tag = place->tag ? place->tag : 1;
}

static ks_inline bool prefix_equal(const struct ks_member *member, const struct ks_addr *addr, __u32 family,
				   __u32 length)
{
	return ks_load_hint(&member->addr.d[0]) == addr->d[0] && ks_load_hint(&member->addr.d[1]) == addr->d[1] &&
	       ks_load_hint(&member->family) == family && ks_load_hint(&member->length) == length;
}

static ks_inline bool is_over(__u64 expires, __u64 now)
{
	return expires && expires <= now;
}

#endif
