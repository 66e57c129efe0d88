// SPDX-License-Identifier: BSD-2-Clause
/* Keys of flows: both directions of a conversation fold to one. */
#include "core/table/flow.h"

#include "core/home.h"

/* Any total order will do, as long as both directions see the same one. */
static inline bool sender_is_second(const struct ks_tuple *tuple)
{
	if (tuple->src.d[1] != tuple->dst.d[1])
		return tuple->src.d[1] > tuple->dst.d[1];
	if (tuple->src.d[0] != tuple->dst.d[0])
		return tuple->src.d[0] > tuple->dst.d[0];
	return tuple->sport > tuple->dport;
}

/* Where the fields of struct ks_flow_key lie in its tail. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TAIL_PORT_SHIFT(n) (16 * (n))
#define TAIL_PROTO_SHIFT 32
#define TAIL_FAMILY_SHIFT 40
#else
#define TAIL_PORT_SHIFT(n) (48 - 16 * (n))
#define TAIL_PROTO_SHIFT 24
#define TAIL_FAMILY_SHIFT 20
#endif

_Static_assert(KS_KIND_FLOW == 0, "the tail of a flow's key has no bits of a kind");

/*
 * The part of a key behind the addresses. It is hashed and compared as one word right away, so it is made in a register:
 * compilers store a structure by its fields and load it as a word, and the CPU waits until these stores are done.
 */
static inline __u64 tail_make(const struct ks_tuple *tuple, __be16 first, __be16 second)
{
	return (__u64)first << TAIL_PORT_SHIFT(0) | (__u64)second << TAIL_PORT_SHIFT(1) |
	       (__u64)tuple->proto << TAIL_PROTO_SHIFT | (__u64)(tuple->family & KS_FAMILY_MASK) << TAIL_FAMILY_SHIFT;
}

ks_frequent __u32 ks_flow_key_make(const struct ks_tuple *tuple, struct ks_flow_key *key)
{
	if (sender_is_second(tuple)) {
		ks_addr_copy(&key->addr[0], &tuple->dst);
		ks_addr_copy(&key->addr[1], &tuple->src);
		key->tail = tail_make(tuple, tuple->dport, tuple->sport);
		return 1;
	}
	ks_addr_copy(&key->addr[0], &tuple->src);
	ks_addr_copy(&key->addr[1], &tuple->dst);
	key->tail = tail_make(tuple, tuple->sport, tuple->dport);
	return 0;
}
