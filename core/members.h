/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run-time sets: addresses and prefixes that come and go while a policy is in
 * force (`set NAME { ... } dynamic`), a million in a set. Rules name such a set as
 * any other; its entries are no part of the policy's tables, so that a change
 * makes none of them again.
 *
 * Overview. Each set has pages of its own, memory that both homes and the daemon
 * read and write: a head, and behind it buckets of KS_MEMBER_SLOTS entries. The key of an
 * entry is its prefix (an address is one of 32 or 128 bits), which a keyed hash
 * sends to two buckets. The head knows which lengths of prefix are in use. An address
 * is looked up once for each of these, the longest first, so the cost depends on the
 * lengths (most sets have one or two) and not on the entries.
 *
 * Nested prefixes. Every length is asked by itself, and an entry that has expired
 * is as good as absent. So an expired 192.0.2.1 hides no living 192.0.2.0/24. The
 * longest living entry around an address counts the packet.
 *
 * Life cycle. An entry is added by the daemon (the policy's own, the control API, a saved
 * file) or by a packet (ks_member_add() from a rule). Adding it again renews it. It expires by the
 * packet clock, without anybody's help: the sweeper only makes room. An entry of the policy
 * never expires.
 *
 * Limit. A set of `limit` entries takes no more from the daemon, which says so. An
 * entry that a packet adds takes the place of the one that expires first in its two buckets;
 * entries that never expire are not taken.
 *
 * Writers. Who changes a slot claims it by a bit of its version that readers do not look at: an entry that is renewed is there
 * all the time. Who ends an entry or writes another makes the version odd for as long. A reader that finds it odd, or
 * changed when he has read, takes the slot for empty, which it was or will be at that moment. Two
 * CPUs that add one prefix may both insert it; then the copy in the later slot goes, because
 * whoever has inserted looks again. Counters are added to without a claim: of an entry that is replaced at that very moment,
 * the next one may count a packet.
 */
#ifndef KS_CORE_MEMBERS_H
#define KS_CORE_MEMBERS_H

#include "core/address.h"
#include "core/env.h"
#include "core/types.h"

#define KS_MEMBER_LAYOUT 1U /* of the pages; raised with every change of the structs below */
#define KS_MEMBER_SLOTS 16U /* entries of a bucket: a power of two */
#define KS_MEMBER_FILL 11U /* of these are filled when the set is full, so that few buckets overflow */

/* ks_member.version: a CPU holds the slot. What readers see does not change before the version is odd. */
#define KS_MEMBER_CLAIMED 0x80000000U

/* ks_member.flags */
#define KS_MEMBER_POLICY 0x01 /* it stands in the policy's text, and goes when that does */
#define KS_MEMBER_LIMIT 0x02 /* a limit of a rule has put it there (core/overload.h) */
#define KS_MEMBER_END 0x04 /* the same, and its flows end */

/* An entry. */
struct ks_member {
	__u32 version; /* KS_MEMBER_CLAIMED; odd: another entry comes, or none */
	__u8 family; /* KS_IPV4 or KS_IPV6 */
	__u8 length; /* bits of the prefix; of an IPv4 prefix 0 to 32 */
	__u8 flags; /* KS_MEMBER_* */
	__u8 zero;
	struct ks_addr addr; /* zeros behind the prefix */
	__u64 expires; /* ns on the packet clock; 0: never */
	__u64 packets, bytes; /* of packets that it matched when a rule of the filter decided them */
};

_Static_assert(sizeof(struct ks_member) == 48, "a million of them are in memory");

struct ks_member_bucket {
	__u16 tag[KS_MEMBER_SLOTS]; /* of the key's hash; 0: the slot is free */
	struct ks_member member[KS_MEMBER_SLOTS];
};

/* Lengths of prefixes: 0 to 32 of IPv4, then 0 to 128 of IPv6. */
#define KS_MEMBER_LENGTHS (33U + 129U)
#define KS_MEMBER_WORDS 4U /* of 64 lengths each: IPv4, then IPv6 */

struct ks_member_head {
	__u32 layout; /* KS_MEMBER_LAYOUT */
	__u32 buckets; /* pages behind this one */
	__u64 key[2]; /* secret of the hash */
	__u64 lengths[KS_MEMBER_WORDS]; /* a bit for each length in use; see ks_member_length_word() */
	__u32 count; /* entries, with those that have expired and are not swept yet */
	__u32 ending; /* how often a limit has put something there whose flows end; whoever sweeps flows watches it */
	__u64 evicted; /* entries that a packet's entry took the place of */
	__u64 refused; /* entries of packets that found no place */
	__u32 length_count[KS_MEMBER_LENGTHS]; /* entries of each length */
};

struct ks_member_page {
	union {
		struct ks_member_head head; /* of page 0 */
		struct ks_member_bucket bucket;
	};
};

_Static_assert(sizeof(struct ks_member_page) == 800, "a page is its bucket");

