/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits of rules: how many flows, connections, packets and octets they let through.
 *
 * Overview. A rule that allows may have limits (struct ks_limit). Each has its counts
 * in the state table (core/table/tally.h), one for each source, destination or flow, or
 * one for all.
 *
 * Counting. A source is counted, where its protocol can prove it, only when it has proved to be there, because anybody can
 * send packets in the name of others and would spend what they may have. A connection of TCP, SCTP or DCCP counts, as a new flow and as a connection,
 * when its handshake is complete. Until then `limit half-open` bounds it, and limits of packets and octets count nothing of
 * it; later they do not count a SYN, an INIT or a Request inside it. Its first packet is refused if the limit is spent
 * already. One whose handshake is complete too late waits half open, and its packets are dropped until the limit has room.
 * Other protocols prove nothing: a new flow counts when it begins, and as a connection when its originator goes on after an
 * answer.
 *
 * Life cycle of a flow of such a rule:
 *
 *   open.c     ks_limit_admits() asks if there is room, and notes what is due; the flow is inserted
 *   stage LIMIT  counts what is due at once, else the packet goes on and the flow is PENDING
 *   known.c    a packet of a flow that is PENDING or PACED goes to the stage LIMIT first
 *   stage LIMIT  its handshake is complete: it is counted, and COUNTED if it is one of limited connections; its
 *              packets are counted as long as it is PACED
 *   table      it closes, or is freed by whomever: it is given back
 *
 * Overload. A limit may put the source of what exceeds it into a run-time set (overload.h), for a source that has proved to
 * be there only: nobody shall come into a blocklist by what others send in his name. So such a limit does not refuse the first
 * packet of a handshake; it refuses when that is complete, and the flow ends.
 *
 * Fragments. Each that passes with its datagram's first one is a packet with its own length: fragment/ leads it here.
 *
 * A flow that a helper expected, or a mapping admits, has no rule of its own and no limits.
 *
 * Reload. Counts are kept by the id of the rule. A rule whose limits only have other numbers keeps its id, and so its counts
 * (policy/limit.c): lowered, it admits nobody new until enough have ended. A flow whose rule is gone is bounded by nothing.
 */
#ifndef KS_CORE_LIMIT_H
#define KS_CORE_LIMIT_H

#include "core/inspection.h"
#include "core/rules.h"

struct ks_env;

/* A unit (enum ks_limit_unit) as a bit of insp->limiting. */
#define KS_LIMIT_UNIT(unit) (1U << ((unit) & (KS_LIMIT_SLOTS - 1)))

/*
 * For a packet that the rule of insp->verdict allows to open a flow: returns 0, with insp->opening.limits set, or the reason
 * why not.
 */
__u32 ks_limit_admits_isolated(struct ks_env *env, struct ks_inspection *insp);

/* The same, for callers that are not verified apart themselves. */
static inline __u32 ks_limit_admits(struct ks_env *env, struct ks_inspection *insp)
{
	return ks_limit_admits_isolated(env_isolated(env), insp);
}

/*
 * Counts by all limits of a rule of the units in insp->limiting, or by none; with KS_TALLY_UNDO gives back what the first ones
 * have counted, insp->limiting.refused of them. Returns 0 or a reason.
 */
__u32 ks_limit_count_isolated(struct ks_env *env, struct ks_inspection *insp);

/* The first entry of a rule in the table of limits, or where it would be. */
__u32 ks_limit_first(struct ks_env *env, const struct ks_config *config, __u32 rule);

/* The reason with which a limit of a unit refuses. */
static inline __u32 ks_limit_reason(__u32 unit)
{
	switch (unit) {
	case KS_LIMIT_FLOWS:
		return KS_REASON_OVER_FLOWS;
	case KS_LIMIT_CONNECTIONS:
		return KS_REASON_OVER_CONNECTIONS;
	case KS_LIMIT_PACKETS:
		return KS_REASON_OVER_PACKETS;
	default:
		return KS_REASON_OVER_OCTETS;
	}
}

#endif
