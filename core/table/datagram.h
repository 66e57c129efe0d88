/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of a datagram in fragments: what they lie under, and how they lead to the flow of the datagram. There are up
 * to three, all of struct ks_datagram (record.h):
 *
 *   FRAGMENT   what has come of it, for its other fragments (core/fragment/fragment.h); one more where it leaves translated
 *   QUOTED     as it left: an ICMP error may quote a fragment without ports (core/track/icmp_error.h)
 */
#ifndef KS_CORE_TABLE_DATAGRAM_H
#define KS_CORE_TABLE_DATAGRAM_H

#include "core/table/record.h"
#include "core/table/table.h"

#define KS_QUOTED_MS 2000U /* an error comes within a round trip */
#define KS_FLOW_TAG_SHIFT 32 /* the upper half of a key's hash tells a flow from others that took its slot */

/*
 * Makes the key of a datagram: its addresses, in the direction of the packet, and its identification. IPv6 leaves the next
 * header out: it may differ between fragments (RFC 8200 4.5).
 */
static inline void ks_datagram_key_make(struct ks_flow_key *key, const struct ks_tuple *tuple, __be32 id, __u32 kind,
					__u16 link)
{
	key->addr[0] = tuple->src;
	key->addr[1] = tuple->dst;
	key->family = tuple->family & KS_FAMILY_MASK;
	key->kind = kind & (KS_KIND_MAX - 1);
	key->port[0] = (__be16)id;
	key->port[1] = (__be16)(id >> 16);
	key->proto = tuple->family == KS_IPV4 ? tuple->proto : 0;
	key->link = link;
}

/* Reads the flow that a datagram names into `flow`. Returns false if it is gone, or busy; its slot may be another flow's by now. */
static inline bool ks_datagram_flow_read(struct ks_env *env, __u32 slot_id, __u32 tag, struct ks_entry *flow)
{
	flow->ref = ks_slot_at(slot_id);
	ks_table_read(env, flow);
	if (!flow->found || flow->key.kind != KS_KIND_FLOW || flow->before.state == KS_STATE_ALIAS)
		return false;
	ks_table_hash(env, flow);
	return (__u32)(flow->hash >> KS_FLOW_TAG_SHIFT) == tag;
}

#endif