/* Pages for a set of `limit` entries, with the head. */
static inline __u32 ks_member_pages(__u32 limit)
{
	return limit / KS_MEMBER_FILL + 2;
}

/* A prefix and until when it is a member. */
struct ks_member_entry {
	struct ks_addr addr; /* bits behind the prefix are not looked at */
	__u64 expires; /* ns on the packet clock; 0: never */
	__u32 set; /* number of the set, below KS_DYNAMIC_MAX */
	__u32 limit; /* of its entries */
	__u8 family;
	__u8 length;
	__u8 flags; /* KS_MEMBER_* */
	__u8 by_packet; /* 1: in a full set it takes another one's place; a longer life that it has already is not cut */
	__u32 zero;
};

enum ks_member_added {
	KS_MEMBER_CONTENDED, /* other CPUs were first each time */
	KS_MEMBER_ADDED,
	KS_MEMBER_RENEWED, /* it was there, and has the new end */
	KS_MEMBER_FULL, /* the set has `limit` entries */
	KS_MEMBER_NO_ROOM, /* both buckets of the prefix are full, and the set is not: improbable */
};

/* Adds or renews an entry. Returns enum ks_member_added. */
__u32 ks_member_add_isolated(struct ks_env *env, const struct ks_member_entry *entry);

static inline __u32 ks_member_add(struct ks_env *env, const struct ks_member_entry *entry)
{
	return ks_member_add_isolated(env_isolated(env), entry);
}

/* Fills in the limit of the entry's set, and the end of `ms` from now; 0: as the set says. */
void ks_set_complete(struct ks_env *env, struct ks_member_entry *entry, __u64 ms);

/*
 * Adds an address, or the prefix of `length` bits around it, from the path of a packet: for `ms` from now, 0 for as long
 * as the set says. Returns true if it is a member now. Never to be called for a dry inspection.
 */
static inline bool ks_set_add(struct ks_env *env, __u32 set, const struct ks_addr *addr, __u8 family, __u8 length,
			      __u64 ms)
{
	struct ks_member_entry entry = {
		.addr = *addr, .set = set, .family = family, .length = length, .by_packet = 1
	};
	__u32 result;

	ks_set_complete(env, &entry, ms);
	result = ks_member_add(env, &entry);
	return result == KS_MEMBER_ADDED || result == KS_MEMBER_RENEWED;
}

/* Removes an entry of exactly this prefix. Returns false if there is none. */
bool ks_member_remove(struct ks_env *env, const struct ks_member_entry *entry);

/* A search for an address in some sets: the question, and the working memory of who answers. */
struct ks_member_search {
	struct ks_addr addr;
	__u64 sets; /* a bit for each set that is still to be asked */
	__u64 lengths; /* of prefixes in the present set that are still to be asked, in one word of them */
	__u32 family;
	__u32 word; /* the word of lengths before which the next one is taken */
	__u32 set; /* that is being asked; of an entry that was found, its place: */
	__u32 page, slot;
};

/* Returns 1 if a living entry of one of the sets has the address, and says which. */
__u32 ks_member_find_isolated(struct ks_env *env, struct ks_member_search *search);

/* Returns true if the address is in one of the sets, a bit each, now. `env` is one for isolated functions. */
static ks_inline bool ks_sets_have(struct ks_env *env, __u64 sets, const struct ks_addr *addr, __u8 family)
{
	struct ks_member_search search = { .addr = *addr, .sets = sets, .family = family };

	return ks_member_find_isolated(env, &search);
}

/* Returns true if the address is in the set now. */
static inline bool ks_set_has(struct ks_env *env, __u32 set, const struct ks_addr *addr, __u8 family)
{
	return ks_sets_have(env_isolated(env), 1ULL << (set & (KS_DYNAMIC_MAX - 1)), addr, family);
}

/* Returns the flags of the entry around the address that ks_sets_have() finds, 0 if there is none. `env` is one for isolated functions. */
__u32 ks_sets_flags(struct ks_env *env, __u64 sets, const struct ks_addr *addr, __u8 family);

/* Counts a packet with the entries of run-time sets by which entry `index` of the rule table matched this tuple. */
void ks_members_count(struct ks_env *env, const struct ks_tuple *tuple, __u32 index, __u32 bytes);

/* Frees the entries of a page that have expired at `now`. Returns how many. */
__u32 ks_member_sweep(struct ks_env *env, __u32 set, __u32 page, __u64 now);

/* The two pages of a prefix, and its tag. */
struct ks_member_place {
	__u32 page[2];
	__u16 tag, zero;
};

/* Finds the place of a prefix, whose bits behind the length are zeros. */
void ks_member_place(const struct ks_member_head *head, const struct ks_addr *addr, __u8 family, __u8 length,
		     struct ks_member_place *place);

/* Where the bit of a length is: the word of ks_member_head.lengths; the bit in it is (length & 63). */
static inline __u32 ks_member_length_word(__u32 family, __u32 length)
{
	return family == KS_IPV4 ? 0 : 1 + (length >> 6);
}

#endif
