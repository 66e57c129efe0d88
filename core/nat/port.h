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

#include "core/home.h"
#include "core/inspection.h"
#include "core/nat/mapping.h"
#include "core/rules.h"
#include "core/table/table.h"
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

/* A search for a free port. */
struct ks_port_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const struct ks_config *config;
	__u32 lo, span; /* ports that may be used */
	__u32 start; /* the first to be tried, counted from lo */
	__u32 reason;
	bool keep; /* try the packet's own first */
};

#define KS_PORT_TRIES 64U /* before a new flow is refused */

/* Sets the ports that may be used: the target's, else those as privileged as the packet's own; of ICMP any identifier. */
void ks_port_bound(struct ks_port_ctx *ctx, const struct ks_target *target);

/* A callback of ks_loop(): tries the n-th port, and ends the search when ctx->reason says why. */
long ks_port_try(__u32 n, void *arg);

/*
 * Reserves the alias by which the side `dir` is to know the flow: the key of `tuple`, which is in original direction.
 * Returns 0 with insp->opening.alias[dir] set, or a reason: KS_REASON_CONTENDED if another flow has that key.
 */
__u32 ks_port_alias(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		    const struct ks_tuple *tuple, __u32 dir);

/* Reserves the source port that insp->sent has. Returns 0 or a reason. Inlined, as is the next, because frames are few (V2). */
static ks_inline __u32 ks_port_keep(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason = ks_port_alias(env, config, insp, &insp->sent, KS_REPLY);

	return reason == KS_REASON_CONTENDED ? KS_REASON_NO_PORT : reason;
}

/*
 * Finds a port for insp->sent.src, makes it insp->sent.sport and reserves it: insp->opening.alias[KS_REPLY]. `target` bounds
 * the search; one without flags means the packet's own port, else one as privileged. With insp->opening.mapped the port is
 * claimed for a mapping. Returns 0 or a reason; then nothing is reserved.
 */
static ks_inline __u32 ks_port_find(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				    const struct ks_target *target)
{
	struct ks_port_ctx ctx = { .env = env, .insp = insp, .config = config, .reason = KS_REASON_CONTENDED };

	ks_port_bound(&ctx, target);
	ks_loop(KS_PORT_TRIES, ks_port_try, &ctx);
	if (ctx.reason)
		return ctx.reason == KS_REASON_CONTENDED ? KS_REASON_NO_PORT : ctx.reason;
	if (insp->opening.mapped) {
		ks_mapping_complete(env, config, insp);
		return ks_port_keep(env, config, insp);
	}
	insp->opening.alias[KS_REPLY] = insp->home.dry ? 0 : ks_slot_id(&insp->side.ref);
	return 0;
}

#endif
