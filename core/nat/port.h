/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search for a source port, and what reserves it.
 *
 * Overview: a port is free towards a peer if its alias (alias.h) can be inserted.
 * The table itself says who owns what. A mapping (mapping.h) has its port for all
 * peers, so a port is nobody else's while one claims it; nor is a port taken on
 * which the box listens or which the policy forwards.
 *
 * The search: the packet's own port first (RFC 4787 4.2.1), then KS_PORT_RANDOM
 * random ones (RFC 6056), then a run of KS_PORT_RUN, or of all where there are
 * fewer, from a random one. So the last port of a range of KS_PORT_RUN is found
 * for certain, and the last one of 64,512 by some search.
 *
 * A shortage: where no port was found, towards one peer, is remembered
 * (struct ks_shortage), with the port where the run stopped. The next search there
 * goes on from it, with KS_PORT_PACE tries for each millisecond that has passed. So a
 * flood towards a server all of whose ports are in use costs a try a packet and
 * KS_PORT_PACE a millisecond, and every port that becomes free is found.
 *
 * No free port: of the flows that were met the one that has been silent longest is ended for its port, if it is closed,
 * half-open or not proven and nobody has spoken on it for a second. So a host that uses up the ports towards a server takes
 * its own, and others come in for it. Established connections and proven flows keep theirs. This is a shortage, too: the
 * next search there goes on from where this one stopped, with KS_PORT_EARNED tries and KS_PORT_PACE a millisecond, and takes the
 * stalest of the first KS_PORT_STALE that it meets. So a newcomer costs few tries where many may go; and where fewer than one
 * in KS_PORT_EARNED may, the pace bounds what all of them cost.
 *
 * A budget: an inner address has `limit mappings-per-host` mappings at most. Its flows
 * beyond that get no mapping, and their ports from the upper half of the range, so
 * that neither its mappings nor its flows take all ports that others need.
 *
 * Races: two CPUs that want one port insert the same key, and one of them fails.
 * Shortages are hints without a lock: a mixture of two makes a search shorter or
 * longer, never wrong.
 *
 * Who calls: source.c for what the policy translates; whoever gives a flow another
 * port because its own is another flow's.
 */
#ifndef KS_CORE_NAT_PORT_H
#define KS_CORE_NAT_PORT_H

#include "core/home.h"
#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

struct ks_env;

/* Returns true if the sender's port may become another one. GRE keeps its keys, which both ends have agreed on. */
static inline bool ks_port_may_change(__u8 proto)
{
	return proto == KS_PROTO_TCP || proto == KS_PROTO_UDP || proto == KS_PROTO_UDPLITE || proto == KS_PROTO_DCCP ||
	       proto == KS_PROTO_SCTP || proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/* The same, and it is a number that sockets have: not an ICMP identifier. */
static inline bool ks_port_is_number(__u8 proto)
{
	return ks_port_may_change(proto) && proto != KS_PROTO_ICMP && proto != KS_PROTO_ICMPV6;
}

#define KS_PORT_RANDOM 16U
#define KS_PORT_RUN 1024U
#define KS_PORT_SILENT_MS 1000 /* a flow that somebody has spoken on within it keeps its port */
#define KS_PORT_PACE 32U /* tries a millisecond where there is a shortage */
#define KS_PORT_STALE 4U /* there, the stalest of so many gives its port ... */
#define KS_PORT_EARNED 256U /* ... and the next search has so many tries at once */
#define KS_PORT_STEPS 8U /* besides tries of ports */
#define KS_PORT_TRIES (1 + KS_PORT_RANDOM + KS_PORT_RUN + KS_PORT_STEPS)

/*
 * The steps of a search, one a try. With a mapping:
 *
 *   SEEK -> NAME     a port was claimed for the mapping, or was its own already
 *   NAME -> ALIAS    the inner endpoint's record names the port; or names another, by another CPU: that is taken instead
 *   ALIAS -> PERMIT  the flow's alias is there
 *   ALIAS -> SEEK    another flow has the mapping's port towards this peer: this flow gets a port without the mapping
 *   PERMIT -> end    the peer may open towards the mapping (address-dependent filtering)
 *
 * Without one, SEEK inserts the alias and ends it. A search for a fixed port begins with ALIAS.
 */
enum ks_port_step { KS_PORT_SEEK, KS_PORT_NAME, KS_PORT_ALIAS, KS_PORT_PERMIT };

/* All ports towards a peer were in use. Written by whoever searches there. */
struct ks_shortage {
	__u64 hash; /* of the address, the protocol and the peer; 0: none */
	__u32 seen; /* when a search last went on, ms on a flow's clock */
	__u32 at; /* the port where it stopped, counted from the first of the range */
};

#define KS_SHORTAGES 1024U /* remembered by the home at once; a power of two */

/* A search for a free port; its numbers are in insp->search. */
struct ks_port_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const struct ks_config *config;
};

/* Begins a search. The ports are the target's, if insp->search.flags say so, else those as privileged as the packet's own; of ICMP any identifier. */
void ks_port_bound(struct ks_port_ctx *ctx);

/* A callback of ks_loop(): the n-th try. Ends the search when insp->search.reason says why. */
long ks_port_try(__u32 n, void *arg);

/* Remembers that nothing was found. A claim that came to nothing is given back. */
void ks_port_miss(struct ks_env *env, struct ks_inspection *insp);

/*
 * Reserves the alias by which the side `dir` is to know the flow: the key of `tuple`, which is in original direction.
 * Returns 0 with insp->opening.alias[dir] set, or a reason: KS_REASON_CONTENDED if another flow has that key.
 */
__u32 ks_port_alias(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		    const struct ks_tuple *tuple, __u32 dir);

/*
 * Finds a port for insp->sent.src, makes it insp->sent.sport and reserves it: insp->opening.alias[KS_REPLY].
 * insp->search.flags and its ports, set before, bound the search; without flags it is the packet's own port, else one as
 * privileged. With insp->search.fixed, set before, too, insp->sent.sport is tried first, whoever else could have it for other
 * peers. With insp->opening.mapped the port is claimed for a mapping. Returns 0 or a reason; then nothing is reserved. Inlined, because frames are few (V2).
 */
static ks_inline __u32 ks_port_find(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_port_ctx ctx = { .env = env, .insp = insp, .config = config };

	ks_port_bound(&ctx);
	ks_loop(KS_PORT_TRIES, ks_port_try, &ctx);
	if (insp->search.reason == KS_REASON_CONTENDED) {
		ks_port_miss(env, insp);
		/* An entry that another CPU makes just now is there when the packet is judged again. */
		return insp->search.step == KS_PORT_SEEK ? KS_REASON_NO_PORT : KS_REASON_CONTENDED;
	}
	return insp->search.reason;
}

#endif
