/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search for a source port, and what reserves it.
 *
 * Overview: a port is free if its alias (alias.h) can be inserted, or, for an
 * endpoint-independent mapping, the record that claims it (mapping.h). The table
 * itself says who owns what. Nor is a port taken on which the box listens or which
 * the policy forwards. The packet's own port is tried first (RFC 4787 4.2.1), then
 * a run of others from a random one.
 *
 * Who calls: source.c for what the policy translates; whoever gives a flow another
 * port because its own is another flow's.
 */
#ifndef KS_CORE_NAT_PORT_H
#define KS_CORE_NAT_PORT_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

struct ks_env;

/* Returns true if the sender's port may become another one. SCTP and GRE keep theirs, which their messages name as well. */
static inline bool ks_port_may_change(__u8 proto)
{
	return proto == KS_PROTO_TCP || proto == KS_PROTO_UDP || proto == KS_PROTO_UDPLITE || proto == KS_PROTO_DCCP ||
	       proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/* The same, and it is a number that sockets have: not an ICMP identifier. */
static inline bool ks_port_is_number(__u8 proto)
{
	return ks_port_may_change(proto) && proto != KS_PROTO_ICMP && proto != KS_PROTO_ICMPV6;
}

/*
 * Finds a port for insp->sent.src, makes it insp->sent.sport and reserves it: insp->opening.alias[KS_REPLY]. `target` bounds
 * the search; one without flags means the packet's own port, else one as privileged. With insp->opening.mapped the port is
 * claimed for a mapping. Returns 0 or a reason; then nothing is reserved.
 */
__u32 ks_port_find(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		   const struct ks_target *target);

/* The same for the port that insp->sent.sport is. */
__u32 ks_port_keep(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/*
 * Reserves the alias by which the side `dir` is to know the flow: the key of `tuple`, which is in original direction.
 * Returns 0 with insp->opening.alias[dir] set, or a reason: KS_REASON_CONTENDED if another flow has that key.
 */
__u32 ks_port_alias(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		    const struct ks_tuple *tuple, __u32 dir);

#endif
