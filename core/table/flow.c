// SPDX-License-Identifier: BSD-2-Clause
/* Keys of flows: both directions of a conversation fold to one. */
#include "core/table/flow.h"

/* Any total order will do, as long as both directions see the same one. */
bool ks_addr_is_above(const struct ks_addr *a, const struct ks_addr *b)
{
	if (a->d[1] != b->d[1])
		return a->d[1] > b->d[1];
	return a->d[0] > b->d[0];
}

static inline bool sender_is_second(const struct ks_tuple *tuple)
{
	if (ks_addr_equal(&tuple->src, &tuple->dst))
		return tuple->sport > tuple->dport;
	return ks_addr_is_above(&tuple->src, &tuple->dst);
}

/*
 * The part of a key behind the addresses. Made in a register and stored at once, because it is hashed and compared as
 * one word right away.
 */
static inline __u64 tail_make(const struct ks_tuple *tuple, __be16 first, __be16 second)
{
	const struct ks_flow_key key = {
		.port = { first, second },
		.proto = tuple->proto,
		.family = tuple->family & 0xfU,
		.kind = KS_KIND_FLOW,
	};

	return key.tail;
}

__u32 ks_flow_key_make(const struct ks_tuple *tuple, struct ks_flow_key *key)
{
	if (sender_is_second(tuple)) {
		key->addr[0] = tuple->dst;
		key->addr[1] = tuple->src;
		key->tail = tail_make(tuple, tuple->dport, tuple->sport);
		return 1;
	}
	key->addr[0] = tuple->src;
	key->addr[1] = tuple->dst;
	key->tail = tail_make(tuple, tuple->sport, tuple->dport);
	return 0;
}
