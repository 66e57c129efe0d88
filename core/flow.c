// SPDX-License-Identifier: BSD-2-Clause
/* Keys of flows: both directions of a conversation fold to one. */
#include "flow.h"
#include "packet.h"

/* Any total order will do, as long as both directions see the same one. */
bool ks_addr_is_above(const struct ks_addr *a, const struct ks_addr *b)
{
	if (a->d[1] != b->d[1])
		return a->d[1] > b->d[1];
	return a->d[0] > b->d[0];
}

static inline bool sender_is_second(const struct ks_tuple *tuple)
{
	if (tuple->src.d[0] == tuple->dst.d[0] && tuple->src.d[1] == tuple->dst.d[1])
		return tuple->sport > tuple->dport;
	return ks_addr_is_above(&tuple->src, &tuple->dst);
}

__u32 ks_flow_key_make(const struct ks_tuple *tuple, struct ks_flow_key *key)
{
	key->proto = tuple->proto;
	key->family = tuple->family;
	key->kind = KS_KIND_FLOW;
	key->link = 0;
	if (sender_is_second(tuple)) {
		key->addr[0] = tuple->dst;
		key->addr[1] = tuple->src;
		key->port[0] = tuple->dport;
		key->port[1] = tuple->sport;
		return 1;
	}
	key->addr[0] = tuple->src;
	key->addr[1] = tuple->dst;
	key->port[0] = tuple->sport;
	key->port[1] = tuple->dport;
	return 0;
}
