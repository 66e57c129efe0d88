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
#define TAIL_PORTS_SHIFT 0
#define TAIL_PROTO_SHIFT 32
#define TAIL_FAMILY_SHIFT 40
#else
#define TAIL_PORTS_SHIFT 32
#define TAIL_PROTO_SHIFT 24
#define TAIL_FAMILY_SHIFT 20
#endif

#define PORT_BITS 16

_Static_assert(KS_KIND_FLOW == 0, "the tail of a flow's key has no bits of a kind");

/*
 * The part of a key behind the addresses. It is hashed and compared as one word right away, so it is made in a register:
 * compilers store a structure by its fields and load it as a word, and the CPU waits until these stores are done.
 */
static inline __u64 tail_make(const struct ks_tuple *tuple, __u32 high)
{
	__u32 ports = ks_load32(&tuple->sport), bits = high * PORT_BITS;

	ports = ports << bits | (__u32)((__u64)ports << bits >> 2 * PORT_BITS);
	return (__u64)ports << TAIL_PORTS_SHIFT | (__u64)tuple->proto << TAIL_PROTO_SHIFT |
	       (__u64)(tuple->family & KS_FAMILY_MASK) << TAIL_FAMILY_SHIFT;
}

/* Which end is the lower one is as good as random, so it is no branch: each second guess of a CPU would be wrong. */
ks_frequent __u32 ks_flow_key_make(const struct ks_tuple *tuple, struct ks_flow_key *key)
{
	__u32 high = sender_is_second(tuple);
	__u64 swap = -(__u64)high;

	for (__u32 i = 0; i < KS_ARRAY_SIZE(tuple->src.d); i++) {
		__u64 differ = (tuple->src.d[i] ^ tuple->dst.d[i]) & swap;

		key->addr[0].d[i] = tuple->src.d[i] ^ differ;
		key->addr[1].d[i] = tuple->dst.d[i] ^ differ;
	}
	key->tail = tail_make(tuple, high);
	return high;
}
